package evaluation

import (
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/policy"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/branch"
	"github.com/linli-project/linli/services/evaluation/internal/sheet"
)

// branchProto is a cycle with its sums.
func branchProto(row table.Row[*pb.BranchCycleRow]) *pb.BranchCycle {
	out := proto.CloneOf(row.Value.GetCycle())
	c := countOf(row.Value)
	out.Graded, out.Third, out.Etag = c.Graded(), c.Third(), row.Etag()
	return out
}

func countOf(row *pb.BranchCycleRow) branch.Count {
	c := row.GetCycle()
	return branch.Count{
		Voters: c.GetVoters(), SetAside: row.GetSetAside(), Decided: c.GetDecided(), Excellent: c.GetExcellent(),
		Exceptions: c.GetExceptions(), Asked: c.GetExceptionsAsked(), Objections: c.GetOpenObjections(),
	}
}

func putCount(row *pb.BranchCycleRow, c branch.Count) {
	row.SetAside = c.SetAside
	row.Cycle.Voters, row.Cycle.Decided, row.Cycle.Excellent = c.Voters, c.Decided, c.Excellent
	row.Cycle.Exceptions, row.Cycle.ExceptionsAsked, row.Cycle.OpenObjections = c.Exceptions, c.Asked, c.Objections
}

func branchMember(g *pb.BranchGrade) branch.Member {
	m := branch.Member{
		ID: g.GetMemberId(), Probationary: g.GetProbationary(), SetAside: g.GetSetAside(),
		Proposed: branch.Grade(g.GetProposed()), Tied: g.GetTied(), Decided: branch.Grade(g.GetDecided()), DecidedBy: g.GetDecidedBy(),
		Exception: branch.ExceptionState(g.GetException()), AskedBy: g.GetExceptionAskedBy(),
	}
	switch sheet.ObjectionState(g.GetObjection()) {
	case 0:
	case sheet.Raised:
		m.Objection = branch.OpenObjection
	default:
		m.Objection = branch.AnsweredObjection
	}
	return m
}

// putMember writes what the rules changed. The state of the objection is
// written by who changes it.
func putMember(g *pb.BranchGrade, m branch.Member) {
	g.SetAside, g.Decided, g.DecidedBy = m.SetAside, pb.StatutoryGrade(m.Decided), m.DecidedBy
	g.Deviates = m.Decided != branch.Ungraded && m.Deviates(m.Decided)
	g.Exception, g.ExceptionAskedBy = pb.ExceptionState(m.Exception), m.AskedBy
}

func gradeProto(row table.Row[*pb.BranchGradeRow]) *pb.BranchGrade {
	out := proto.CloneOf(row.Value.GetGrade())
	out.Etag = row.Etag()
	return out
}

func branchRules(p policy.Policy) *pb.BranchRules {
	return &pb.BranchRules{
		PolicyVersion: p.Version,
		Excellent:     p.Text("evaluation.grade.excellent"), Qualified: p.Text("evaluation.grade.qualified"), Basic: p.Text("evaluation.grade.basic"),
		Good: p.Text("evaluation.mark.good"), FairlyGood: p.Text("evaluation.mark.fairly_good"),
		Fair: p.Text("evaluation.mark.fair"), Poor: p.Text("evaluation.mark.poor"),
		LeastBallots: leastBallots(p),
	}
}

// branchEvent: linli.evaluation.branch.<name>.v1.
func branchEvent(name string, row table.Row[*pb.BranchCycleRow]) store.Event {
	c := row.Value.GetCycle()
	return store.Event{
		Name: name, EntityID: c.GetId(), Revision: row.Revision,
		Data: &pb.BranchChanged{
			Id: c.GetId(), Revision: row.Revision, OrganizationId: c.GetOrganizationId(), Year: c.GetYear(), State: c.GetState(),
		},
	}
}

// gradeEvent: linli.evaluation.grade.<name>.v1.
func gradeEvent(name, organization string, row table.Row[*pb.BranchGradeRow]) store.Event {
	g := row.Value.GetGrade()
	return store.Event{
		Name: name, EntityID: g.GetCycleId() + "/" + g.GetMemberId(), Revision: row.Revision,
		Data: &pb.GradeChanged{
			CycleId: g.GetCycleId(), Revision: row.Revision, MemberId: g.GetMemberId(), OrganizationId: organization,
			Year: g.GetYear(), Objection: g.GetObjection(),
		},
	}
}
