package request

import "math/big"

// Standing is what a request says about the office's work.
type Standing struct {
	// Due: it was answered, or its limit has passed.
	Due, InTime      bool
	Admitted, Solved bool
	Rated, Satisfied bool
	Excluded         bool
}

// satisfiedFrom is the least of five stars that counts as satisfied.
const satisfiedFrom = 4

// Satisfied says whether a rating is one of a satisfied author.
func Satisfied(rating int, solved bool) bool { return solved && rating >= satisfiedFrom }

// Percent answers a share in percent with one decimal, rounded half up, or
// false under the least number of cases.
func Percent(numerator, denominator, least int64) (string, bool) {
	if denominator < least || denominator <= 0 {
		return "", false
	}
	return big.NewRat(100*numerator, denominator).FloatString(1), true
}
