// Package campaign holds who is due in a report-in campaign, and how far it is.
package campaign

import (
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/linli-project/linli/pkg/rule"
)

// State of an exclusion. The numbers are those of the API's enum.
type State int32

// The states.
const (
	New State = iota
	Proposed
	Approved
	Rejected
	Lapsed
)

func (s State) String() string {
	names := [...]string{"new", "proposed", "approved", "rejected", "lapsed"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// The commands.
const (
	Propose = "propose"
	Approve = "approve"
	Reject  = "reject"
	Lapse   = "lapse"
)

// Exclusions is the way of an exclusion. One that was rejected or lapsed can be
// proposed again, and one that was approved put anew, with another reason; until
// that is decided the member is due.
func Exclusions() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "exclusion",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: New, Command: Propose, To: Proposed},
			{From: Proposed, Command: Approve, To: Approved},
			{From: Proposed, Command: Reject, To: Rejected},
			{From: Rejected, Command: Propose, To: Proposed},
			{From: Approved, Command: Propose, To: Proposed},
			{From: Proposed, Command: Lapse, To: Lapsed},
			{From: Approved, Command: Lapse, To: Lapsed},
			{From: Lapsed, Command: Propose, To: Proposed},
		},
	}
}

// Reason why somebody does not report in. The numbers are those of the API's
// enum.
type Reason int32

// The reasons; from PostedAway on they exempt for a time.
const (
	Village Reason = iota + 1
	OtherCity
	OtherLevel
	PostedAway
	Ill
)

// Exempts says whether a reason exempts for a time; otherwise it is not due.
func (r Reason) Exempts() bool { return r >= PostedAway }

// Move is what a new roster says of where a member belongs.
type Move struct {
	// Home and Residence say whether they are other ones than before.
	Home, Residence bool
	// Away says that the new home lies outside the campaign's district.
	Away bool
}

// Outlives says whether an exclusion goes along when the member moves. It holds
// as long as what it rests on: where the member lives for a village and another
// city, whose member it is for another level, the person for the exemptions.
// The district approved it, so that another home need not ask again; nothing
// of it is left outside the district.
func (r Reason) Outlives(m Move) bool {
	switch {
	case m.Away:
		return false
	case r == Village || r == OtherCity:
		return !m.Residence
	case r == OtherLevel:
		return !m.Home
	}
	return true
}

// CheckUntil wants the last day of an exemption, not before today, and none of
// what is not due.
func CheckUntil(r Reason, until, today string) error {
	if r.Exempts() {
		if _, err := time.Parse(time.DateOnly, until); err != nil {
			return invalid("until", "YYYY-MM-DD")
		}
		if until < today {
			return invalid("until", "not before today")
		}
		return nil
	}
	if until != "" {
		return invalid("until", "empty: not due has no end")
	}
	return nil
}

// CheckDays wants days, and a deadline after the beginning.
func CheckDays(opens, deadline string) error {
	for field, day := range map[string]string{"opens_on": opens, "deadline_on": deadline} {
		if _, err := time.Parse(time.DateOnly, day); err != nil {
			return invalid(field, "YYYY-MM-DD")
		}
	}
	if deadline <= opens {
		return invalid("deadline_on", "after opens_on")
	}
	return nil
}

func invalid(field, must string) error {
	return rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", must)
}

// Case is a member in a campaign.
type Case struct {
	// Excluded by an approved exclusion, with its reason and last day.
	Excluded bool
	Reason   Reason
	Until    string
	// AcceptedFor is the day on which the accepted report-in was submitted;
	// empty when there is none.
	AcceptedFor string
}

// Class is how a member counts. The numbers are those of the API's enum.
type Class int32

// The classes.
const (
	Missing Class = iota + 1
	NotDue
	Exempt
	OnTime
	Late
)

// Of answers how a member counts on a day. Who has been accepted counts as
// accepted, whatever was said before; an exemption ends with its last day.
func Of(c Case, deadline, today string) Class {
	switch {
	case c.AcceptedFor != "" && c.AcceptedFor <= deadline:
		return OnTime
	case c.AcceptedFor != "":
		return Late
	case c.Excluded && !c.Reason.Exempts():
		return NotDue
	case c.Excluded && today <= c.Until:
		return Exempt
	}
	return Missing
}

// Percent answers accepted ÷ (due − exempt) with one decimal, rounded half up;
// "" without anybody.
func Percent(onTime, late, missing int64) string {
	due := onTime + late + missing
	if due == 0 {
		return ""
	}
	return big.NewRat(100*(onTime+late), due).FloatString(1)
}

// Ladder reads the days before the deadline on which is to be reminded.
func Ladder(texts []string) []int {
	var days []int
	for _, t := range texts {
		if n, err := strconv.Atoi(t); err == nil {
			days = append(days, n)
		}
	}
	return days
}

// NextReminder answers how many days before the deadline is to be reminded of
// today: the latest rung of the ladder that has come and was not done; false
// for none. A rung that the next one has overtaken is not made up for, and
// neither is one of before the campaign's first day.
func NextReminder(ladder []int, done []int32, from, deadline, today string) (int, bool) {
	end, err := time.Parse(time.DateOnly, deadline)
	if err != nil {
		return 0, false
	}
	now, err := time.Parse(time.DateOnly, today)
	if err != nil || now.After(end) {
		return 0, false
	}
	left := int(end.Sub(now).Hours() / 24)
	rungs := slices.Sorted(slices.Values(ladder))
	for _, rung := range rungs {
		if left <= rung {
			before := end.AddDate(0, 0, -rung).Format(time.DateOnly) < from
			return rung, !before && !slices.Contains(done, int32(rung))
		}
	}
	return 0, false
}

// CheckApprover refuses whoever proposed an exclusion, and whom it is about.
func CheckApprover(approver, proposer, member string) error {
	if approver == proposer || approver == member {
		return rule.New(rule.Denied, "APPROVES_OWN", "")
	}
	return nil
}
