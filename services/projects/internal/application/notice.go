package application

import (
	"strconv"
	"strings"
	"time"

	"github.com/linli-project/linli/pkg/rule"
)

// The rules between the decision and the key project.

// Chosen says whether an application takes one of the call's places.
func Chosen(s State) bool { return s == Selected || s == InNotice || s == KeyProject }

// Due says whether an application becomes a key project: its notice is over,
// and no objection waits for an answer.
func Due(s State, now, until time.Time, openObjections int) bool {
	return s == InNotice && !now.Before(until) && openObjections == 0
}

// CheckInNotice answers NOT_IN_NOTICE before and after the notice of an
// application: objections are taken while it lasts.
func CheckInNotice(s State, now, until time.Time) error {
	if s == InNotice && now.Before(until) {
		return nil
	}
	return rule.New(rule.Precondition, "NOT_IN_NOTICE", "")
}

// CheckAnswer answers OWN_OBJECTION for an officer who answers the own one,
// OBJECTION_ANSWERED for a second answer, and INVALID_FIELD where the withdrawal
// of a selection and its reason do not come together.
func CheckAnswer(officer, objector string, answered, upheld bool, reason string) error {
	blank := strings.TrimSpace(reason) == ""
	switch {
	case officer == objector:
		return rule.New(rule.Denied, "OWN_OBJECTION", "")
	case answered:
		return rule.New(rule.Precondition, "OBJECTION_ANSWERED", "")
	case upheld && blank:
		return invalid("reason", "not blank")
	case !upheld && !blank:
		return invalid("reason", "only with upheld")
	}
	return nil
}

// CheckPlace answers QUOTA_EXCEEDED where all places are taken.
func CheckPlace(chosen, quota int) error {
	if chosen < quota {
		return nil
	}
	return rule.New(rule.Precondition, "QUOTA_EXCEEDED", "", "selected", strconv.Itoa(chosen+1), "quota", strconv.Itoa(quota))
}

// NextReserve answers the first one in reserve by rank; NO_RESERVE where there
// is none.
func NextReserve(ranked []string, states map[string]State) (string, error) {
	for _, number := range ranked {
		if states[number] == Reserve {
			return number, nil
		}
	}
	return "", rule.New(rule.Precondition, "NO_RESERVE", "")
}

// CheckBudget answers BUDGET_EXCEEDED where the selected ask for more than the
// call's budget and nobody says why; 0 is no limit.
func CheckBudget(selected, budget int64, reason string) error {
	if budget == 0 || selected <= budget || strings.TrimSpace(reason) != "" {
		return nil
	}
	return rule.New(rule.Precondition, "BUDGET_EXCEEDED", "over_budget_reason",
		"selected", strconv.FormatInt(selected, 10), "budget", strconv.FormatInt(budget, 10))
}
