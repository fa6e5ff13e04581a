package composite

import (
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/linli-project/linli/pkg/rule"
)

// Grade is a statutory grade of a branch's own members.
type Grade int32

// The grades, the best first. The numbers are those of the API's enum.
const (
	Ungraded    Grade = iota // probationary, or nothing to grade by
	Excellent                // 优秀
	Qualified                // 合格
	Basic                    // 基本合格
	Unqualified              // 不合格
)

// Lines are the least composites of the grades above the lowest.
type Lines struct{ Excellent, Qualified, Basic *big.Rat }

func (l Lines) grade(composite *big.Rat) Grade {
	switch {
	case composite.Cmp(l.Excellent) >= 0:
		return Excellent
	case composite.Cmp(l.Qualified) >= 0:
		return Qualified
	case composite.Cmp(l.Basic) >= 0:
		return Basic
	default:
		return Unqualified
	}
}

// Candidate is a member of the branch.
type Candidate struct {
	ID string
	// Composite as rounded; nil when there is none.
	Composite *big.Rat
	// Probationary members take part and get no grade.
	Probationary bool
}

func (c Candidate) graded() bool { return !c.Probationary && c.Composite != nil }

// Exception gives a member another grade than the figures do. It needs a
// reason and the consent of an organization above the branch.
type Exception struct {
	ID      string
	Grade   Grade
	Reason  string
	Consent string // person who consented
	Path    string // the organization that person stands for
}

// Decisions are what people decided.
type Decisions struct {
	// Chosen are those of a tie across the line who become excellent.
	Chosen     []string
	Exceptions []Exception
}

// Outcome is one member's grade.
type Outcome struct {
	ID    string
	Grade Grade
	// Tied: equal composites lie across the line; below until decided.
	Tied bool
	// Capped: the composite is worth more, the share of the excellent is used up.
	Capped bool
	// Decided: chosen out of a tie, or by exception.
	Decided bool
}

// Grades answers the grade of every member of a branch, by id. At most a third
// of the members graded, rounded down, is excellent; where equal composites lie
// across that line all of them stay below it until somebody decides.
// GRADE_NOT_TIED, GRADE_TOO_MANY_CHOSEN, GRADE_EXCEPTION_REASON,
// GRADE_EXCEPTION_CONSENT, GRADE_NOT_GRADED.
func Grades(branch string, members []Candidate, lines Lines, d Decisions) ([]Outcome, error) {
	out := make([]Outcome, 0, len(members))
	var reach []Candidate // for the first grade
	graded := 0
	for _, m := range members {
		o := Outcome{ID: m.ID}
		if m.graded() {
			graded++
			if o.Grade = lines.grade(m.Composite); o.Grade == Excellent {
				reach = append(reach, m)
			}
		}
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b Outcome) int { return strings.Compare(a.ID, b.ID) })
	if err := capExcellent(out, reach, graded/3, d.Chosen); err != nil {
		return nil, err
	}
	return out, except(branch, out, d.Exceptions)
}

// capExcellent takes the first grade from those beyond the room there is.
func capExcellent(out []Outcome, reach []Candidate, room int, chosen []string) error {
	slices.SortFunc(reach, func(a, b Candidate) int { return b.Composite.Cmp(a.Composite) })
	var tied []string
	for i := 0; i < len(reach); {
		end := i + 1
		for end < len(reach) && reach[end].Composite.Cmp(reach[i].Composite) == 0 {
			end++
		}
		if end > room {
			for _, m := range reach[i:end] {
				o := find(out, m.ID)
				o.Grade, o.Capped, o.Tied = Qualified, true, i < room
				if i < room {
					tied = append(tied, m.ID)
				}
			}
		}
		i = end
	}
	left := room - (len(reach) - count(out, func(o Outcome) bool { return o.Capped }))
	if len(chosen) > left {
		return rule.New(rule.Invalid, "GRADE_TOO_MANY_CHOSEN", "chosen", "most", strconv.Itoa(left))
	}
	for i, id := range chosen {
		if !slices.Contains(tied, id) || slices.Contains(chosen[:i], id) {
			return rule.New(rule.Invalid, "GRADE_NOT_TIED", "chosen", "id", id)
		}
		o := find(out, id)
		o.Grade, o.Tied, o.Capped, o.Decided = Excellent, false, false, true
	}
	return nil
}

func except(branch string, out []Outcome, all []Exception) error {
	for _, e := range all {
		o := find(out, e.ID)
		switch {
		case o == nil || o.Grade == Ungraded || e.Grade < Excellent || e.Grade > Unqualified:
			return rule.New(rule.Invalid, "GRADE_NOT_GRADED", "exceptions", "id", e.ID)
		case strings.TrimSpace(e.Reason) == "":
			return rule.New(rule.Invalid, "GRADE_EXCEPTION_REASON", "exceptions", "id", e.ID)
		case e.Consent == "" || !above(e.Path, branch):
			return rule.New(rule.Denied, "GRADE_EXCEPTION_CONSENT", "exceptions", "id", e.ID)
		}
		o.Grade, o.Tied, o.Capped, o.Decided = e.Grade, false, false, true
	}
	return nil
}

// above says whether the organization at path stands above the branch.
func above(path, branch string) bool {
	return path != "" && path != branch && strings.HasPrefix(branch, path)
}

func find(out []Outcome, id string) *Outcome {
	if i := slices.IndexFunc(out, func(o Outcome) bool { return o.ID == id }); i >= 0 {
		return &out[i]
	}
	return nil
}

func count(out []Outcome, is func(Outcome) bool) (n int) {
	for _, o := range out {
		if is(o) {
			n++
		}
	}
	return n
}
