package policy

import (
	"slices"
	"strconv"
	"time"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/rule"
)

// Year is the official calendar of one year: the days off that the State
// Council announces, and the weekend days that are worked in their place. Days
// are Shanghai days, "2013-02-09".
type Year struct {
	Year     int
	Holidays []string
	Workdays []string
	Source   Source
}

// Check refuses days that are no days of the year, and what is both.
func (y Year) Check() error {
	for _, d := range slices.Concat(y.Holidays, y.Workdays) {
		t, err := time.Parse(time.DateOnly, d)
		if err != nil || t.Year() != y.Year {
			return rule.New(rule.Invalid, "POLICY_BAD_VALUE", "calendars", "key", d, "want", strconv.Itoa(y.Year)+"-01-01")
		}
		if slices.Contains(y.Holidays, d) && slices.Contains(y.Workdays, d) {
			return rule.New(rule.Invalid, "POLICY_BAD_VALUE", "calendars", "key", d, "want", "holiday or workday")
		}
	}
	return nil
}

// announced are the calendars that come with linli, as announced.
var announced = map[int]Year{
	// 国办发明电〔2012〕33号
	2013: {
		Year: 2013,
		Holidays: concat(
			span("2013-01-01", 3), span("2013-02-09", 7), span("2013-04-04", 3), span("2013-04-29", 3),
			span("2013-06-10", 3), span("2013-09-19", 3), span("2013-10-01", 7),
		),
		Workdays: []string{
			"2013-01-05", "2013-01-06", "2013-02-16", "2013-02-17", "2013-04-07", "2013-04-27", "2013-04-28",
			"2013-06-08", "2013-06-09", "2013-09-22", "2013-09-29", "2013-10-12",
		},
		Source: Source{Title: "国务院办公厅关于2013年部分节假日安排的通知", Number: "国办发明电〔2012〕33号"},
	},
	// 国办发明电〔2013〕28号
	2014: {
		Year: 2014,
		Holidays: concat(
			span("2014-01-01", 1), span("2014-01-31", 7), span("2014-04-05", 3), span("2014-05-01", 3),
			span("2014-05-31", 3), span("2014-09-06", 3), span("2014-10-01", 7),
		),
		Workdays: []string{"2014-01-26", "2014-02-08", "2014-05-04", "2014-09-28", "2014-10-11"},
		Source:   Source{Title: "国务院办公厅关于2014年部分节假日安排的通知", Number: "国办发明电〔2013〕28号"},
	},
}

func concat(parts ...[]string) []string { return slices.Concat(parts...) }

// span is some days from a first one.
func span(first string, days int) []string {
	t, err := time.Parse(time.DateOnly, first)
	if err != nil {
		panic("policy: " + first + " is no day")
	}
	out := make([]string, days)
	for i := range out {
		out[i] = t.AddDate(0, 0, i).Format(time.DateOnly)
	}
	return out
}

// CalendarOf answers the official calendar of a year: the district's own, else
// the announced one that comes with linli; false for a year without one.
func (p Policy) CalendarOf(year int) (Year, bool) {
	if y, ok := p.calendar[year]; ok {
		return y, true
	}
	y, ok := announced[year]
	return y, ok
}

// Workday says whether the Shanghai day of t is a working day. NO_CALENDAR for
// a year without an official calendar: it is never guessed.
func (p Policy) Workday(t time.Time) (bool, error) {
	local := t.In(clock.Shanghai())
	y, ok := p.CalendarOf(local.Year())
	if !ok {
		return false, rule.New(rule.Precondition, "NO_CALENDAR", "", "year", strconv.Itoa(local.Year()))
	}
	day := local.Format(time.DateOnly)
	if slices.Contains(y.Holidays, day) {
		return false, nil
	}
	weekend := local.Weekday() == time.Saturday || local.Weekday() == time.Sunday
	return !weekend || slices.Contains(y.Workdays, day), nil
}

// AddWorkdays answers the end of the n-th working day after the day of t: the
// midnight that ends it. A limit of 1 set on a Friday ends Monday at midnight.
// n = 0 is the end of the day of t itself.
func (p Policy) AddWorkdays(t time.Time, n int) (time.Time, error) {
	local := t.In(clock.Shanghai())
	day := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, local.Location())
	for n > 0 {
		day = day.AddDate(0, 0, 1)
		works, err := p.Workday(day)
		if err != nil {
			return time.Time{}, err
		}
		if works {
			n--
		}
	}
	return day.AddDate(0, 0, 1), nil
}

// Workdays counts the working days after the day of from, up to and with the
// day of to; 0 when to is not after from.
func (p Policy) Workdays(from, to time.Time) (int, error) {
	n := 0
	last := clock.Day(to)
	for day := from.In(clock.Shanghai()).AddDate(0, 0, 1); clock.Day(day) <= last; day = day.AddDate(0, 0, 1) {
		works, err := p.Workday(day)
		if err != nil {
			return 0, err
		}
		if works {
			n++
		}
	}
	return n, nil
}

// LastWorkdays answers the beginning of the n-th last working day before the
// midnight end: of a limit that ends on a Monday, for 1 that Monday's, for 2 the
// Friday's before.
func (p Policy) LastWorkdays(end time.Time, n int) (time.Time, error) {
	local := end.In(clock.Shanghai())
	day := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, local.Location())
	for n > 0 {
		day = day.AddDate(0, 0, -1)
		works, err := p.Workday(day)
		if err != nil {
			return time.Time{}, err
		}
		if works {
			n--
		}
	}
	return day, nil
}
