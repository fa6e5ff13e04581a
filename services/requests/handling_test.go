package requests_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

func (h house) handling() pb.HandlingServiceClient { return pb.NewHandlingServiceClient(h.Conn()) }
func (h house) circle() pb.CircleServiceClient     { return pb.NewCircleServiceClient(h.Conn()) }

// A unit has one no; with the second the street decides, and hands back.
func TestAnswerOffer_OneReturnThenTheStreetDecides(t *testing.T) {
	h := newHouse(t, inMemory())
	r := h.post(h.resident("a"), t, problem())
	if _, err := h.client.AdmitRequest(h.staff(), &pb.AdmitRequestRequest{Id: r.GetId()}); err != nil {
		t.Fatal(err)
	}
	provider := h.as(typev1.Role_ROLE_COMMITTEE_STAFF, "property", c1)
	for i, want := range []pb.RequestState{pb.RequestState_REQUEST_STATE_ADMITTED, pb.RequestState_REQUEST_STATE_ESCALATED} {
		if _, err := h.handling().HandRequest(h.staff(), &pb.HandRequestRequest{Id: r.GetId(), Person: "property", OrganizationId: "C1"}); err != nil {
			t.Fatal(err)
		}
		_, err := h.handling().AnswerOffer(h.member("m1"), &pb.AnswerOfferRequest{Id: r.GetId()})
		refused(t, "somebody else", err, codes.NotFound, "NOT_FOUND")
		got, err := h.handling().AnswerOffer(provider, &pb.AnswerOfferRequest{Id: r.GetId(), Reason: "不属物业范围"})
		if err != nil || got.GetRequest().GetState() != want {
			t.Fatalf("no number %d: %v, %v", i+1, got, err)
		}
	}
	street := h.as(typev1.Role_ROLE_STREET_OFFICER, "street", "/1/11/111/")
	got, err := h.handling().HandBackRequest(street, &pb.HandBackRequestRequest{Id: r.GetId(), Reason: "由社区牵头协调物业"})
	if err != nil || got.GetRequest().GetState() != pb.RequestState_REQUEST_STATE_ADMITTED || got.GetRequest().GetReturns() != 0 {
		t.Errorf("handed back: %v, %v", got, err)
	}
}

// Me too counts each person once, on what is public and open.
func TestJoinRequest_OnceAPerson(t *testing.T) {
	h := newHouse(t, inMemory())
	r := h.post(h.resident("a"), t, problem())
	for range 2 {
		got, err := h.circle().JoinRequest(h.resident("b"), &pb.JoinRequestRequest{Id: r.GetId()})
		if err != nil || got.GetJoined() != 1 {
			t.Fatalf("joined %v, %v", got, err)
		}
	}
	if _, err := h.circle().JoinRequest(h.member("m1"), &pb.JoinRequestRequest{Id: r.GetId()}); err != nil {
		t.Errorf("a member who reported in: %v", err)
	}
	_, err := h.circle().JoinRequest(h.member("m2"), &pb.JoinRequestRequest{Id: r.GetId()})
	refused(t, "a member of another community", err, codes.NotFound, "NOT_FOUND")
	_, err = h.circle().JoinRequest(h.resident("a"), &pb.JoinRequestRequest{Id: r.GetId()})
	refused(t, "the author", err, codes.FailedPrecondition, "JOINS_OWN_REQUEST")
	sealed := problem()
	sealed.Visibility = pb.Visibility_VISIBILITY_STAFF_ONLY
	_, err = h.circle().JoinRequest(h.resident("b"), &pb.JoinRequestRequest{Id: h.post(h.resident("a"), t, sealed).GetId()})
	refused(t, "for staff only", err, codes.NotFound, "NOT_FOUND")
	h.Drain()
	circle, err := h.client.GetCircle(h.resident("b"), &pb.GetCircleRequest{OrganizationId: "C1"})
	if err != nil || circle.GetCircle().GetParticipants() != 3 || circle.GetCircle().GetAuthors() != 1 {
		t.Errorf("figures %v, %v", circle, err)
	}
}
