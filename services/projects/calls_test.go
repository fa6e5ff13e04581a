package projects_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/testkit"
)

func TestCreateCall_KeepsWhatWasSaid(t *testing.T) {
	h := start(t)
	req := newCall()
	c := h.drafted()
	want := &pb.Call{
		Id: c.GetId(), DistrictId: districtID, Year: 2013, Title: req.GetTitle(), State: pb.CallState_CALL_STATE_DRAFT,
		OpensAt: req.GetOpensAt(), ClosesAt: req.GetClosesAt(), Criteria: req.GetCriteria(), Reviewers: req.GetReviewers(),
		Quota: 1, Aggregation: pb.Aggregation_AGGREGATION_MEAN, Etag: "1",
		TrimPercent: 20, MostPerApplicant: 200, DrawSeedHash: c.GetDrawSeedHash(),
	}
	if !proto.Equal(c, want) || len(c.GetDrawSeedHash()) != 64 {
		t.Errorf("created %v", c)
	}
	got := must[*pb.GetCallResponse](h)(h.GetCall(h.officer(), &pb.GetCallRequest{Id: c.GetId()}))
	if !proto.Equal(got.GetCall(), want) {
		t.Errorf("read back %v", got)
	}
}

func TestCreateCall_RefusesNonsense(t *testing.T) {
	h := start(t)
	cases := []struct {
		field  string
		code   codes.Code
		reason string
		spoil  func(*pb.CreateCallRequest)
	}{
		{"closes_at", codes.InvalidArgument, "INVALID_FIELD", func(r *pb.CreateCallRequest) { r.ClosesAt = r.GetOpensAt() }},
		{"opens_at", codes.InvalidArgument, "INVALID_FIELD", func(r *pb.CreateCallRequest) { r.OpensAt.Nanos = -1 }},
		{"closes_at", codes.InvalidArgument, "INVALID_FIELD", func(r *pb.CreateCallRequest) { r.ClosesAt = &timestamppb.Timestamp{Seconds: 1 << 60} }},
		{"opens_at", codes.InvalidArgument, "INVALID_FIELD", func(r *pb.CreateCallRequest) { r.OpensAt = nil }},
		{"title", codes.InvalidArgument, "INVALID_FIELD", func(r *pb.CreateCallRequest) { r.Title = "   " }},
		{"quota", codes.InvalidArgument, "INVALID_FIELD", func(r *pb.CreateCallRequest) { r.Quota = 0 }},
		{"aggregation", codes.InvalidArgument, "INVALID_FIELD", func(r *pb.CreateCallRequest) { r.Aggregation = 0 }},
		{"aggregation", codes.InvalidArgument, "INVALID_FIELD", func(r *pb.CreateCallRequest) { r.Aggregation = 77 }},
		{"criteria[1].key", codes.InvalidArgument, "INVALID_FIELD", func(r *pb.CreateCallRequest) { r.Criteria[1].Key = "necessity" }},
		{"criteria[0].max", codes.InvalidArgument, "INVALID_FIELD", func(r *pb.CreateCallRequest) { r.Criteria[0].Max = 101 }},
		{"reviewers[2].person", codes.InvalidArgument, "INVALID_FIELD", func(r *pb.CreateCallRequest) { r.Reviewers[2].Person = "E1" }},
		{"reviewers[1].organization_id", codes.NotFound, "UNKNOWN_ORGANIZATION", func(r *pb.CreateCallRequest) { r.Reviewers[1].OrganizationId = "W99999" }},
		{"district_id", codes.NotFound, "UNKNOWN_ORGANIZATION", func(r *pb.CreateCallRequest) { r.DistrictId = "999999" }},
		{"district_id", codes.NotFound, "UNKNOWN_ORGANIZATION", func(r *pb.CreateCallRequest) { r.DistrictId = "430102" }}, // a foreign one
		{"district_id", codes.InvalidArgument, "INVALID_FIELD", func(r *pb.CreateCallRequest) { r.DistrictId = community }},
	}
	for _, c := range cases {
		req := newCall()
		c.spoil(req)
		_, err := h.CreateCall(h.officer(), req)
		refused(t, c.field, err, c.code, c.reason, c.field)
	}
	_, err := h.CreateCall(h.applicant(community), newCall())
	refused(t, "by a committee", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED", "")
	if list := must[*pb.ListCallsResponse](h)(h.ListCalls(h.officer(), &pb.ListCallsRequest{DistrictId: districtID})); len(list.GetCalls()) != 0 {
		t.Errorf("something came in: %v", list)
	}
}

func TestCall_StepsInOrder(t *testing.T) {
	h := start(t)
	c := h.drafted()
	officer := h.officer()
	_, err := h.StartReview(officer, &pb.StartReviewRequest{Id: c.GetId()})
	refused(t, "review of a draft", err, codes.FailedPrecondition, "WRONG_STATE", "")
	_, err = h.DecideCall(officer, &pb.DecideCallRequest{Id: c.GetId()})
	refused(t, "decision on a draft", err, codes.FailedPrecondition, "WRONG_STATE", "")
	_, err = h.RankApplications(officer, &pb.RankApplicationsRequest{CallId: c.GetId()})
	refused(t, "ranking of a draft", err, codes.FailedPrecondition, "WRONG_STATE", "")
	_, err = h.OpenCall(officer, &pb.OpenCallRequest{Id: c.GetId(), Etag: "7"})
	refused(t, "a stale etag", err, codes.Aborted, "STALE_ETAG", "etag")

	opened := must[*pb.OpenCallResponse](h)(h.OpenCall(officer, &pb.OpenCallRequest{Id: c.GetId(), Etag: c.GetEtag()})).GetCall()
	if opened.GetState() != pb.CallState_CALL_STATE_OPEN || opened.GetEtag() != "2" {
		t.Errorf("opened: %v", opened)
	}
	_, err = h.OpenCall(officer, &pb.OpenCallRequest{Id: c.GetId()})
	refused(t, "opened again", err, codes.FailedPrecondition, "WRONG_STATE", "")
	_, err = h.StartReview(officer, &pb.StartReviewRequest{Id: c.GetId()})
	refused(t, "review within the window", err, codes.FailedPrecondition, "WINDOW_OPEN", "")
	h.advance(day("2013-03-01").Add(-time.Nanosecond))
	_, err = h.StartReview(officer, &pb.StartReviewRequest{Id: c.GetId()})
	refused(t, "a nanosecond early", err, codes.FailedPrecondition, "WINDOW_OPEN", "")
	h.advance(day("2013-03-01"))
	_, err = h.StartReview(officer, &pb.StartReviewRequest{Id: c.GetId(), Etag: "1"})
	refused(t, "a stale etag", err, codes.Aborted, "STALE_ETAG", "etag")
	reviewed := must[*pb.StartReviewResponse](h)(h.StartReview(officer, &pb.StartReviewRequest{Id: c.GetId()})).GetCall()
	if reviewed.GetState() != pb.CallState_CALL_STATE_IN_REVIEW {
		t.Errorf("in review: %v", reviewed)
	}
	ranking := must[*pb.DecideCallResponse](h)(h.DecideCall(officer, &pb.DecideCallRequest{Id: c.GetId(), Etag: reviewed.GetEtag()})).GetRanking()
	if len(ranking.GetApplications()) != 0 || ranking.GetQuota() != 1 {
		t.Errorf("nobody applied: %v", ranking)
	}
	_, err = h.DecideCall(officer, &pb.DecideCallRequest{Id: c.GetId()})
	refused(t, "decided again", err, codes.FailedPrecondition, "WRONG_STATE", "")
}

func TestOpenCall_NotAfterItsWindow(t *testing.T) {
	h := start(t)
	c := h.drafted()
	h.advance(day("2013-03-01"))
	_, err := h.OpenCall(h.officer(), &pb.OpenCallRequest{Id: c.GetId()})
	refused(t, "opened too late", err, codes.FailedPrecondition, "WINDOW_CLOSED", "")
	got := must[*pb.GetCallResponse](h)(h.GetCall(h.officer(), &pb.GetCallRequest{Id: c.GetId()})).GetCall()
	if !proto.Equal(got, c) {
		t.Errorf("a refused step changed the call: %v", got)
	}
}

func TestCall_WhoSeesIt(t *testing.T) {
	h := start(t)
	grant := func(role typev1.Role, path scope.Path) access.Grant { return access.Grant{Role: role, Path: path} }
	callers := []struct {
		who         string
		person      string
		grants      []access.Grant
		draft, open bool
	}{
		{"district", "a", []access.Grant{grant(typev1.Role_ROLE_DISTRICT_OFFICER, district)}, true, true},
		{"city", "b", []access.Grant{grant(typev1.Role_ROLE_CITY_OFFICER, "/430100/")}, true, true},
		{"a district officer of everything", "c", []access.Grant{grant(typev1.Role_ROLE_DISTRICT_OFFICER, scope.Root)}, true, true},
		{"committee", "d", []access.Grant{grant(typev1.Role_ROLE_COMMITTEE_STAFF, h.paths[community])}, false, true},
		{"resident", "e", []access.Grant{grant(typev1.Role_ROLE_RESIDENT, h.paths[community])}, false, true},
		{"reviewer from elsewhere", "E1", []access.Grant{grant(typev1.Role_ROLE_REVIEWER, elsewhere)}, false, true},
		{"the reviewer's name in another role", "E1", []access.Grant{grant(typev1.Role_ROLE_MEMBER, elsewhere)}, false, false},
		{"another district", "f", []access.Grant{grant(typev1.Role_ROLE_DISTRICT_OFFICER, elsewhere)}, false, false},
		{"a committee elsewhere", "g", []access.Grant{grant(typev1.Role_ROLE_COMMITTEE_STAFF, h.paths[foreignPlace])}, false, false},
		{"a path like the district's", "i", []access.Grant{grant(typev1.Role_ROLE_DISTRICT_OFFICER, "/430100/43010/")}, false, false},
		{"nobody", "j", nil, false, false},
	}
	c := h.drafted()
	look := func(state string, want func(i int) bool) {
		for i, who := range callers {
			_, err := h.GetCall(h.As(who.person, who.grants...), &pb.GetCallRequest{Id: c.GetId()})
			if want(i) && err != nil {
				t.Errorf("%s, %s: %v", state, who.who, err)
			}
			if !want(i) {
				refused(t, state+", "+who.who, err, codes.NotFound, "NOT_FOUND", "")
			}
		}
	}
	look("draft", func(i int) bool { return callers[i].draft })
	must[*pb.OpenCallResponse](h)(h.OpenCall(h.officer(), &pb.OpenCallRequest{Id: c.GetId()}))
	look("open", func(i int) bool { return callers[i].open })
	_, err := h.GetCall(h.As("h", grant(typev1.Role_ROLE_SYSTEM_ADMIN, scope.Root)), &pb.GetCallRequest{Id: c.GetId()})
	refused(t, "system administrator", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED", "")
	_, err = h.GetCall(h.officer(), &pb.GetCallRequest{Id: "cal_nowhere"})
	refused(t, "no such call", err, codes.NotFound, "NOT_FOUND", "")
}

// To see a call is not to move it: neither a reviewer who is an officer
// elsewhere nor an officer of a part of the district may.
func TestCall_WhoMovesIt(t *testing.T) {
	h := start(t)
	c := h.opened()
	h.advance(day("2013-03-01"))
	for who, ctx := range map[string]access.Grant{
		"another district":       {Role: typev1.Role_ROLE_DISTRICT_OFFICER, Path: elsewhere},
		"a part of the district": {Role: typev1.Role_ROLE_DISTRICT_OFFICER, Path: h.paths["430101002"]},
	} {
		as := h.As("E1", ctx, access.Grant{Role: typev1.Role_ROLE_REVIEWER, Path: h.paths["W00001"]})
		_, err := h.StartReview(as, &pb.StartReviewRequest{Id: c.GetId()})
		refused(t, who, err, codes.NotFound, "NOT_FOUND", "")
	}
	city := h.As("city", access.Grant{Role: typev1.Role_ROLE_CITY_OFFICER, Path: "/430100/"})
	_, err := h.StartReview(city, &pb.StartReviewRequest{Id: c.GetId()})
	refused(t, "the city", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED", "")
}

func TestListCalls_LatestYearFirstInPages(t *testing.T) {
	h := start(t)
	for _, year := range []int32{2012, 2014, 2013} {
		req := newCall()
		req.Year = year
		must[*pb.CreateCallResponse](h)(h.CreateCall(h.officer(), req))
	}
	req := &pb.ListCallsRequest{DistrictId: districtID, PageSize: 2}
	first := must[*pb.ListCallsResponse](h)(h.ListCalls(h.officer(), req))
	req.PageToken = first.GetNextPageToken()
	second := must[*pb.ListCallsResponse](h)(h.ListCalls(h.officer(), req))
	var years []int32
	for _, c := range append(first.GetCalls(), second.GetCalls()...) {
		years = append(years, c.GetYear())
	}
	if len(years) != 3 || years[0] != 2014 || years[1] != 2013 || years[2] != 2012 || second.GetNextPageToken() != "" {
		t.Errorf("years %v, then %q", years, second.GetNextPageToken())
	}
	city := h.As("city", access.Grant{Role: typev1.Role_ROLE_CITY_OFFICER, Path: "/430100/"})
	_, err := h.ListCalls(city, req)
	refused(t, "the token of somebody else", err, codes.InvalidArgument, "BAD_PAGE_TOKEN", "page_token")
	req.PageToken = "nonsense"
	_, err = h.ListCalls(h.officer(), req)
	refused(t, "no token", err, codes.InvalidArgument, "BAD_PAGE_TOKEN", "page_token")
	_, err = h.ListCalls(h.officer(), &pb.ListCallsRequest{DistrictId: districtID, PageSize: 201})
	refused(t, "too large a page", err, codes.InvalidArgument, "INVALID_FIELD", "page_size")
	_, err = h.ListCalls(h.officer(), &pb.ListCallsRequest{DistrictId: "430102"})
	refused(t, "another district", err, codes.NotFound, "UNKNOWN_ORGANIZATION", "district_id")
	if all := must[*pb.ListCallsResponse](h)(h.ListCalls(city, &pb.ListCallsRequest{DistrictId: districtID})); len(all.GetCalls()) != 3 {
		t.Errorf("the city sees %d", len(all.GetCalls()))
	}
}

func TestCreateCall_IdempotencyKey(t *testing.T) {
	h := start(t)
	keyed := testkit.Keyed(h.officer(), "once")
	first := must[*pb.CreateCallResponse](h)(h.CreateCall(keyed, newCall()))
	again := must[*pb.CreateCallResponse](h)(h.CreateCall(keyed, newCall()))
	if !proto.Equal(first, again) {
		t.Errorf("first %v, again %v", first, again)
	}
	other := newCall()
	other.Quota = 3
	_, err := h.CreateCall(keyed, other)
	refused(t, "another payload", err, codes.InvalidArgument, "IDEMPOTENCY_KEY_REUSED", "Idempotency-Key")
	if list := must[*pb.ListCallsResponse](h)(h.ListCalls(h.officer(), &pb.ListCallsRequest{DistrictId: districtID})); len(list.GetCalls()) != 1 {
		t.Errorf("%d calls", len(list.GetCalls()))
	}
}
