// Package member is the domain of a member as a roster tells of one: kinds and
// states, ID numbers, phones, days, and what makes two rows the same person.
package member

import (
	"time"

	"github.com/linli-project/linli/pkg/rule"
)

// Kind is 党员类别.
type Kind string

// The kinds.
const (
	InService  Kind = "in_service"
	Retired    Kind = "retired"
	Enterprise Kind = "enterprise"
	Floating   Kind = "floating"
)

// Kinds answers every kind.
func Kinds() []Kind { return []Kind{InService, Retired, Enterprise, Floating} }

// ParseKind reads a kind as rosters write it.
func ParseKind(word string) (Kind, bool) {
	switch word {
	case "在职":
		return InService, true
	case "退休":
		return Retired, true
	case "企业":
		return Enterprise, true
	case "流动":
		return Floating, true
	}
	return "", false
}

// Status is 党员状态.
type Status string

// The states of membership.
const (
	Formal       Status = "formal"
	Probationary Status = "probationary"
)

// ParseStatus reads a status as rosters write it.
func ParseStatus(word string) (Status, bool) {
	switch word {
	case "正式党员":
		return Formal, true
	case "预备党员":
		return Probationary, true
	}
	return "", false
}

// Sex is "male" or "female".
type Sex string

// The two that ID numbers know.
const (
	Male   Sex = "male"
	Female Sex = "female"
)

// ParseSex reads a sex as rosters write it.
func ParseSex(word string) (Sex, bool) {
	switch word {
	case "男":
		return Male, true
	case "女":
		return Female, true
	}
	return "", false
}

// Day is a day of the calendar, "2013-07-01", so that days compare as strings.
// The empty Day is no day.
type Day string

// ParseDay reads a day; false when it does not exist or is written otherwise.
func ParseDay(s string) (Day, bool) {
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return "", false
	}
	return Day(s), true
}

// plusYears answers the same day of a later year. Of 29 February it answers a
// day that may not exist, and that compares rightly all the same.
func (d Day) plusYears(n int) Day {
	year := 0
	for _, c := range d[:4] {
		year = year*10 + int(c-'0')
	}
	year += n
	return Day([]byte{digit(year / 1000), digit(year / 100), digit(year / 10), digit(year)}) + d[4:]
}

func digit(n int) byte { return byte('0' + n%10) }

const ageToJoin = 18

// OldEnough says whether somebody born on a day may have joined on another.
func OldEnough(born, joined Day) bool { return joined >= born.plusYears(ageToJoin) }

const phoneDigits = 11

// PhoneProblem answers what keeps a text from being a phone number of 11
// digits: "not_digits", "too_short", "too_long", or "" for nothing.
func PhoneProblem(s string) string {
	switch {
	case !allDigits(s):
		return "not_digits"
	case len(s) < phoneDigits:
		return "too_short"
	case len(s) > phoneDigits:
		return "too_long"
	}
	return ""
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func fault(reason, column string, params ...string) *rule.Error {
	return rule.New(rule.Invalid, reason, column, params...)
}
