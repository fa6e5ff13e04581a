// Package survey holds the rules of the satisfaction survey: its way, what an
// answer is, and how answers that can be given again are counted.
package survey

import (
	"slices"
	"strconv"
	"strings"

	"github.com/linli-project/linli/pkg/rule"
)

// State of a survey. The numbers are those of the API's enum.
type State int32

// The states.
const (
	New State = iota
	Prepared
	Issued
	Open
	Counted
	Annulled
)

func (s State) String() string {
	names := [...]string{"new", "in preparation", "codes issued", "open", "survey counted", "annulled"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// Commands that move a survey. Answer is what a household does: it leaves the
// survey open.
const (
	Prepare   = "prepare"
	IssueCode = "issue codes"
	Begin     = "open"
	Reply     = "answer"
	Count     = "count"
	Annul     = "annul survey"
	Read      = "read results"
)

// Machine is the way of a survey.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "survey",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: New, Command: Prepare, To: Prepared},
			{From: Prepared, Command: IssueCode, To: Issued},
			{From: Issued, Command: IssueCode, To: Issued},
			{From: Issued, Command: Begin, To: Open},
			{From: Open, Command: Reply, To: Open},
			{From: Open, Command: Count, To: Counted},
			{From: Counted, Command: Read, To: Counted},
			{From: Prepared, Command: Annul, To: Annulled},
			{From: Issued, Command: Annul, To: Annulled},
			{From: Open, Command: Annul, To: Annulled},
		},
	}
}

// CheckMembers refuses a member who stands on the form twice.
func CheckMembers(members []string) error {
	seen := map[string]bool{}
	for _, m := range members {
		if seen[m] {
			return rule.New(rule.Invalid, "SURVEY_MEMBER_TWICE", "lines", "id", m)
		}
		seen[m] = true
	}
	return nil
}

// CheckHouseholds refuses a survey of more households than the policy allows,
// and more codes than there are households.
func CheckHouseholds(field string, n, most int32) error {
	if n > most {
		return rule.New(rule.Precondition, "TOO_MANY_HOUSEHOLDS", field, "most", strconv.Itoa(int(most)))
	}
	return nil
}

// MayRun refuses who is asked about.
func MayRun(person string, members []string) error {
	if slices.Contains(members, person) {
		return rule.New(rule.Denied, "SURVEY_ON_ONESELF", "")
	}
	return nil
}

// CheckCount refuses more slips handed out than codes issued, and fewer than
// households have answered.
func CheckCount(issued, handedOut, answers int32) error {
	if handedOut > issued || handedOut < answers {
		return rule.New(rule.Precondition, "SURVEY_NOT_BALANCED", "handed_out",
			"issued", strconv.Itoa(int(issued)), "answers", strconv.Itoa(int(answers)))
	}
	return nil
}

// Mark of a household. The numbers are those of the API's enum; None is of who
// does not know the member.
type Mark int32

// The marks.
const (
	None Mark = iota
	Satisfied
	BasicallySatisfied
	NotSatisfied
	marks
)

// Given is a mark for a member, as it comes in.
type Given struct {
	Member string
	Mark   Mark
}

// Answer of a household: of the service in the community, and of each member,
// by member id.
type Answer struct {
	Service Mark
	Members []Given
}

// Sorted puts the members of an answer in the order of their ids.
func (a Answer) Sorted() Answer {
	members := slices.Clone(a.Members)
	slices.SortStableFunc(members, func(a, b Given) int { return strings.Compare(a.Member, b.Member) })
	return Answer{a.Service, members}
}

// Check refuses an answer that does not mark each of the members once.
func (a Answer) Check(members []string) error {
	incomplete := rule.New(rule.Invalid, "SURVEY_ANSWER_INCOMPLETE", "members")
	if a.Service <= None || a.Service >= marks {
		return rule.New(rule.Invalid, "SURVEY_ANSWER_INCOMPLETE", "service")
	}
	if len(a.Members) != len(members) {
		return incomplete
	}
	seen := map[string]bool{}
	for _, g := range a.Members {
		if g.Mark < None || g.Mark >= marks || seen[g.Member] || !slices.Contains(members, g.Member) {
			return incomplete
		}
		seen[g.Member] = true
	}
	return nil
}

// Pack writes an answer as one byte a mark, so that every answer of a survey is
// as long as another.
func (a Answer) Pack() []byte {
	out := []byte{byte(a.Service)}
	for _, g := range a.Sorted().Members {
		out = append(out, byte(g.Mark))
	}
	return out
}

// Unpack reads what Pack wrote about the same members; false for anything else.
func Unpack(packed []byte, members []string) (Answer, bool) {
	if len(packed) != len(members)+1 {
		return Answer{}, false
	}
	a := Answer{Service: Mark(packed[0])}
	for i, m := range slices.Sorted(slices.Values(members)) {
		a.Members = append(a.Members, Given{m, Mark(packed[i+1])})
	}
	return a, a.Check(members) == nil
}

// Tally is how often each mark stands, by Mark.
type Tally [marks]int32

// Said is how many answers say something.
func (t Tally) Said() int32 { return t[Satisfied] + t[BasicallySatisfied] + t[NotSatisfied] }

// Satisfied is how many of them are satisfied, with or without 基本满意.
func (t Tally) Satisfied(basicallyCounts bool) int32 {
	if basicallyCounts {
		return t[Satisfied] + t[BasicallySatisfied]
	}
	return t[Satisfied]
}

// Sums of the answers that hold.
type Sums struct {
	Answers int32
	Service Tally
	// Members in the order of the form.
	Members []Tally
}

// Add counts an answer. It was checked.
func (s *Sums) Add(a Answer, members []string) { s.count(a, members, 1) }

// Remove takes out an answer that the household has given anew.
func (s *Sums) Remove(a Answer, members []string) { s.count(a, members, -1) }

func (s *Sums) count(a Answer, members []string, n int32) {
	s.Answers += n
	s.Service[a.Service] += n
	for _, g := range a.Members {
		s.Members[slices.Index(members, g.Member)][g.Mark] += n
	}
}

// MayShow refuses sums of fewer answers than the least that is shown.
func MayShow(answers, least int32) error {
	if answers < least {
		return rule.New(rule.Precondition, "TOO_FEW_ANSWERS", "", "least", strconv.Itoa(int(least)))
	}
	return nil
}
