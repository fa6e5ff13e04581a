// Package support is the domain of what a district promises a key project:
// people, money in tranches, policies, each with a day; and of the project's
// clock, which stands still while a promise is late.
//
// Days are whole numbers, counted from any common first day.
package support

import (
	"slices"
	"strconv"
	"strings"

	"github.com/linli-project/linli/pkg/rule"
)

// State is where a promise stands. The numbers are those of the API's enum.
type State int32

// The states.
const (
	Promised State = iota + 1
	Late
	Delivered
)

func (s State) String() string {
	names := [...]string{"unknown", "promised", "late", "delivered"}
	if s < 0 || int(s) >= len(names) {
		return names[0]
	}
	return names[s]
}

// The commands.
const (
	FindLate = "find late"
	Deliver  = "deliver"
)

// Machine is the table of allowed steps.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "promise",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: Promised, Command: FindLate, To: Late},
			{From: Promised, Command: Deliver, To: Delivered},
			{From: Late, Command: Deliver, To: Delivered},
		},
	}
}

// Kind of a promise. The numbers are those of the API's enum.
type Kind int32

// The kinds.
const (
	People Kind = iota + 1
	Money
	Policy
)

// Promise is one line of the support plan. DeliveredOn is 0 while it is not.
type Promise struct {
	Kind             Kind
	People           int
	Fen              int64
	Title            string
	Due, DeliveredOn int
}

// Check answers INVALID_FIELD for a promise that cannot be tracked: without
// what is promised, with more than that, or due before the project begins.
func (p Promise) Check(field string, begins int) error {
	switch {
	case p.Kind == People && p.People < 1:
		return invalid(field+".people", "1 or more")
	case p.Kind != People && p.People != 0:
		return invalid(field+".people", "0")
	case p.Kind == Money && p.Fen < 1:
		return invalid(field+".amount_fen", "1 or more")
	case p.Kind != Money && p.Fen != 0:
		return invalid(field+".amount_fen", "0")
	case p.Kind == Policy && strings.TrimSpace(p.Title) == "":
		return invalid(field+".title", "not blank")
	case p.Due < begins:
		return invalid(field+".due", "not before the project begins")
	}
	return nil
}

// CheckPlan checks every promise, and that people, money and policy are all
// there: a key project has the three.
func CheckPlan(promises []Promise, begins int) error {
	has := map[Kind]bool{}
	for i, p := range promises {
		if err := p.Check("promises["+strconv.Itoa(i)+"]", begins); err != nil {
			return err
		}
		has[p.Kind] = true
	}
	if !has[People] || !has[Money] || !has[Policy] {
		return invalid("promises", "people, money and policy")
	}
	return nil
}

// CheckDay answers INVALID_FIELD for a day before the project began or later
// than today.
func CheckDay(field string, on, begins, today int) error {
	if on < begins || on > today {
		return invalid(field, "from the beginning of the project to today")
	}
	return nil
}

// IsLate says whether a promise is late at the end of a day.
func (p Promise) IsLate(today int) bool {
	return p.Due < today && (p.DeliveredOn == 0 || p.DeliveredOn > today)
}

// Span holds the days From ≤ day < To.
type Span struct{ From, To int }

// Standstill answers the days on which at least one promise was late, up to
// and with today, as spans in order that do not touch. A day counts when it
// lies after the due day of a promise and up to the day of its delivery. Money
// that was withheld as a consequence was not late on those days.
func Standstill(promises []Promise, withheld []Span, today int) Clock {
	var spans []Span
	for _, p := range promises {
		end := today + 1
		if p.DeliveredOn != 0 && p.DeliveredOn < today {
			end = p.DeliveredOn + 1
		}
		late := []Span{{p.Due + 1, end}}
		if p.Kind == Money {
			late = without(late, withheld)
		}
		spans = append(spans, late...)
	}
	return Clock{union(spans)}
}

// union merges spans; empty ones fall out.
func union(spans []Span) []Span {
	spans = slices.DeleteFunc(spans, func(s Span) bool { return s.To <= s.From })
	slices.SortFunc(spans, func(a, b Span) int { return a.From - b.From })
	var out []Span
	for _, s := range spans {
		if n := len(out); n > 0 && s.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, s.To)
			continue
		}
		out = append(out, s)
	}
	return out
}

// without cuts spans out of others.
func without(spans, cut []Span) []Span {
	for _, c := range union(slices.Clone(cut)) {
		var left []Span
		for _, s := range spans {
			left = append(left, Span{s.From, min(s.To, c.From)}, Span{max(s.From, c.To), s.To})
		}
		spans = slices.DeleteFunc(left, func(s Span) bool { return s.To <= s.From })
	}
	return spans
}

// Clock is the project's: it stands still in its spans.
type Clock struct{ stands []Span }

// Stands answers the spans in which it stands still.
func (c Clock) Stands() []Span { return c.stands }

// Days is how long it stood still in all.
func (c Clock) Days() (days int) {
	for _, s := range c.stands {
		days += s.To - s.From
	}
	return days
}

// Running counts the days after from, up to and with to, on which it ran.
func (c Clock) Running(from, to int) int {
	if to <= from {
		return 0
	}
	days := to - from
	for _, s := range c.stands {
		days -= max(0, min(s.To, to+1)-max(s.From, from+1))
	}
	return days
}

// Due moves a day by the standstill that came before it: the project has as
// many running days until the answer as it was given. What stood still after
// the day was reached changes nothing.
func (c Clock) Due(due int) int {
	for _, s := range c.stands {
		if s.From > due {
			break
		}
		due += s.To - s.From
	}
	return due
}

func invalid(field, must string) error {
	return rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", must)
}
