// Package similar says how much two short texts are about the same thing.
package similar

import "unicode"

// Score is the Dice coefficient of the two texts' sets of pairs of letters
// (Dice 1945), 0 to 1; punctuation and spaces do not count. Pairs carry Chinese
// better than words: it needs no dictionary.
func Score(a, b string) float64 {
	x, y := pairs(a), pairs(b)
	if len(x)+len(y) == 0 {
		return 0
	}
	common := 0
	for p := range x {
		if y[p] {
			common++
		}
	}
	return 2 * float64(common) / float64(len(x)+len(y))
}

func pairs(s string) map[[2]rune]bool {
	out := map[[2]rune]bool{}
	var last rune
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			last = 0
			continue
		}
		if last != 0 {
			out[[2]rune{last, r}] = true
		}
		last = unicode.ToLower(r)
	}
	return out
}
