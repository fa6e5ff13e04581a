package branch_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/linli-project/linli/services/evaluation/internal/branch"
)

// TestThird_IsNeverPassed drives a branch by random decisions, exceptions,
// answers and settings aside, and counts again after each step: 优秀 without
// consent never exceeds a third of those graded, and the counts are those of
// the members.
func TestThird_IsNeverPassed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c branch.Count
		members := make([]*branch.Member, rapid.IntRange(1, 9).Draw(t, "members"))
		for i := range members {
			members[i] = &branch.Member{
				ID: fmt.Sprint(i), Probationary: rapid.IntRange(0, 4).Draw(t, "status") == 0,
				Proposed: branch.Grade(rapid.IntRange(0, 4).Draw(t, "proposed")), Tied: rapid.Bool().Draw(t, "tied"),
			}
			if !members[i].Probationary {
				c.Voters++
			}
		}
		for range 40 {
			m := rapid.SampledFrom(members).Draw(t, "member")
			by := rapid.SampledFrom([]string{"0", "secretary", "above"}).Draw(t, "by")
			before, was := c, *m
			var err error
			switch rapid.IntRange(0, 5).Draw(t, "act") {
			case 0:
				err = m.Aside(&c, rapid.Bool().Draw(t, "aside"), by)
			case 1:
				err = m.Answer(&c, rapid.SampledFrom([]string{branch.Consent, branch.Refuse}).Draw(t, "answer"), by)
			default:
				err = m.Decide(&c, branch.Decision{
					Grade: branch.Grade(rapid.SampledFrom([]int{1, 1, 1, 2, 4}).Draw(t, "grade")), By: by,
					Reason: rapid.SampledFrom([]string{"", "事由"}).Draw(t, "reason"), Exception: rapid.Bool().Draw(t, "exception"),
				})
			}
			if err != nil && (c != before || *m != was) {
				t.Fatalf("refused with %v, and changed %+v to %+v, %+v to %+v", err, before, c, was, *m)
			}
			recount(t, c, members)
		}
	})
}

func recount(t *rapid.T, c branch.Count, members []*branch.Member) {
	want := branch.Count{}
	for _, m := range members {
		if m.Probationary {
			if m.Decided != branch.Ungraded {
				t.Fatalf("a probationary member is graded: %+v", *m)
			}
			continue
		}
		want.Voters++
		if m.SetAside {
			want.SetAside++
		}
		if m.Decided != branch.Ungraded {
			want.Decided++
		}
		switch {
		case m.Decided == branch.Excellent && m.Exception == branch.Consented:
			want.Exceptions++
		case m.Decided == branch.Excellent:
			want.Excellent++
		}
		if m.Exception == branch.Asked {
			want.Asked++
		}
		if m.DecidedBy == m.ID && m.ID != "" {
			t.Fatalf("decided the own grade: %+v", *m)
		}
	}
	if c != want {
		t.Fatalf("counted %+v, there is %+v", c, want)
	}
	if c.Excellent > c.Graded()/3 {
		t.Fatalf("%d of %d graded are excellent", c.Excellent, c.Graded())
	}
}
