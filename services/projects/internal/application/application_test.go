package application

import (
	"errors"
	"math"
	"testing"

	"github.com/linli-project/linli/pkg/rule"
)

func TestMachine_OnlyWhatTheTableSays(t *testing.T) {
	want := map[State]map[string]State{
		Draft:       {Submit: Submitted},
		Submitted:   {StartReview: InReview, StartCheck: InCheck},
		InCheck:     {Return: Returned, Pass: Eligible, Fail: Ineligible},
		Returned:    {Resubmit: InCheck, Fail: Ineligible},
		Eligible:    {StartReview: InReview},
		InReview:    {Select: Selected, Keep: Reserve, TurnDown: NotSelected},
		Selected:    {GiveNotice: InNotice},
		Reserve:     {MoveUp: InNotice},
		NotSelected: {},
		InNotice:    {Become: KeyProject, Withdraw: NotSelected},
		KeyProject:  {},
	}
	for state, steps := range want {
		for _, command := range []string{Submit, StartReview, Select, Keep, TurnDown, GiveNotice, Become, Withdraw, MoveUp} {
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
		0: true, 99: true, // what nobody knows stays sealed
	} {
		if Sealed(s) != want {
			t.Errorf("Sealed(%s) = %v", s, !want)
		}
		if UnderReview(s) != (!want && (s < InCheck || s > Ineligible)) {
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
		err := CheckApplicant(c.kind, c.path, c.district)
		if (err == nil) != c.ok || !c.ok && reason(err) != "APPLICANT_NOT_ALLOWED" {
			t.Errorf("%s at %s: %v", c.kind, c.path, err)
		}
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
