package review

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Bounds and monotony of the methods that look at all sheets at once, beside
// those of panel_test.go.

// drawFullPanel makes sheets of every reviewer for every application.
func drawFullPanel(t *rapid.T) (sheets []Sheet, applications, reviewers int) {
	applications, reviewers = rapid.IntRange(3, 8).Draw(t, "applications"), rapid.IntRange(1, 6).Draw(t, "reviewers")
	for i := range applications {
		for j := range reviewers {
			sheets = append(sheets, sheet(fmt.Sprint("r", j), fmt.Sprint("a", i), rapid.Int64Range(0, 100).Draw(t, "score")))
		}
	}
	return sheets, applications, reviewers
}

func scoresBy(t *rapid.T, m Method, sheets []Sheet) map[string]float64 {
	got, err := AggregateAll(m, DefaultShare(), sheets)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for id, v := range got {
		out[id], _ = v.Float64()
	}
	return out
}

func values(sheets []Sheet) (out []float64) {
	for _, s := range sheets {
		v, _ := s.Score.Float64()
		out = append(out, v)
	}
	return out
}

// A mean of whatever kind lies between the lowest and the highest sheet of its
// application.
func TestAggregateAll_Bounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sheets := drawSheets(t)
		for _, m := range []Method{Mean, DropHighLow, Trimmed} {
			got, err := AggregateAll(m, DefaultShare(), sheets)
			if err != nil {
				t.Fatal(err)
			}
			for id, own := range byApplication(sheets) {
				low, high := slices.MinFunc(own, (*big.Rat).Cmp), slices.MaxFunc(own, (*big.Rat).Cmp)
				if got[id].Cmp(low) < 0 || got[id].Cmp(high) > 0 {
					t.Fatalf("method %d: %s is %s, outside %s to %s", m, id, got[id], low, high)
				}
			}
		}
	})
}

// Where everybody judged everything nobody has to be made up for: the additive
// model is the mean, with its bounds and its monotony.
func TestAdditive_OfAFullPanelIsTheMean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sheets, _, _ := drawFullPanel(t)
		model, mean := scoresBy(t, Additive, sheets), scoresBy(t, Mean, sheets)
		for id := range mean {
			if math.Abs(model[id]-mean[id]) > 1e-6 {
				t.Fatalf("%s: %v by the model, %v by the mean", id, model[id], mean[id])
			}
		}
	})
}

// No sheet is further from its reviewer's mean than √(n-1) deviations, so no
// score is further from the mean of all.
func TestZScore_Bounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sheets, applications, _ := drawFullPanel(t)
		mu, sigma := spread(values(sheets))
		most := sigma*math.Sqrt(float64(applications-1)) + 1e-6
		for id, v := range scoresBy(t, ZScore, sheets) {
			if math.Abs(v-mu) > most {
				t.Fatalf("%s is %v, more than %v from %v", id, v, most, mu)
			}
		}
	})
}

// By z-score a better sheet never lowers the own standing: the distance from the
// mean of all in the deviation of all.
func TestZScore_MonotoneInTheOwnSheet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sheets, _, _ := drawFullPanel(t)
		i := rapid.IntRange(0, len(sheets)-1).Draw(t, "sheet")
		raised := slices.Clone(sheets)
		raised[i].Score = new(big.Rat).Add(sheets[i].Score, big.NewRat(rapid.Int64Range(1, 20).Draw(t, "by"), 1))
		standing := func(sheets []Sheet) float64 {
			mu, sigma := spread(values(sheets))
			if sigma < 1e-9 {
				return 0
			}
			return (scoresBy(t, ZScore, sheets)[sheets[i].Application] - mu) / sigma
		}
		if before, after := standing(sheets), standing(raised); after < before-1e-6 {
			t.Fatalf("a better sheet lowered the standing from %v to %v", before, after)
		}
	})
}

// A reviewer who is more severe, or spreads points further, changes no order.
func TestZScore_BearsSevereReviewers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sheets, applications, reviewers := drawFullPanel(t)
		severe := fmt.Sprint("r", rapid.IntRange(0, reviewers-1).Draw(t, "severe"))
		times, plus := big.NewRat(rapid.Int64Range(1, 8).Draw(t, "times"), 4), big.NewRat(rapid.Int64Range(-30, 30).Draw(t, "plus"), 1)
		other := slices.Clone(sheets)
		for i, s := range other {
			if s.Reviewer == severe {
				other[i].Score = new(big.Rat).Add(new(big.Rat).Mul(s.Score, times), plus)
			}
		}
		before, after := scoresBy(t, ZScore, sheets), scoresBy(t, ZScore, other)
		for i := range applications {
			for k := range applications {
				a, b := fmt.Sprint("a", i), fmt.Sprint("a", k)
				if before[a] > before[b]+1e-5 && after[a] < after[b]-1e-5 {
					t.Fatalf("%s was above %s and is below", a, b)
				}
			}
		}
	})
}
