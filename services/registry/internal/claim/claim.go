// Package claim is what a person asks about the own data: that a fact be
// corrected, that everything be erased.
package claim

import (
	"slices"
	"time"

	"github.com/linli-project/linli/pkg/rule"
)

// State of a claim. The numbers are those of the API's enum.
type State int32

// The states.
const (
	New State = iota
	Requested
	Accepted
	Refused
	Withdrawn
	Corrected
	Erasing
	Erased
)

func (s State) String() string {
	names := [...]string{"new", "requested", "accepted", "refused", "withdrawn", "corrected", "erasing", "erased"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// Open says whether a claim waits for something: there is one open claim about the
// same at a time.
func (s State) Open() bool { return s == Requested || s == Accepted || s == Erasing }

// The commands.
const (
	Request  = "request"
	Accept   = "accept"
	Refuse   = "refuse"
	Withdraw = "withdraw"
	Correct  = "correct"
	Begin    = "begin"
	End      = "end"
)

// Corrections is the way of a correction: to accept it is to write it.
func Corrections() rule.Machine[State] {
	return rule.Machine[State]{
		Name: "correction", Label: State.String,
		Steps: []rule.Step[State]{
			{From: New, Command: Request, To: Requested},
			{From: Requested, Command: Correct, To: Corrected},
			{From: Requested, Command: Refuse, To: Refused},
			{From: Requested, Command: Withdraw, To: Withdrawn},
		},
	}
}

// Erasures is the way of an erasure. An accepted one waits some days, in which the
// person can think again; once it has begun nothing leads back.
func Erasures() rule.Machine[State] {
	return rule.Machine[State]{
		Name: "erasure", Label: State.String,
		Steps: []rule.Step[State]{
			{From: New, Command: Request, To: Requested},
			{From: Requested, Command: Accept, To: Accepted},
			{From: Requested, Command: Refuse, To: Refused},
			{From: Requested, Command: Withdraw, To: Withdrawn},
			{From: Accepted, Command: Withdraw, To: Withdrawn},
			{From: Accepted, Command: Begin, To: Erasing},
			{From: Erasing, Command: End, To: Erased},
		},
	}
}

// Services are those that hold something of persons, by name: an erasure is done
// when each has said so.
func Services() []string { return []string{"evaluation", "projects", "registry", "requests"} }

// DoneIn adds a service to those that are done, and says whether none is missing.
func DoneIn(before []string, service string) (after []string, all bool) {
	after = slices.Clone(before)
	if slices.Contains(Services(), service) && !slices.Contains(after, service) {
		after = append(after, service)
		slices.Sort(after)
	}
	return after, slices.Equal(after, Services())
}

// MayDecide refuses to decide on the own claim.
func MayDecide(person, decider string) error {
	if person == decider {
		return rule.New(rule.Denied, "CLAIM_OF_ONESELF", "")
	}
	return nil
}

// BeginsAt is when an erasure that is accepted now begins.
func BeginsAt(now time.Time, days int) time.Time { return now.AddDate(0, 0, days) }
