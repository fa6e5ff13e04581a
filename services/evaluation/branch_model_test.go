package evaluation_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// modelGrade is one member of the model.
type modelGrade struct {
	decided, proposed       pb.StatutoryGrade
	by, asked               string
	tied, aside, consented  bool
	objected, answered, pro bool
}

// modelBranch is what a branch's cycle is meant to be, said another way: it
// counts its members anew each time.
type modelBranch struct {
	state   pb.BranchCycleState
	members map[string]*modelGrade
	now     int // days since the grades were shown
}

func (m *modelBranch) count(is func(*modelGrade) bool) (n int) {
	for _, g := range m.members {
		if is(g) {
			n++
		}
	}
	return n
}

func (m *modelBranch) graded() int {
	return m.count(func(g *modelGrade) bool { return !g.pro && !g.aside })
}

func (m *modelBranch) excellent() int {
	return m.count(func(g *modelGrade) bool { return g.decided == excellent && !g.consented })
}

func (m *modelBranch) asked() int { return m.count(func(g *modelGrade) bool { return g.asked != "" }) }

// decide says whether a decision goes through, and takes it.
func (m *modelBranch) decide(id, by string, grade pb.StatutoryGrade, reason string, exception bool) bool {
	g := m.members[id]
	tie := g.tied && grade == excellent
	if by == id || g.pro || g.aside || exception && reason == "" || grade != g.proposed && !tie && reason == "" {
		return false
	}
	others := m.excellent()
	if g.decided == excellent && !g.consented {
		others--
	}
	if grade == excellent && others >= m.graded()/3 {
		if g.decided == excellent && g.consented {
			return true
		}
		if exception {
			g.asked = by
		}
		return exception
	}
	g.decided, g.by, g.asked, g.consented = grade, by, "", false
	return true
}

func (m *modelBranch) answer(id string, yes bool) bool {
	g := m.members[id]
	if g.asked == "" {
		return false
	}
	if yes {
		g.decided, g.by, g.consented = excellent, g.asked, true
	}
	g.asked = ""
	return true
}

func (m *modelBranch) setAside(id string, aside bool) bool {
	g := m.members[id]
	if g.pro || g.aside == aside {
		return false
	}
	was := *g
	g.aside, g.decided, g.asked, g.consented, g.by = aside, 0, "", false, ""
	if m.excellent() > m.graded()/3 {
		*g = was
		return false
	}
	return true
}

// TestBranch_AsTheModel drives a branch's cycle through the door by random
// commands of several persons; each goes through exactly when the model says
// so, and afterwards both hold the same.
func TestBranch_AsTheModel(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 11))
			h := newBranchHouse(t)
			formal := 5 + r.IntN(4)
			h.ofBranch(formal, 1)
			c := h.opened(t, 2013)
			marks := make([]pb.Mark, formal)
			for i := range marks {
				marks[i] = []pb.Mark{good, good, fairly, poor}[r.IntN(4)]
			}
			h.polled(t, c, 5, marks...)
			h.computed(t, c)
			m := &modelBranch{state: pb.BranchCycleState_BRANCH_CYCLE_STATE_COMPUTED, members: map[string]*modelGrade{}}
			best := 0
			for id, g := range h.grades(t, c.GetId()) {
				m.members[id] = &modelGrade{proposed: g.GetProposed(), tied: g.GetTied(), pro: g.GetProbationary()}
				if g.GetProposed() == excellent {
					best++
				}
			}
			if best > formal/3 {
				t.Fatalf("%d of %d are proposed as excellent", best, formal)
			}
			for step := range 200 {
				m.step(t, r, h, c, step)
				m.compare(t, h, c, step)
			}
		})
	}
}

// pick answers any member at first, then mostly one that keeps the cycle from
// going on, so that the sequences come to their end.
func (m *modelBranch) pick(r *rand.Rand, step int) string {
	id := fmt.Sprintf("m%d", 1+r.IntN(len(m.members)))
	if step < 40 || r.IntN(3) == 0 {
		return id
	}
	for other, g := range m.members {
		if g.asked != "" || g.objected && !g.answered || !g.pro && !g.aside && g.decided == 0 {
			id = max(id, other)
		}
	}
	return id
}

func (m *modelBranch) step(t *testing.T, r *rand.Rand, h branchHouse, c *pb.BranchCycle, step int) {
	t.Helper()
	id := m.pick(r, step)
	by := []string{"secretary", "deputy", "m1"}[r.IntN(3)]
	ctx := h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, by, b1)
	grade := []pb.StatutoryGrade{excellent, excellent, qualified, basic, unqualified}[r.IntN(5)]
	reason, exception, yes := []string{"", "理由充分"}[min(r.IntN(4), 1)], r.IntN(2) == 0, r.IntN(2) == 0
	const (
		computed = pb.BranchCycleState_BRANCH_CYCLE_STATE_COMPUTED
		shown    = pb.BranchCycleState_BRANCH_CYCLE_STATE_SHOWN
		closed   = pb.BranchCycleState_BRANCH_CYCLE_STATE_CLOSED
	)
	var err error
	var want bool
	what := ""
	switch n := r.IntN(20); {
	case n < 8 && m.state != closed:
		what = "decide"
		want = m.state == computed && m.decide(id, by, grade, reason, exception)
		_, err = h.branches.DecideGrade(ctx, &pb.DecideGradeRequest{CycleId: c.GetId(), MemberId: id, Grade: grade, Reason: reason, Exception: exception})
	case n < 8:
		what = "correct"
		want = m.decide(id, by, grade, "理由充分", exception)
		_, err = h.branches.CorrectGrade(ctx, &pb.CorrectGradeRequest{CycleId: c.GetId(), MemberId: id, Grade: grade, Reason: "理由充分", Exception: exception})
	case n < 9:
		what = "set aside"
		want = m.state == computed && by != id && m.setAside(id, yes)
		_, err = h.branches.SetMemberAside(ctx, &pb.SetMemberAsideRequest{CycleId: c.GetId(), MemberId: id, Aside: yes, Reason: "长期病休"})
	case n < 13:
		what = "answer exception"
		want = m.answer(id, yes)
		_, err = h.branches.AnswerException(h.above(), &pb.AnswerExceptionRequest{CycleId: c.GetId(), MemberId: id, Consents: yes, Reason: "经研究"})
	case n < 15:
		what = "show"
		undecided := m.count(func(g *modelGrade) bool { return !g.pro && !g.aside && g.decided == 0 })
		if want = m.state == computed && undecided == 0 && m.asked() == 0; want {
			m.state = shown
		}
		_, err = h.branches.ShowBranchGrades(ctx, &pb.ShowBranchGradesRequest{Id: c.GetId()})
	case n < 17:
		what = "object"
		g := m.members[id]
		if want = m.state == shown && m.now < 8 && !g.objected && !g.pro && !g.aside; want {
			g.objected = true
		}
		_, err = h.branches.ObjectToGrade(h.me(id), &pb.ObjectToGradeRequest{Year: 2013, Text: "请复核"})
	case n < 19:
		what = "answer objection"
		want = m.answerObjection(id, by, grade, yes, exception)
		_, err = h.branches.AnswerGradeObjection(ctx, &pb.AnswerGradeObjectionRequest{CycleId: c.GetId(), MemberId: id, Upheld: yes, Answer: "经复核", Grade: grade, Exception: exception})
	default:
		what = "close"
		if m.state == shown {
			m.now += 4
			h.Civil.Advance(h.Civil.Now().Add(4 * 24 * time.Hour))
		}
		open := m.count(func(g *modelGrade) bool { return g.objected && !g.answered })
		if want = m.state == shown && m.now >= 8 && open == 0 && m.asked() == 0; want {
			m.state = closed
		}
		_, err = h.branches.CloseBranchCycle(ctx, &pb.CloseBranchCycleRequest{Id: c.GetId()})
	}
	if want != (err == nil) {
		t.Fatalf("step %d: %s %s by %s in %s (%s, %q, exception %v, yes %v): %v, the model says %v", step, what, id, by, m.state, grade, reason, exception, yes, err, want)
	}
}

func (m *modelBranch) answerObjection(id, by string, grade pb.StatutoryGrade, yes, exception bool) bool {
	g := m.members[id]
	if m.state != pb.BranchCycleState_BRANCH_CYCLE_STATE_SHOWN || !g.objected || g.answered || by == id || by == g.by {
		return false
	}
	if yes && !m.decide(id, by, grade, "经复核", exception) {
		return false
	}
	g.answered = true
	return true
}

func (m *modelBranch) compare(t *testing.T, h branchHouse, c *pb.BranchCycle, step int) {
	t.Helper()
	reply, err := h.branches.GetBranchCycle(h.secretary(), &pb.GetBranchCycleRequest{Id: c.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	got := reply.GetCycle()
	if got.GetState() != m.state || int(got.GetExcellent()) != m.excellent() || int(got.GetGraded()) != m.graded() || int(got.GetExceptionsAsked()) != m.asked() {
		t.Fatalf("step %d: %v, the model has %+v", step, got, *m)
	}
	if got.GetExcellent() > got.GetThird() {
		t.Fatalf("step %d: %d excellent, the third is %d", step, got.GetExcellent(), got.GetThird())
	}
	for id, g := range h.grades(t, c.GetId()) {
		want := m.members[id]
		if g.GetDecided() != want.decided || g.GetDecidedBy() != want.by || g.GetSetAside() != want.aside {
			t.Fatalf("step %d: %s is %v, the model has %+v", step, id, g, *want)
		}
	}
}
