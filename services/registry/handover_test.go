package registry

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/store"
)

// inboxOf answers the topics of a person's messages, the newest first.
func (h *house) inboxOf(person string) (topics []string) {
	h.t.Helper()
	h.Drain()
	reply, err := pb.NewInboxServiceClient(h.Conn()).ListMyMessages(h.as(person, grant(typev1.Role_ROLE_COMMITTEE_STAFF, communityA)), &pb.ListMyMessagesRequest{})
	must(h.t, err)
	for _, m := range reply.GetMessages() {
		topics = append(topics, m.GetTopic())
	}
	return topics
}

// handTo announces that a request was given to somebody.
func (h *house) handTo(request, person string) {
	h.Announce("requests", store.Event{Name: "request.dispatched", EntityID: request, Revision: 3, Data: &requestsv1.RequestChanged{
		Id: request, Revision: 3, CommunityPath: communityA, State: requestsv1.RequestState_REQUEST_STATE_DISPATCHED, Helper: person, Author: "li",
	}})
}

func (h *house) handOver(by context.Context, from, to string, until *timestamppb.Timestamp) (*pb.Account, error) {
	reply, err := h.accounts().HandOver(by, &pb.HandOverRequest{Id: from, ToAccountId: to, AwayUntil: until, Reason: "moves to another district"})
	return reply.GetAccount(), err
}

func TestHandOver_WhoLeavesIsLockedAndTheColleagueReads(t *testing.T) {
	h, _, _ := startInbox(t)
	from := h.makeAccount("xiong", roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID))
	to := h.makeAccount("liu", roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID))
	h.handTo("req_before", from.GetPerson())
	if got := h.inboxOf(from.GetPerson()); len(got) != 1 {
		t.Fatalf("before: %v", got)
	}
	a, err := h.handOver(h.security(district), from.GetId(), to.GetId(), nil)
	must(t, err)
	if a.GetState() != pb.AccountState_ACCOUNT_STATE_LOCKED || a.GetAwayUntil() != nil {
		t.Errorf("who left: %v", a)
	}
	if got := h.inboxOf(to.GetPerson()); len(got) != 2 {
		t.Fatalf("the colleague has %v: the unread message and the hand-over are due", got)
	}
	h.handTo("req_after", from.GetPerson())
	if got := h.inboxOf(to.GetPerson()); len(got) != 3 {
		t.Errorf("the colleague has %v: what came later is due too", got)
	}
	if h.countEvents("work.handed_over", from.GetId()) != 1 || h.countEvents("account.changed", from.GetId()) != 1 {
		t.Error("the services were not told")
	}
}

func TestHandOver_WhoIsAwayComesBack(t *testing.T) {
	h, _, _ := startInbox(t)
	from := h.makeAccount("xiong", roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID))
	to := h.makeAccount("liu", roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID))
	third := h.makeAccount("wang", roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID))
	until := h.Civil.Now().Add(7 * 24 * time.Hour)
	a, err := h.handOver(h.security(district), from.GetId(), to.GetId(), timestamppb.New(until))
	must(t, err)
	if a.GetState() != pb.AccountState_ACCOUNT_STATE_ACTIVE || !a.GetAwayUntil().AsTime().Equal(until) {
		t.Errorf("who is away: %v", a)
	}
	_, err = h.handOver(h.security(district), third.GetId(), from.GetId(), nil)
	wantReason(t, err, "NOT_A_COLLEAGUE") // away
	// The stand-in goes away too: the third is told.
	_, err = h.handOver(h.security(district), to.GetId(), third.GetId(), timestamppb.New(until))
	must(t, err)
	h.handTo("req_1", from.GetPerson())
	if got := h.inboxOf(third.GetPerson()); len(got) != 3 {
		t.Errorf("the third has %v: both hand-overs and the request are due", got)
	}
	h.Civil.Advance(until)
	h.handTo("req_2", from.GetPerson())
	if got := h.inboxOf(third.GetPerson()); len(got) != 3 {
		t.Errorf("after the time away the third has %v", got)
	}
	if got := h.inboxOf(from.GetPerson()); len(got) != 2 {
		t.Errorf("who was away has %v", got)
	}
}

func TestUnlock_EndsTheTimeAway(t *testing.T) {
	h, _, _ := startInbox(t)
	from := h.makeAccount("xiong", roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID))
	to := h.makeAccount("liu", roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID))
	_, err := h.accounts().UnlockAccount(h.security(district), &pb.UnlockAccountRequest{Id: from.GetId()})
	wantReason(t, err, "WRONG_STATE") // neither locked nor away
	_, err = h.handOver(h.security(district), from.GetId(), to.GetId(), timestamppb.New(h.Civil.Now().Add(7*24*time.Hour)))
	must(t, err)
	_, err = h.accounts().UnlockAccount(h.security(communityB), &pb.UnlockAccountRequest{Id: from.GetId()})
	wantReason(t, err, "NOT_FOUND")
	back, err := h.accounts().UnlockAccount(h.security(district), &pb.UnlockAccountRequest{Id: from.GetId()})
	must(t, err)
	if a := back.GetAccount(); a.GetAwayUntil() != nil || a.GetState() != pb.AccountState_ACCOUNT_STATE_ACTIVE {
		t.Errorf("who is back: %v", a)
	}
	h.handTo("req_1", from.GetPerson())
	if got := h.inboxOf(from.GetPerson()); len(got) != 1 {
		t.Errorf("who is back is told %v", got)
	}
}

func TestHandOver_Refusals(t *testing.T) {
	h := start(t).withDistrict()
	from := h.makeAccount("xiong", roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID))
	beside := h.makeAccount("beside", roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityBID))
	here := h.makeAccount("here", roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID))
	for what, c := range map[string]struct {
		by    context.Context
		to    string
		until *timestamppb.Timestamp
		want  string
	}{
		"another office":       {h.security("/"), beside.GetId(), nil, "NOT_A_COLLEAGUE"},
		"oneself":              {h.security("/"), from.GetId(), nil, "NOT_A_COLLEAGUE"},
		"nobody":               {h.security("/"), "acc_none", nil, "NOT_FOUND"},
		"until yesterday":      {h.security("/"), here.GetId(), timestamppb.New(h.Civil.Now()), "INVALID_FIELD"},
		"from outside":         {h.security(communityB), beside.GetId(), nil, "NOT_FOUND"},
		"to outside":           {h.security(communityA), beside.GetId(), nil, "NOT_FOUND"},
		"not an administrator": {h.districtOfficer(), here.GetId(), nil, "ROLE_NOT_ALLOWED"},
	} {
		_, err := h.handOver(c.by, from.GetId(), c.to, c.until)
		if wantReason(t, err, c.want); t.Failed() {
			t.Fatal(what)
		}
	}
}
