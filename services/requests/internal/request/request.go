// Package request holds the rules of a request on the service circle: the way
// it goes, and what of it may be seen.
package request

import (
	"strings"

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
	Declined
	Merged
	Escalated
	Unsolved
	InProgress
)

func (s State) String() string {
	names := [...]string{
		"new", "posted", "admitted", "dispatched", "taken on", "resolved", "rated", "closed",
		"declined", "merged", "escalated", "unsolved", "in progress",
	}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// Commands that move a request.
const (
	Post          = "post"
	Admit         = "admit"
	Decline       = "decline"
	Merge         = "merge"
	PassOn        = "pass on"
	Verify        = "verify"
	Dispatch      = "dispatch"
	TakeOn        = "take on"
	Begin         = "begin"
	DeclineOffer  = "decline offer"
	Return        = "return"
	ReturnAgain   = "return again"
	Recall        = "recall"
	Escalate      = "escalate"
	HandBack      = "hand back"
	Resolve       = "resolve"
	CloseUnsolved = "close unsolved"
	Rate          = "rate"
	Close         = "close"
	Reopen        = "reopen"
)

// Machine is the way of a request. The office may see to an admitted one
// itself; one that nobody rates is closed all the same; what ended with an
// answer can be reopened by its author.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "request",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: New, Command: Post, To: Posted},
			{From: Posted, Command: Admit, To: Admitted},
			{From: Posted, Command: Decline, To: Declined},
			{From: Posted, Command: Merge, To: Merged},
			{From: Posted, Command: PassOn, To: Escalated},
			{From: Admitted, Command: Decline, To: Declined},
			{From: Admitted, Command: Merge, To: Merged},
			{From: Admitted, Command: Verify, To: Admitted},
			{From: Admitted, Command: Dispatch, To: Dispatched},
			{From: Admitted, Command: Escalate, To: Escalated},
			{From: Admitted, Command: Resolve, To: Resolved},
			{From: Admitted, Command: CloseUnsolved, To: Unsolved},
			{From: Dispatched, Command: TakeOn, To: TakenOn},
			{From: Dispatched, Command: DeclineOffer, To: Admitted},
			{From: Dispatched, Command: Return, To: Admitted},
			{From: Dispatched, Command: ReturnAgain, To: Escalated},
			{From: Dispatched, Command: Recall, To: Admitted},
			{From: TakenOn, Command: Begin, To: InProgress},
			{From: TakenOn, Command: Escalate, To: Escalated},
			{From: TakenOn, Command: Resolve, To: Resolved},
			{From: TakenOn, Command: CloseUnsolved, To: Unsolved},
			{From: InProgress, Command: Escalate, To: Escalated},
			{From: InProgress, Command: Resolve, To: Resolved},
			{From: InProgress, Command: CloseUnsolved, To: Unsolved},
			{From: Escalated, Command: Escalate, To: Escalated},
			{From: Escalated, Command: HandBack, To: Admitted},
			{From: Escalated, Command: Resolve, To: Resolved},
			{From: Escalated, Command: CloseUnsolved, To: Unsolved},
			{From: Resolved, Command: Rate, To: Rated},
			{From: Resolved, Command: Close, To: Closed},
			{From: Rated, Command: Close, To: Closed},
			{From: Resolved, Command: Reopen, To: Admitted},
			{From: Rated, Command: Reopen, To: Admitted},
			{From: Closed, Command: Reopen, To: Admitted},
			{From: Unsolved, Command: Reopen, To: Admitted},
		},
	}
}

// Answer is the command that a yes or no to a dispatch carries out. A member's
// no gives the request back, however often. A unit has one; with the second the
// street decides.
func Answer(takeOn, member bool, returns int) string {
	switch {
	case takeOn:
		return TakeOn
	case member:
		return DeclineOffer
	case returns == 0:
		return Return
	}
	return ReturnAgain
}

// Open says whether somebody still has to see to a request.
func Open(s State) bool {
	switch s {
	case Posted, Admitted, Dispatched, TakenOn, InProgress, Escalated:
		return true
	}
	return false
}

// Solved says whether a request ended with a solution that stands.
func Solved(s State) bool { return s == Resolved || s == Rated || s == Closed }

// Posting is what decides who may see a new request.
type Posting struct {
	Hardship   bool
	OnBehalfOf bool
	StaffOnly  bool
	// Household: the text points at one.
	Household bool
	// Allegation: the text accuses a person.
	Allegation bool
	// Nuisance has a place and a kind.
	Nuisance    bool
	Place, Kind string
	// PlacePrivate, KindPrivate: they hold what would be covered in a text.
	PlacePrivate, KindPrivate bool
}

// Emergencies are the numbers to call first: police, fire, ambulance.
func Emergencies() []string { return []string{"110", "119", "120"} }

// WhereToTurn are the numbers of those who take accusations against a person:
// discipline inspection, the government's line, the police.
func WhereToTurn() []string { return []string{"12388", "12345", "110"} }

// CheckAllegation refuses what accuses a person, with where to turn.
func CheckAllegation(accuses bool, field string) error {
	if !accuses {
		return nil
	}
	return rule.New(rule.Invalid, "ALLEGATION", field, "where", strings.Join(WhereToTurn(), ", "))
}

// Check refuses to show what must not be shown: hardship, and what concerns
// somebody who was not asked yet, is for staff only. Accusations are refused
// altogether.
func (p Posting) Check() error {
	if err := CheckAllegation(p.Allegation, "text"); err != nil {
		return err
	}
	switch {
	case p.MustBeStaffOnly() && !p.StaffOnly:
		return rule.New(rule.Invalid, "MUST_BE_STAFF_ONLY", "visibility")
	case p.Nuisance && p.Place == "":
		return rule.New(rule.Invalid, "INVALID_FIELD", "building", "field", "building", "rule", "not blank")
	case p.Nuisance && p.Kind == "":
		return rule.New(rule.Invalid, "INVALID_FIELD", "category", "field", "category", "rule", "not blank")
	case p.PlacePrivate:
		return rule.New(rule.Invalid, "INVALID_FIELD", "building", "field", "building", "rule", "nothing beyond the building")
	case p.KindPrivate:
		return rule.New(rule.Invalid, "INVALID_FIELD", "category", "field", "category", "rule", "a kind of request")
	}
	return nil
}

// MustBeStaffOnly says whether nobody but staff may see it.
func (p Posting) MustBeStaffOnly() bool { return p.Hardship || p.OnBehalfOf || p.Household }

// Sealed says whether the text is kept sealed: all that is for staff only.
func (p Posting) Sealed() bool { return p.StaffOnly }

// Actor is who takes a step.
type Actor struct {
	Person string
	// Staff: the grant holds the community.
	Staff bool
	// Above: the grant is of the office that an escalated request is with.
	Above bool
	// OutOfOffice: the request was handed to an office in which the person holds
	// no grant.
	OutOfOffice bool
	// ForProvider: the request was handed to a provider that has no person, so
	// that staff answer for it.
	ForProvider bool
}

// MayTakeOn refuses everybody but whom it was dispatched to, in the office for
// which that was; for a provider without a person staff answer.
func MayTakeOn(a Actor, helper string) error {
	switch {
	case a.ForProvider && a.Staff:
		return nil
	case helper == "" || a.Person != helper:
		return rule.New(rule.Denied, "NOT_THE_DISPATCHED_MEMBER", "")
	case a.OutOfOffice:
		return rule.New(rule.Denied, "NOT_OF_THE_OFFICE", "")
	}
	return nil
}

// MayResolve lets staff resolve for everybody, an office above what is with it,
// and a helper what that helper took on. Hours are a member's: the office books
// none for itself.
func MayResolve(a Actor, helper, member string, quarterHours int32) error {
	if !a.Staff && !a.Above {
		if err := MayTakeOn(a, helper); err != nil {
			return err
		}
	}
	if member == "" && quarterHours != 0 {
		return rule.New(rule.Invalid, "INVALID_FIELD", "quarter_hours", "field", "quarter_hours", "rule", "0")
	}
	return nil
}

// MayReopen refuses everybody but the author.
func MayReopen(a Actor, author string) error {
	if a.Person != author {
		return rule.New(rule.Denied, "NOT_THE_AUTHOR", "")
	}
	return nil
}

// MayRate refuses everybody but the author, and an author of the office: nobody
// rates the own office's work.
func MayRate(a Actor, author string) error {
	if err := MayReopen(a, author); err != nil {
		return err
	}
	if a.Staff {
		return rule.New(rule.Denied, "RATES_OWN_OFFICE", "")
	}
	return nil
}

// Where an escalated request is.
const (
	WithCommunity = iota
	WithStreet
	WithDepartment
)

// MayEscalate lets the community give a request to the street, and only the
// street what is with it to the department.
func MayEscalate(a Actor, with int32) error {
	return notWithThisOffice(with == WithCommunity && a.Staff || with != WithCommunity && a.Above)
}

// MayHandBack lets the office decide that a request is with.
func MayHandBack(a Actor) error { return notWithThisOffice(a.Above) }

// MayMoveClock lets the office extend or stop the clock that runs on it.
func MayMoveClock(a Actor, with int32) error {
	return notWithThisOffice(with == WithCommunity && a.Staff || with != WithCommunity && a.Above)
}

// MayEnd lets staff end a request, and an office above what is with it.
func MayEnd(a Actor) error { return notWithThisOffice(a.Staff || a.Above) }

func notWithThisOffice(is bool) error {
	if is {
		return nil
	}
	return rule.New(rule.Denied, "NOT_WITH_THIS_OFFICE", "")
}

// excerptRunes is how much of a text a list shows.
const excerptRunes = 40

// ExcerptBytes of a text tell its excerpt: it and one more character.
const ExcerptBytes = (excerptRunes + 1) * 4

// Excerpt is the beginning of a text for lists.
func Excerpt(text string) string {
	n := 0
	for at := range text {
		if n == excerptRunes {
			return text[:at] + "…"
		}
		n++
	}
	return text
}
