// Package request holds the rules of a request on the service circle: the way
// it goes, and what of it may be seen.
package request

import (
	"github.com/linli-project/linli/pkg/rule"
)

// State of a request. The numbers are those of the API's enum.
type State int32

// The states.
const (
	New State = iota
	Posted
	Admitted
	Dispatched
	TakenOn
	Resolved
	Rated
	Closed
)

func (s State) String() string {
	names := [...]string{"new", "posted", "admitted", "dispatched", "taken on", "resolved", "rated", "closed"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// Commands that move a request.
const (
	Post     = "post"
	Admit    = "admit"
	Dispatch = "dispatch"
	TakeOn   = "take on"
	Resolve  = "resolve"
	Rate     = "rate"
	Close    = "close"
)

// Machine is the way of a request. The office may see to an admitted one
// itself; one that nobody rates is closed all the same.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "request",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: New, Command: Post, To: Posted},
			{From: Posted, Command: Admit, To: Admitted},
			{From: Admitted, Command: Dispatch, To: Dispatched},
			{From: Admitted, Command: Resolve, To: Resolved},
			{From: Dispatched, Command: TakeOn, To: TakenOn},
			{From: TakenOn, Command: Resolve, To: Resolved},
			{From: Resolved, Command: Rate, To: Rated},
			{From: Resolved, Command: Close, To: Closed},
			{From: Rated, Command: Close, To: Closed},
		},
	}
}

// Posting is what decides who may see a new request.
type Posting struct {
	Hardship   bool
	OnBehalfOf bool
	StaffOnly  bool
}

// Check refuses to show what must not be shown: hardship, and what concerns
// somebody who was not asked yet, is for staff only.
func (p Posting) Check() error {
	if (p.Hardship || p.OnBehalfOf) && !p.StaffOnly {
		return rule.New(rule.Invalid, "MUST_BE_STAFF_ONLY", "visibility")
	}
	return nil
}

// Sealed says whether the text is kept sealed: all that is for staff only.
func (p Posting) Sealed() bool { return p.StaffOnly }

// Actor is who takes a step.
type Actor struct {
	Person string
	// Staff: the grant holds the community.
	Staff bool
}

// MayTakeOn refuses everybody but the member it was dispatched to.
func MayTakeOn(a Actor, member string) error {
	if a.Person != member {
		return rule.New(rule.Denied, "NOT_THE_DISPATCHED_MEMBER", "")
	}
	return nil
}

// MayResolve lets staff resolve for everybody, and a member what that member
// took on. Hours are a member's: the office books none for itself.
func MayResolve(a Actor, member string, quarterHours int32) error {
	if !a.Staff && (member == "" || a.Person != member) {
		return rule.New(rule.Denied, "NOT_THE_DISPATCHED_MEMBER", "")
	}
	if member == "" && quarterHours != 0 {
		return rule.New(rule.Invalid, "INVALID_FIELD", "quarter_hours", "field", "quarter_hours", "rule", "0")
	}
	return nil
}

// MayRate refuses everybody but the author.
func MayRate(a Actor, author string) error {
	if a.Person != author {
		return rule.New(rule.Denied, "NOT_THE_AUTHOR", "")
	}
	return nil
}

// excerptRunes is how much of a text a list shows.
const excerptRunes = 40

// Excerpt is the beginning of a text for lists.
func Excerpt(text string) string {
	runes := []rune(text)
	if len(runes) <= excerptRunes {
		return text
	}
	return string(runes[:excerptRunes]) + "…"
}
