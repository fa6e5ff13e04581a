package evaluation_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/store"
)

// b1 is a branch of the workplace W1.
const b1 = w1 + "B1/"

type branchHouse struct {
	pollHouse
	branches pb.BranchServiceClient
}

func newBranchHouse(t *testing.T) branchHouse {
	t.Helper()
	h := branchHouse{pollHouse: newPollHouse(t)}
	h.branches = pb.NewBranchServiceClient(h.Conn())
	h.Announce("registry", store.Event{Name: "organization.registered", EntityID: "B1", Revision: 1,
		Data: &registryv1.OrganizationChanged{Id: "B1", Kind: registryv1.OrganizationKind_ORGANIZATION_KIND_BRANCH, Path: b1, Revision: 1}})
	return h
}

func (h branchHouse) secretary() context.Context {
	return h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, "secretary", b1)
}
func (h branchHouse) deputy() context.Context {
	return h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, "deputy", b1)
}
func (h branchHouse) above() context.Context {
	return h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, "above", w1)
}
func (h branchHouse) me(id string) context.Context {
	return h.as(typev1.Role_ROLE_MEMBER, id, b1)
}

// ofBranch announces members m1, m2, … of B1 with a status.
func (h branchHouse) ofBranch(formal, probationary int) {
	ev := &registryv1.MembersImported{}
	for i := range formal + probationary {
		status := registryv1.MemberStatus_MEMBER_STATUS_FORMAL
		if i >= formal {
			status = registryv1.MemberStatus_MEMBER_STATUS_PROBATIONARY
		}
		ev.Members = append(ev.Members, &registryv1.MemberState{
			Id: fmt.Sprintf("m%d", i+1), Revision: 1, Status: status, HomePath: b1, CommunityPath: community,
		})
	}
	h.Announce("registry", store.Event{Name: "member.imported", EntityID: "imp-b1", Revision: 1, Data: ev})
	h.Drain()
}

func (h branchHouse) awaitBranch(as context.Context, t *testing.T, id string, state pb.BranchCycleState) *pb.BranchCycle {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		reply, err := h.branches.GetBranchCycle(as, &pb.GetBranchCycleRequest{Id: id})
		if err != nil {
			t.Fatal(err)
		}
		if reply.GetCycle().GetState() == state {
			return reply.GetCycle()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the cycle stays in %s", reply.GetCycle().GetState())
		}
	}
}

func (h branchHouse) opened(t *testing.T, year int32) *pb.BranchCycle {
	t.Helper()
	reply, err := h.branches.OpenBranchCycle(h.secretary(), &pb.OpenBranchCycleRequest{OrganizationId: "B1", Year: year})
	if err != nil {
		t.Fatal(err)
	}
	return h.awaitBranch(h.secretary(), t, reply.GetCycle().GetId(), pb.BranchCycleState_BRANCH_CYCLE_STATE_OPEN)
}

// polled holds the poll of the branch: each of `ballots` marks member i+1 with
// marks[i].
func (h branchHouse) polled(t *testing.T, c *pb.BranchCycle, ballots int, marks ...pb.Mark) {
	t.Helper()
	req := &pb.PreparePollRequest{OrganizationId: "B1", Kind: pb.PollKind_POLL_KIND_BRANCH, Year: c.GetYear(), Seats: c.GetVoters()}
	for i := range marks {
		req.Lines = append(req.Lines, &pb.BallotLine{MemberId: fmt.Sprintf("m%d", i+1), Label: fmt.Sprintf("王%d", i+1)})
	}
	p, err := h.polls.PreparePoll(h.secretary(), req)
	if err != nil {
		t.Fatal(err)
	}
	id := p.GetPoll().GetId()
	issued, err := h.polls.IssueBallots(h.secretary(), &pb.IssueBallotsRequest{Id: id, Codes: c.GetVoters()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.polls.OpenPoll(h.secretary(), &pb.OpenPollRequest{Id: id}); err != nil {
		t.Fatal(err)
	}
	for _, code := range issued.GetCodes()[:ballots] {
		if err := h.cast(t.Context(), id, code, marks...); err != nil {
			t.Fatal(err)
		}
	}
	n := int32(ballots)
	if _, err := h.polls.ClosePoll(h.secretary(), &pb.ClosePollRequest{Id: id, Tellers: counts(c.GetVoters(), n, n)}); err != nil {
		t.Fatal(err)
	}
}

func (h branchHouse) computed(t *testing.T, c *pb.BranchCycle) *pb.BranchCycle {
	t.Helper()
	if _, err := h.branches.ComputeBranchCycle(h.secretary(), &pb.ComputeBranchCycleRequest{Id: c.GetId()}); err != nil {
		t.Fatal(err)
	}
	return h.awaitBranch(h.secretary(), t, c.GetId(), pb.BranchCycleState_BRANCH_CYCLE_STATE_COMPUTED)
}

func (h branchHouse) grades(t *testing.T, id string) map[string]*pb.BranchGrade {
	t.Helper()
	out := map[string]*pb.BranchGrade{}
	for token := ""; ; {
		page, err := h.branches.ListBranchGrades(h.secretary(), &pb.ListBranchGradesRequest{CycleId: id, PageSize: 4, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range page.GetGrades() {
			out[g.GetMemberId()] = g
		}
		if token = page.GetNextPageToken(); token == "" {
			return out
		}
	}
}

func (h branchHouse) decide(ctx context.Context, c *pb.BranchCycle, member string, g pb.StatutoryGrade, reason string) error {
	_, err := h.branches.DecideGrade(ctx, &pb.DecideGradeRequest{CycleId: c.GetId(), MemberId: member, Grade: g, Reason: reason})
	return err
}

const (
	excellent   = pb.StatutoryGrade_STATUTORY_GRADE_EXCELLENT
	qualified   = pb.StatutoryGrade_STATUTORY_GRADE_QUALIFIED
	basic       = pb.StatutoryGrade_STATUTORY_GRADE_BASIC
	unqualified = pb.StatutoryGrade_STATUTORY_GRADE_UNQUALIFIED
)
