// Package conduct holds the rules of notes on what a member did in the
// community: facts first, then the member's word, then a signed outcome, which
// lapses and can be appealed against.
package conduct

import (
	"time"

	"github.com/linli-project/linli/pkg/rule"
)

// State of a note. The numbers are those of the API's enum.
type State int32

// The states.
const (
	New State = iota
	Facts
	Hearing
	Heard
	Unfounded
	Corrected
	Standing
	Appealed
	Lifted
	Confirmed
)

func (s State) String() string {
	names := [...]string{
		"new", "facts", "hearing", "heard", "unfounded", "corrected", "standing",
		"under appeal", "lifted", "standing after appeal",
	}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// The commands.
const (
	Begin         = "note"
	Hear          = "hear"
	Answer        = "answer hearing"
	FindUnfounded = "find unfounded"
	FindCorrected = "find corrected"
	FindStanding  = "find standing"
	Appeal        = "appeal"
	Lift          = "lift note"
	Uphold        = "uphold note"
)

// Machine is the way of a note. Nothing is found against a member who was not
// asked.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "conduct_note",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: New, Command: Begin, To: Facts},
			{From: Facts, Command: Hear, To: Hearing},
			{From: Facts, Command: FindUnfounded, To: Unfounded},
			{From: Hearing, Command: Answer, To: Heard},
			{From: Hearing, Command: FindUnfounded, To: Unfounded},
			{From: Hearing, Command: FindCorrected, To: Corrected},
			{From: Hearing, Command: FindStanding, To: Standing},
			{From: Heard, Command: FindUnfounded, To: Unfounded},
			{From: Heard, Command: FindCorrected, To: Corrected},
			{From: Heard, Command: FindStanding, To: Standing},
			{From: Standing, Command: Appeal, To: Appealed},
			{From: Appealed, Command: Lift, To: Lifted},
			{From: Appealed, Command: Uphold, To: Confirmed},
		},
	}
}

// Finding is the command of an outcome; empty for a state that is none.
func Finding(outcome State) string {
	return map[State]string{Unfounded: FindUnfounded, Corrected: FindCorrected, Standing: FindStanding}[outcome]
}

// Verdict is the command that answers an appeal.
func Verdict(upheld bool) string {
	if upheld {
		return Lift
	}
	return Uphold
}

// CheckSign refuses an outcome while the member can still answer. What turned
// out to be nothing need not wait.
func CheckSign(at State, outcome State, until, now time.Time) error {
	if at != Hearing || outcome == Unfounded || !now.Before(until) {
		return nil
	}
	return rule.New(rule.Precondition, "HEARING_OPEN", "", "until", until.Add(-time.Nanosecond).Format(time.DateOnly))
}

// NotOnOneself refuses whoever the note is about.
func NotOnOneself(person, member string) error {
	if person == member {
		return rule.New(rule.Denied, "NOTE_ON_ONESELF", "")
	}
	return nil
}

// Lapses is the first day on which a note decided at a time is not reported.
func Lapses(decided time.Time, months int) string {
	return decided.AddDate(0, months, 0).Format(time.DateOnly)
}

// CheckAppeal refuses an appeal against what lapsed.
func CheckAppeal(today, lapsesOn string) error {
	if today >= lapsesOn {
		return rule.New(rule.Precondition, "NOTE_LAPSED", "", "day", lapsesOn)
	}
	return nil
}

// Reported says whether a note is told of on a day: it stands, was decided by
// then, has not lapsed and no appeal is open.
func Reported(s State, decidedOn, lapsesOn, day string) bool {
	return (s == Standing || s == Confirmed) && decidedOn <= day && day < lapsesOn
}
