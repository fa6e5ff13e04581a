package review

import (
	"slices"
	"strconv"
	"strings"

	"github.com/linli-project/linli/pkg/rule"
)

// Party is a reviewer or an application, with the path of the organization
// that stands behind it, and of those that apply together with it.
type Party struct {
	ID, Path string
	With     []string
}

// conflicts says whether two parties stand on one line of the tree.
func (p Party) conflicts(other Party) bool {
	for _, a := range append([]string{p.Path}, p.With...) {
		for _, b := range append([]string{other.Path}, other.With...) {
			if Conflict(a, b) {
				return true
			}
		}
	}
	return false
}

// Pair names one sheet: who judges what.
type Pair struct{ Reviewer, Application string }

// Panel is who judges what, and what has come in.
type Panel struct {
	Reviewers []Party
	// Declared conflicts, beside those that follow from the tree.
	Declared map[Pair]bool
	Handed   map[Pair]bool
}

// Barred says whether a reviewer may not judge an application. A sheet that came
// in before is set aside: it counts for nothing.
func (p Panel) Barred(r, a Party) bool {
	return p.Declared[Pair{Reviewer: r.ID, Application: a.ID}] || r.conflicts(a)
}

// CheckComplete answers SHEETS_MISSING until every reviewer has handed in a
// sheet for every application that does not conflict. An application that
// nobody may judge counts as one sheet missing: it is not decided by default.
func (p Panel) CheckComplete(applications []Party) error {
	missing, due := 0, 0
	for _, a := range applications {
		judged := false
		for _, r := range p.Reviewers {
			if p.Barred(r, a) {
				continue
			}
			judged = true
			due++
			if !p.Handed[Pair{Reviewer: r.ID, Application: a.ID}] {
				missing++
			}
		}
		if !judged {
			missing, due = missing+1, due+1
		}
	}
	return sheetsMissing(missing, due)
}

// CheckJudges answers NOBODY_MAY_JUDGE with the applications for which no
// reviewer is left. Here the ID of an application is its number.
func (p Panel) CheckJudges(applications []Party) error {
	var none []string
	for _, a := range applications {
		if !slices.ContainsFunc(p.Reviewers, func(r Party) bool { return !p.Barred(r, a) }) {
			none = append(none, a.ID)
		}
	}
	if len(none) == 0 {
		return nil
	}
	return rule.New(rule.Precondition, "NOBODY_MAY_JUDGE", "", "applications", strings.Join(none, ", "))
}

// CheckOwn answers SHEETS_MISSING for a reviewer who has own sheets to hand in:
// what others gave is seen after that. Somebody who is no reviewer owes none.
func (p Panel) CheckOwn(person string, applications []Party) error {
	missing, due := 0, 0
	for _, r := range p.Reviewers {
		if r.ID != person {
			continue
		}
		for _, a := range applications {
			if p.Barred(r, a) {
				continue
			}
			due++
			if !p.Handed[Pair{Reviewer: r.ID, Application: a.ID}] {
				missing++
			}
		}
	}
	return sheetsMissing(missing, due)
}

func sheetsMissing(missing, due int) error {
	if missing == 0 {
		return nil
	}
	return rule.New(rule.Precondition, "SHEETS_MISSING", "",
		"missing", strconv.Itoa(missing), "due", strconv.Itoa(due))
}
