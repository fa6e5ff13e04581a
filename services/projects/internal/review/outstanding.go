package review

import (
	"strconv"

	"github.com/linli-project/linli/pkg/rule"
)

// Party is a reviewer or an application, with the path of the organization
// that stands behind it.
type Party struct{ ID, Path string }

// Pair names one sheet: who judges what.
type Pair struct{ Reviewer, Application string }

// CheckHanded answers SHEETS_MISSING for a reviewer who may judge an application
// and has not.
func CheckHanded(r, a Party, handed map[Pair]bool) error {
	if handed[Pair{Reviewer: r.ID, Application: a.ID}] || Conflict(r.Path, a.Path) {
		return nil
	}
	return rule.New(rule.Precondition, "SHEETS_MISSING", "", "missing", "1", "due", "1")
}

// CheckComplete answers SHEETS_MISSING until every reviewer has handed in a
// sheet for every application that does not conflict. An application that
// nobody may judge counts as one sheet missing: it is not decided by default.
func CheckComplete(reviewers, applications []Party, handed map[Pair]bool) error {
	missing, due := 0, 0
	for _, a := range applications {
		judged := false
		for _, r := range reviewers {
			has := handed[Pair{Reviewer: r.ID, Application: a.ID}]
			if !has && Conflict(r.Path, a.Path) {
				continue
			}
			judged = true
			due++
			if !has {
				missing++
			}
		}
		if !judged {
			missing, due = missing+1, due+1
		}
	}
	if missing == 0 {
		return nil
	}
	return rule.New(rule.Precondition, "SHEETS_MISSING", "",
		"missing", strconv.Itoa(missing), "due", strconv.Itoa(due))
}
