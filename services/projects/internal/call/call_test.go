package call

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/linli-project/linli/pkg/rule"
)

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

func window() Window {
	return Window{Opens: at("2013-01-05T00:00:00+08:00"), Closes: at("2013-03-01T00:00:00+08:00")}
}

func TestMachine_OnlyWhatTheTableSays(t *testing.T) {
	want := map[State]map[string]State{
		Draft:    {Open: Opened},
		Opened:   {StartReview: InReview},
		InReview: {Decide: Decided},
		Decided:  {},
	}
	for state, steps := range want {
		for _, command := range []string{Open, StartReview, Decide} {
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
}

func TestWindow_InstantsDecide(t *testing.T) {
	cases := []struct {
		now                      string
		state                    State
		taking, opening, closing string
		why                      string
	}{
		{"2013-01-04T23:59:59+08:00", Opened, "WINDOW_CLOSED", "", "WINDOW_OPEN", "a second early"},
		{"2013-01-05T00:00:00+08:00", Opened, "", "", "WINDOW_OPEN", "the first instant"},
		{"2013-01-04T16:00:00Z", Opened, "", "", "WINDOW_OPEN", "the first instant, elsewhere"},
		{"2013-02-28T23:59:59.999999999+08:00", Opened, "", "", "WINDOW_OPEN", "the last nanosecond"},
		{"2013-03-01T00:00:00+08:00", Opened, "WINDOW_CLOSED", "WINDOW_CLOSED", "", "the end is outside"},
		{"2013-02-01T00:00:00+08:00", Draft, "WINDOW_CLOSED", "", "WINDOW_OPEN", "not opened yet"},
		{"2013-02-01T00:00:00+08:00", InReview, "WINDOW_CLOSED", "", "WINDOW_OPEN", "in review"},
	}
	for _, c := range cases {
		now := at(c.now)
		if got := reason(window().CheckTaking(c.state, now)); got != c.taking {
			t.Errorf("%s: taking = %q, want %q", c.why, got, c.taking)
		}
		if _, err := Next(Draft, Open, window(), now); reason(err) != c.opening {
			t.Errorf("%s: opening = %v, want %q", c.why, err, c.opening)
		}
		if _, err := Next(Opened, StartReview, window(), now); reason(err) != c.closing {
			t.Errorf("%s: starting the review = %v, want %q", c.why, err, c.closing)
		}
		if to, err := Next(InReview, Decide, window(), now); to != Decided || err != nil {
			t.Errorf("%s: deciding hangs on the window: %s, %v", c.why, to, err)
		}
		if _, err := Next(Decided, Open, window(), now); reason(err) != "WRONG_STATE" {
			t.Errorf("%s: the state comes first: %v", c.why, err)
		}
	}
}

func TestCheckRankable_OnceInReview(t *testing.T) {
	for s, want := range map[State]string{Draft: "WRONG_STATE", Opened: "WRONG_STATE", InReview: "", Decided: ""} {
		if got := reason(CheckRankable(s)); got != want {
			t.Errorf("%s: %q, want %q", s, got, want)
		}
	}
}

func TestNames_FindsTheReviewer(t *testing.T) {
	c := Call{Reviewers: []Reviewer{{"E1", "W00001"}, {"E2", "W00005"}}}
	if r, ok := c.Names("E2"); !ok || r.Organization != "W00005" {
		t.Errorf("E2: %+v, %v", r, ok)
	}
	if _, ok := c.Names(""); ok {
		t.Error("nobody is a reviewer")
	}
}

func TestNew_RefusesNonsense(t *testing.T) {
	good := func() Call {
		return Call{
			Title: " 项目申报 ", Window: window(), Quota: 12, Themes: []string{" 民生 ", "基层治理"},
			Reviewers: []Reviewer{{Person: "E1", Organization: "W00001"}, {Person: "E2", Organization: "W00005"}},
		}
	}
	got, err := New(good())
	if err != nil || got.Title != "项目申报" || got.Themes[0] != "民生" {
		t.Fatalf("a good call: %+v, %v", got, err)
	}
	cases := map[string]func(*Call){
		"title":               func(c *Call) { c.Title = " \t" },
		"closes_at":           func(c *Call) { c.Window.Closes = c.Window.Opens },
		"quota":               func(c *Call) { c.Quota = 0 },
		"reviewers":           func(c *Call) { c.Reviewers = nil },
		"themes[1]":           func(c *Call) { c.Themes[1] = " " },
		"reviewers[1].person": func(c *Call) { c.Reviewers[1].Person = "E1" },
		"reviewers[0].person": func(c *Call) { c.Reviewers[0].Person = " " },
	}
	for field, spoil := range cases {
		c := good()
		spoil(&c)
		_, err := New(c)
		var broken *rule.Error
		if !errors.As(err, &broken) || broken.Reason != "INVALID_FIELD" || broken.Field != field {
			t.Errorf("%s spoiled: %v", field, err)
		}
	}
	backwards := good()
	backwards.Window.Opens, backwards.Window.Closes = backwards.Window.Closes, backwards.Window.Opens
	if _, err := New(backwards); reason(err) != "INVALID_FIELD" {
		t.Errorf("closes before it opens: %v", err)
	}
}

func TestState_HasAName(t *testing.T) {
	for s := Draft; s <= Decided; s++ {
		if s.String() == "" || strings.Contains(s.String(), "unknown") {
			t.Errorf("state %d is called %q", s, s)
		}
	}
	if State(99).String() != "unknown" || State(-1).String() != "unknown" {
		t.Error("a number that is no state has a name")
	}
}

func reason(err error) string {
	var broken *rule.Error
	if errors.As(err, &broken) {
		return broken.Reason
	}
	return ""
}
