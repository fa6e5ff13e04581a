// Package cycle holds the way of a yearly round.
package cycle

import (
	"strconv"

	"github.com/linli-project/linli/pkg/rule"
)

// State of a cycle. The numbers are those of the API's enum.
type State int32

// The states.
const (
	New State = iota
	Opening
	Open
	Computing
	Computed
)

func (s State) String() string {
	names := [...]string{"new", "opening", "open", "computing", "computed"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// Commands that move a cycle. Freeze and Finish are the house's own: the work
// behind the two states that say that it is going on.
const (
	Begin   = "open"
	Freeze  = "freeze"
	Compute = "compute"
	Finish  = "finish"
)

// Machine is the way of a cycle.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "cycle",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: New, Command: Begin, To: Opening},
			{From: Opening, Command: Freeze, To: Open},
			{From: Open, Command: Compute, To: Computing},
			{From: Computing, Command: Finish, To: Computed},
		},
	}
}

// YearPrefix begins every Shanghai day of a year ("2013-").
func YearPrefix(year int32) string { return strconv.Itoa(int(year)) + "-" }
