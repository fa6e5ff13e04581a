// Package application is the domain of an organization's answer to a call: its
// states, who may apply, and what an application must be to be one.
package application

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/linli-project/linli/pkg/rule"
)

// State is where an application stands. The numbers are those of the API's enum.
type State int32

// The states.
const (
	Draft State = iota + 1
	Submitted
	InReview
	Selected
	Reserve
	NotSelected
	InCheck
	Returned
	Eligible
	Ineligible
	InNotice
	KeyProject
	Withdrawn
)

func (s State) String() string {
	names := [...]string{"unknown", "draft", "submitted", "in review", "selected", "reserve", "not selected",
		"in check", "returned", "eligible", "ineligible", "in notice", "key project", "withdrawn"}
	if s < 0 || int(s) >= len(names) {
		return names[0]
	}
	return names[s]
}

// The commands.
const (
	Submit      = "submit"
	StartCheck  = "start check"
	Return      = "return for changes"
	Resubmit    = "resubmit"
	Pass        = "find eligible"
	Fail        = "find ineligible"
	StartReview = "start review"
	Select      = "select"
	Keep        = "reserve"
	TurnDown    = "not select"
	Withdraw    = "withdraw"
	GiveNotice  = "give notice"
	Become      = "become key project"
	TakeOff     = "withdraw selection"
	MoveUp      = "move up"
)

// Machine is the table of allowed steps.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "application",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: Draft, Command: Submit, To: Submitted},
			{From: Draft, Command: Withdraw, To: Withdrawn},
			{From: Submitted, Command: Withdraw, To: Withdrawn},
			{From: InCheck, Command: Withdraw, To: Withdrawn},
			{From: Returned, Command: Withdraw, To: Withdrawn},
			{From: Eligible, Command: Withdraw, To: Withdrawn},
			{From: InReview, Command: Withdraw, To: Withdrawn},
			{From: Submitted, Command: StartCheck, To: InCheck},
			{From: InCheck, Command: Return, To: Returned},
			{From: Returned, Command: Resubmit, To: InCheck},
			{From: InCheck, Command: Pass, To: Eligible},
			{From: InCheck, Command: Fail, To: Ineligible},
			{From: Returned, Command: Fail, To: Ineligible},
			{From: Submitted, Command: StartReview, To: InReview},
			{From: Eligible, Command: StartReview, To: InReview},
			{From: InReview, Command: Select, To: Selected},
			{From: InReview, Command: Keep, To: Reserve},
			{From: InReview, Command: TurnDown, To: NotSelected},
			{From: Selected, Command: GiveNotice, To: InNotice},
			{From: InNotice, Command: Become, To: KeyProject},
			{From: InNotice, Command: TakeOff, To: NotSelected},
			{From: Reserve, Command: MoveUp, To: InNotice},
		},
	}
}

// Waiting says whether an application goes into review with its call.
func Waiting(s State) bool { return s == Submitted || s == Eligible }

// Pending says whether an application is still in check or with its applicant.
func Pending(s State) bool { return s == InCheck || s == Returned }

// CheckDone answers CHECK_PENDING while applications are pending.
func CheckDone(pending int) error {
	if pending > 0 {
		return rule.New(rule.Precondition, "CHECK_PENDING", "", "pending", strconv.Itoa(pending))
	}
	return nil
}

// UnderReview says whether the review of an application has started.
func UnderReview(s State) bool {
	return InReview <= s && s <= NotSelected || s == InNotice || s == KeyProject
}

// Sealed says whether only the applicant may know of an application: until
// the check or the review starts, and for good when it was never submitted.
func Sealed(s State) bool { return !UnderReview(s) && (s < InCheck || s > Ineligible) }

// Verdict answers the command that finds an application eligible or not;
// INVALID_FIELD for not eligible without a reason.
func Verdict(eligible bool, reason string) (string, error) {
	switch {
	case eligible:
		return Pass, nil
	case strings.TrimSpace(reason) == "":
		return "", invalid("reason", "not blank")
	}
	return Fail, nil
}

// CheckAgain answers RETURN_OVER once the day for changes has passed.
func CheckAgain(until, now time.Time) error {
	if now.Before(until) {
		return nil
	}
	return rule.New(rule.Precondition, "RETURN_OVER", "", "until", lastDay(until))
}

// CheckGivenUp answers RETURN_OPEN while the applicant may still hand in again.
func CheckGivenUp(until, now time.Time) error {
	if now.Before(until) {
		return rule.New(rule.Precondition, "RETURN_OPEN", "", "until", lastDay(until))
	}
	return nil
}

// lastDay is the day that ends at a midnight.
func lastDay(end time.Time) string {
	return end.Add(-time.Nanosecond).Format(time.DateOnly)
}

// CheckJudged answers WRONG_STATE for an application that takes no sheets: they
// are taken while it is in review.
func CheckJudged(s State) error {
	if s == InReview {
		return nil
	}
	return rule.New(rule.Precondition, "WRONG_STATE", "", "entity", "application", "state", s.String(),
		"command", "judge", "allowed", strings.Join(Machine().Allowed(s), ", "))
}

// CheckRoom answers OVERLOADED for a call that is full.
func CheckRoom(inCall int) error {
	if inCall >= MostInCall {
		return rule.New(rule.Exhausted, "OVERLOADED", "", "entity", "call", "most", strconv.Itoa(MostInCall))
	}
	return nil
}

// CheckShare answers APPLICANT_FULL for an applicant with as many applications
// as a call takes of one.
func CheckShare(has, most int) error {
	if has >= most {
		return rule.New(rule.Precondition, "APPLICANT_FULL", "applicant_id", "most", strconv.Itoa(most))
	}
	return nil
}

// MostInCall is how many applications, drafts among them, a call takes: so
// many can be moved by one commit.
const MostInCall = 200

// Kinds answers the kinds of organization that may apply, as tokens write
// them. Districts judge, buildings have no office, and external organizations
// are known by name only.
func Kinds() []string {
	return []string{"street", "community", "workplace", "branch", "functional_group", "heart_home"}
}

// CheckApplicant answers APPLICANT_NOT_ALLOWED for the organization of a field
// that is of another kind than those called for, or outside the call's district.
// Paths end with a slash, so that "inside" is a prefix.
func CheckApplicant(field, kind, path, district string, called []string) error {
	if !slices.Contains(called, kind) || district == "" || !strings.HasPrefix(path, district) {
		return rule.New(rule.Precondition, "APPLICANT_NOT_ALLOWED", field)
	}
	return nil
}

// CheckTogether answers INVALID_FIELD for an applicant that applies together
// with itself.
func CheckTogether(applicant string, others []string) error {
	if i := slices.Index(others, applicant); i >= 0 {
		return invalid("co_applicant_ids["+strconv.Itoa(i)+"]", "other than the applicant")
	}
	return nil
}

// CheckTheme answers THEME_NOT_OF_CALL for a category that is none of the
// call's themes; a call without themes takes any.
func CheckTheme(category string, themes []string) error {
	if len(themes) == 0 || slices.Contains(themes, category) {
		return nil
	}
	return rule.New(rule.Precondition, "THEME_NOT_OF_CALL", "category", "themes", strings.Join(themes, ", "))
}

// CheckEditable answers WRONG_STATE for an application that is not its
// applicant's to change: it is while it is a draft, or returned.
func CheckEditable(s State) error {
	if s == Draft || s == Returned {
		return nil
	}
	return rule.New(rule.Precondition, "WRONG_STATE", "", "entity", "application", "state", s.String(),
		"command", "update", "allowed", strings.Join(Machine().Allowed(s), ", "))
}

// Indicator is one promise of an application.
type Indicator struct {
	Baseline, Target float64
	Due              string // a day, "2013-12-31"
}

// Application is what an applicant writes.
type Application struct {
	// Number is what people read out; unique in the call.
	Number, Title string
	Indicators    []Indicator
}

// New answers the application with its texts trimmed, or INVALID_FIELD for one
// without number or title, or with an indicator that cannot be measured.
func New(a Application) (Application, error) {
	a.Number, a.Title = strings.TrimSpace(a.Number), strings.TrimSpace(a.Title)
	switch {
	case a.Number == "":
		return a, invalid("number", "not blank")
	case a.Title == "":
		return a, invalid("title", "not blank")
	}
	for i, n := range a.Indicators {
		field := "indicators[" + strconv.Itoa(i) + "]."
		switch {
		case !finite(n.Baseline):
			return a, invalid(field+"baseline", "a number")
		case !finite(n.Target):
			return a, invalid(field+"target", "a number")
		}
		if _, err := time.Parse(time.DateOnly, n.Due); err != nil {
			return a, invalid(field+"due", "a day, written 2013-12-31")
		}
	}
	return a, nil
}

// CheckMeasured answers INVALID_FIELD for an indicator that promises nothing,
// from 0 to 0, or is due before the window of its call ends.
func CheckMeasured(indicators []Indicator, closes time.Time) error {
	for i, n := range indicators {
		field := "indicators[" + strconv.Itoa(i) + "]."
		switch {
		case n.Baseline == 0 && n.Target == 0:
			return invalid(field+"target", "a baseline or a target other than 0")
		case n.Due < lastDay(closes):
			return invalid(field+"due", "from "+lastDay(closes)+" on, the last day of the window")
		}
	}
	return nil
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

func invalid(field, must string) error {
	return rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", must)
}
