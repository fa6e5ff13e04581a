package matching

import "github.com/linli-project/linli/pkg/rule"

// State of an offer. The numbers are those of the API's enum.
type State int32

// The states. Who declined is not kept: the row goes, a count stays. One that
// is taken back goes the same way, so that what is gone says nothing.
const (
	NoOffer State = iota
	Offered
	Accepted
	Gone
)

func (s State) String() string {
	names := [...]string{"new", "offered", "offer accepted", "offer gone"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// Commands that move an offer.
const (
	Make     = "make offer"
	Accept   = "accept offer"
	Decline  = "decline offer"
	Withdraw = "withdraw offer"
)

// Machine is the way of an offer.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "offer",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: NoOffer, Command: Make, To: Offered},
			{From: Offered, Command: Accept, To: Accepted},
			{From: Offered, Command: Decline, To: Gone},
			{From: Offered, Command: Withdraw, To: Gone},
			{From: Accepted, Command: Withdraw, To: Gone},
		},
	}
}

// CheckEngagement refuses a slot in which the member is engaged already.
func CheckEngagement(slot Span, engagements []Span) error {
	if Busy(slot, engagements) {
		return rule.New(rule.Precondition, "ENGAGEMENT_OVERLAPS", "starts_at")
	}
	return nil
}

// CheckFit turns what leaves a member out of the suggestions into a refusal of
// an offer. That somebody stated other free time is no refusal: asking is
// allowed, and so is no.
func CheckFit(out LeftOut) error {
	switch out {
	case NoSpecialty:
		return rule.New(rule.Precondition, "SPECIALTY_MISSING", "specialty")
	case NotQualified, NotInsured:
		return rule.New(rule.Precondition, "NOT_QUALIFIED", "specialty")
	case Far:
		return rule.New(rule.Precondition, "MEMBER_NOT_IN_COMMUNITY", "member_id")
	case Engaged:
		return rule.New(rule.Precondition, "ENGAGEMENT_OVERLAPS", "starts_at")
	case NotInvited:
		return CheckInvited(true, false)
	}
	return nil
}
