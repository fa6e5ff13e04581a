// Package claim is what a person asks about the own data: that a fact be
// corrected, that everything be erased.
package claim

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/services/registry/internal/member"
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

// Fact of a member that can be corrected. The numbers are those of the API's
// enum.
type Fact int32

// The facts.
const (
	NoFact Fact = iota
	Name
	Sex
	IDNumber
	Phone
	JoinedOn
	Building
	Unit
)

// longest texts, as rosters have them.
const (
	longestName     = 40
	longestBuilding = 20
	longestUnit     = 60
)

// CheckValue refuses what cannot be the value of a fact with INVALID_FIELD, which
// says what is wanted and not what was given.
func CheckValue(f Fact, value string) error {
	want := ""
	switch f {
	case Name:
		want = wantLength(value, longestName)
	case Sex:
		if value != string(member.Male) && value != string(member.Female) {
			want = "male, female"
		}
	case IDNumber:
		if _, err := member.ParseIDNumber(value); err != nil {
			want = "18 characters with a check digit that fits"
		}
	case Phone:
		if member.PhoneProblem(value) != "" {
			want = "11 digits"
		}
	case JoinedOn:
		if _, ok := member.ParseDay(value); !ok {
			want = "YYYY-MM-DD"
		}
	case Building:
		want = wantLength(value, longestBuilding)
	case Unit:
		want = wantLength(value, longestUnit)
	default:
		return rule.New(rule.Invalid, "INVALID_FIELD", "fact", "field", "fact", "rule", "a fact of a member")
	}
	if want != "" {
		return rule.New(rule.Invalid, "INVALID_FIELD", "value", "field", "value", "rule", want)
	}
	return nil
}

func wantLength(value string, longest int) string {
	if strings.TrimSpace(value) != value || value == "" || utf8.RuneCountInString(value) > longest {
		return "a text without blanks at its ends, not too long"
	}
	return ""
}
