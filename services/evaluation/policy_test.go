package evaluation_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
)

// policy publishes values for the district's 2013.
func (h house) policy(version int32, values map[string]string) {
	p := &registryv1.Policy{Year: 2013, Version: version}
	for k, v := range values {
		p.Values = append(p.Values, &registryv1.PolicyValue{Key: k, Value: v, Source: &registryv1.PolicySource{Title: "办法", Number: "1号"}})
	}
	h.Announce("registry", store.Event{Name: "policy.published", EntityID: "11-2013", Revision: uint64(version),
		Data: &registryv1.PolicyPublished{DistrictPath: district, Policy: p, Revision: uint64(version)}})
	h.Drain()
}

func TestPolicy_StarsAndHonorsByTheDistrictsNumbers(t *testing.T) {
	h := withMembers(t)
	h.confirm(t, h.mine(t, "m1", service("2013-08-01", 1)).GetId()) // one time, two cases
	stars := func() *pb.RedStars {
		got, err := h.ledger().GetMemberLedger(h.staff(), &pb.GetMemberLedgerRequest{MemberId: "m1"})
		if err != nil {
			t.Fatal(err)
		}
		return got.GetStars()
	}
	if s := stars(); s.GetMeasure() != pb.StarMeasure_STAR_MEASURE_TIMES || s.GetLevel() != 1 || s.GetNextAt() != 5 {
		t.Errorf("by default: %v", s)
	}
	board := h.board(t, pb.BoardKind_BOARD_KIND_SERVICE)
	_, err := h.name(board, "m1")
	refused(t, "by default", err, codes.FailedPrecondition, "HONOR_NOT_STOOD_OUT")
	h.policy(1, map[string]string{"ledger.star_measure": "cases", "ledger.star_2": "2", "honor.least_times": "1", "honor.most_days": "100"})
	if s := stars(); s.GetMeasure() != pb.StarMeasure_STAR_MEASURE_CASES || s.GetCounted() != 2 || s.GetLevel() != 2 || s.GetNextAt() != 10 {
		t.Errorf("by cases: %v", s)
	}
	_, err = h.name(board, "m1")
	refused(t, "too long", err, codes.InvalidArgument, "HONOR_BAD_END")
	_, err = h.honors().ProposeHonor(h.staff(), &pb.ProposeHonorRequest{BoardId: board, MemberId: "m1", EndsOn: "2013-12-01"})
	refused(t, "one service is enough now", err, codes.FailedPrecondition, "HONOR_NOT_TRUSTED")
}

// TestGroup_KeepsItsOwnLedger has a functional group in the community whose
// secretary writes what its members did, and the community confirms it.
func TestGroup_KeepsItsOwnLedger(t *testing.T) {
	h := withMembers(t)
	group := scope.Path(community + "G1/")
	h.Announce("registry", store.Event{Name: "organization.registered", EntityID: "G1", Revision: 1, Data: &registryv1.OrganizationChanged{
		Id: "G1", Kind: registryv1.OrganizationKind_ORGANIZATION_KIND_FUNCTIONAL_GROUP, Path: string(group), Displayed: true, Revision: 1}})
	h.Drain()
	secretary := h.as(typev1.Role_ROLE_GROUP_SECRETARY, "sec", string(group))
	propose := func(ctx context.Context, at string) (*pb.Entry, error) {
		reply, err := h.ledger().ProposeEntry(ctx, &pb.ProposeEntryRequest{CommunityId: at, MemberId: "m1", Service: service("2013-08-01", 1)})
		return reply.GetEntry(), err
	}
	_, err := propose(secretary, "C1")
	refused(t, "into the community's", err, codes.NotFound, "UNKNOWN_ORGANIZATION")
	e, err := propose(secretary, "G1")
	if err != nil {
		t.Fatal(err)
	}
	list, err := h.client.ListEntries(secretary, &pb.ListEntriesRequest{CommunityId: "G1"})
	if err != nil || len(list.GetEntries()) != 1 {
		t.Fatal(list, err)
	}
	_, err = h.client.ConfirmEntry(secretary, &pb.ConfirmEntryRequest{Id: e.GetId()})
	refused(t, "confirmed by the secretary", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	h.confirm(t, e.GetId())
	if got := h.years(t, "m1"); got != "2013:1/2/4" {
		t.Error(got)
	}
	board := h.board(t, pb.BoardKind_BOARD_KIND_SERVICE)
	h.policy(1, map[string]string{"honor.least_times": "1"})
	h.praise(t, "m1", "letter")
	if _, err := h.name(board, "m1"); err != nil {
		t.Errorf("a service of a group in the community counts for its board: %v", err)
	}
	_, err = h.honors().CreateBoard(h.staff(), &pb.CreateBoardRequest{CommunityId: "G1", Kind: pb.BoardKind_BOARD_KIND_SERVICE})
	refused(t, "a board of a group", err, codes.NotFound, "UNKNOWN_ORGANIZATION")
}
