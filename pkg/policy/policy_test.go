package policy_test

import (
	"errors"
	"testing"
	"time"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/policy"
	"github.com/linli-project/linli/pkg/rule"
)

var decree = policy.Source{Title: "天心区项目建设年实施方案", Number: "天组发〔2013〕5号", Article: "三"}

func reason(t *testing.T, err error) string {
	t.Helper()
	var e *rule.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no rule error", err)
	}
	return e.Reason
}

func TestNew_RefusesWhatItCannotHold(t *testing.T) {
	for _, c := range []struct {
		value policy.Value
		want  string
	}{
		{policy.Value{Key: "requests.problem_days", Text: "0", Source: decree}, "POLICY_BAD_VALUE"},
		{policy.Value{Key: "requests.problem_days", Text: "1.5", Source: decree}, "POLICY_BAD_VALUE"},
		{policy.Value{Key: "evaluation.weight.ledger", Text: "1e1", Source: decree}, "POLICY_BAD_VALUE"},
		{policy.Value{Key: "evaluation.weight.ledger", Text: "-1", Source: decree}, "POLICY_BAD_VALUE"},
		{policy.Value{Key: "requests.problem_days", Text: "10"}, "POLICY_SOURCE_MISSING"},
		{policy.Value{Key: "requests.colour", Text: "red", Source: decree}, "POLICY_UNKNOWN_KEY"},
		{policy.Value{Key: "checkin.forced", Text: "true", Source: decree}, "POLICY_NEVER"},
		{policy.Value{Key: "evidence.photo.required", Text: "false", Source: decree}, "POLICY_NEVER"},
	} {
		if _, err := policy.New(1, []policy.Value{c.value}, nil); reason(t, err) != c.want {
			t.Errorf("%s = %q: %v, want %s", c.value.Key, c.value.Text, err, c.want)
		}
	}
}

// Each value is right by itself; together they make no sense.
func TestNew_RefusesValuesThatContradictEachOther(t *testing.T) {
	value := func(key, text string) policy.Value { return policy.Value{Key: key, Text: text, Source: decree} }
	for _, c := range []struct {
		values []policy.Value
		field  string // empty: taken
	}{
		{[]policy.Value{value("evaluation.mark.good", "0")}, "values.evaluation.mark.good"},
		{[]policy.Value{value("evaluation.mark.fair", "81")}, "values.evaluation.mark.fair"},
		{[]policy.Value{value("evaluation.mark.fair", "80")}, ""},
		{[]policy.Value{value("evaluation.opinion.good", "10")}, "values.evaluation.opinion.good"},
		{[]policy.Value{value("evaluation.grade.basic", "95")}, "values.evaluation.grade.basic"},
		{[]policy.Value{value("ledger.star_1", "100")}, "values.ledger.star_1"},
		{[]policy.Value{value("ledger.star_5", "3")}, "values.ledger.star_5"},
		{[]policy.Value{value("evaluation.weight.appraisal", "0"), value("evaluation.weight.ledger", "0"), value("evaluation.weight.satisfaction", "0")},
			"values.evaluation.weight.appraisal"},
		{[]policy.Value{value("evaluation.weight.appraisal", "0"), value("evaluation.weight.ledger", "0")}, ""},
	} {
		_, err := policy.New(1, c.values, nil)
		if c.field == "" {
			if err != nil {
				t.Errorf("%v: %v", c.values, err)
			}
			continue
		}
		var e *rule.Error
		if !errors.As(err, &e) || e.Reason != "POLICY_BAD_VALUE" || e.Field != c.field {
			t.Errorf("%v: %v, want the field %s", c.values, err, c.field)
		}
	}
}

func TestPolicy_SaysWhereAValueComesFrom(t *testing.T) {
	p, err := policy.New(3, []policy.Value{{Key: "evaluation.weight.ledger", Text: "33.3", Source: decree}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Rat("evaluation.weight.ledger").RatString(); got != "333/10" {
		t.Errorf("weight is %s", got)
	}
	if s, said := p.SourceOf("evaluation.weight.ledger"); !said || s != decree {
		t.Errorf("source %v %v", s, said)
	}
	if _, said := p.SourceOf("requests.problem_days"); said || p.Int("requests.problem_days") != 10 {
		t.Error("a default is not one")
	}
}

func TestWorkday_TheOfficialCalendarOf2013(t *testing.T) {
	var p policy.Policy
	for day, want := range map[string]bool{
		"2013-09-18": true, "2013-09-19": false, "2013-09-22": true, // Mid-Autumn and its Sunday
		"2013-10-07": false, "2013-10-12": true, "2013-12-28": false, "2013-12-30": true,
	} {
		at, _ := time.ParseInLocation(time.DateOnly, day, clock.Shanghai())
		if got, err := p.Workday(at); err != nil || got != want {
			t.Errorf("%s: %v %v", day, got, err)
		}
	}
	days := 0
	for at := time.Date(2013, 1, 1, 12, 0, 0, 0, clock.Shanghai()); at.Year() == 2013; at = at.AddDate(0, 0, 1) {
		if works, _ := p.Workday(at); works {
			days++
		}
	}
	if days != 250 { // 365 days without 104 weekend days and 11 statutory days off
		t.Errorf("2013 has %d working days", days)
	}
}

func TestAddWorkdays_EndsAtMidnightOfADayWorked(t *testing.T) {
	var p policy.Policy
	at := func(s string) time.Time {
		out, err := time.Parse(time.RFC3339, s+"+08:00")
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, c := range []struct {
		from string
		days int
		want string
	}{
		{"2013-12-29T20:00:00", 1, "2013-12-31T00:00:00"}, // Sunday evening: Monday
		{"2013-09-30T09:00:00", 1, "2013-10-09T00:00:00"}, // over the National Day
		{"2013-09-17T09:00:00", 3, "2013-09-24T00:00:00"}, // the Sunday of make-up counts
		{"2013-12-31T09:00:00", 1, "2014-01-03T00:00:00"}, // into the next year
		{"2013-05-06T09:00:00", 0, "2013-05-07T00:00:00"},
	} {
		got, err := p.AddWorkdays(at(c.from), c.days)
		if err != nil || !got.Equal(at(c.want)) {
			t.Errorf("%s + %d = %v, %v; want %s", c.from, c.days, got, err, c.want)
		}
	}
	if _, err := p.AddWorkdays(at("2031-01-01T09:00:00"), 1); reason(t, err) != "NO_CALENDAR" {
		t.Errorf("a year without a calendar: %v", err)
	}
	if n, err := p.Workdays(at("2013-09-17T09:00:00"), at("2013-09-23T18:00:00")); n != 3 || err != nil {
		t.Errorf("%d working days, %v", n, err)
	}
}

func TestLastWorkdays(t *testing.T) {
	at := func(day string) time.Time {
		d, err := time.ParseInLocation(time.DateOnly, day, clock.Shanghai())
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, c := range []struct {
		end  string
		n    int
		want string
	}{
		{"2013-09-03", 1, "2013-09-02"}, // ends Monday
		{"2013-09-03", 2, "2013-08-30"}, // Friday before
		{"2013-09-09", 1, "2013-09-06"}, // ends on a Sunday
		{"2013-09-30", 1, "2013-09-29"}, // a Sunday that is worked
		{"2013-10-08", 1, "2013-09-30"}, // the seven days of October
	} {
		got, err := policy.Policy{}.LastWorkdays(at(c.end), c.n)
		if err != nil || clock.Day(got) != c.want || !got.Equal(at(c.want)) {
			t.Errorf("%s, %d: %s, %v", c.end, c.n, got, err)
		}
	}
	if _, err := (policy.Policy{}).LastWorkdays(at("2013-01-01"), 1); err == nil {
		t.Error("a day of a year without a calendar was guessed")
	}
}
