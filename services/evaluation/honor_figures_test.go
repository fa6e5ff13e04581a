package evaluation_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
)

// TestHonor_ADistrictsBoards has many boards: the figures count each member once.
func TestHonor_ADistrictsBoards(t *testing.T) {
	h := withMembers(t)
	h.stoodOut(t, "m1", 1)
	h.praise(t, "m1", "letter")
	for _, kind := range []pb.BoardKind{pb.BoardKind_BOARD_KIND_GOOD_DEEDS, pb.BoardKind_BOARD_KIND_SERVICE} {
		board := h.board(t, kind)
		o, err := h.name(board, "m1")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.consent("m1", o.GetId(), true); err != nil {
			t.Fatal(err)
		}
		if _, err := h.notice(o.GetId()); err != nil {
			t.Fatal(err)
		}
	}
	got, err := h.honors().GetHonorFigures(h.officer(), &pb.GetHonorFiguresRequest{OrganizationId: "11"})
	if err != nil || got.GetBoards() != 2 || got.GetCommunities() != 1 || got.GetMembers() != 0 || got.GetInNotice() != 2 {
		t.Errorf("in notice: %v, %v", got, err)
	}
	h.Civil.Advance(time.Date(2013, 9, 10, 0, 0, 0, 0, time.UTC))
	boards, err := h.honors().ListBoards(h.resident("r1"), &pb.ListBoardsRequest{CommunityId: "C1"})
	if err != nil || len(boards.GetBoards()) != 2 {
		t.Fatal(boards, err)
	}
	for _, b := range boards.GetBoards() {
		list, err := h.honors().ListHonors(h.staff(), &pb.ListHonorsRequest{BoardId: b.GetId()})
		if err != nil {
			t.Fatal(err)
		}
		h.awaitHonor(t, b.GetId(), list.GetHonors()[0].GetId(), pb.HonorState_HONOR_STATE_ON_THE_BOARD)
	}
	got, err = h.honors().GetHonorFigures(h.officer(), &pb.GetHonorFiguresRequest{OrganizationId: "11"})
	if err != nil || got.GetMembers() != 1 || got.GetInNotice() != 0 {
		t.Errorf("on two boards: %v, %v", got, err)
	}
	_, err = h.honors().GetHonorFigures(h.staff(), &pb.GetHonorFiguresRequest{OrganizationId: "11"})
	refused(t, "the district's by a community", err, codes.NotFound, "UNKNOWN_ORGANIZATION")
}
