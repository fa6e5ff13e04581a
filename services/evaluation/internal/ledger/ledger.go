// Package ledger holds the rules of a service entry: how it comes to count,
// and who may make it count.
package ledger

import (
	"slices"
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
	OnHold
	TurnedDown
	Vouched
)

func (s State) String() string {
	names := [...]string{"new", "proposed", "confirmed", "on hold", "turned down", "vouched"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// Commands that move an entry. Whether a confirmation makes it count or waits
// for the resident's is said by Confirming.
const (
	Propose  = "propose"
	Vouch    = "vouch"
	Confirm  = "confirm"
	TurnDown = "turn down"
	Hold     = "hold"
	// Lift is for an entry that counted, LiftOpen for one that did not yet.
	Lift     = "lift"
	LiftOpen = "lift open"
)

// Machine is the way of an entry. There is none back out of confirmed: a
// correction is an entry of its own.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "entry",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: New, Command: Propose, To: Proposed},
			{From: Proposed, Command: Confirm, To: Confirmed},
			{From: Proposed, Command: Vouch, To: Vouched},
			{From: Proposed, Command: TurnDown, To: TurnedDown},
			{From: Proposed, Command: Hold, To: OnHold},
			{From: Vouched, Command: Confirm, To: Confirmed},
			{From: Vouched, Command: TurnDown, To: TurnedDown},
			{From: Vouched, Command: Hold, To: OnHold},
			{From: Confirmed, Command: Hold, To: OnHold},
			{From: OnHold, Command: Lift, To: Confirmed},
			{From: OnHold, Command: LiftOpen, To: Proposed},
		},
	}
}

// Confirming answers the command by which the office's confirmation moves a
// proposed entry: it waits for a resident whose word is awaited.
func Confirming(residentAwaited bool) string {
	if residentAwaited {
		return Vouch
	}
	return Confirm
}

// Lifting answers the command by which an entry on hold goes on.
func Lifting(counted bool) string {
	if counted {
		return Lift
	}
	return LiftOpen
}

// Confirmer is who wants to make an entry count, or to take it out.
type Confirmer struct {
	Person string
	// Grants are the paths of the person's organizations, with a closing slash.
	Grants []string
	// Home is the person's own home organization, when the person is a member.
	Home string
}

// Check refuses the member, everybody of the member's own unit (who belongs to
// the home organization or below it, or acts for one), and who wrote the entry
// by hand.
func (c Confirmer) Check(member, homePath, proposedBy string) error {
	grants := c.Grants
	if c.Home != "" {
		grants = append(slices.Clone(grants), c.Home)
	}
	if err := MayConfirm(c.Person, grants, member, homePath); err != nil {
		return err
	}
	if c.Person == proposedBy {
		return rule.New(rule.Denied, "CONFIRMS_OWN_PROPOSAL", "")
	}
	return nil
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

// Negative is what a reversing entry counts.
func (s Sum) Negative() Sum { return Sum{-s.Times, -s.Cases, -s.QuarterHours} }
