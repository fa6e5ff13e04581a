package request

import (
	"strconv"
	"time"

	"github.com/linli-project/linli/pkg/rule"
)

// Kind of a request. The numbers are those of the API's enum.
type Kind int32

// The kinds.
const (
	Suggestion Kind = iota + 1
	Problem
	Inquiry
	Hardship
	Praise
	Nuisance
)

// Limits are working days, by the district's policy.
type Limits struct{ Admit, Inquiry, Problem, HardshipVisit int }

// Solve answers how many working days a request of a kind has from its
// admission; category is the register's own limit, 0 for none.
func (l Limits) Solve(k Kind, category int) int {
	switch {
	case category > 0:
		return category
	case k == Inquiry:
		return l.Inquiry
	case k == Hardship:
		return l.HardshipVisit
	}
	return l.Problem
}

// CheckClock answers LIMIT_PASSED for a clock whose limit has passed: what is
// late is neither extended nor stopped.
func CheckClock(due, now time.Time) error {
	if due.IsZero() || now.Before(due) {
		return nil
	}
	return rule.New(rule.Precondition, "LIMIT_PASSED", "", "due", due.Add(-time.Nanosecond).Format(time.DateOnly))
}

// Clock is whether a limit runs on a request.
type Clock int

// A clock runs, stands still, or there is none: the request has ended, or the
// year has no official calendar.
const (
	NoClock Clock = iota
	ClockRuns
	ClockStands
)

// Check refuses to go on with a clock that does not stand still, and to extend
// or stop one that does not run.
func (c Clock) Check(goOn bool) error {
	switch {
	case c == NoClock:
		return rule.New(rule.Precondition, "NO_CLOCK", "")
	case goOn && c == ClockRuns:
		return rule.New(rule.Precondition, "CLOCK_RUNS", "")
	case !goOn && c == ClockStands:
		return rule.New(rule.Precondition, "CLOCK_STANDS", "")
	}
	return nil
}

// CheckReopen answers REOPEN_OVER later than days after the end of a request.
func CheckReopen(ended, now time.Time, days int) error {
	if now.Before(ended.AddDate(0, 0, days)) {
		return nil
	}
	return rule.New(rule.Precondition, "REOPEN_OVER", "", "days", strconv.Itoa(days))
}

// Pause is how many unfounded nuisance posts pause their author, and for how
// many months.
type Pause struct{ After, Months int }

// Posts are an author's nuisance posts.
type Posts struct {
	Open        int
	Unfounded   int
	PausedUntil time.Time
}

// CheckAnother answers TOO_MANY_OPEN or NUISANCE_PAUSED for an author who may
// not post a nuisance now.
func (p Posts) CheckAnother(most int, now time.Time) error {
	switch {
	case now.Before(p.PausedUntil):
		return rule.New(rule.Precondition, "NUISANCE_PAUSED", "kind", "until", p.PausedUntil.Format(time.DateOnly))
	case p.Open >= most:
		return rule.New(rule.Precondition, "TOO_MANY_OPEN", "kind", "most", strconv.Itoa(most))
	}
	return nil
}

// Ended answers the posts after one has ended.
func (p Posts) Ended(unfounded bool, pause Pause, now time.Time) Posts {
	p.Open = max(0, p.Open-1)
	if !unfounded {
		return p
	}
	if p.Unfounded++; p.Unfounded >= pause.After {
		p.Unfounded, p.PausedUntil = 0, now.AddDate(0, pause.Months, 0)
	}
	return p
}
