package review

import (
	"fmt"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func sheet(reviewer, application string, score int64) Sheet {
	return Sheet{Reviewer: reviewer, Application: application, Score: big.NewRat(score, 1)}
}

// Vectors of scipy.stats.trim_mean, as its documentation gives them: [1, 2, 3,
// 5], arange(20), and the columns and rows of arange(20).reshape(5, 4).
func TestTrimmedMean_AsScipy(t *testing.T) {
	whole := func(values ...int64) (out []*big.Rat) {
		for _, v := range values {
			out = append(out, big.NewRat(v, 1))
		}
		return out
	}
	var twenty []int64
	for i := range int64(20) {
		twenty = append(twenty, i)
	}
	for _, c := range []struct {
		scores []*big.Rat
		share  Share
		want   *big.Rat
	}{
		{whole(1, 2, 3, 5), Share{1, 4}, big.NewRat(5, 2)},
		{whole(twenty...), Share{1, 10}, big.NewRat(19, 2)},
		{whole(0, 4, 8, 12, 16), Share{1, 4}, big.NewRat(8, 1)},
		{whole(1, 5, 9, 13, 17), Share{1, 4}, big.NewRat(9, 1)},
		{whole(2, 6, 10, 14, 18), Share{1, 4}, big.NewRat(10, 1)},
		{whole(3, 7, 11, 15, 19), Share{1, 4}, big.NewRat(11, 1)},
		{whole(0, 1, 2, 3), Share{1, 4}, big.NewRat(3, 2)},
		{whole(16, 17, 18, 19), Share{1, 4}, big.NewRat(35, 2)},
		{whole(9, 1, 100, 2, 3), Share{1, 5}, big.NewRat(14, 3)},
		{whole(9, 1, 100, 2), Share{1, 5}, big.NewRat(28, 1)}, // less than one sheet at each end
	} {
		if got := trimmedMean(c.scores, c.share); got.Cmp(c.want) != 0 {
			t.Errorf("trimmed mean of %v by %v = %s, want %s", c.scores, c.share, got, c.want)
		}
	}
	for _, bad := range []Share{{1, 2}, {-1, 5}, {1, 0}} {
		if bad.Check() == nil {
			t.Errorf("share %v is taken", bad)
		}
	}
}

// A severe and a mild reviewer who agree on the order: raw means favour those
// whom the mild one judged more often, the other two methods do not.
func TestZScore_ByHand(t *testing.T) {
	sheets := []Sheet{
		sheet("mild", "a", 90), sheet("mild", "b", 80), sheet("mild", "c", 70),
		sheet("severe", "a", 50), sheet("severe", "b", 40), sheet("severe", "c", 30),
	}
	got, err := AggregateAll(ZScore, DefaultShare(), sheets)
	if err != nil {
		t.Fatal(err)
	}
	// μ = 60, σ = √(2600/6) … (30²+20²+10²+10²+20²+30²)/6 = 466.67; z = ±√1.5, 0.
	want := map[string]float64{"a": 60 + 21.602468995*1.224744871, "b": 60, "c": 60 - 21.602468995*1.224744871}
	for id, w := range want {
		if f, _ := got[id].Float64(); f < w-1e-6 || f > w+1e-6 {
			t.Errorf("%s = %v, want %v", id, f, w)
		}
	}
	few := append(slices.Clone(sheets), sheet("guest", "a", 10))
	got, _ = AggregateAll(ZScore, DefaultShare(), few)
	if f, _ := got["b"].Float64(); f == 60 {
		t.Error("the guest's sheet is not among all sheets")
	}
	flat := []Sheet{sheet("r", "a", 70), sheet("r", "b", 70), sheet("r", "c", 70)}
	got, _ = AggregateAll(ZScore, DefaultShare(), flat)
	for id, v := range got {
		if v.Cmp(big.NewRat(70, 1)) != 0 {
			t.Errorf("zero spread: %s = %s", id, v)
		}
	}
}

// Without noise the model gives back what the scores were made of.
func TestAdditive_RecoversTheEffects(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		applications, reviewers := rapid.IntRange(2, 8).Draw(t, "applications"), rapid.IntRange(2, 6).Draw(t, "reviewers")
		var sheets []Sheet
		effects := make([]int64, reviewers)
		sum := int64(0)
		for j := range effects[1:] {
			effects[j+1] = rapid.Int64Range(-10, 10).Draw(t, "effect")
			sum += effects[j+1]
		}
		effects[0] = -sum
		for i := range applications {
			for j := range reviewers {
				gap := i > 0 && j > 0 && rapid.IntRange(0, 2).Draw(t, "gap") == 0 // row and column 0 keep it connected
				if !gap {
					sheets = append(sheets, sheet(fmt.Sprint("r", j), fmt.Sprint("a", i), int64(40+3*i)+effects[j]))
				}
			}
		}
		got, err := AggregateAll(Additive, DefaultShare(), sheets)
		if err != nil {
			t.Fatal(err)
		}
		for i := range applications {
			if f, _ := got[fmt.Sprint("a", i)].Float64(); f < float64(40+3*i)-1e-6 || f > float64(40+3*i)+1e-6 {
				t.Fatalf("a%d = %v, made of %d", i, f, 40+3*i)
			}
		}
	})
}

func TestAdditive_RefusesAPanelInParts(t *testing.T) {
	_, err := AggregateAll(Additive, DefaultShare(), []Sheet{sheet("r1", "a", 70), sheet("r2", "b", 60)})
	if got := reason(err); got != "REVIEW_NOT_CONNECTED" {
		t.Errorf("refused for %q", got)
	}
}

func drawSheets(t *rapid.T) []Sheet {
	var sheets []Sheet
	for i := range rapid.IntRange(1, 8).Draw(t, "applications") {
		for j := range rapid.IntRange(1, 6).Draw(t, "reviewers") {
			sheets = append(sheets, sheet(fmt.Sprint("r", j), fmt.Sprint("a", i), rapid.Int64Range(0, 100).Draw(t, "score")))
		}
	}
	return sheets
}

// The order of sheets and the names of reviewers change nothing, to the last
// digit that is compared.
func TestAggregateAll_OrderAndNamesDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sheets := drawSheets(t)
		other := slices.Clone(rapid.Permutation(sheets).Draw(t, "order"))
		for i := range other {
			other[i].Reviewer = map[string]string{"r0": "z", "r1": "a", "r2": "m", "r3": "b", "r4": "y", "r5": "c"}[other[i].Reviewer]
		}
		for _, m := range Methods() {
			a, errA := AggregateAll(m, DefaultShare(), sheets)
			b, errB := AggregateAll(m, DefaultShare(), other)
			if (errA == nil) != (errB == nil) {
				t.Fatalf("method %d: %v, %v", m, errA, errB)
			}
			for id, v := range a {
				difference := new(big.Rat).Sub(v, b[id])
				if difference.Abs(difference).Cmp(big.NewRat(2, precision)) > 0 {
					t.Fatalf("method %d: %s is %s and %s", m, id, v, b[id])
				}
			}
		}
	})
}

// Those who would not be seen to be below stay below: with full panels a
// better sheet never lowers the own score.
func TestAggregateAll_MonotoneWherePromised(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sheets := drawSheets(t)
		i := rapid.IntRange(0, len(sheets)-1).Draw(t, "sheet")
		raised := slices.Clone(sheets)
		raised[i].Score = new(big.Rat).Add(sheets[i].Score, big.NewRat(1, 1))
		for _, m := range []Method{Mean, DropHighLow, Trimmed} {
			before, _ := AggregateAll(m, DefaultShare(), sheets)
			after, _ := AggregateAll(m, DefaultShare(), raised)
			if after[sheets[i].Application].Cmp(before[sheets[i].Application]) < 0 {
				t.Fatalf("method %d: a better sheet lowered the score", m)
			}
		}
	})
}

// The quota is filled and never exceeded, equals are parted by the ladder and
// the draw, and the same seed draws the same.
func TestDecide_FillsTheQuota(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "applications")
		set := Settings{Quota: rapid.IntRange(0, 14).Draw(t, "quota"), Reserves: rapid.IntRange(0, 3).Draw(t, "reserves"), Ladder: []string{"effect"}, Seed: []byte(rapid.String().Draw(t, "seed"))}
		candidates, scores := make([]Candidate, n), map[string]*big.Rat{}
		for i := range candidates {
			id := fmt.Sprint("a", i)
			candidates[i] = Candidate{ID: id, Number: fmt.Sprintf("%02d", i), CriterionMeans: map[string]*big.Rat{
				"effect": big.NewRat(rapid.Int64Range(0, 2).Draw(t, "effect"), 1)}}
			scores[id] = big.NewRat(rapid.Int64Range(0, 3).Draw(t, "score"), 1)
		}
		out := Decide(set, candidates, scores, nil)
		again := Decide(set, rapid.Permutation(candidates).Draw(t, "order"), scores, nil)
		chosen, kept := 0, 0
		for i, s := range out {
			if s.ID != again[i].ID || s.Outcome != again[i].Outcome || s.PartedBy != again[i].PartedBy {
				t.Fatalf("the order of candidates matters: %+v %+v", s, again[i])
			}
			if s.Outcome == Selected {
				chosen++
			}
			if s.Outcome == Reserve {
				kept++
			}
		}
		if chosen != min(n, set.Quota) || kept != min(n-chosen, set.Reserves) {
			t.Fatalf("%d of %d selected, %d of %d in reserve, of %d", chosen, set.Quota, kept, set.Reserves, n)
		}
	})
}

func TestDecide_TheLadderComesBeforeTheDraw(t *testing.T) {
	candidates := []Candidate{
		{ID: "a", Number: "01", CriterionMeans: map[string]*big.Rat{"effect": big.NewRat(10, 1)}},
		{ID: "b", Number: "02", CriterionMeans: map[string]*big.Rat{"effect": big.NewRat(20, 1)}},
		{ID: "c", Number: "03", CriterionMeans: map[string]*big.Rat{"effect": big.NewRat(20, 1)}},
	}
	equal := map[string]*big.Rat{"a": big.NewRat(80, 1), "b": big.NewRat(80, 1), "c": big.NewRat(80, 1)}
	two := Decide(Settings{Quota: 2, Ladder: []string{"effect"}}, candidates, equal, nil)
	for _, s := range two {
		if s.Rank != 1 || (s.ID == "a") != (s.Outcome == NotSelected) || s.PartedBy != "effect" {
			t.Errorf("%+v", s)
		}
	}
	winners := map[string]int{}
	for seed := range 200 {
		for _, s := range Decide(Settings{Quota: 1, Ladder: []string{"effect"}, Seed: []byte{byte(seed)}}, candidates, equal, nil) {
			if s.Outcome == Selected {
				winners[s.ID]++
				if s.PartedBy != Draw {
					t.Fatalf("parted by %q", s.PartedBy)
				}
			}
		}
	}
	if winners["a"] != 0 || winners["b"] < 60 || winners["c"] < 60 {
		t.Errorf("drawn %v", winners)
	}
}

// The records' round: by z-score 17 takes the place of 18, and the proof of
// the cut line says so.
func TestProve_TheCutOf2013(t *testing.T) {
	r := readRound(t)
	f := r.form(t)
	var sheets []Sheet
	for _, v := range r.Reviews {
		var points []Points
		for k, x := range v.Scores {
			points = append(points, Points{Criterion: k, Halves: int(2 * x)})
		}
		filled, err := f.Fill(points)
		if err != nil {
			t.Fatal(err)
		}
		sheets = append(sheets, Sheet{Reviewer: v.Reviewer, Application: v.Application, Score: f.Score(filled)})
	}
	var candidates []Candidate
	for _, a := range r.Applications {
		candidates = append(candidates, Candidate{ID: a.No, Number: a.No})
	}
	proof := Prove(Settings{Method: Mean, Share: DefaultShare(), Quota: r.Call.Quota}, candidates, sheets)
	if len(proof) != len(r.Reviewers)+len(Methods())-1 {
		t.Fatalf("%d ways of counting", len(proof))
	}
	for _, m := range proof {
		if m.Refused != "" {
			t.Errorf("%+v is refused", m)
		}
		switch {
		case m.Method == ZScore && m.Without == "":
			if !slices.Equal(m.In, []string{"2013-17"}) || !slices.Equal(m.Out, []string{"2013-18"}) {
				t.Errorf("by z-score %v come in for %v", m.In, m.Out)
			}
		case m.Method == DropHighLow && len(m.In)+len(m.Out) > 0:
			t.Errorf("by drop high and low %v come in for %v", m.In, m.Out)
		case len(m.In) != len(m.Out):
			t.Errorf("%+v does not balance", m)
		}
	}
}
