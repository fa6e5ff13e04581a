package requests_test

import (
	"context"
	"strings"
	"testing"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/testkit"
)

// Whatever is written about a request, by staff, a helper or the author, lies
// sealed in the store; those it is for read it whole, everybody the covered
// answer.
func TestSaid_LiesSealed(t *testing.T) {
	h, everything := dumpHouse(t)
	const secret = ",联系13812345678,张三3栋402室"
	handed := func() string {
		id := h.admitted(t, problem()).GetId()
		ok[*pb.HandRequestResponse](t)(h.handling().HandRequest(h.staff(), &pb.HandRequestRequest{Id: id, Person: "staff2", OrganizationId: "C1"}))
		return id
	}
	get := func(id string) *pb.Request {
		return ok[*pb.GetRequestResponse](t)(h.client.GetRequest(h.resident("r1"), &pb.GetRequestRequest{Id: id})).GetRequest()
	}
	staff := func(key string) context.Context { return testkit.Keyed(h.staff(), key) }
	resolved, unsolved, declined, returned := h.admitted(t, problem()).GetId(), h.admitted(t, problem()).GetId(), h.post(h.resident("r1"), t, problem()).GetId(), handed()
	escalated, paused := h.admitted(t, problem()).GetId(), h.admitted(t, problem()).GetId()
	ok[*pb.VerifyRequestResponse](t)(h.handling().VerifyRequest(staff("1"), &pb.VerifyRequestRequest{Id: resolved, Found: "看过了" + secret}))
	ok[*pb.ExtendRequestResponse](t)(h.handling().ExtendRequest(staff("2"), &pb.ExtendRequestRequest{Id: resolved, Until: "2013-09-23", Reason: "等零件" + secret}))
	if r := get(resolved); r.GetFound() != "看过了"+secret || r.GetClockReason() != "等零件"+secret {
		t.Errorf("the author reads %v", r)
	}
	ok[*pb.ResolveRequestResponse](t)(h.client.ResolveRequest(staff("3"), &pb.ResolveRequestRequest{Id: resolved, Answer: "换好链条了" + secret}))
	ok[*pb.ExcludeRequestResponse](t)(h.handling().ExcludeRequest(testkit.Keyed(h.streetOffice(), "4"), &pb.ExcludeRequestRequest{Id: resolved, Reason: "重复" + secret}))
	ok[*pb.CloseUnsolvedResponse](t)(h.handling().CloseUnsolved(staff("5"), &pb.CloseUnsolvedRequest{Id: unsolved, Answer: "没有办法" + secret}))
	ok[*pb.DeclineRequestResponse](t)(h.handling().DeclineRequest(staff("6"), &pb.DeclineRequestRequest{Id: declined, Reason: "不归这里" + secret}))
	ok[*pb.AnswerOfferResponse](t)(h.handling().AnswerOffer(testkit.Keyed(h.as(typev1.Role_ROLE_COMMITTEE_STAFF, "staff2", c1), "7"),
		&pb.AnswerOfferRequest{Id: returned, Reason: "不是我的" + secret}))
	ok[*pb.EscalateRequestResponse](t)(h.handling().EscalateRequest(staff("8"), &pb.EscalateRequestRequest{Id: escalated, Reason: "管不了" + secret}))
	ok[*pb.PauseRequestResponse](t)(h.handling().PauseRequest(staff("9"), &pb.PauseRequestRequest{Id: paused, Reason: "等鉴定" + secret}))
	for id, want := range map[string]string{
		resolved: "换好链条了", unsolved: "没有办法", declined: "不归这里", returned: "不是我的", escalated: "管不了", paused: "等鉴定",
	} {
		if r := get(id); r.GetAnswer()+r.GetReason()+whyItStands(r, id == paused) != want+secret {
			t.Errorf("the author reads %v, want %s", r, want)
		}
	}
	out := ok[*pb.ListExclusionsResponse](t)(h.circle().ListExclusions(h.streetOffice(), &pb.ListExclusionsRequest{CommunityId: "C1", Year: 2013})).GetExclusions()
	for _, e := range out {
		if !strings.HasSuffix(e.GetReason(), secret) {
			t.Errorf("the street reads %v", e)
		}
	}
	page := ok[*pb.BrowseRequestsResponse](t)(h.circle().BrowseRequests(h.resident("r2"), &pb.BrowseRequestsRequest{CommunityId: "C1"}))
	for _, r := range page.GetRequests() {
		if r.GetId() == resolved && r.GetAnswer() != "换好链条了,联系▇▇,张三3栋▇▇" {
			t.Errorf("everybody reads %v", r)
		}
	}
	notIn(t, everything(), "13812345678", "402室", "看过了", "等零件", "重复,", "不归这里", "不是我的", "管不了", "等鉴定")
	if len(out) != 2 {
		t.Errorf("%d exclusions", len(out))
	}
}

// whyItStands is why a clock stands, where that is asked.
func whyItStands(r *pb.Request, asked bool) string {
	if asked {
		return r.GetClockReason()
	}
	return ""
}
