package composite_test

import (
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/services/evaluation/internal/composite"
)

func rat(s string) *big.Rat {
	if s == "" {
		return nil
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic(s)
	}
	return r
}

func values() composite.Values {
	return composite.Values{Good: rat("100"), FairlyGood: rat("80"), Fair: rat("60"), Poor: rat("0")}
}

func weights() composite.Weights {
	return composite.Weights{Appraisal: rat("40"), Ledger: rat("40"), Satisfaction: rat("20")}
}

func TestInputs(t *testing.T) {
	for _, c := range []struct {
		name string
		got  *big.Rat
		want string
	}{
		{"marks", composite.Appraisal(composite.Tally{Good: 2, FairlyGood: 1, Fair: 1, Poor: 1, Blank: 7}, values()), "68/1"},
		{"thirds", composite.Appraisal(composite.Tally{Good: 1, FairlyGood: 2}, values()), "260/3"},
		{"all poor is 0, not missing", composite.Appraisal(composite.Tally{Poor: 6}, values()), "0/1"},
		{"only blanks", composite.Appraisal(composite.Tally{Blank: 9}, values()), ""},
		{"hours", composite.Ledger(rat("6.25"), rat("20"), false), "125/4"},
		{"more than full marks", composite.Ledger(rat("20.25"), rat("20"), false), "100/1"},
		{"no service", composite.Ledger(rat("0"), rat("20"), false), "0/1"},
		{"exempt", composite.Ledger(rat("9"), rat("20"), true), ""},
		{"satisfied", composite.Satisfaction(4, 6, 5), "200/3"},
		{"five answers", composite.Satisfaction(0, 5, 5), "0/1"},
		{"four answers", composite.Satisfaction(4, 4, 5), ""},
	} {
		if got := composite.Fraction(c.got); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestOf(t *testing.T) {
	for _, c := range []struct {
		a, l, s, exact, text string
		respread, alone      bool
	}{
		{"100", "100", "100", "100/1", "100.00", false, false},
		{"90", "50", "80", "72/1", "72.00", false, false},
		{"260/3", "125/4", "200/3", "121/2", "60.50", false, false},
		{"90", "50", "", "70/1", "70.00", true, false}, // 40:40
		{"90", "", "60", "80/1", "80.00", true, false}, // 40:20
		{"", "50", "80", "60/1", "60.00", true, false}, // 40:20
		{"85.125", "", "", "681/8", "85.13", true, true},
		{"", "0", "", "0/1", "0.00", true, true},
		{"", "", "", "", "", true, false},
	} {
		got := composite.Of(composite.Inputs{Appraisal: rat(c.a), Ledger: rat(c.l), Satisfaction: rat(c.s)}, weights())
		if composite.Fraction(got.Exact) != c.exact || composite.Text(got.Rounded) != c.text || got.Respread != c.respread || got.Alone != c.alone {
			t.Errorf("%+v: %s %s respread %v alone %v", c, composite.Fraction(got.Exact), composite.Text(got.Rounded), got.Respread, got.Alone)
		}
	}
	none := composite.Weights{Appraisal: rat("0"), Ledger: rat("100"), Satisfaction: rat("0")}
	if got := composite.Of(composite.Inputs{Appraisal: rat("90"), Ledger: rat("50")}, none); composite.Text(got.Exact) != "50.00" || got.Respread || !got.Alone {
		t.Errorf("inputs without weight: %+v", got)
	}
	if got := composite.Of(composite.Inputs{Appraisal: rat("90")}, none); got.Exact != nil || !got.Respread {
		t.Errorf("only an input without weight: %+v", got)
	}
}

func TestRound_HalfUp(t *testing.T) {
	for in, want := range map[string]string{
		"89.994999": "89.99", "89.995": "90.00", "1799/20": "89.95", "0.005": "0.01", "0.0049999": "0.00", "2/3": "0.67", "100": "100.00",
	} {
		if got := composite.Text(rat(in)); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// random inputs from 0 to 100 with odd denominators; nil now and then.
func random(r *rand.Rand) *big.Rat {
	if r.IntN(4) == 0 {
		return nil
	}
	den := 1 + r.Int64N(97)
	return big.NewRat(r.Int64N(100*den+1), den)
}

func TestOf_IsMonotoneAndBetweenItsInputs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		in := [3]*big.Rat{random(r), random(r), random(r)}
		w := [3]*big.Rat{big.NewRat(1+r.Int64N(100), 1), big.NewRat(1+r.Int64N(100), 1), big.NewRat(1+r.Int64N(100), 1)}
		of := func(order [3]int) composite.Result {
			i, j, k := order[0], order[1], order[2]
			return composite.Of(composite.Inputs{Appraisal: in[i], Ledger: in[j], Satisfaction: in[k]},
				composite.Weights{Appraisal: w[i], Ledger: w[j], Satisfaction: w[k]})
		}
		got := of([3]int{0, 1, 2})
		var low, high *big.Rat
		for _, x := range in {
			if x == nil {
				continue
			}
			if low == nil || x.Cmp(low) < 0 {
				low = x
			}
			if high == nil || x.Cmp(high) > 0 {
				high = x
			}
		}
		if (got.Exact == nil) != (low == nil) {
			t.Fatalf("%v: %v", in, got)
		}
		if low == nil {
			continue
		}
		if got.Exact.Cmp(low) < 0 || got.Exact.Cmp(high) > 0 {
			t.Fatalf("%v: %v lies outside", in, got.Exact)
		}
		if other := of([3]int{2, 0, 1}); other.Exact.Cmp(got.Exact) != 0 {
			t.Fatalf("the order counts: %v, %v", got.Exact, other.Exact)
		}
		if gap := new(big.Rat).Sub(got.Rounded, got.Exact); gap.Cmp(big.NewRat(1, 200)) > 0 || gap.Cmp(big.NewRat(-1, 200)) <= 0 {
			t.Fatalf("rounded %v from %v", got.Rounded, got.Exact)
		}
		raised := r.IntN(3)
		if in[raised] == nil {
			continue
		}
		in[raised] = new(big.Rat).Add(in[raised], big.NewRat(1+r.Int64N(10), 7))
		if more := of([3]int{0, 1, 2}); more.Exact.Cmp(got.Exact) <= 0 || more.Rounded.Cmp(got.Rounded) < 0 {
			t.Fatalf("more gave less: %v, %v", got.Exact, more.Exact)
		}
	}
}

func TestInputs_AreMonotoneAndBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	hundred := rat("100")
	for range 5000 {
		tally := composite.Tally{Good: r.Int64N(20), FairlyGood: r.Int64N(20), Fair: r.Int64N(20), Poor: r.Int64N(20), Blank: r.Int64N(20)}
		a := composite.Appraisal(tally, values())
		if a == nil {
			continue
		}
		better := tally
		better.Good++
		if b := composite.Appraisal(better, values()); b.Cmp(a) < 0 || b.Cmp(hundred) > 0 || a.Sign() < 0 {
			t.Fatalf("%+v: %v, one more good %v", tally, a, b)
		}
		blank := tally
		blank.Blank++
		if composite.Appraisal(blank, values()).Cmp(a) != 0 {
			t.Fatal("a blank counted")
		}
		h := big.NewRat(r.Int64N(200), 4)
		l, more := composite.Ledger(h, rat("20"), false), composite.Ledger(new(big.Rat).Add(h, rat("1/4")), rat("20"), false)
		if more.Cmp(l) < 0 || more.Cmp(hundred) > 0 {
			t.Fatalf("ledger: %v, then %v", l, more)
		}
	}
}

func lines() composite.Lines {
	return composite.Lines{Excellent: rat("90"), Qualified: rat("70"), Basic: rat("60")}
}

func branch(scores ...string) (out []composite.Candidate) {
	for i, s := range scores {
		out = append(out, composite.Candidate{ID: fmt.Sprintf("m%02d", i), Composite: rat(s)})
	}
	return out
}

func grades(out []composite.Outcome) (g []composite.Grade) {
	for _, o := range out {
		g = append(g, o.Grade)
	}
	return g
}

func TestGrades(t *testing.T) {
	const (
		e = composite.Excellent
		q = composite.Qualified
		b = composite.Basic
		u = composite.Unqualified
		n = composite.Ungraded
	)
	for _, c := range []struct {
		name   string
		scores []string
		want   []composite.Grade
	}{
		{"by the lines", []string{"90", "89.99", "70", "69.99", "60", "59.99"}, []composite.Grade{e, q, q, b, b, u}},
		{"two thirds reach, a third gets", []string{"95", "94", "93", "92", "60", "60"}, []composite.Grade{e, e, q, q, b, b}},
		{"fewer than three members", []string{"100", "100"}, []composite.Grade{q, q}},
		{"tie across the line", []string{"95", "93", "93", "92", "80", "80"}, []composite.Grade{e, q, q, q, q, q}},
		{"tie above the line", []string{"95", "95", "93", "92", "80", "80"}, []composite.Grade{e, e, q, q, q, q}},
		{"no figure, no grade, no share", []string{"95", "93", "", "", "80"}, []composite.Grade{e, q, n, n, q}},
	} {
		out, err := composite.Grades("/1/B/", branch(c.scores...), lines(), composite.Decisions{})
		if err != nil || !slices.Equal(grades(out), c.want) {
			t.Errorf("%s: %v, %v", c.name, grades(out), err)
		}
	}
}

func TestGrades_AProbationaryMemberHasNoneAndDoesNotCount(t *testing.T) {
	members := branch("95", "94", "93", "92", "91", "90")
	members[0].Probationary = true
	out, err := composite.Grades("/1/B/", members, lines(), composite.Decisions{})
	if err != nil || out[0].Grade != composite.Ungraded || out[1].Grade != composite.Excellent || out[2].Grade != composite.Qualified || !out[2].Capped {
		t.Errorf("%+v, %v", out, err) // five graded: one excellent
	}
}

func TestGrades_WhatPeopleDecide(t *testing.T) {
	tie := branch("95", "93", "93", "92", "80", "80")
	decide := func(d composite.Decisions) ([]composite.Outcome, string) {
		out, err := composite.Grades("/1/11/B/", tie, lines(), d)
		var broken *rule.Error
		if errors.As(err, &broken) {
			return nil, broken.Reason
		}
		return out, ""
	}
	out, _ := decide(composite.Decisions{})
	if !out[1].Tied || !out[2].Tied || out[3].Tied || !out[3].Capped {
		t.Errorf("before a decision: %+v", out)
	}
	if out, why := decide(composite.Decisions{Chosen: []string{"m02"}}); why != "" || out[2].Grade != composite.Excellent || !out[2].Decided || out[1].Grade != composite.Qualified {
		t.Errorf("chosen: %+v %s", out, why)
	}
	exception := composite.Exception{ID: "m03", Grade: composite.Excellent, Reason: "抢险", Consent: "p", Path: "/1/11/"}
	if out, why := decide(composite.Decisions{Exceptions: []composite.Exception{exception}}); why != "" || out[3].Grade != composite.Excellent || !out[3].Decided {
		t.Errorf("exception: %+v %s", out, why)
	}
	change := func(fn func(*composite.Exception)) composite.Decisions {
		e := exception
		fn(&e)
		return composite.Decisions{Exceptions: []composite.Exception{e}}
	}
	for want, d := range map[string]composite.Decisions{
		"GRADE_TOO_MANY_CHOSEN":   {Chosen: []string{"m01", "m02"}},
		"GRADE_NOT_TIED":          {Chosen: []string{"m03"}},
		"GRADE_EXCEPTION_REASON":  change(func(e *composite.Exception) { e.Reason = " " }),
		"GRADE_EXCEPTION_CONSENT": change(func(e *composite.Exception) { e.Path = "/1/11/B/" }),
		"GRADE_NOT_GRADED":        change(func(e *composite.Exception) { e.ID = "nobody" }),
	} {
		if _, why := decide(d); why != want {
			t.Errorf("%+v: %q, want %s", d, why, want)
		}
	}
}

func TestGrades_ThirdHoldsAndOrderDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		members := make([]composite.Candidate, 1+r.IntN(20))
		for i := range members {
			members[i] = composite.Candidate{ID: fmt.Sprintf("m%02d", i), Composite: big.NewRat(85+r.Int64N(12), 1), Probationary: r.IntN(6) == 0}
		}
		out, err := composite.Grades("/b/", members, lines(), composite.Decisions{})
		if err != nil {
			t.Fatal(err)
		}
		graded, excellent := 0, 0
		for _, o := range out {
			if o.Grade != composite.Ungraded {
				graded++
			}
			if o.Grade == composite.Excellent {
				excellent++
			}
		}
		if excellent > graded/3 {
			t.Fatalf("%d of %d", excellent, graded)
		}
		for _, a := range members {
			for _, b := range members {
				if !a.Probationary && !b.Probationary && a.Composite.Cmp(b.Composite) >= 0 && grade(out, a.ID) > grade(out, b.ID) {
					t.Fatalf("%s has more than %s and a worse grade", a.ID, b.ID)
				}
			}
		}
		shuffled := slices.Clone(members)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if again, _ := composite.Grades("/b/", shuffled, lines(), composite.Decisions{}); !slices.Equal(again, out) {
			t.Fatalf("the order counts: %v, %v", out, again)
		}
		up := r.IntN(len(members))
		before := grade(out, members[up].ID)
		members[up].Composite = new(big.Rat).Add(members[up].Composite, big.NewRat(1, 1))
		after, _ := composite.Grades("/b/", members, lines(), composite.Decisions{})
		if grade(after, members[up].ID) > before {
			t.Fatalf("more gave a worse grade")
		}
	}
}

func grade(out []composite.Outcome, id string) composite.Grade {
	return out[slices.IndexFunc(out, func(o composite.Outcome) bool { return o.ID == id })].Grade
}
