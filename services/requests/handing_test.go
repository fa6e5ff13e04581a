package requests_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/store"
)

// Staff are handed to within the community, or in the office above that the
// register names; who answers holds a grant in that office.
func TestHandRequest_OnlyToTheOfficesThatAreResponsible(t *testing.T) {
	h := newHouse(t, inMemory())
	h.Announce("registry", store.Event{Name: "organization.registered", EntityID: "111", Revision: 1, Data: &registryv1.OrganizationChanged{
		Id: "111", Kind: registryv1.OrganizationKind_ORGANIZATION_KIND_STREET, Path: "/1/11/111/", Displayed: true, Revision: 1}})
	h.Drain()
	hand := func(id, organization string) error {
		_, err := h.handling().HandRequest(h.staff(), &pb.HandRequestRequest{Id: id, Person: "x", OrganizationId: organization})
		return err
	}
	id := h.admitted(t, problem()).GetId()
	for _, organization := range []string{"C2", "W1", "111", "11", "1"} {
		refused(t, organization, hand(id, organization), codes.FailedPrecondition, "OFFICE_NOT_RESPONSIBLE")
	}
	h.duty(t, "设施维修", pb.Owner_OWNER_STREET, "街道城管办", 0)
	for _, organization := range []string{"C2", "11"} {
		refused(t, organization, hand(id, organization), codes.FailedPrecondition, "OFFICE_NOT_RESPONSIBLE")
	}
	if err := hand(id, "111"); err != nil {
		t.Fatal(err)
	}
	// Somebody of the same name in another office sees and answers nothing.
	elsewhere := h.as(typev1.Role_ROLE_COMMITTEE_STAFF, "x", c2)
	_, err := h.handling().AnswerOffer(elsewhere, &pb.AnswerOfferRequest{Id: id, TakeOn: true})
	refused(t, "the yes of another office", err, codes.PermissionDenied, "NOT_OF_THE_OFFICE")
	_, err = h.client.GetRequest(elsewhere, &pb.GetRequestRequest{Id: id})
	refused(t, "read in another office", err, codes.NotFound, "NOT_FOUND")
	if page := ok[*pb.ListMyRequestsResponse](t)(h.client.ListMyRequests(elsewhere, &pb.ListMyRequestsRequest{})); len(page.GetRequests()) != 0 {
		t.Errorf("listed %v", page)
	}
	street := h.as(typev1.Role_ROLE_STREET_OFFICER, "x", "/1/11/111/")
	ok[*pb.AnswerOfferResponse](t)(h.handling().AnswerOffer(street, &pb.AnswerOfferRequest{Id: id, TakeOn: true}))
	_, err = h.handling().BeginRequest(elsewhere, &pb.BeginRequestRequest{Id: id})
	refused(t, "begun in another office", err, codes.PermissionDenied, "NOT_OF_THE_OFFICE")
	ok[*pb.BeginRequestResponse](t)(h.handling().BeginRequest(street, &pb.BeginRequestRequest{Id: id}))
	_, err = h.client.ResolveRequest(elsewhere, &pb.ResolveRequestRequest{Id: id, Answer: "好了"})
	refused(t, "resolved in another office", err, codes.PermissionDenied, "NOT_OF_THE_OFFICE")
	ok[*pb.ResolveRequestResponse](t)(h.client.ResolveRequest(street, &pb.ResolveRequestRequest{Id: id, Answer: "好了"}))
}

// For a provider that has no token staff of the community answer, and it is
// kept who said yes.
func TestHandRequest_StaffAnswerForAProviderWithoutAPerson(t *testing.T) {
	h := newHouse(t, inMemory())
	p, err := h.proposed(t, func(r *pb.ProposeProviderRequest) { r.Person = "" })
	if err != nil {
		t.Fatal(err)
	}
	ok[*pb.ApproveProviderResponse](t)(h.providers().ApproveProvider(
		h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "head", c1), &pb.ApproveProviderRequest{Id: p.GetId()}))
	id := h.admitted(t, problem()).GetId()
	hand := func() {
		ok[*pb.HandRequestResponse](t)(h.handling().HandRequest(h.staff(), &pb.HandRequestRequest{Id: id, ProviderId: p.GetId()}))
	}
	answer := func(ctx context.Context, yes bool) (*pb.Request, error) {
		r, err := h.handling().AnswerOffer(ctx, &pb.AnswerOfferRequest{Id: id, TakeOn: yes, Reason: "店里没有零件"})
		return r.GetRequest(), err
	}
	hand()
	_, err = answer(h.otherStaff(), true)
	refused(t, "staff of another community", err, codes.NotFound, "NOT_FOUND")
	if r, err := answer(h.staff(), false); err != nil || r.GetState() != pb.RequestState_REQUEST_STATE_ADMITTED || r.GetReturns() != 1 {
		t.Fatal(r, err)
	}
	hand()
	r, err := answer(h.staff(), true)
	if err != nil || r.GetState() != pb.RequestState_REQUEST_STATE_TAKEN_ON || r.GetTakenOnBy() != "staff" || r.GetProviderId() != p.GetId() {
		t.Fatal(r, err)
	}
	ok[*pb.BeginRequestResponse](t)(h.handling().BeginRequest(h.staff(), &pb.BeginRequestRequest{Id: id}))
	ok[*pb.ResolveRequestResponse](t)(h.client.ResolveRequest(h.staff(), &pb.ResolveRequestRequest{Id: id, Answer: "换了零件"}))
}
