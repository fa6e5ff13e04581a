package review

import (
	"cmp"
	"math/big"
	"slices"
	"strings"
)

// Method is how the scores of an application's sheets become one. The numbers
// are those of the API's enum.
type Method int32

// The methods.
const (
	// Mean of all sheets.
	Mean Method = iota + 1
	// DropHighLow is the mean without one highest and one lowest; with fewer
	// than 4 sheets, the mean.
	DropHighLow
)

// fewToDrop is how many sheets are too few to leave two of them out.
const fewToDrop = 4

// Aggregate answers the score of an application from those of its sheets, in
// any order; 0 without sheets.
func Aggregate(m Method, scores []*big.Rat) *big.Rat {
	if len(scores) == 0 {
		return new(big.Rat)
	}
	sum := new(big.Rat)
	for _, s := range scores {
		sum.Add(sum, s)
	}
	n := int64(len(scores))
	if m == DropHighLow && n >= fewToDrop {
		sum.Sub(sum, slices.MaxFunc(scores, (*big.Rat).Cmp))
		sum.Sub(sum, slices.MinFunc(scores, (*big.Rat).Cmp))
		n -= 2
	}
	return sum.Quo(sum, big.NewRat(n, 1))
}

// Hundredths answers a score in hundredths of a point,
// rounded half up. It is for reading: scores are compared as they are.
func Hundredths(score *big.Rat) int64 {
	twice := new(big.Rat).Mul(score, big.NewRat(200, 1))
	twice.Add(twice, big.NewRat(1, 1)) // ⌊100·s + 1/2⌋ = ⌊(200·s + 1) / 2⌋
	return new(big.Int).Div(twice.Num(), new(big.Int).Lsh(twice.Denom(), 1)).Int64()
}

// Outcome is where the cut puts an application.
type Outcome int

// The outcomes.
const (
	Selected Outcome = iota + 1
	// Reserve shares its rank across the cut line: somebody has to decide.
	Reserve
	NotSelected
)

// Entry is an application with its score.
type Entry struct {
	ID, Number string
	Score      *big.Rat
	// Sheets that the score was made of.
	Sheets int
}

// Place is an entry's place in a ranking.
type Place struct {
	Entry
	Rank    int
	Outcome Outcome
}

// Rank orders entries, the best first and equal ones by number, ranks them
// 1, 2, 2, 4 and cuts at the quota. Equals are never parted: when their places
// reach across the line, all of them are in reserve, so that no more than the
// quota are selected. The order of entries does not matter.
func Rank(entries []Entry, quota int) []Place {
	sorted := slices.Clone(entries)
	slices.SortFunc(sorted, func(a, b Entry) int {
		return cmp.Or(b.Score.Cmp(a.Score), strings.Compare(a.Number, b.Number), strings.Compare(a.ID, b.ID))
	})
	places := make([]Place, 0, len(sorted))
	for first := 0; first < len(sorted); {
		next := first + 1
		for next < len(sorted) && sorted[next].Score.Cmp(sorted[first].Score) == 0 {
			next++
		}
		for _, e := range sorted[first:next] {
			places = append(places, Place{Entry: e, Rank: first + 1, Outcome: cut(first, next, quota)})
		}
		first = next
	}
	return places
}

// cut answers the outcome of the equals in places first+1 to next.
func cut(first, next, quota int) Outcome {
	switch {
	case next <= quota:
		return Selected
	case first >= quota:
		return NotSelected
	}
	return Reserve
}
