// Package composite turns the three inputs of a year into one figure, with
// exact fractions: nothing is rounded before the end, and only once.
package composite

import "math/big"

// Full is the value of full marks.
const full = 100

// Tally is how often each mark stands on the valid ballots for one member. A
// blank is no mark.
type Tally struct{ Good, FairlyGood, Fair, Poor, Blank int64 }

// Marks is how many marks there are.
func (t Tally) Marks() int64 { return t.Good + t.FairlyGood + t.Fair + t.Poor }

// Values are what the marks are worth, 0 to 100.
type Values struct{ Good, FairlyGood, Fair, Poor *big.Rat }

// Appraisal is the mean of the values of the marks on valid ballots; nil
// without a mark.
func Appraisal(t Tally, v Values) *big.Rat {
	if t.Marks() == 0 {
		return nil
	}
	sum := new(big.Rat)
	for _, part := range []struct {
		n     int64
		value *big.Rat
	}{{t.Good, v.Good}, {t.FairlyGood, v.FairlyGood}, {t.Fair, v.Fair}, {t.Poor, v.Poor}} {
		sum.Add(sum, new(big.Rat).Mul(new(big.Rat).SetInt64(part.n), part.value))
	}
	return sum.Quo(sum, new(big.Rat).SetInt64(t.Marks()))
}

// Ledger is min(100, 100 × done ÷ full marks), where done is the confirmed
// hours of the year, or times where the policy counts these. No service is 0;
// who is exempt has no ledger input: nil.
func Ledger(done, fullMarks *big.Rat, exempt bool) *big.Rat {
	if exempt || fullMarks.Sign() <= 0 {
		return nil
	}
	r := new(big.Rat).Quo(done, fullMarks)
	r.Mul(r, new(big.Rat).SetInt64(full))
	if most := new(big.Rat).SetInt64(full); r.Cmp(most) > 0 {
		return most
	}
	return r
}

// Satisfaction is satisfied ÷ answers × 100; nil with fewer answers than the
// least that say something.
func Satisfaction(satisfied, answers, least int64) *big.Rat {
	if answers < least || answers == 0 {
		return nil
	}
	return big.NewRat(full*satisfied, answers)
}

// Inputs of a member's year; nil is missing.
type Inputs struct{ Appraisal, Ledger, Satisfaction *big.Rat }

// Weights of the three inputs. They need not add up to 100.
type Weights struct{ Appraisal, Ledger, Satisfaction *big.Rat }

// Result is the composite and how it came about.
type Result struct {
	// Exact is the composite before it was rounded; nil when there is none.
	Exact *big.Rat
	// Rounded is what is shown and compared: two decimals, half up.
	Rounded *big.Rat
	// Weights that counted, as parts of 1: a missing input's weight is spread
	// over the others in proportion. Nil for one that is missing.
	Weights Weights
	// Respread says that an input with a weight is missing.
	Respread bool
	// Alone says that one input made the composite.
	Alone bool
}

// Of makes the composite. Without an input that has a weight there is none.
func Of(in Inputs, w Weights) Result {
	var out Result
	parts := []struct {
		input, weight *big.Rat
		counted       **big.Rat
	}{
		{in.Appraisal, w.Appraisal, &out.Weights.Appraisal},
		{in.Ledger, w.Ledger, &out.Weights.Ledger},
		{in.Satisfaction, w.Satisfaction, &out.Weights.Satisfaction},
	}
	total, present := new(big.Rat), 0
	for _, p := range parts {
		switch {
		case p.weight.Sign() <= 0:
		case p.input == nil:
			out.Respread = true
		default:
			total.Add(total, p.weight)
			present++
		}
	}
	if present == 0 {
		return Result{Respread: out.Respread}
	}
	out.Exact, out.Alone = new(big.Rat), present == 1
	for _, p := range parts {
		if p.input == nil {
			continue
		}
		share := new(big.Rat)
		if p.weight.Sign() > 0 {
			share.Quo(p.weight, total)
		}
		*p.counted = share
		out.Exact.Add(out.Exact, new(big.Rat).Mul(share, p.input))
	}
	out.Rounded = Round(out.Exact)
	return out
}

// decimals of a rounded figure.
const decimals = 2

// Round answers r, which is not negative, rounded half up to two decimals.
func Round(r *big.Rat) *big.Rat {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(decimals), nil)
	// ⌊r × 100 + 1/2⌋ = ⌊(2 × num × 100 + den) ÷ (2 × den)⌋
	num := new(big.Int).Mul(r.Num(), scale)
	num.Lsh(num, 1).Add(num, r.Denom())
	num.Div(num, new(big.Int).Lsh(r.Denom(), 1))
	return new(big.Rat).SetFrac(num, scale)
}

// Text writes a figure as people read it, rounded half up: "86.67"; empty for
// a missing one.
func Text(r *big.Rat) string {
	if r == nil {
		return ""
	}
	return Round(r).FloatString(decimals)
}

// Fraction writes a figure exactly, "260/3"; empty for a missing one.
func Fraction(r *big.Rat) string {
	if r == nil {
		return ""
	}
	return r.String()
}
