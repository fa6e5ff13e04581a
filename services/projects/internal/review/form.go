// Package review is the domain of judging applications: the sheet and its
// points, conflicts of interest, scores as exact fractions, ranks and the cut.
package review

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/linli-project/linli/pkg/rule"
)

// Criterion is one line of the sheet.
type Criterion struct {
	Key string
	// Max is the highest number of points, a whole number from 1.
	Max int
	// Weight in the score, a whole number from 1.
	Weight int
}

// Form is the sheet of a call, the same for all reviewers and applications.
// NewForm makes it.
type Form struct{ criteria []Criterion }

// NewForm answers the form, or INVALID_FIELD for one without criteria, with a
// criterion twice, or with nothing to win.
func NewForm(criteria []Criterion) (Form, error) {
	if len(criteria) == 0 {
		return Form{}, invalid("criteria", "1 or more")
	}
	seen := map[string]bool{}
	for i, c := range criteria {
		field := "criteria[" + strconv.Itoa(i) + "]."
		switch {
		case strings.TrimSpace(c.Key) == "":
			return Form{}, invalid(field+"key", "not blank")
		case seen[c.Key]:
			return Form{}, invalid(field+"key", "each criterion once")
		case c.Max < 1:
			return Form{}, invalid(field+"max", "1 or more")
		case c.Weight < 1:
			return Form{}, invalid(field+"weight", "1 or more")
		}
		seen[c.Key] = true
	}
	return Form{criteria: criteria}, nil
}

func invalid(field, must string) error {
	return rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", must)
}

// Points are given for one criterion, in halves: 31 is 15.5 points. What is
// not applicable leaves the denominator.
type Points struct {
	Criterion     string
	Halves        int
	NotApplicable bool
}

// Fill checks the points of a sheet and answers them in the form's order.
// BAD_CRITERIA when one is missing, unknown or there twice, or none applies;
// BAD_POINTS when one lies outside 0 to the criterion's maximum, or has points
// and does not apply.
func (f Form) Fill(points []Points) ([]Points, error) {
	given := map[string]Points{}
	for _, p := range points {
		if _, twice := given[p.Criterion]; twice || !f.has(p.Criterion) {
			return nil, badCriteria(p.Criterion)
		}
		given[p.Criterion] = p
	}
	filled, apply := make([]Points, len(f.criteria)), 0
	for i, c := range f.criteria {
		p, ok := given[c.Key]
		switch {
		case !ok:
			return nil, badCriteria(c.Key)
		case p.Halves < 0 || p.Halves > 2*c.Max || p.NotApplicable && p.Halves != 0:
			return nil, rule.New(rule.Invalid, "BAD_POINTS", "points",
				"criterion", c.Key, "max", strconv.Itoa(c.Max))
		}
		filled[i] = p
		if !p.NotApplicable {
			apply++
		}
	}
	if apply == 0 {
		return nil, badCriteria("")
	}
	return filled, nil
}

// CheckLadder answers INVALID_FIELD for a tie ladder that names a criterion the
// form does not have.
func (f Form) CheckLadder(ladder []string) error {
	for i, criterion := range ladder {
		if !f.has(criterion) {
			return invalid("tie_ladder["+strconv.Itoa(i)+"]", "the key of a criterion")
		}
	}
	return nil
}

func (f Form) has(criterion string) bool {
	for _, c := range f.criteria {
		if c.Key == criterion {
			return true
		}
	}
	return false
}

func badCriteria(criterion string) error {
	return rule.New(rule.Invalid, "BAD_CRITERIA", "points", "criterion", criterion)
}

// Score answers 100·Σwx / Σw·max of a filled sheet over the criteria that
// apply: 0 to 100, exactly.
func (f Form) Score(filled []Points) *big.Rat {
	var won, most int64 // in halves
	for i, c := range f.criteria {
		if filled[i].NotApplicable {
			continue
		}
		won += int64(c.Weight) * int64(filled[i].Halves)
		most += int64(c.Weight) * int64(2*c.Max)
	}
	return big.NewRat(100*won, most)
}

// Conflict says whether a reviewer may not judge an applicant: their
// organizations are the same, or one is above the other. Paths begin and end
// with a slash, so that "above" is a prefix. An empty path is in conflict with
// everything, since nobody knows where it stands.
func Conflict(reviewer, applicant string) bool {
	return strings.HasPrefix(reviewer, applicant) || strings.HasPrefix(applicant, reviewer)
}
