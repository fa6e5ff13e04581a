package review

import (
	"fmt"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func methods() []Method { return []Method{Mean, DropHighLow} }

func drawForm(t *rapid.T) Form {
	n := rapid.IntRange(1, 6).Draw(t, "criteria")
	criteria := make([]Criterion, n)
	for i := range criteria {
		criteria[i] = Criterion{
			Key: fmt.Sprint("c", i),
			Max: rapid.IntRange(1, 100).Draw(t, "max"), Weight: rapid.IntRange(1, 100).Draw(t, "weight"),
		}
	}
	f, err := NewForm(criteria)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func drawPoints(t *rapid.T, f Form) []Points {
	points := make([]Points, len(f.criteria))
	for i, c := range f.criteria {
		points[i] = Points{Criterion: c.Key, Halves: rapid.IntRange(0, 2*c.Max).Draw(t, "halves")}
	}
	return points
}

func drawScores(t *rapid.T) []*big.Rat {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *big.Rat {
		most := rapid.Int64Range(1, 40).Draw(t, "most")
		return big.NewRat(100*rapid.Int64Range(0, most).Draw(t, "won"), most)
	}), 1, 12).Draw(t, "scores")
}

func TestScore_BoundsAndMonotony(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawForm(t)
		points := drawPoints(t, f)
		score := f.Score(points)
		if score.Sign() < 0 || score.Cmp(big.NewRat(100, 1)) > 0 {
			t.Fatalf("score %s", score)
		}
		i := rapid.IntRange(0, len(points)-1).Draw(t, "line")
		if points[i].Halves == 2*f.criteria[i].Max {
			return
		}
		more := slices.Clone(points)
		more[i].Halves++
		if f.Score(more).Cmp(score) <= 0 {
			t.Fatalf("half a point more did not raise the score")
		}
	})
}

func TestFill_OrderOfPointsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawForm(t)
		points := drawPoints(t, f)
		got, err := f.Fill(rapid.Permutation(points).Draw(t, "order"))
		if err != nil || !slices.Equal(got, points) {
			t.Fatalf("%v, %v", got, err)
		}
	})
}

func TestAggregate_BoundsOrderMonotony(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scores := drawScores(t)
		low, high := slices.MinFunc(scores, (*big.Rat).Cmp), slices.MaxFunc(scores, (*big.Rat).Cmp)
		i := rapid.IntRange(0, len(scores)-1).Draw(t, "sheet")
		raised := slices.Clone(scores)
		raised[i] = new(big.Rat).Add(scores[i], big.NewRat(1, 7))
		for _, m := range methods() {
			got := Aggregate(m, scores)
			if got.Cmp(low) < 0 || got.Cmp(high) > 0 {
				t.Fatalf("method %d: %s outside %s to %s", m, got, low, high)
			}
			if Aggregate(m, rapid.Permutation(scores).Draw(t, "order")).Cmp(got) != 0 {
				t.Fatalf("method %d: the order of sheets matters", m)
			}
			if Aggregate(m, raised).Cmp(got) < 0 {
				t.Fatalf("method %d: a better sheet lowered the score", m)
			}
		}
	})
}

func TestAggregate_LeavesItsInputAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scores := drawScores(t)
		before := fmt.Sprint(scores)
		for _, m := range methods() {
			Aggregate(m, scores)
		}
		if fmt.Sprint(scores) != before {
			t.Fatal("the scores were changed")
		}
	})
}

// drawEntries makes entries with scores from few values, so that ties are common.
func drawEntries(t *rapid.T) []Entry {
	n := rapid.IntRange(0, 30).Draw(t, "applications")
	entries := make([]Entry, n)
	for i := range entries {
		entries[i] = Entry{
			ID: fmt.Sprint("apl_", i), Number: fmt.Sprintf("%02d", i),
			Score: big.NewRat(rapid.Int64Range(0, 8).Draw(t, "eighths"), 8),
		}
	}
	return entries
}

func TestRank_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := drawEntries(t)
		quota := rapid.IntRange(0, 35).Draw(t, "quota")
		places := Rank(entries, quota)
		again := Rank(rapid.Permutation(entries).Draw(t, "order"), quota)
		selected := 0
		for i, p := range places {
			if p.ID != again[i].ID || p.Rank != again[i].Rank || p.Outcome != again[i].Outcome {
				t.Fatalf("the order of entries matters: %+v, %+v", p, again[i])
			}
			better := 0
			for _, e := range entries {
				if e.Score.Cmp(p.Score) > 0 {
					better++
				}
			}
			if p.Rank != better+1 {
				t.Fatalf("rank %d with %d better ones", p.Rank, better)
			}
			if p.Outcome == Selected {
				selected++
			}
			if i > 0 && (p.Outcome < places[i-1].Outcome || p.Score.Cmp(places[i-1].Score) == 0 && p.Outcome != places[i-1].Outcome) {
				t.Fatalf("equals parted, or a worse one put above: %+v, %+v", places[i-1], p)
			}
		}
		if selected > quota {
			t.Fatalf("%d selected of %d", selected, quota)
		}
		if left := slices.ContainsFunc(places, func(p Place) bool { return p.Outcome == Reserve }); !left && selected < min(quota, len(entries)) {
			t.Fatalf("%d selected where %d could be, and nobody in reserve", selected, min(quota, len(entries)))
		}
	})
}

// A better score never worsens the rank or the outcome.
func TestRank_MonotoneInTheScore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := drawEntries(t)
		if len(entries) == 0 {
			return
		}
		quota := rapid.IntRange(0, 35).Draw(t, "quota")
		i := rapid.IntRange(0, len(entries)-1).Draw(t, "raised")
		raised := slices.Clone(entries)
		raised[i].Score = new(big.Rat).Add(entries[i].Score, big.NewRat(rapid.Int64Range(1, 16).Draw(t, "by"), 16))
		before, after := placeOf(Rank(entries, quota), entries[i].ID), placeOf(Rank(raised, quota), entries[i].ID)
		if after.Rank > before.Rank || after.Outcome > before.Outcome {
			t.Fatalf("raised from %+v to %+v", before, after)
		}
	})
}

func placeOf(places []Place, id string) Place {
	return places[slices.IndexFunc(places, func(p Place) bool { return p.ID == id })]
}

func TestHundredths_IsTheNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		score := big.NewRat(rapid.Int64Range(0, 1_000_000).Draw(t, "num"), rapid.Int64Range(1, 10_000).Draw(t, "den"))
		off := new(big.Rat).Sub(new(big.Rat).Mul(score, big.NewRat(100, 1)), big.NewRat(Hundredths(score), 1))
		if off.Cmp(big.NewRat(-1, 2)) < 0 || off.Cmp(big.NewRat(1, 2)) >= 0 {
			t.Fatalf("%s is off by %s hundredths", score, off)
		}
	})
}
