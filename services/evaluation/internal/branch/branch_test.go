package branch_test

import (
	"errors"
	"testing"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/services/evaluation/internal/branch"
)

func reason(err error) string {
	var broken *rule.Error
	if errors.As(err, &broken) {
		return broken.Reason
	}
	return ""
}

func decide(m *branch.Member, c *branch.Count, g branch.Grade, why string, exception bool) error {
	return m.Decide(c, branch.Decision{Grade: g, Reason: why, Exception: exception, By: "secretary"})
}

func TestDecide_EachRule(t *testing.T) {
	formal := branch.Member{ID: "m", Proposed: branch.Qualified}
	tied := branch.Member{ID: "m", Proposed: branch.Qualified, Tied: true}
	probationary := branch.Member{ID: "m", Probationary: true}
	for name, c := range map[string]struct {
		m      branch.Member
		voters int32
		d      branch.Decision
		want   string
	}{
		"as proposed":                    {formal, 3, branch.Decision{Grade: branch.Qualified, By: "s"}, ""},
		"the own grade":                  {formal, 3, branch.Decision{Grade: branch.Qualified, By: "m"}, "GRADE_ON_ONESELF"},
		"a deviation without a reason":   {formal, 3, branch.Decision{Grade: branch.Basic, By: "s", Reason: " "}, "GRADE_DEVIATION_REASON"},
		"a deviation with a reason":      {formal, 3, branch.Decision{Grade: branch.Basic, By: "s", Reason: "缺席组织生活"}, ""},
		"chosen out of a tie":            {tied, 3, branch.Decision{Grade: branch.Excellent, By: "s"}, ""},
		"a tie below its two grades":     {tied, 3, branch.Decision{Grade: branch.Basic, By: "s"}, "GRADE_DEVIATION_REASON"},
		"two graded have no third":       {tied, 2, branch.Decision{Grade: branch.Excellent, By: "s"}, "BRANCH_THIRD_USED"},
		"an exception without a reason":  {tied, 2, branch.Decision{Grade: branch.Excellent, By: "s", Exception: true}, "GRADE_EXCEPTION_REASON"},
		"an exception with a reason":     {tied, 2, branch.Decision{Grade: branch.Excellent, By: "s", Exception: true, Reason: "立功"}, ""},
		"a probationary member":          {probationary, 3, branch.Decision{Grade: branch.Qualified, By: "s", Reason: "x"}, "GRADE_NOT_GRADED"},
		"no grade":                       {formal, 3, branch.Decision{By: "s", Reason: "x"}, "GRADE_NOT_GRADED"},
		"somebody whom nothing proposed": {branch.Member{ID: "m"}, 3, branch.Decision{Grade: branch.Qualified, By: "s"}, "GRADE_DEVIATION_REASON"},
	} {
		m, count := c.m, branch.Count{Voters: c.voters}
		if err := m.Decide(&count, c.d); reason(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An exception leaves the grade as it was until somebody above consents, and
// that is not who asked.
func TestAnswer_OnlyConsentMakesAnException(t *testing.T) {
	c := branch.Count{Voters: 2}
	m, other := branch.Member{ID: "m", Proposed: branch.Qualified}, branch.Member{ID: "o", Proposed: branch.Qualified}
	if err := errors.Join(decide(&m, &c, branch.Qualified, "", false), decide(&other, &c, branch.Qualified, "", false)); err != nil {
		t.Fatal(err)
	}
	if err := decide(&m, &c, branch.Excellent, "抢险立功", true); err != nil || m.Decided != branch.Qualified || c.Asked != 1 {
		t.Fatalf("asked: %v, %+v, %+v", err, m, c)
	}
	if err := branch.CheckShow(c); reason(err) != "GRADE_EXCEPTION_CONSENT" {
		t.Errorf("shown while it waits: %v", err)
	}
	for by, want := range map[string]string{"m": "GRADE_ON_ONESELF", "secretary": "GRADE_OWN_DECISION"} {
		if err := m.Answer(&c, branch.Consent, by); reason(err) != want {
			t.Errorf("answered by %s: %v", by, err)
		}
	}
	refusedOne := m
	count := c
	if err := refusedOne.Answer(&count, branch.Refuse, "above"); err != nil || refusedOne.Decided != branch.Qualified || count.Asked != 0 || count.Exceptions != 0 {
		t.Errorf("refused: %v, %+v, %+v", err, refusedOne, count)
	}
	if err := m.Answer(&c, branch.Consent, "above"); err != nil || m.Decided != branch.Excellent || c.Exceptions != 1 || c.Excellent != 0 || c.Decided != 2 {
		t.Errorf("consented: %v, %+v, %+v", err, m, c)
	}
	if err := m.Answer(&c, branch.Consent, "above"); reason(err) != "WRONG_STATE" {
		t.Errorf("consented twice: %v", err)
	}
	if err := decide(&m, &c, branch.Qualified, "", false); err != nil || c.Exceptions != 0 || m.Exception != branch.None {
		t.Errorf("taken back: %v, %+v, %+v", err, m, c)
	}
}

func TestAside_NeverLeavesMoreThanTheThird(t *testing.T) {
	c := branch.Count{Voters: 3}
	best, second := branch.Member{ID: "a", Proposed: branch.Excellent}, branch.Member{ID: "b", Proposed: branch.Qualified}
	if err := decide(&best, &c, branch.Excellent, "", false); err != nil {
		t.Fatal(err)
	}
	if err := second.Aside(&c, true, "secretary"); reason(err) != "BRANCH_THIRD_USED" || c.SetAside != 0 || second.SetAside {
		t.Errorf("two graded, one of them excellent: %v, %+v", err, c)
	}
	if err := best.Aside(&c, true, "secretary"); err != nil || c.Excellent != 0 || c.Graded() != 2 {
		t.Errorf("the excellent one: %v, %+v", err, c)
	}
	if err := best.Aside(&c, true, "secretary"); reason(err) != "GRADE_NOT_GRADED" {
		t.Errorf("set aside twice: %v", err)
	}
	if err := best.Aside(&c, false, "a"); reason(err) != "GRADE_ON_ONESELF" {
		t.Errorf("by oneself: %v", err)
	}
	if err := best.Aside(&c, false, "secretary"); err != nil || c.Graded() != 3 || best.Decided != branch.Ungraded {
		t.Errorf("back in: %v, %+v", err, c)
	}
}

func TestObject_OnceAndAnsweredBySomebodyElse(t *testing.T) {
	c := branch.Count{Voters: 3}
	m := branch.Member{ID: "m", Proposed: branch.Qualified}
	if err := decide(&m, &c, branch.Qualified, "", false); err != nil {
		t.Fatal(err)
	}
	if err := m.Object(&c); err != nil || c.Objections != 1 {
		t.Fatal(err)
	}
	if err := m.Object(&c); reason(err) != "GRADE_OBJECTED" {
		t.Errorf("twice: %v", err)
	}
	for by, want := range map[string]string{"m": "GRADE_ON_ONESELF", "secretary": "GRADE_OWN_DECISION", "deputy": ""} {
		if err := m.MayAnswer(by); reason(err) != want {
			t.Errorf("answered by %s: %v", by, err)
		}
	}
	m.Settle(&c)
	if err := m.Object(&c); reason(err) != "GRADE_OBJECTED" || c.Objections != 0 {
		t.Errorf("after the answer: %v, %+v", err, c)
	}
}

func TestCheckBallot_SeatsAreTheVotersAndLinesTheGraded(t *testing.T) {
	graded := func(id string) (bool, error) { return id != "probationary", nil }
	for name, c := range map[string]struct {
		seats int32
		lines []string
		want  string
	}{
		"as it is":           {4, []string{"a", "b"}, ""},
		"too many seats":     {5, []string{"a"}, "BRANCH_POLL_SEATS"},
		"a seat lacks":       {3, []string{"a"}, "BRANCH_POLL_SEATS"},
		"with a probationer": {4, []string{"a", "probationary"}, "BRANCH_POLL_ROSTER"},
	} {
		if err := branch.CheckBallot(c.seats, 4, c.lines, graded); reason(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := branch.CheckPolls(true, 4, 4); reason(err) != "BRANCH_POLL_OPEN" {
		t.Error(err)
	}
	if err := branch.CheckPolls(false, 3, 4); reason(err) != "BRANCH_POLL_MISSING" {
		t.Error(err)
	}
}
