// Package branch holds the rules by which a branch appraises its own members:
// the way of its cycle, who decides what, and the third that is never passed.
package branch

import (
	"strings"

	"github.com/linli-project/linli/pkg/rule"
)

// State of a branch's cycle. The numbers are those of the API's enum.
type State int32

// The states.
const (
	New State = iota
	Opening
	Open
	Computing
	Computed
	Shown
	Closed
)

func (s State) String() string {
	names := [...]string{"new", "opening", "open", "computing", "computed", "grades shown", "closed"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// Working says whether the house has work to do for a cycle.
func Working(s State) bool { return s == Opening || s == Computing }

// Commands that move a cycle, or that it takes where it stands. Freeze and
// Finish are the house's own.
const (
	Begin           = "open"
	Freeze          = "freeze"
	Aside           = "set aside"
	Compute         = "compute"
	Finish          = "finish"
	Decide          = "decide grade"
	AnswerException = "answer exception"
	Show            = "show grades"
	Object          = "object"
	AnswerObjection = "answer objection"
	Close           = "close branch cycle"
	Correct         = "correct grade"
)

// Machine is the way of a cycle.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "branch",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: New, Command: Begin, To: Opening},
			{From: Opening, Command: Freeze, To: Open},
			{From: Open, Command: Aside, To: Open},
			{From: Open, Command: Compute, To: Computing},
			{From: Computing, Command: Finish, To: Computed},
			{From: Computed, Command: Decide, To: Computed},
			{From: Computed, Command: Aside, To: Computed},
			{From: Computed, Command: AnswerException, To: Computed},
			{From: Computed, Command: Show, To: Shown},
			{From: Shown, Command: Object, To: Shown},
			{From: Shown, Command: AnswerObjection, To: Shown},
			{From: Shown, Command: AnswerException, To: Shown},
			{From: Shown, Command: Close, To: Closed},
			{From: Closed, Command: Correct, To: Closed},
			{From: Closed, Command: AnswerException, To: Closed},
		},
	}
}

// ExceptionState is where an exception above the third stands. The numbers are
// those of the API's enum.
type ExceptionState int32

// The states of an exception.
const (
	None ExceptionState = iota
	Asked
	Consented
	Refused
)

func (s ExceptionState) String() string {
	names := [...]string{"no exception", "exception asked", "exception consented", "exception refused"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// The commands of an exception.
const (
	Ask     = "ask exception"
	GiveUp  = "give up exception"
	Consent = "consent to exception"
	Refuse  = "refuse exception"
)

// Exceptions is the way of an exception.
func Exceptions() rule.Machine[ExceptionState] {
	return rule.Machine[ExceptionState]{
		Name:  "exception",
		Label: ExceptionState.String,
		Steps: []rule.Step[ExceptionState]{
			{From: None, Command: Ask, To: Asked},
			{From: Asked, Command: Ask, To: Asked},
			{From: Refused, Command: Ask, To: Asked},
			{From: Asked, Command: GiveUp, To: None},
			{From: Asked, Command: Consent, To: Consented},
			{From: Asked, Command: Refuse, To: Refused},
			{From: Consented, Command: GiveUp, To: None},
			{From: Refused, Command: GiveUp, To: None},
		},
	}
}

// CheckBallot refuses seats that are not the voters, and a member on the ballot
// whom the branch does not grade.
func CheckBallot(seats, voters int32, members []string, graded func(id string) (bool, error)) error {
	if seats != voters {
		return rule.New(rule.Precondition, "BRANCH_POLL_SEATS", "seats", "voters", text(voters))
	}
	for _, id := range members {
		ok, err := graded(id)
		if err != nil {
			return err
		}
		if !ok {
			return rule.New(rule.Precondition, "BRANCH_POLL_ROSTER", "lines", "id", id)
		}
	}
	return nil
}

// CheckPolls refuses to propose while a poll is under way, and before every
// member graded was on a ballot.
func CheckPolls(open bool, onBallots, graded int32) error {
	switch {
	case open:
		return rule.New(rule.Precondition, "BRANCH_POLL_OPEN", "")
	case onBallots < graded:
		return rule.New(rule.Precondition, "BRANCH_POLL_MISSING", "", "missing", text(graded-onBallots))
	}
	return nil
}

// CheckNo wants a reason with a no, and answers the command.
func CheckNo(consents bool, reason string) (string, error) {
	switch {
	case consents:
		return Consent, nil
	case strings.TrimSpace(reason) == "":
		return "", rule.New(rule.Invalid, "INVALID_FIELD", "reason", "field", "reason", "rule", "not blank")
	}
	return Refuse, nil
}
