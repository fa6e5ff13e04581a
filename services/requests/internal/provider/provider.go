// Package provider holds the rules of the register of providers: shops, groups,
// public-benefit organizations and people who serve or give.
package provider

import (
	"time"

	"github.com/linli-project/linli/pkg/rule"
)

// State of a provider. The numbers are those of the API's enum.
type State int32

// The states.
const (
	New State = iota
	Proposed
	Approved
	Withdrawn
)

func (s State) String() string {
	names := [...]string{"new", "proposed", "approved", "withdrawn"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// Commands that move a provider.
const (
	Propose  = "propose"
	Approve  = "approve"
	Withdraw = "withdraw"
)

// Machine is the way of a provider on the register.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "provider",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: New, Command: Propose, To: Proposed},
			{From: Proposed, Command: Approve, To: Approved},
			{From: Proposed, Command: Withdraw, To: Withdrawn},
			{From: Approved, Command: Withdraw, To: Withdrawn},
		},
	}
}

// Papers are what a provider shows: everybody but a person has them.
type Papers struct {
	Person       bool
	Registration string
	// Until is the last day, "2014-12-31".
	Until string
}

// Check refuses papers that are not whole.
func (p Papers) Check() error {
	invalid := func(field, want string) error {
		return rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", want)
	}
	if p.Person {
		switch {
		case p.Registration != "":
			return invalid("registration", "empty for a person")
		case p.Until != "":
			return invalid("papers_until", "empty for a person")
		}
		return nil
	}
	if p.Registration == "" {
		return invalid("registration", "not blank")
	}
	if _, err := time.Parse(time.DateOnly, p.Until); err != nil {
		return invalid("papers_until", "2014-12-31")
	}
	return nil
}

// Hold says whether the papers hold on a day.
func (p Papers) Hold(day string) bool { return p.Person || day <= p.Until }

// MayApprove refuses the approval of who proposed.
func MayApprove(proposedBy, person string) error {
	if proposedBy == person {
		return rule.New(rule.Denied, "APPROVES_OWN_PROVIDER", "")
	}
	return nil
}
