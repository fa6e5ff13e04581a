package spending

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/linli-project/linli/pkg/rule"
)

func reason(err error) string {
	var e *rule.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

func TestRecord_NeverAboveTheLineOrWhatCameIn(t *testing.T) {
	p := Purse{Lines: []Line{{Key: "a", Amount: 500}, {Key: "b", Amount: 900, Spent: 100, Pending: 100}}, Received: 800}
	for name, c := range map[string]struct {
		line   string
		amount int64
		want   string
	}{
		"fits":             {"a", 500, ""},
		"over the line":    {"a", 501, "SPENDING_OVER_LINE"},
		"all that came in": {"b", 600, ""},
		"over what came":   {"b", 601, "SPENDING_OVER_RECEIVED"},
		"no such line":     {"c", 1, "UNKNOWN_BUDGET_LINE"},
	} {
		if _, err := p.Record(c.line, c.amount); reason(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLines_NotMoreThanPromised(t *testing.T) {
	for name, c := range map[string]struct {
		lines []Line
		want  string
	}{
		"exactly": {[]Line{{Key: "a", Amount: 60}, {Key: "b", Amount: 40}}, ""},
		"more":    {[]Line{{Key: "a", Amount: 60}, {Key: "b", Amount: 41}}, "BUDGET_OVER_SUPPORT"},
		"twice":   {[]Line{{Key: "a", Amount: 1}, {Key: "a", Amount: 1}}, "INVALID_FIELD"},
		"nothing": {[]Line{{Key: "a"}}, "INVALID_FIELD"},
	} {
		if err := CheckLines(c.lines, 100); reason(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKind_NotAllowedIsRefused(t *testing.T) {
	if err := CheckKind("banquet", []string{"banquet", "travel"}, "", "", ""); reason(err) != "SPENDING_NOT_ALLOWED" {
		t.Error(err)
	}
	if err := CheckKind("materials", []string{"banquet"}, "", "", ""); err != nil {
		t.Error(err)
	}
	if reason(CheckOther("a", "a")) != "CONFIRMED_BY_RECORDER" || CheckOther("a", "b") != nil {
		t.Error("who confirms")
	}
}

func TestGiveBack_LeftoverOrAllOfIt(t *testing.T) {
	p := Purse{Lines: []Line{{Key: "a", Amount: 500, Spent: 300}}, Received: 400}
	if _, err := p.GiveBack(101, false); reason(err) != "RETURN_OVER_LEFT" {
		t.Error(err)
	}
	back, err := p.GiveBack(100, false)
	if err != nil || back.CheckSettled(false) != nil || reason(back.CheckSettled(true)) != "NOT_SETTLED" {
		t.Error(back, err)
	}
	if all, err := p.GiveBack(400, true); err != nil || all.CheckSettled(true) != nil {
		t.Error(all, err)
	}
	held, err := p.Record("a", 50)
	if _, over := held.GiveBack(51, false); err != nil || reason(over) != "RETURN_OVER_LEFT" || reason(held.CheckSettled(false)) != "NOT_SETTLED" {
		t.Error("what waits is not left", err, over)
	}
}

// Whatever is recorded, confirmed, turned down, reversed and returned: a line
// is never overdrawn, never more is spent and held than came in, and what is
// left is never below zero.
func TestPurse_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Purse{Lines: []Line{{Key: "a", Amount: 50}, {Key: "b", Amount: 80}}}
		type held struct {
			line   string
			amount int64
		}
		var waiting, spent []held
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			h := held{rapid.SampledFrom([]string{"a", "b"}).Draw(t, "line"), rapid.Int64Range(1, 60).Draw(t, "amount")}
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				p.Received += h.amount
			case 1:
				if next, err := p.Record(h.line, h.amount); err == nil {
					p, waiting = next, append(waiting, h)
				}
			case 2:
				if len(waiting) > 0 {
					p, spent, waiting = p.Confirm(waiting[0].line, waiting[0].amount), append(spent, waiting[0]), waiting[1:]
				}
			case 3:
				if len(waiting) > 0 {
					p, waiting = p.Release(waiting[0].line, waiting[0].amount), waiting[1:]
				}
			case 4:
				if len(spent) > 0 {
					p, spent = p.Reverse().Confirm(spent[0].line, -spent[0].amount), spent[1:]
				}
			case 5:
				if next, err := p.GiveBack(h.amount, false); err == nil {
					p = next
				}
			}
			var sumSpent, sumWaiting int64
			for _, x := range spent {
				sumSpent += x.amount
			}
			for _, x := range waiting {
				sumWaiting += x.amount
			}
			if p.Spent() != sumSpent || p.Pending() != sumWaiting {
				t.Fatalf("spent %d and pending %d, want %d and %d", p.Spent(), p.Pending(), sumSpent, sumWaiting)
			}
			if p.Waiting != len(waiting) {
				t.Fatalf("%d wait, want %d", p.Waiting, len(waiting))
			}
			if p.Left()-p.Pending() < 0 {
				t.Fatalf("below zero: %+v", p)
			}
			for _, l := range p.Lines {
				if l.Spent < 0 || l.Pending < 0 || l.Spent+l.Pending > l.Amount {
					t.Fatalf("line overdrawn: %+v", l)
				}
			}
		}
	})
}
