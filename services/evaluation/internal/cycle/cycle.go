// Package cycle holds the way of a yearly round.
package cycle

import (
	"strconv"
	"strings"

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
	Closing
	Closed
)

func (s State) String() string {
	names := [...]string{"new", "opening", "open", "computing", "computed", "closing", "closed"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// Working says whether the house has work to do for a cycle.
func Working(s State) bool { return s == Opening || s == Computing || s == Closing }

// Commands that move a cycle. Freeze, Finish and Issue are the house's own: the
// work behind the states that say that it is going on.
const (
	Begin   = "open"
	Freeze  = "freeze"
	Compute = "compute"
	Finish  = "finish"
	Close   = "close cycle"
	Issue   = "issue"
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
			{From: Computed, Command: Close, To: Closing},
			{From: Closing, Command: Issue, To: Closed},
		},
	}
}

// CheckCorrect answers WRONG_STATE for a cycle that is not closed: before that,
// sheets are changed where they are made.
func CheckCorrect(s State) error {
	if s == Closed {
		return nil
	}
	return rule.New(rule.Precondition, "WRONG_STATE", "", "entity", "cycle", "state", s.String(),
		"command", "correct", "allowed", strings.Join(Machine().Allowed(s), ", "))
}

// CheckYear refuses a year that has not begun.
func CheckYear(year, present int32) error {
	if year > present {
		return rule.New(rule.Invalid, "CYCLE_AHEAD", "year", "year", strconv.Itoa(int(present)))
	}
	return nil
}

// YearPrefix begins every Shanghai day of a year ("2013-").
func YearPrefix(year int32) string { return strconv.Itoa(int(year)) + "-" }
