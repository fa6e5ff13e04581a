package member

import (
	"strings"
	"unicode/utf8"

	"github.com/linli-project/linli/pkg/rule"
)

// Fact of a member that can be corrected. The numbers are those of the API's
// enum.
type Fact int32

// The facts.
const (
	NoFact Fact = iota
	FactName
	FactSex
	FactIDNumber
	FactPhone
	FactJoinedOn
	FactBuilding
	FactUnit
)

// longest texts, as rosters have them.
const (
	longestName     = 40
	longestBuilding = 20
	longestUnit     = 60
)

// CheckFact refuses what cannot be the value of a fact with INVALID_FIELD, which
// says what is wanted and not what was given.
func CheckFact(f Fact, value string) error {
	want := ""
	switch f {
	case FactName:
		want = wantLength(value, longestName)
	case FactSex:
		if value != string(Male) && value != string(Female) {
			want = "male, female"
		}
	case FactIDNumber:
		if _, err := ParseIDNumber(value); err != nil {
			want = "18 characters with a check digit that fits"
		}
	case FactPhone:
		if PhoneProblem(value) != "" {
			want = "11 digits"
		}
	case FactJoinedOn:
		if _, ok := ParseDay(value); !ok {
			want = "YYYY-MM-DD"
		}
	case FactBuilding:
		want = wantLength(value, longestBuilding)
	case FactUnit:
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
