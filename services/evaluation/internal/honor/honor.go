// Package honor holds the rules of a community's honor roll: what it takes to
// be named, the way to the board and off it.
package honor

import (
	"strconv"
	"time"

	"github.com/linli-project/linli/pkg/rule"
)

// State of an honor. The numbers are those of the API's enum.
type State int32

// The states.
const (
	New State = iota
	Named
	Refused
	Consented
	InNotice
	OnTheBoard
	RunOut
	TakenOff
)

func (s State) String() string {
	names := [...]string{
		"new", "named", "refused by the member", "said yes", "in public notice", "on the board", "run out", "taken off",
	}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// Open says whether it may yet come to the board, or is on it.
func (s State) Open() bool { return s == Named || s == Consented || s == InNotice || s == OnTheBoard }

// Commands that move an honor. PutUp and End are the house's own.
const (
	Name       = "name"
	SayYes     = "say yes"
	SayNo      = "say no"
	GiveNotice = "give notice"
	PutUp      = "put up"
	End        = "run out"
	TakeOff    = "take off"
)

// Machine is the way of an honor.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "honor",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: New, Command: Name, To: Named},
			{From: Named, Command: SayYes, To: Consented},
			{From: Named, Command: SayNo, To: Refused},
			{From: Named, Command: TakeOff, To: TakenOff},
			{From: Consented, Command: GiveNotice, To: InNotice},
			{From: Consented, Command: TakeOff, To: TakenOff},
			{From: InNotice, Command: PutUp, To: OnTheBoard},
			{From: InNotice, Command: TakeOff, To: TakenOff},
			{From: OnTheBoard, Command: End, To: RunOut},
			{From: OnTheBoard, Command: TakeOff, To: TakenOff},
		},
	}
}

// Evidence is of two kinds: what the ledger shows, and what residents say.
type Evidence struct {
	Times                           int32
	Praises, Ratings, Confirmations int32
}

// Trust is what residents say, together.
func (e Evidence) Trust() int32 { return e.Praises + e.Ratings + e.Confirmations }

// Check asks for both kinds.
func (e Evidence) Check(leastTimes, leastTrust int32) error {
	if e.Times < leastTimes {
		return lacking("HONOR_NOT_STOOD_OUT", e.Times, leastTimes)
	}
	if e.Trust() < leastTrust {
		return lacking("HONOR_NOT_TRUSTED", e.Trust(), leastTrust)
	}
	return nil
}

func lacking(reason string, have, need int32) error {
	return rule.New(rule.Precondition, reason, "member_id",
		"have", strconv.Itoa(int(have)), "need", strconv.Itoa(int(need)))
}

// Since answers the first day of the twelve months that end today.
func Since(today string) string {
	t, err := time.Parse(time.DateOnly, today)
	if err != nil {
		return today
	}
	return t.AddDate(-1, 0, 1).Format(time.DateOnly)
}

// CheckEnd asks for a last day after today and at most mostDays from it.
func CheckEnd(today, endsOn string, mostDays int) error {
	from, err := time.Parse(time.DateOnly, today)
	if err != nil {
		return err
	}
	end, err := time.Parse(time.DateOnly, endsOn)
	if err != nil || !end.After(from) || end.After(from.AddDate(0, 0, mostDays)) {
		return rule.New(rule.Invalid, "HONOR_BAD_END", "ends_on", "most", strconv.Itoa(mostDays))
	}
	return nil
}

// Due answers what the passing of time asks for: a public notice that is over
// without an open objection puts up, and the day after the last one takes down.
// Nothing is answered as "".
func Due(s State, today, endsOn string, now, noticeUntil time.Time, openObjections int32) string {
	switch {
	case s == InNotice && !now.Before(noticeUntil) && openObjections == 0:
		return PutUp
	case s == OnTheBoard && today > endsOn:
		return End
	}
	return ""
}
