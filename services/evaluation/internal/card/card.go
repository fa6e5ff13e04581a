// Package card holds the way of a liaison card 联系卡.
package card

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/linli-project/linli/pkg/rule"
)

// State of a card. The numbers are those of the API's enum.
type State int32

// The states.
const (
	New State = iota
	Active
	Ended
)

func (s State) String() string {
	names := [...]string{"new", "active", "ended"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// The commands.
const (
	Issue   = "issue"
	Inspect = "inspect"
	End     = "end"
)

// Machine is the way of a card.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "card",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: New, Command: Issue, To: Active},
			{From: Active, Command: Inspect, To: Active},
			{From: Active, Command: End, To: Ended},
		},
	}
}

// Number is what stands on the card: community, year, and the place in it.
func Number(community string, year, n int) string {
	return fmt.Sprintf("%s-%d-%05d", community, year, n)
}

// CheckHand refuses whoever would handle the own card.
func CheckHand(by, member string) error {
	if by == member {
		return rule.New(rule.Denied, "CARD_OF_ONESELF", "")
	}
	return nil
}

// CheckInspection refuses a year before the issue or after the present one, and
// a second inspection of a year.
func CheckInspection(years []int32, year, issued, present int32) error {
	if year < issued || year > present {
		return rule.New(rule.Invalid, "INSPECTION_YEAR", "year",
			"from", strconv.Itoa(int(issued)), "to", strconv.Itoa(int(present)))
	}
	if slices.Contains(years, year) {
		return rule.New(rule.Exists, "INSPECTED_ALREADY", "year", "year", strconv.Itoa(int(year)))
	}
	return nil
}
