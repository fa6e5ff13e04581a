package evaluation_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/store"
)

// ofStaff is a registry that gives names to the community's staff and to nobody
// else.
type ofStaff struct{ names }

func (n ofStaff) GetMember(ctx context.Context, in *registryv1.GetMemberRequest, opts ...grpc.CallOption) (*registryv1.GetMemberResponse, error) {
	out, _ := metadata.FromOutgoingContext(ctx)
	token := accesstest.Token("staff", access.Grant{Role: typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, Path: community})
	if got := out.Get(rpc.HeaderAuthorization); len(got) != 1 || got[0] != "Bearer "+token {
		return nil, status.Error(codes.NotFound, "not yours")
	}
	return n.names.GetMember(ctx, in, opts...)
}

// boardHouse has members who stood out, in a house whose registry gives names to
// the staff alone.
func boardHouse(t *testing.T, members ...string) house {
	t.Helper()
	h := newHouse(t, inMemory(), ofStaff{})
	for i, m := range members {
		h.member(m, w1, true)
		h.Drain()
		h.stoodOut(t, m, 10*i)
		h.praise(t, m, "letter")
	}
	return h
}

// sealedNames counts the honors that hold a name, and looks for one in plain.
func (h house) sealedNames(t *testing.T) (n int) {
	t.Helper()
	for _, it := range (pollHouse{house: h}).raw(t) {
		if bytes.Contains(it.Value, []byte("名m")) || bytes.Contains(it.Key, []byte("名m")) {
			t.Error("a name lies in the store in plain")
		}
	}
	if bytes.Contains(h.Events("evaluation"), []byte("名m")) || bytes.Contains([]byte(h.Log.String()), []byte("名m")) {
		t.Error("a name lies in an event or the log")
	}
	return h.service.NamesKept(t)
}

// Everybody reads the name on the board and in its notice, who may not ask the
// registry for it; nobody does before the member's yes.
func TestBoard_ShowsTheNameToEverybodyOnceTheMemberConsents(t *testing.T) {
	h := boardHouse(t, "m1")
	board := h.board(t, pb.BoardKind_BOARD_KIND_SERVICE)
	readers := map[string]context.Context{
		"a resident": h.resident("r1"), "a member of another unit": h.as(typev1.Role_ROLE_MEMBER, "m7", w2),
		"the district": h.officer(), "the staff": h.staff(), "a unit": h.as(typev1.Role_ROLE_WORKPLACE_OFFICER, "o", w2),
	}
	all := func(when string, notice bool, want string) {
		t.Helper()
		for who, ctx := range readers {
			reply, err := h.honors().ShowBoard(ctx, &pb.ShowBoardRequest{BoardId: board, Notice: notice})
			got := ""
			for _, l := range reply.GetLines() {
				got += l.GetName()
			}
			if err != nil || got != want {
				t.Errorf("%s, %s reads %q, want %q, %v", when, who, got, want, err)
			}
		}
	}
	o, err := h.name(board, "m1")
	if err != nil {
		t.Fatal(err)
	}
	if n := h.sealedNames(t); n != 1 {
		t.Errorf("%d names are kept", n)
	}
	for _, notice := range []bool{true, false} {
		all("before the consent", notice, "")
	}
	if err := h.consent("m1", o.GetId(), true); err != nil {
		t.Fatal(err)
	}
	all("before the notice", true, "")
	if _, err := h.notice(o.GetId()); err != nil {
		t.Fatal(err)
	}
	all("in the notice", true, "名m1")
	h.Civil.Advance(time.Date(2013, 9, 9, 16, 0, 0, 0, time.UTC))
	h.awaitHonor(t, board, o.GetId(), pb.HonorState_HONOR_STATE_ON_THE_BOARD)
	all("on the board", false, "名m1")
	h.Civil.Advance(time.Date(2014, 8, 31, 16, 0, 0, 0, time.UTC))
	all("after the last day", false, "")
	h.awaitHonor(t, board, o.GetId(), pb.HonorState_HONOR_STATE_RUN_OUT)
	if n := h.sealedNames(t); n != 0 {
		t.Errorf("%d names are kept after it has run out", n)
	}
}

// However an honor ends, the name is erased.
func TestBoard_TheNameIsErasedWithTheHonor(t *testing.T) {
	h := boardHouse(t, "m1")
	board := h.board(t, pb.BoardKind_BOARD_KIND_GOOD_DEEDS)
	upheld := func(id string) error {
		made, err := h.honors().ObjectToHonor(h.resident("r1"), &pb.ObjectToHonorRequest{HonorId: id, Text: "那天他不在"})
		if err != nil {
			return err
		}
		_, err = h.honors().AnswerHonorObjection(h.staff(), &pb.AnswerHonorObjectionRequest{Id: made.GetObjection().GetId(), Upheld: true, Answer: "属实"})
		return err
	}
	takenOff := func(id string) error {
		_, err := h.honors().TakeOffHonor(h.staff(), &pb.TakeOffHonorRequest{Id: id, End: pb.HonorEnd_HONOR_END_MOVED_AWAY})
		return err
	}
	withdrawn := func(id string) error {
		_, err := h.honors().WithdrawHonor(h.asMember("m1"), &pb.WithdrawHonorRequest{Id: id})
		return err
	}
	for name, c := range map[string]struct {
		noticed bool
		end     func(string) error
	}{
		"refused by the member":  {false, func(id string) error { return h.consent("m1", id, false) }},
		"taken off when named":   {false, takenOff},
		"withdrawn when named":   {false, withdrawn},
		"withdrawn in notice":    {true, withdrawn},
		"taken off in notice":    {true, takenOff},
		"an objection is upheld": {true, upheld},
	} {
		o, err := h.name(board, "m1")
		if err == nil && c.noticed {
			if err = h.consent("m1", o.GetId(), true); err == nil {
				_, err = h.notice(o.GetId())
			}
		}
		if err != nil || h.sealedNames(t) != 1 {
			t.Fatalf("%s: %v, %d names", name, err, h.sealedNames(t))
		}
		if err := c.end(o.GetId()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n := h.sealedNames(t); n != 0 {
			t.Errorf("%s: %d names are kept", name, n)
		}
	}
}

// Who is of an organization that is not displayed stays hidden.
func TestBoard_AHiddenOrganizationsMemberStaysHidden(t *testing.T) {
	h := boardHouse(t, "m1")
	board := h.board(t, pb.BoardKind_BOARD_KIND_SERVICE)
	o, err := h.name(board, "m1")
	if err == nil {
		err = h.consent("m1", o.GetId(), true)
	}
	if err == nil {
		_, err = h.notice(o.GetId())
	}
	if err != nil {
		t.Fatal(err)
	}
	h.Announce("registry", store.Event{Name: "organization.changed", EntityID: "W1", Revision: 2, Data: &registryv1.OrganizationChanged{
		Id: "W1", Kind: registryv1.OrganizationKind_ORGANIZATION_KIND_WORKPLACE, Path: w1, Revision: 2}})
	h.Drain()
	if got := h.shown(t, board, true); got != "" {
		t.Errorf("a resident reads %q", got)
	}
	reply, err := h.honors().ShowBoard(h.staff(), &pb.ShowBoardRequest{BoardId: board, Notice: true})
	if err != nil || len(reply.GetLines()) != 1 || reply.GetLines()[0].GetName() != "名m1" {
		t.Errorf("who may ask the registry reads %v, %v", reply, err)
	}
}
