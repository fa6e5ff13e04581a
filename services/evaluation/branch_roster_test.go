package evaluation_test

import (
	"testing"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/store"
)

// The roster of a large branch is frozen and proposed in slices; sub-branches
// and members of another branch's cycle of the year are not on it.
func TestBranch_LargeRosterInSlices(t *testing.T) {
	h := newBranchHouse(t)
	h.big("x", w1, 420)
	h.ofBranch(3, 0)
	b := h.opened(t, 2013)
	w := h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, "o", w1)
	opened, err := h.branches.OpenBranchCycle(w, &pb.OpenBranchCycleRequest{OrganizationId: "W1", Year: 2013})
	if err != nil || b.GetMembers() != 3 {
		t.Fatal(b, err)
	}
	large := h.awaitBranch(w, t, opened.GetCycle().GetId(), pb.BranchCycleState_BRANCH_CYCLE_STATE_OPEN)
	if large.GetVoters() != 420 || large.GetThird() != 140 {
		t.Errorf("roster %v", large)
	}
	if _, err := h.branches.GetBranchCycle(h.officer(), &pb.GetBranchCycleRequest{Id: large.GetId()}); err != nil {
		t.Errorf("the district is directly above W1: %v", err)
	}
}

// A member who moves in the middle stays on the roster of the year, and gets on
// no second one.
func TestBranch_AMoveInTheMiddle(t *testing.T) {
	h := newBranchHouse(t)
	h.ofBranch(3, 0)
	c := h.opened(t, 2013)
	h.Announce("registry", store.Event{Name: "member.imported", EntityID: "imp-move", Revision: 1, Data: &registryv1.MembersImported{
		Members: []*registryv1.MemberState{{Id: "m1", Revision: 2, HomePath: w1, CommunityPath: community}}}})
	h.member("m9", w1, false)
	h.Drain()
	w := h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, "o", w1)
	opened, err := h.branches.OpenBranchCycle(w, &pb.OpenBranchCycleRequest{OrganizationId: "W1", Year: 2013})
	if err != nil {
		t.Fatal(err)
	}
	later := h.awaitBranch(w, t, opened.GetCycle().GetId(), pb.BranchCycleState_BRANCH_CYCLE_STATE_OPEN)
	if later.GetMembers() != 1 || len(h.grades(t, c.GetId())) != 3 {
		t.Errorf("where the member went to there are %d, and where from %d", later.GetMembers(), len(h.grades(t, c.GetId())))
	}
}
