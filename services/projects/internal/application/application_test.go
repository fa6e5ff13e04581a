package application

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/linli-project/linli/pkg/rule"
)

func TestMachine_OnlyWhatTheTableSays(t *testing.T) {
	want := map[State]map[string]State{
		Draft:       {Submit: Submitted, Withdraw: Withdrawn},
		Submitted:   {StartReview: InReview, StartCheck: InCheck, Withdraw: Withdrawn},
		Withdrawn:   {},
		InCheck:     {Return: Returned, Pass: Eligible, Fail: Ineligible, Withdraw: Withdrawn},
		Returned:    {Resubmit: InCheck, Fail: Ineligible, Withdraw: Withdrawn},
		Eligible:    {StartReview: InReview, Withdraw: Withdrawn},
		InReview:    {Select: Selected, Keep: Reserve, TurnDown: NotSelected, Withdraw: Withdrawn},
		Selected:    {GiveNotice: InNotice},
		Reserve:     {MoveUp: InNotice},
		NotSelected: {},
		InNotice:    {Become: KeyProject, TakeOff: NotSelected},
		KeyProject:  {},
	}
	for state, steps := range want {
		for _, command := range []string{Submit, StartReview, Select, Keep, TurnDown, GiveNotice, Become, Withdraw, TakeOff, MoveUp} {
			got, err := Machine().Next(state, command)
			to, ok := steps[command]
			if ok && (err != nil || got != to) {
				t.Errorf("%s -%s-> %s, %v; want %s", state, command, got, err, to)
			}
			if !ok && reason(err) != "WRONG_STATE" {
				t.Errorf("%s -%s-> %s, %v; want WRONG_STATE", state, command, got, err)
			}
		}
	}
	if State(99).String() != "unknown" || State(-1).String() != "unknown" {
		t.Error("a number that is no state has a name")
	}
}

func TestSealed_UntilTheReview(t *testing.T) {
	for s, want := range map[State]bool{
		Draft: true, Submitted: true, InReview: false, Selected: false, Reserve: false, NotSelected: false,
		InCheck: false, Returned: false, Eligible: false, Ineligible: false, InNotice: false, KeyProject: false,
		Withdrawn: true, 0: true, 99: true, // what nobody knows stays sealed
	} {
		if Sealed(s) != want {
			t.Errorf("Sealed(%s) = %v", s, !want)
		}
		if UnderReview(s) != (s == InReview || s == Reserve || s == NotSelected || Chosen(s)) {
			t.Errorf("UnderReview(%s) = %v", s, UnderReview(s))
		}
		if Waiting(s) != (s == Submitted || s == Eligible) {
			t.Errorf("Waiting(%s) = %v", s, Waiting(s))
		}
	}
}

func TestCheckJudged_WhileInReview(t *testing.T) {
	for s := Draft; s <= NotSelected; s++ {
		if got := reason(CheckJudged(s)); (got == "") != (s == InReview) || got != "" && got != "WRONG_STATE" {
			t.Errorf("%s: %q", s, got)
		}
	}
}

func TestCheckRoom(t *testing.T) {
	if err := CheckRoom(MostInCall - 1); err != nil {
		t.Errorf("the last one: %v", err)
	}
	if err := CheckRoom(MostInCall); reason(err) != "OVERLOADED" {
		t.Errorf("one too many: %v", err)
	}
}

func TestCheckApplicant(t *testing.T) {
	const district = "/430100/430101/"
	cases := []struct {
		kind, path, district string
		ok                   bool
	}{
		{"community", "/430100/430101/430101002/430101002001/", district, true},
		{"street", "/430100/430101/430101002/", district, true},
		{"workplace", "/430100/430101/W00003/", district, true},
		{"heart_home", "/430100/430101/430101001/H0001/", district, true},
		{"district", "/430100/430101/", district, false},
		{"city", "/430100/", district, false},
		{"building", "/430100/430101/430101002/430101002001/B1/", district, false},
		{"external", "/X00001/", district, false},
		{"community", "/430100/430102/430102001/", district, false},
		{"community", "/430100/4301010/430101002/", district, false}, // a longer name is another district
		{"community", "/430100/430101/430101002/", "", false},
		{"", "/430100/430101/430101002/", district, false},
	}
	for _, c := range cases {
		err := CheckApplicant("applicant_id", c.kind, c.path, c.district, Kinds())
		if (err == nil) != c.ok || !c.ok && reason(err) != "APPLICANT_NOT_ALLOWED" {
			t.Errorf("%s at %s: %v", c.kind, c.path, err)
		}
	}
}

// Who may apply, about what, with whom, as the call says.
func TestChecks_WhatTheCallAsksFor(t *testing.T) {
	const district, place = "/430100/430101/", "/430100/430101/430101002/"
	for what, c := range map[string]struct {
		err  error
		want string
	}{
		"a kind that is called for":   {CheckApplicant("applicant_id", "street", place, district, []string{"street", "workplace"}), ""},
		"a kind that is not":          {CheckApplicant("applicant_id", "street", place, district, []string{"workplace"}), "APPLICANT_NOT_ALLOWED"},
		"nobody is called for":        {CheckApplicant("applicant_id", "street", place, district, nil), "APPLICANT_NOT_ALLOWED"},
		"a call without themes":       {CheckTheme("", nil), ""},
		"a theme of the call":         {CheckTheme("基层治理", []string{"民生", "基层治理"}), ""},
		"another theme":               {CheckTheme("文化", []string{"民生", "基层治理"}), "THEME_NOT_OF_CALL"},
		"no theme where there are":    {CheckTheme("", []string{"民生"}), "THEME_NOT_OF_CALL"},
		"others together":             {CheckTogether("a", []string{"b", "c"}), ""},
		"together with itself":        {CheckTogether("a", []string{"b", "a"}), "INVALID_FIELD"},
		"within the budget":           {CheckBudget(100, 100, ""), ""},
		"above the budget":            {CheckBudget(101, 100, " "), "BUDGET_EXCEEDED"},
		"above the budget, and why":   {CheckBudget(101, 100, "市级配套"), ""},
		"a call without a budget":     {CheckBudget(101, 0, ""), ""},
		"a place is free":             {CheckPlace(11, 12), ""},
		"no place is free":            {CheckPlace(12, 12), "QUOTA_EXCEEDED"},
		"answered in the own cause":   {CheckAnswer("o", "o", false, false, ""), "OWN_OBJECTION"},
		"answered twice":              {CheckAnswer("o", "p", true, false, ""), "OBJECTION_ANSWERED"},
		"upheld without a reason":     {CheckAnswer("o", "p", false, true, "\t"), "INVALID_FIELD"},
		"upheld with a reason":        {CheckAnswer("o", "p", false, true, "材料不实"), ""},
		"dismissed":                   {CheckAnswer("o", "p", false, false, ""), ""},
		"dismissed with a withdrawal": {CheckAnswer("o", "p", false, false, "材料不实"), "INVALID_FIELD"},
	} {
		if got := reason(c.err); got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
	for s := Draft; s <= Withdrawn; s++ {
		if ok := s == Draft || s == Returned; (CheckEditable(s) == nil) != ok {
			t.Errorf("%s may be changed: %v", s, !ok)
		}
	}
}

// A notice ends with its last instant, and waits for objections.
func TestDue_TheEndOfANotice(t *testing.T) {
	until := time.Date(2013, 3, 27, 16, 0, 0, 0, time.UTC)
	for what, c := range map[string]struct {
		s    State
		now  time.Time
		open int
		want bool
	}{
		"it goes on":                {InNotice, until.Add(-1), 0, false},
		"it is over":                {InNotice, until, 0, true},
		"an objection is open":      {InNotice, until.AddDate(0, 1, 0), 1, false},
		"selected, without notice":  {Selected, until, 0, false},
		"taken off":                 {NotSelected, until, 0, false},
		"a key project already is":  {KeyProject, until, 0, false},
		"in reserve it stays there": {Reserve, until, 0, false},
	} {
		if got := Due(c.s, c.now, until, c.open); got != c.want {
			t.Errorf("%s: %v", what, got)
		}
		open := c.s == InNotice && c.now.Before(until)
		if got := reason(CheckInNotice(c.s, c.now, until)); (got == "") != open || got != "" && got != "NOT_IN_NOTICE" {
			t.Errorf("objecting when %s: %q", what, got)
		}
	}
}

func TestNextReserve_ByRank(t *testing.T) {
	order := []string{"a", "b", "c", "d"}
	got, err := NextReserve(order, map[string]State{"a": KeyProject, "b": NotSelected, "c": Reserve, "d": Reserve})
	if err != nil || got != "c" {
		t.Errorf("next is %q, %v", got, err)
	}
	if _, err := NextReserve(order, map[string]State{"a": InNotice}); reason(err) != "NO_RESERVE" {
		t.Errorf("nobody in reserve: %v", err)
	}
}

func TestNew_RefusesNonsense(t *testing.T) {
	good := func() Application {
		return Application{Number: " 2013-01 ", Title: " 党员E刻服务圈 ", Indicators: []Indicator{
			{Target: 700, Due: "2013-12-31"}, {Baseline: 60, Target: 95, Due: "2012-02-29"},
		}}
	}
	got, err := New(good())
	if err != nil || got.Number != "2013-01" || got.Title != "党员E刻服务圈" {
		t.Fatalf("a good application: %+v, %v", got, err)
	}
	cases := map[string]func(*Application){
		"number":                 func(a *Application) { a.Number = "  " },
		"title":                  func(a *Application) { a.Title = "\n" },
		"indicators[1].due":      func(a *Application) { a.Indicators[1].Due = "2013-02-29" },
		"indicators[0].target":   func(a *Application) { a.Indicators[0].Target = math.Inf(1) },
		"indicators[0].baseline": func(a *Application) { a.Indicators[0].Baseline = math.NaN() },
	}
	for field, spoil := range cases {
		a := good()
		spoil(&a)
		_, err := New(a)
		var broken *rule.Error
		if !errors.As(err, &broken) || broken.Reason != "INVALID_FIELD" || broken.Field != field {
			t.Errorf("%s spoiled: %v", field, err)
		}
	}
}

func reason(err error) string {
	var broken *rule.Error
	if errors.As(err, &broken) {
		return broken.Reason
	}
	return ""
}
