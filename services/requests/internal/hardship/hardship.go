// Package hardship holds the rules of a hardship case: the ladder it climbs,
// what of a ladder may be left out, and what its public layer may say.
package hardship

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/linli-project/linli/pkg/rule"
)

// State of a case. The numbers are those of the API's enum.
type State int32

// The states.
const (
	New State = iota
	Opened
	Visited
	Consented
	Refused
	Relief
	ReliefDecided
	Referred
	MutualAid
	Closed
)

func (s State) String() string {
	names := [...]string{
		"new", "opened", "visited", "consented", "refused", "relief", "relief decided", "referred", "mutual aid", "closed",
	}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// Commands that move a case.
const (
	Open         = "open case"
	Visit        = "visit"
	Consent      = "consent"
	Refuse       = "refuse"
	AskRelief    = "ask relief"
	DecideRelief = "decide relief"
	Refer        = "refer"
	OpenMutual   = "open mutual aid"
	Close        = "close"
)

// Machine is the way of a case. What is left out of the ladder is allowed by
// it and asked a reason for by Skipped. A decision of the street that comes
// after the case went on is still recorded.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "hardship_case",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: New, Command: Open, To: Opened},
			{From: Opened, Command: Visit, To: Visited},
			{From: Opened, Command: Close, To: Closed},
			{From: Visited, Command: Consent, To: Consented},
			{From: Visited, Command: Refuse, To: Refused},
			{From: Visited, Command: Close, To: Closed},
			{From: Consented, Command: AskRelief, To: Relief},
			{From: Consented, Command: Refer, To: Referred},
			{From: Consented, Command: OpenMutual, To: MutualAid},
			{From: Consented, Command: Close, To: Closed},
			{From: Relief, Command: DecideRelief, To: ReliefDecided},
			{From: Relief, Command: Refer, To: Referred},
			{From: Relief, Command: OpenMutual, To: MutualAid},
			{From: Relief, Command: Close, To: Closed},
			{From: ReliefDecided, Command: Refer, To: Referred},
			{From: ReliefDecided, Command: OpenMutual, To: MutualAid},
			{From: ReliefDecided, Command: Close, To: Closed},
			{From: Referred, Command: DecideRelief, To: Referred},
			{From: Referred, Command: OpenMutual, To: MutualAid},
			{From: Referred, Command: Close, To: Closed},
			{From: MutualAid, Command: DecideRelief, To: MutualAid},
			{From: MutualAid, Command: Close, To: Closed},
			{From: Refused, Command: Close, To: Closed},
		},
	}
}

// Decision of the street on government relief. The numbers are the API's.
type Decision int32

// The decisions.
const (
	Undecided Decision = iota
	Granted
	Partly
	NotGranted
)

// Rungs of the ladder, as the refusal and the API name them.
const (
	RungVisit     = "visit"
	RungConsent   = "consent"
	RungRelief    = "relief"
	RungDecision  = "relief decision"
	RungReferral  = "referral"
	RungMutualAid = "mutual aid"
)

// Standing is how far a case has come.
type Standing struct {
	State    State
	Decision Decision
	// Aided: something that was given is recorded.
	Aided bool
}

// Skipped answers the rungs that a command leaves out from where a case stands.
func Skipped(at Standing, command string) []string {
	switch command {
	case Refer:
		return beforeReferral(at.State)
	case OpenMutual:
		if at.State == Referred {
			return nil
		}
		return append(beforeReferral(at.State), RungReferral)
	case Close:
		return beforeClosing(at)
	}
	return nil
}

func beforeReferral(s State) []string {
	switch s {
	case Consented:
		return []string{RungRelief}
	case Relief:
		return []string{RungDecision}
	}
	return nil
}

// beforeClosing: a case that got what it asked for may end; one that did not
// has rungs left.
func beforeClosing(at Standing) []string {
	switch at.State {
	case Opened:
		return []string{RungVisit, RungConsent}
	case Visited:
		return []string{RungConsent}
	case Consented, Relief:
		return append(beforeReferral(at.State), RungReferral, RungMutualAid)
	case ReliefDecided:
		if at.Decision != Granted && !at.Aided {
			return []string{RungReferral, RungMutualAid}
		}
	case Referred:
		if !at.Aided {
			return []string{RungMutualAid}
		}
	}
	return nil
}

// leastReason is the shortest reason that says anything, in characters.
const leastReason = 4

// CheckSkip refuses to leave rungs out without a written reason.
func CheckSkip(skipped []string, reason string) error {
	if len(skipped) == 0 || utf8.RuneCountInString(strings.TrimSpace(reason)) >= leastReason {
		return nil
	}
	return rule.New(rule.Precondition, "LADDER_STEP_SKIPPED", "skip_reason", "steps", strings.Join(skipped, ", "))
}

// ErasesFacts says whether a move to a state ends a case to which nobody
// consented: then nothing of the facts stays.
func ErasesFacts(from State, command string) bool {
	return command == Refuse || command == Close && (from == Opened || from == Visited)
}

// CheckDecision refuses a decision on what was not asked for or is decided.
func CheckDecision(asked bool, decided Decision) error {
	if !asked || decided != Undecided {
		return rule.New(rule.Precondition, "RELIEF_NOT_PENDING", "")
	}
	return nil
}

// Giver kinds of recorded aid. The numbers are the API's.
type Giver int32

// The givers.
const (
	Government Giver = iota + 1
	CommunityGroup
	SocialOrganization
	Charity
	Neighbours
)

// CheckGiver refuses aid of a rung that the case has not come to: government
// relief needs the street's grant, an organization its referral, neighbours
// the opened mutual aid.
func CheckGiver(at Standing, g Giver) error {
	reached := false
	switch g {
	case Government:
		reached = at.Decision == Granted || at.Decision == Partly
	case CommunityGroup, SocialOrganization, Charity:
		reached = at.State == Referred || at.State == MutualAid
	case Neighbours:
		reached = at.State == MutualAid
	}
	if !reached || at.State == Closed {
		return rule.New(rule.Precondition, "AID_RUNG_NOT_REACHED", "giver.kind")
	}
	return nil
}

// CheckConfirm wants a second person: who recorded aid does not confirm it.
func CheckConfirm(recorder, person string) error {
	if recorder == person {
		return rule.New(rule.Denied, "AID_CONFIRMED_BY_RECORDER", "")
	}
	return nil
}

// CheckConfirmed answers AIDS_UNCONFIRMED for a case that is to end with records
// of aid that nobody else confirmed.
func CheckConfirmed(open int) error {
	if open == 0 {
		return nil
	}
	return rule.New(rule.Precondition, "AIDS_UNCONFIRMED", "", "open", strconv.Itoa(open))
}
