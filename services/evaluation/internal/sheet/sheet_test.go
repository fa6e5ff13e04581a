package sheet

import (
	"errors"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/linli-project/linli/pkg/rule"
)

func reason(err error) string {
	var r *rule.Error
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

func lines() Lines { return Lines{Good: big.NewRat(85, 1), FairlyGood: big.NewRat(60, 1)} }

func TestPropose(t *testing.T) {
	for _, c := range []struct {
		year Year
		want Opinion
	}{
		{Year{Served: true, Composite: big.NewRat(100, 1)}, None},
		{Year{HasCommunity: true, Composite: big.NewRat(100, 1)}, NotTakenPart},
		{Year{HasCommunity: true, Served: true}, Fair},
		{Year{HasCommunity: true, Served: true, Composite: big.NewRat(85, 1)}, Good},
		{Year{HasCommunity: true, Served: true, Composite: big.NewRat(8499, 100)}, FairlyGood},
		{Year{HasCommunity: true, Served: true, Composite: big.NewRat(60, 1)}, FairlyGood},
		{Year{HasCommunity: true, Served: true, Composite: big.NewRat(5999, 100)}, Fair},
		{Year{HasCommunity: true, Exempt: true}, None},
		{Year{HasCommunity: true, Exempt: true, Composite: big.NewRat(90, 1)}, Good},
	} {
		if got := Propose(c.year, lines()); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func propose(composite *big.Rat) Opinion {
	return Propose(Year{HasCommunity: true, Served: true, Composite: composite}, lines())
}

// Nobody exempts oneself, nor members of the own unit: who belongs to it, or
// acts for it or for a branch below it.
func TestMayExempt(t *testing.T) {
	for name, c := range map[string]struct {
		person, own string
		grants      []string
		want        string
	}{
		"the street":             {"s", "", []string{"/1/11/111/"}, ""},
		"oneself":                {"m", "", []string{"/1/11/111/"}, "EXEMPTS_OWN"},
		"a colleague":            {"s", "/1/11/W1/", []string{"/1/11/111/"}, "EXEMPTS_OWN"},
		"of a branch of the own": {"s", "/1/11/W1/B1/", []string{"/1/11/111/"}, "EXEMPTS_OWN"},
		"acts for the workplace": {"s", "", []string{"/1/11/111/", "/1/11/W1/"}, "EXEMPTS_OWN"},
		"of another workplace":   {"s", "/1/11/W2/", []string{"/1/11/111/"}, ""},
	} {
		if got := reason(MayExempt(c.person, "m", "/1/11/W1/", c.grants, c.own)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A higher composite never proposes less.
func TestPropose_Monotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64Range(0, 10000).Draw(t, "a"), rapid.Int64Range(0, 10000).Draw(t, "b")
		low, high := big.NewRat(min(a, b), 100), big.NewRat(max(a, b), 100)
		if propose(high) > propose(low) { // 1 is the best
			t.Fatalf("%s proposes less than %s", high, low)
		}
	})
}

// TestSignatures_RandomCommands drives the table beside a model: who signed
// last, and whether the street has said yes.
func TestSignatures_RandomCommands(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	commands := []string{Sign, Consent, SendBack}
	for range 2000 {
		at, signed, consented := Open, false, false
		for range 12 {
			c := commands[random.IntN(len(commands))]
			allowed := !consented && (c == Sign) != signed
			next, err := Signatures().Next(at, c)
			if (err == nil) != allowed || err != nil && reason(err) != "WRONG_STATE" {
				t.Fatalf("%s in %s: %v", c, at, err)
			}
			if err != nil {
				continue
			}
			at, signed, consented = next, c == Sign || c == Consent, c == Consent
			if (CheckEditable(at, "set opinion") == nil) == signed {
				t.Fatalf("editable in %s", at)
			}
		}
	}
}

func TestChecks(t *testing.T) {
	until := time.Date(2014, 1, 20, 0, 0, 0, 0, time.UTC)
	before, after := until.Add(-time.Nanosecond), until
	for what, c := range map[string]struct {
		err  error
		want string
	}{
		"sign in the window":     {CheckSign(until, before, 0), "OBJECTION_WINDOW_OPEN"},
		"sign with an objection": {CheckSign(until, after, 1), "OBJECTIONS_OPEN"},
		"sign":                   {CheckSign(until, after, 0), ""},
		"object":                 {CheckObject(until, before), ""},
		"object too late":        {CheckObject(until, after), "OBJECTION_WINDOW_OVER"},
		"close too early":        {CheckClose(1), "NOT_ALL_CONSENTED"},
		"close":                  {CheckClose(0), ""},
	} {
		if got := reason(c.err); got != c.want {
			t.Errorf("%s: %q", what, got)
		}
	}
	if _, err := CheckConsent(false, " "); reason(err) != "INVALID_FIELD" {
		t.Errorf("a no without a reason: %v", err)
	}
}
