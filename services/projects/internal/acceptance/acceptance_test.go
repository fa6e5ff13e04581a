package acceptance

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/linli-project/linli/pkg/rule"
)

func reason(err error) string {
	var e *rule.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

func rat(n int64) *big.Rat { return big.NewRat(n, 1) }

// Two members, 45+20+22.5 and 40+25+20 of 100: the mean is 86.25; one letter
// of supervision takes two points off.
func TestPanel_MeanWithoutWhatIsTakenOff(t *testing.T) {
	s := Sheet{50, 25, 25}
	members := []Points{{90, 40, 45}, {80, 50, 40}}
	got, ok := s.Panel(members, new(big.Rat))
	if !ok || got.Cmp(big.NewRat(8625, 100)) != 0 {
		t.Errorf("mean %s", got)
	}
	if got, _ = s.Panel(members, rat(2)); got.Cmp(big.NewRat(8425, 100)) != 0 {
		t.Errorf("taken off %s", got)
	}
	if got, _ = s.Panel(members, rat(200)); got.Sign() != 0 {
		t.Errorf("below zero %s", got)
	}
	for p, want := range map[Points]string{{100, 50, 50}: "", {101, 0, 0}: "BAD_POINTS", {0, -1, 0}: "BAD_POINTS", {0, 0, 51}: "BAD_POINTS"} {
		if err := s.Check(p); reason(err) != want {
			t.Errorf("%v: %v", p, err)
		}
	}
}

func TestVerdict_RemedyOnceThenAcceptedOrFailed(t *testing.T) {
	for _, c := range []struct {
		command string
		look    int
		score   int64
		items   string
		until   int
		want    string
	}{
		{Accept, 1, 60, "", 0, ""}, {Accept, 1, 59, "", 0, "BELOW_PASS"}, {Accept, 2, 59, "", 0, "BELOW_PASS"},
		{AskRemedy, 1, 80, "台账", 12, ""}, {AskRemedy, 1, 80, " ", 12, "INVALID_FIELD"}, {AskRemedy, 1, 80, "台账", 10, "INVALID_FIELD"},
		{AskRemedy, 2, 10, "台账", 12, "SECOND_LOOK"}, {Fail, 1, 10, "", 0, "REMEDY_FIRST"}, {Fail, 2, 10, "", 0, ""},
	} {
		if err := CheckVerdict(c.command, c.look, rat(c.score), rat(60), c.items, c.until, 10); reason(err) != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if CheckComplete(true, 3, 3) != nil || reason(CheckComplete(false, 3, 3)) != "SCORES_MISSING" || reason(CheckComplete(true, 3, 2)) != "SCORES_MISSING" {
		t.Error("complete")
	}
}

func results(scores ...int64) (out []Result) {
	for i, s := range scores {
		out = append(out, Result{fmt.Sprint("p", i+1), rat(s)})
	}
	return out
}

func TestExcellent_AtMostHalfAndTiesStayBelow(t *testing.T) {
	for name, c := range map[string]struct {
		scores   []int64
		projects int
		want     []string
		tied     []string
		room     int
	}{
		"half of five is two":   {[]int64{95, 91, 93, 80, 70}, 5, []string{"p1", "p3"}, nil, 0},
		"from 90 on only":       {[]int64{95, 89, 70, 60}, 4, []string{"p1"}, nil, 1},
		"a tie across the line": {[]int64{95, 92, 92, 60}, 4, []string{"p1"}, []string{"p2", "p3"}, 1},
		"a tie below the line":  {[]int64{95, 94, 92, 92}, 4, []string{"p1", "p2"}, nil, 0},
		"one project alone":     {[]int64{99}, 1, nil, nil, 0},
		"all equal":             {[]int64{90, 90, 90, 90}, 4, nil, []string{"p1", "p2", "p3", "p4"}, 2},
	} {
		got, tied, room := Excellent(results(c.scores...), c.projects, rat(90))
		if !slices.Equal(got, c.want) || !slices.Equal(tied, c.tied) || room != c.room {
			t.Errorf("%s: %v, tied %v, room %d", name, got, tied, room)
		}
	}
	if reason(CheckChosen([]string{"p9"}, []string{"p2"}, 1)) != "NOT_TIED" || reason(CheckChosen([]string{"p2", "p3"}, []string{"p2", "p3"}, 1)) != "TOO_MANY_CHOSEN" ||
		CheckChosen([]string{"p3"}, []string{"p2", "p3"}, 1) != nil {
		t.Error("chosen")
	}
}

// Never more than half, even with the ties decided; nobody outside is better
// than somebody inside; the order of results does not matter.
func TestExcellent_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := results(rapid.SliceOfN(rapid.Int64Range(85, 95), 0, 12).Draw(t, "scores")...)
		n := len(all) + rapid.IntRange(0, 3).Draw(t, "others")
		in, tied, room := Excellent(all, n, rat(90))
		if len(in)+room != n/2 || len(in) > n/2 || len(tied) > 0 && (room < 1 || room >= len(tied)) {
			t.Fatalf("in %v, tied %v, room %d of %d", in, tied, room, n)
		}
		for _, a := range all {
			for _, b := range all {
				if slices.Contains(in, a.Project) && !slices.Contains(in, b.Project) && b.Score.Cmp(a.Score) >= 0 {
					t.Fatalf("%v is out and as good as %v", b, a)
				}
			}
		}
		turned := slices.Clone(all)
		slices.Reverse(turned)
		again, _, _ := Excellent(turned, n, rat(90))
		slices.Sort(again)
		slices.Sort(in)
		if !slices.Equal(in, again) {
			t.Fatalf("order matters: %v, %v", in, again)
		}
	})
}

func TestBarred_ForAYear(t *testing.T) {
	if reason(CheckBarred(365, 364, "2015-01-15")) != "APPLICANT_BARRED" || CheckBarred(365, 365, "") != nil {
		t.Error("barred")
	}
}
