package claim_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/services/registry/internal/claim"
)

// TestErasures_EveryStep: each state with each command, in a table of its own.
func TestErasures_EveryStep(t *testing.T) {
	leads := map[claim.State]map[string]claim.State{
		claim.New:       {claim.Request: claim.Requested},
		claim.Requested: {claim.Accept: claim.Accepted, claim.Refuse: claim.Refused, claim.Withdraw: claim.Withdrawn},
		claim.Accepted:  {claim.Withdraw: claim.Withdrawn, claim.Begin: claim.Erasing},
		claim.Erasing:   {claim.End: claim.Erased},
		claim.Refused:   {}, claim.Withdrawn: {}, claim.Corrected: {}, claim.Erased: {},
	}
	every(t, claim.Erasures(), leads)
}

func TestCorrections_EveryStep(t *testing.T) {
	leads := map[claim.State]map[string]claim.State{
		claim.New:       {claim.Request: claim.Requested},
		claim.Requested: {claim.Correct: claim.Corrected, claim.Refuse: claim.Refused, claim.Withdraw: claim.Withdrawn},
		claim.Accepted:  {}, claim.Erasing: {}, claim.Refused: {}, claim.Withdrawn: {}, claim.Corrected: {}, claim.Erased: {},
	}
	every(t, claim.Corrections(), leads)
}

func commands() []string {
	return []string{claim.Request, claim.Accept, claim.Refuse, claim.Withdraw, claim.Correct, claim.Begin, claim.End, "unheard of"}
}

func every(t *testing.T, m rule.Machine[claim.State], leads map[claim.State]map[string]claim.State) {
	t.Helper()
	for from, known := range leads {
		for _, command := range commands() {
			want, allowed := known[command]
			got, err := m.Next(from, command)
			var refused *rule.Error
			switch {
			case allowed && (err != nil || got != want):
				t.Errorf("%s in %s leads to %s, %v; want %s", command, from, got, err, want)
			case !allowed && (!errors.As(err, &refused) || refused.Reason != "WRONG_STATE"):
				t.Errorf("%s in %s: %v", command, from, err)
			}
		}
	}
}

// TestErasures_NothingLeadsBack: whatever is tried, an erasure that has begun ends
// as one that is done, and nothing is erased that was not accepted.
func TestErasures_NothingLeadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		state, accepted := claim.New, false
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			command := rapid.SampledFrom(commands()).Draw(t, "command")
			next, err := claim.Erasures().Next(state, command)
			if err != nil {
				continue
			}
			accepted = accepted || command == claim.Accept
			if state == claim.Erasing && next != claim.Erased {
				t.Fatalf("%s led from erasing to %s", command, next)
			}
			if next == claim.Erasing && !accepted {
				t.Fatal("erasing what nobody accepted")
			}
			if !state.Open() && state != claim.New {
				t.Fatalf("%s led on from %s", command, state)
			}
			state = next
		}
	})
}

// TestDoneIn_AnyOrderAnyRepeat: an erasure is done with the last service, however
// often each says so, and strangers do not count.
func TestDoneIn_AnyOrderAnyRepeat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var done []string
		said := map[string]bool{}
		for range rapid.IntRange(0, 20).Draw(t, "times") {
			service := rapid.SampledFrom(append(claim.Services(), "gateway", "")).Draw(t, "service")
			if slices.Contains(claim.Services(), service) {
				said[service] = true
			}
			var all bool
			done, all = claim.DoneIn(done, service)
			if len(done) != len(said) || all != (len(said) == len(claim.Services())) {
				t.Fatalf("%v said, %v noted, all: %v", said, done, all)
			}
		}
	})
}

func TestMayDecide_NotOneself(t *testing.T) {
	if err := claim.MayDecide("m1", "m1"); err == nil {
		t.Error("decided on the own claim")
	}
	if err := claim.MayDecide("m1", "per_1"); err != nil {
		t.Error(err)
	}
	now := time.Date(2013, 12, 28, 0, 0, 0, 0, time.UTC)
	if got := claim.BeginsAt(now, 7); !got.Equal(time.Date(2014, 1, 4, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%s", got)
	}
}
