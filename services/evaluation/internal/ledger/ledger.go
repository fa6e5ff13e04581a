// Package ledger holds the rules of a service entry: how it comes to count,
// and who may make it count.
package ledger

import (
	"strings"

	"github.com/linli-project/linli/pkg/rule"
)

// State of an entry. The numbers are those of the API's enum.
type State int32

// The states.
const (
	New State = iota
	Proposed
	Confirmed
)

func (s State) String() string {
	names := [...]string{"new", "proposed", "confirmed"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// Commands that move an entry.
const (
	Propose = "propose"
	Confirm = "confirm"
)

// Machine is the way of an entry.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "entry",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: New, Command: Propose, To: Proposed},
			{From: Proposed, Command: Confirm, To: Confirmed},
		},
	}
}

// MayConfirm refuses the member and everybody of the member's own unit: who
// has a grant at the home organization or below it. homePath and grants are
// organization paths with a closing slash.
func MayConfirm(person string, grants []string, member, homePath string) error {
	if person == member {
		return rule.New(rule.Denied, "CONFIRMS_SELF", "")
	}
	for _, g := range grants {
		if homePath != "" && strings.HasPrefix(g, homePath) {
			return rule.New(rule.Denied, "CONFIRMS_OWN_UNIT", "")
		}
	}
	return nil
}

// Sum of services. Times, cases and hours are kept apart.
type Sum struct {
	Times, Cases, QuarterHours int32
}

// Add adds another sum.
func (s Sum) Add(o Sum) Sum {
	return Sum{s.Times + o.Times, s.Cases + o.Cases, s.QuarterHours + o.QuarterHours}
}

// Any says whether there was a service.
func (s Sum) Any() bool { return s.Times > 0 }
