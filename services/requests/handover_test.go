package requests_test

import (
	"fmt"
	"testing"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/store"
)

// handOver announces that a person's work in offices is another's.
func (h house) handOver(from, to string, offices ...string) {
	h.Announce("registry", store.Event{Name: "work.handed_over", EntityID: "acc_" + from, Revision: 2, Data: &registryv1.WorkHandedOver{
		AccountId: "acc_" + from, FromPerson: from, ToPerson: to, OrganizationPaths: offices}})
	h.Drain()
}

// handed answers an admitted request that was given to somebody of the community.
func (h house) handed(t *testing.T, person string) string {
	t.Helper()
	id := h.admitted(t, problem()).GetId()
	ok[*pb.HandRequestResponse](t)(h.handling().HandRequest(h.staff(), &pb.HandRequestRequest{Id: id, Person: person, OrganizationId: "C1"}))
	return id
}

// What was handed to somebody who leaves is the colleague's at every step of its
// way, and the colleague goes on with it; what has ended stays as it was.
func TestHandOver_OpenRequestsGoToTheColleague(t *testing.T) {
	h := newHouse(t, inMemory())
	from, to := h.as(typev1.Role_ROLE_COMMITTEE_STAFF, "leaves", c1), h.as(typev1.Role_ROLE_COMMITTEE_STAFF, "stays", c1)
	offered, taken, begun, done := h.handed(t, "leaves"), h.handed(t, "leaves"), h.handed(t, "leaves"), h.handed(t, "leaves")
	others := h.handed(t, "third")
	for _, id := range []string{taken, begun, done} {
		ok[*pb.AnswerOfferResponse](t)(h.handling().AnswerOffer(from, &pb.AnswerOfferRequest{Id: id, TakeOn: true}))
	}
	ok[*pb.BeginRequestResponse](t)(h.handling().BeginRequest(from, &pb.BeginRequestRequest{Id: begun}))
	ok[*pb.ResolveRequestResponse](t)(h.client.ResolveRequest(from, &pb.ResolveRequestRequest{Id: done, Answer: "好了"}))

	h.handOver("leaves", "stays", c1)
	for id, want := range map[string]string{offered: "stays", taken: "stays", begun: "stays", done: "leaves", others: "third"} {
		r := ok[*pb.GetRequestResponse](t)(h.client.GetRequest(h.staff(), &pb.GetRequestRequest{Id: id})).GetRequest()
		if r.GetHandedTo() != want {
			t.Errorf("%s in state %s is with %s, want %s", id, r.GetState(), r.GetHandedTo(), want)
		}
	}
	ok[*pb.AnswerOfferResponse](t)(h.handling().AnswerOffer(to, &pb.AnswerOfferRequest{Id: offered, TakeOn: true}))
	ok[*pb.BeginRequestResponse](t)(h.handling().BeginRequest(to, &pb.BeginRequestRequest{Id: taken}))
	ok[*pb.ResolveRequestResponse](t)(h.client.ResolveRequest(to, &pb.ResolveRequestRequest{Id: begun, Answer: "好了"}))
	if page := ok[*pb.ListMyRequestsResponse](t)(h.client.ListMyRequests(to, &pb.ListMyRequestsRequest{})); len(page.GetRequests()) != 3 {
		t.Errorf("the colleague's list: %v", page)
	}
}

// Work in another office stays, and so does what the colleague posted: nobody
// sees to the own.
func TestHandOver_OnlyTheOfficeAndNotTheOwn(t *testing.T) {
	h := newHouse(t, inMemory())
	here := h.handed(t, "leaves")
	h.handOver("leaves", "stays", c2)
	h.handOver("leaves", "r1", c1) // who posted it
	r := ok[*pb.GetRequestResponse](t)(h.client.GetRequest(h.staff(), &pb.GetRequestRequest{Id: here})).GetRequest()
	if r.GetHandedTo() != "leaves" {
		t.Errorf("it is with %s", r.GetHandedTo())
	}
}

// A hand-over of more than one commit looks at goes on slice by slice.
func TestHandOver_SliceBySlice(t *testing.T) {
	const many = 230
	h := newHouse(t, inMemory())
	ids := make([]string, many)
	for i := range ids {
		// One author may have few open: each is somebody else's.
		r := ok[*pb.PostRequestResponse](t)(h.client.PostRequest(h.as(typev1.Role_ROLE_RESIDENT, fmt.Sprintf("r%d", i), c1), problem())).GetRequest()
		ok[*pb.AdmitRequestResponse](t)(h.client.AdmitRequest(h.staff(), &pb.AdmitRequestRequest{Id: r.GetId()}))
		ok[*pb.HandRequestResponse](t)(h.handling().HandRequest(h.staff(), &pb.HandRequestRequest{Id: r.GetId(), Person: "leaves", OrganizationId: "C1"}))
		ids[i] = r.GetId()
	}
	h.handOver("leaves", "stays", c1)
	for i, id := range ids {
		r := ok[*pb.GetRequestResponse](t)(h.client.GetRequest(h.staff(), &pb.GetRequestRequest{Id: id})).GetRequest()
		if r.GetHandedTo() != "stays" {
			t.Fatalf("number %d is with %s", i, r.GetHandedTo())
		}
	}
}
