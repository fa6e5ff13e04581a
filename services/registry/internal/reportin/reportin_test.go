package reportin

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/linli-project/linli/pkg/rule"
)

// TestMachine_FollowsTheModel runs random commands against the rules in words:
// only what was submitted is decided, only what was returned or ended is
// submitted again, and only what was accepted is moved or ended.
func TestMachine_FollowsTheModel(t *testing.T) {
	commands := []string{Submit, Resubmit, Accept, Return, Transfer, End, "erase"}
	rapid.Check(t, func(t *rapid.T) {
		m := Machine()
		state := None
		var exists, waiting, accepted bool
		for _, c := range rapid.SliceOfN(rapid.SampledFrom(commands), 1, 30).Draw(t, "commands") {
			allowed := c == Submit && !exists ||
				c == Resubmit && exists && !waiting && !accepted ||
				(c == Accept || c == Return) && waiting || (c == Transfer || c == End) && accepted
			next, err := m.Next(state, c)
			if allowed != (err == nil) {
				t.Fatalf("%s in %q: %v", c, state, err)
			}
			if err != nil {
				checkWrongState(t, err, m, state)
				continue
			}
			state, exists = next, true
			waiting, accepted = c == Submit || c == Resubmit || c == Transfer, c == Accept
			if Active(state) != (waiting || accepted) {
				t.Fatalf("active in %q", state)
			}
		}
	})
}

// TestCountedOn_FollowsTheModel: the day is that of the first submission that
// was accepted since the last end, whatever moves come between.
func TestCountedOn_FollowsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		state, counted, submitted, want := None, "", "", ""
		for day, c := range rapid.SliceOfN(rapid.SampledFrom([]string{Submit, Resubmit, Accept, Return, Transfer, End}), 1, 30).Draw(t, "commands") {
			next, err := Machine().Next(state, c)
			if err != nil {
				continue
			}
			if next == Submitted {
				submitted = string(rune('a' + day))
			}
			if c == Accept && want == "" {
				want = submitted
			}
			if c == End {
				want = ""
			}
			state, counted = next, CountedOn(c, counted, submitted)
			if counted != want {
				t.Fatalf("after %s: %q, want %q", c, counted, want)
			}
		}
	})
}

func TestCheckTransfer(t *testing.T) {
	if CheckTransfer("a", "b") != nil || CheckTransfer("a", "a") == nil {
		t.Error("a transfer leads elsewhere")
	}
}

func checkWrongState(t *rapid.T, err error, m rule.Machine[State], s State) {
	var e *rule.Error
	if !errors.As(err, &e) || e.Kind != rule.Precondition || e.Reason != "WRONG_STATE" || !slices.Contains(e.Params, m.Label(s)) {
		t.Fatalf("error %v", err)
	}
}

func TestCheckReturnReason(t *testing.T) {
	if got, err := CheckReturnReason(" 请补充楼栋　"); got != "请补充楼栋" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, s := range []string{"", " ", "　\n"} {
		if _, err := CheckReturnReason(s); err == nil {
			t.Errorf("%q is a reason", s)
		}
	}
}
