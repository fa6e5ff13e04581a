// Package call is the domain of the yearly call for projects: its states, the
// window in which applications are taken, and what a call must be to be one.
package call

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/linli-project/linli/pkg/rule"
)

// State is where a call stands. The numbers are those of the API's enum.
type State int32

// The states.
const (
	Draft State = iota + 1
	Opened
	InReview
	Decided
	InCheck
)

func (s State) String() string {
	names := [...]string{"unknown", "draft", "open", "in review", "decided", "in check"}
	if s < 0 || int(s) >= len(names) {
		return names[0]
	}
	return names[s]
}

// The commands.
const (
	Open        = "open"
	StartCheck  = "start check"
	StartReview = "start review"
	Decide      = "decide"
	// AddReviewers moves nothing: it is possible where it stands in the table.
	AddReviewers = "add reviewers"
)

// Machine is the table of allowed steps.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "call",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: Draft, Command: Open, To: Opened},
			{From: Opened, Command: StartCheck, To: InCheck},
			{From: Opened, Command: StartReview, To: InReview},
			{From: InCheck, Command: StartReview, To: InReview},
			{From: InCheck, Command: AddReviewers, To: InCheck},
			{From: InReview, Command: AddReviewers, To: InReview},
			{From: InReview, Command: Decide, To: Decided},
		},
	}
}

// Next answers where a command leads at an instant: WRONG_STATE outside the
// table, WINDOW_CLOSED for opening a call whose window has ended, WINDOW_OPEN
// for a check or a review before it has.
func Next(s State, command string, w Window, now time.Time) (State, error) {
	to, err := Machine().Next(s, command)
	switch {
	case err != nil:
		return s, err
	case command == Open && w.over(now):
		return s, w.closed() // it could never take an application
	case (command == StartReview || command == StartCheck) && !w.over(now):
		return s, rule.New(rule.Precondition, "WINDOW_OPEN", "", "closes", w.Closes.Format(time.RFC3339))
	}
	return to, nil
}

// UnderReview says whether the review of a call has started: its applications
// are known to the district and the reviewers from then on.
func UnderReview(s State) bool { return s == InReview || s == Decided }

// Known says whether the district may know of the applications of a call.
func Known(s State) bool { return s == InCheck || UnderReview(s) }

// CheckRankable answers WRONG_STATE for a call whose review has not started.
func CheckRankable(s State) error {
	if UnderReview(s) {
		return nil
	}
	return rule.New(rule.Precondition, "WRONG_STATE", "", "entity", "call", "state", s.String(),
		"command", "rank", "allowed", strings.Join(Machine().Allowed(s), ", "))
}

// CheckExportable answers WRONG_STATE for a call that is not decided.
func CheckExportable(s State) error {
	if s == Decided {
		return nil
	}
	return rule.New(rule.Precondition, "WRONG_STATE", "", "entity", "call", "state", s.String(),
		"command", "export", "allowed", strings.Join(Machine().Allowed(s), ", "))
}

// Window is when applications are taken: from Opens until before Closes.
type Window struct{ Opens, Closes time.Time }

// CheckTaking answers WINDOW_CLOSED unless now lies in the window of an open
// call.
func (w Window) CheckTaking(s State, now time.Time) error {
	if s != Opened || now.Before(w.Opens) || w.over(now) {
		return w.closed()
	}
	return nil
}

func (w Window) over(now time.Time) bool { return !now.Before(w.Closes) }

func (w Window) closed() error {
	return rule.New(rule.Precondition, "WINDOW_CLOSED", "",
		"opens", w.Opens.Format(time.RFC3339), "closes", w.Closes.Format(time.RFC3339))
}

// Reviewer is somebody who hands in sheets, and the organization by which
// conflicts of interest are found.
type Reviewer struct{ Person, Organization string }

// Call is what a district officer decides about a call, without its sheet,
// which is a review.Form.
type Call struct {
	Title     string
	Window    Window
	Reviewers []Reviewer
	// Quota is how many applications can be selected.
	Quota int
	// Themes are what an application may be about; none = anything.
	Themes []string
}

// New answers the call with its texts trimmed, or INVALID_FIELD for one that
// closes before it opens, has nobody to review or the same reviewer twice,
// selects nobody, or has no title or a theme without a name.
func New(c Call) (Call, error) {
	c.Title = strings.TrimSpace(c.Title)
	switch {
	case c.Title == "":
		return c, invalid("title", "not blank")
	case !c.Window.Opens.Before(c.Window.Closes):
		return c, invalid("closes_at", "after opens_at")
	case c.Quota < 1:
		return c, invalid("quota", "1 or more")
	case len(c.Reviewers) == 0:
		return c, invalid("reviewers", "1 or more")
	}
	c.Themes = slices.Clone(c.Themes)
	for i, theme := range c.Themes {
		if c.Themes[i] = strings.TrimSpace(theme); c.Themes[i] == "" {
			return c, invalid("themes["+strconv.Itoa(i)+"]", "not blank")
		}
	}
	return c, CheckReviewers(nil, c.Reviewers)
}

// MostReviewers is how many a call has at the most.
const MostReviewers = 100

// CheckReviewers answers INVALID_FIELD for reviewers that cannot join those who
// are there: one without a person, or there already, or too many.
func CheckReviewers(there, more []Reviewer) error {
	seen := map[string]bool{}
	for _, r := range there {
		seen[r.Person] = true
	}
	for i, r := range more {
		field := "reviewers[" + strconv.Itoa(i) + "].person"
		switch {
		case strings.TrimSpace(r.Person) == "":
			return invalid(field, "not blank")
		case seen[r.Person]:
			return invalid(field, "each person once")
		}
		seen[r.Person] = true
	}
	if len(seen) > MostReviewers {
		return invalid("reviewers", "no more than "+strconv.Itoa(MostReviewers)+" in all")
	}
	return nil
}

// Names says whether a person is a reviewer of the call, and with which
// organization.
func (c Call) Names(person string) (Reviewer, bool) {
	for _, r := range c.Reviewers {
		if r.Person == person {
			return r, true
		}
	}
	return Reviewer{}, false
}

func invalid(field, must string) error {
	return rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", must)
}
