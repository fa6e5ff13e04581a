package projects_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/testkit"
)

func TestDraftApplication_KeepsWhatWasSaid(t *testing.T) {
	h := start(t)
	c := h.opened()
	req := application(c.GetId(), community, " 2013-01 ")
	a := must[*pb.DraftApplicationResponse](h)(h.DraftApplication(h.applicant(community), req)).GetApplication()
	want := &pb.Application{
		Id: a.GetId(), CallId: c.GetId(), Number: "2013-01", Title: req.GetTitle(), ApplicantId: community,
		Category: req.GetCategory(), BudgetYuan: 80000, StaffRequested: 2, Indicators: req.GetIndicators(),
		State: pb.ApplicationState_APPLICATION_STATE_DRAFT, Etag: "1",
	}
	if !proto.Equal(a, want) {
		t.Errorf("drafted %v", a)
	}
	got := must[*pb.GetApplicationResponse](h)(h.GetApplication(h.applicant(community), &pb.GetApplicationRequest{Id: a.GetId()}))
	if !proto.Equal(got.GetApplication(), want) {
		t.Errorf("read back %v", got)
	}
}

func TestDraftApplication_RefusesNonsense(t *testing.T) {
	h := start(t)
	c := h.opened()
	h.draft(c.GetId(), otherPlace, "2013-07")
	cases := []struct {
		what   string
		code   codes.Code
		reason string
		field  string
		spoil  func(*pb.DraftApplicationRequest)
	}{
		{"number of another's", codes.AlreadyExists, "APPLICATION_EXISTS", "number", func(r *pb.DraftApplicationRequest) { r.Number = "2013-07" }},
		{"the same with blanks", codes.AlreadyExists, "APPLICATION_EXISTS", "number", func(r *pb.DraftApplicationRequest) { r.Number = " 2013-07" }},
		{"no number", codes.InvalidArgument, "INVALID_FIELD", "number", func(r *pb.DraftApplicationRequest) { r.Number = "" }},
		{"blank title", codes.InvalidArgument, "INVALID_FIELD", "title", func(r *pb.DraftApplicationRequest) { r.Title = " " }},
		{"negative budget", codes.InvalidArgument, "INVALID_FIELD", "budget_yuan", func(r *pb.DraftApplicationRequest) { r.BudgetYuan = -1 }},
		{"a day that is none", codes.InvalidArgument, "INVALID_FIELD", "indicators[0].due", func(r *pb.DraftApplicationRequest) { r.Indicators[0].Due = "2013-02-29" }},
		{"no day at all", codes.InvalidArgument, "INVALID_FIELD", "indicators[0].due", func(r *pb.DraftApplicationRequest) { r.Indicators[0].Due = "soon" }},
		{"no target", codes.InvalidArgument, "INVALID_FIELD", "indicators[0].target", func(r *pb.DraftApplicationRequest) { r.Indicators[0].Target = math.NaN() }},
		{"an unknown applicant", codes.NotFound, "UNKNOWN_ORGANIZATION", "applicant_id", func(r *pb.DraftApplicationRequest) { r.ApplicantId = "999" }},
		{"a foreign applicant", codes.NotFound, "UNKNOWN_ORGANIZATION", "applicant_id", func(r *pb.DraftApplicationRequest) { r.ApplicantId = otherPlace }},
		{"a building", codes.FailedPrecondition, "APPLICANT_NOT_ALLOWED", "applicant_id", func(r *pb.DraftApplicationRequest) { r.ApplicantId = "B1" }},
		{"no such call", codes.NotFound, "NOT_FOUND", "", func(r *pb.DraftApplicationRequest) { r.CallId = "cal_nowhere" }},
	}
	for _, k := range cases {
		req := application(c.GetId(), community, "2013-01")
		k.spoil(req)
		_, err := h.DraftApplication(h.applicant(community), req)
		refused(t, k.what, err, k.code, k.reason, k.field)
	}
	_, err := h.DraftApplication(h.officer(), application(c.GetId(), community, "2013-01"))
	refused(t, "the district itself", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED", "")
	_, err = h.DraftApplication(h.applicant(foreignPlace), application(c.GetId(), foreignPlace, "2013-01"))
	refused(t, "from another district", err, codes.NotFound, "NOT_FOUND", "")
	both := h.As("both", access.Grant{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: h.paths[community]},
		access.Grant{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: h.paths[foreignPlace]})
	_, err = h.DraftApplication(both, application(c.GetId(), foreignPlace, "2013-01"))
	refused(t, "for another district", err, codes.FailedPrecondition, "APPLICANT_NOT_ALLOWED", "applicant_id")
	h.draft(c.GetId(), community, "2013-01") // none of it took the number
}

func TestApplication_OnlyWithinTheWindow(t *testing.T) {
	h := start(t)
	c := h.drafted()
	_, err := h.DraftApplication(h.applicant(community), application(c.GetId(), community, "2013-01"))
	refused(t, "the call is a draft", err, codes.NotFound, "NOT_FOUND", "")
	must[*pb.OpenCallResponse](h)(h.OpenCall(h.officer(), &pb.OpenCallRequest{Id: c.GetId()}))
	h.advance(day("2013-01-05").Add(-time.Nanosecond))
	_, err = h.DraftApplication(h.applicant(community), application(c.GetId(), community, "2013-01"))
	refused(t, "a nanosecond early", err, codes.FailedPrecondition, "WINDOW_CLOSED", "")
	h.advance(day("2013-01-05"))
	a := h.draft(c.GetId(), community, "2013-01")
	late := h.draft(c.GetId(), community, "2013-02") // an applicant may have several
	h.advance(day("2013-03-01").Add(-time.Nanosecond))
	must[*pb.SubmitApplicationResponse](h)(h.SubmitApplication(h.applicant(community), &pb.SubmitApplicationRequest{Id: a.GetId()}))
	h.advance(day("2013-03-01"))
	_, err = h.SubmitApplication(h.applicant(community), &pb.SubmitApplicationRequest{Id: late.GetId()})
	refused(t, "submitted at the end", err, codes.FailedPrecondition, "WINDOW_CLOSED", "")
	_, err = h.DraftApplication(h.applicant(community), application(c.GetId(), community, "2013-03"))
	refused(t, "drafted at the end", err, codes.FailedPrecondition, "WINDOW_CLOSED", "")
}

func TestSubmitApplication_Refusals(t *testing.T) {
	h := start(t)
	c := h.opened()
	a := h.draft(c.GetId(), community, "2013-01")
	submit := func(ctx context.Context, etag string) error {
		_, err := h.SubmitApplication(ctx, &pb.SubmitApplicationRequest{Id: a.GetId(), Etag: etag})
		return err
	}
	refused(t, "by a foreign applicant", submit(h.applicant(otherPlace), ""), codes.NotFound, "NOT_FOUND", "")
	refused(t, "by the district", submit(h.officer(), ""), codes.PermissionDenied, "ROLE_NOT_ALLOWED", "")
	refused(t, "with a stale etag", submit(h.applicant(community), "9"), codes.Aborted, "STALE_ETAG", "etag")
	keyed := testkit.Keyed(h.applicant(community), "once")
	first := must[*pb.SubmitApplicationResponse](h)(h.SubmitApplication(keyed, &pb.SubmitApplicationRequest{Id: a.GetId(), Etag: "1"}))
	if got := first.GetApplication(); got.GetState() != pb.ApplicationState_APPLICATION_STATE_SUBMITTED || got.GetEtag() != "2" ||
		!got.GetSubmittedAt().AsTime().Equal(day("2013-01-05")) {
		t.Errorf("submitted: %v", first)
	}
	again := must[*pb.SubmitApplicationResponse](h)(h.SubmitApplication(keyed, &pb.SubmitApplicationRequest{Id: a.GetId(), Etag: "1"}))
	if !proto.Equal(first, again) {
		t.Errorf("again: %v", again)
	}
	refused(t, "a second time", submit(h.applicant(community), ""), codes.FailedPrecondition, "WRONG_STATE", "")
}

// who are the callers that look at applications: the street above an
// applicant holds it in its grant, the district must wait for the review.
func (h *house) who() map[string]context.Context {
	as := func(person string, role typev1.Role, path scope.Path) context.Context {
		return h.As(person, access.Grant{Role: role, Path: path})
	}
	return map[string]context.Context{
		"applicant":           h.applicant(community),
		"its street":          h.applicant("430101002"),
		"a neighbour":         h.applicant("430101002002"),
		"district":            h.officer(),
		"district at root":    as("o", typev1.Role_ROLE_DISTRICT_OFFICER, scope.Root),
		"city":                as("c", typev1.Role_ROLE_CITY_OFFICER, "/430100/"),
		"reviewer":            h.reviewer("E1", "W00001"),
		"reviewer at root":    as("E2", typev1.Role_ROLE_REVIEWER, scope.Root),
		"another's reviewer":  h.reviewer("E9", "W00001"),
		"another district":    as("f", typev1.Role_ROLE_DISTRICT_OFFICER, elsewhere),
		"resident":            as("r", typev1.Role_ROLE_RESIDENT, h.paths[community]),
		"a member's namesake": as("E1", typev1.Role_ROLE_MEMBER, h.paths["W00001"]),
	}
}

func TestApplication_SealedUntilTheReview(t *testing.T) {
	h := start(t)
	c := h.opened()
	a, never := h.submit(c.GetId(), community, "2013-01"), h.draft(c.GetId(), community, "2013-02")
	look := func(when, id string, sees ...string) {
		t.Helper()
		may := map[string]bool{"applicant": true, "its street": true}
		for _, s := range sees {
			may[s] = true
		}
		for who, ctx := range h.who() {
			_, err := h.GetApplication(ctx, &pb.GetApplicationRequest{Id: id})
			if may[who] && err != nil {
				t.Errorf("%s, %s: %v", when, who, err)
			}
			if !may[who] {
				refused(t, when+", "+who, err, codes.NotFound, "NOT_FOUND", "")
			}
		}
		administrator := h.As("s", access.Grant{Role: typev1.Role_ROLE_SYSTEM_ADMIN, Path: scope.Root})
		_, err := h.GetApplication(administrator, &pb.GetApplicationRequest{Id: id})
		refused(t, when+", administrator", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED", "")
	}
	listed := func(when string, want int, next bool) {
		t.Helper()
		for _, ctx := range []context.Context{h.officer(), h.reviewer("E1", "W00001")} {
			got := must[*pb.ListApplicationsResponse](h)(h.ListApplications(ctx, &pb.ListApplicationsRequest{CallId: c.GetId(), PageSize: 1}))
			if len(got.GetApplications()) != want || (got.GetNextPageToken() != "") != next {
				t.Errorf("%s: listed %v", when, got)
			}
		}
	}
	look("in the window", a.GetId())
	listed("in the window", 0, false)
	h.advance(day("2013-03-01"))
	look("after the window", a.GetId())
	listed("after the window", 0, false)
	must[*pb.StartReviewResponse](h)(h.StartReview(h.officer(), &pb.StartReviewRequest{Id: c.GetId()}))
	look("in review", a.GetId(), "district", "district at root", "reviewer", "reviewer at root")
	look("a draft, in review", never.GetId())
	listed("in review", 1, false) // of the draft behind it nothing is told
}

func TestListApplications_ByNumberInPages(t *testing.T) {
	h := start(t)
	c := h.opened()
	for _, number := range []string{"2013-10", "2013-02", "2013-01"} {
		h.submit(c.GetId(), community, number)
	}
	h.advance(day("2013-03-01"))
	must[*pb.StartReviewResponse](h)(h.StartReview(h.officer(), &pb.StartReviewRequest{Id: c.GetId()}))
	req := &pb.ListApplicationsRequest{CallId: c.GetId(), PageSize: 2}
	first := must[*pb.ListApplicationsResponse](h)(h.ListApplications(h.officer(), req))
	req.PageToken = first.GetNextPageToken()
	second := must[*pb.ListApplicationsResponse](h)(h.ListApplications(h.officer(), req))
	var numbers []string
	for _, a := range append(first.GetApplications(), second.GetApplications()...) {
		numbers = append(numbers, a.GetNumber())
	}
	if fmt.Sprint(numbers) != "[2013-01 2013-02 2013-10]" || second.GetNextPageToken() != "" {
		t.Errorf("numbers %v, then %q", numbers, second.GetNextPageToken())
	}
	other := must[*pb.CreateCallResponse](h)(h.CreateCall(h.officer(), newCall())).GetCall()
	_, err := h.ListApplications(h.officer(), &pb.ListApplicationsRequest{CallId: other.GetId(), PageToken: req.GetPageToken()})
	refused(t, "the token of another call", err, codes.InvalidArgument, "BAD_PAGE_TOKEN", "page_token")
	_, err = h.ListApplications(h.reviewer("E1", "W00001"), req)
	refused(t, "the token of somebody else", err, codes.InvalidArgument, "BAD_PAGE_TOKEN", "page_token")
	_, err = h.ListApplications(h.reviewer("E9", "W00001"), &pb.ListApplicationsRequest{CallId: c.GetId()})
	refused(t, "a reviewer of no call", err, codes.NotFound, "NOT_FOUND", "")
	_, err = h.ListApplications(h.applicant(community), req)
	refused(t, "an applicant", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED", "")
}

func TestStartReview_LeavesDraftsAlone(t *testing.T) {
	h := start(t)
	_, first, second, never := h.inReview()
	for id, want := range map[string]pb.ApplicationState{
		first.GetId():  pb.ApplicationState_APPLICATION_STATE_IN_REVIEW,
		second.GetId(): pb.ApplicationState_APPLICATION_STATE_IN_REVIEW,
		never.GetId():  pb.ApplicationState_APPLICATION_STATE_DRAFT,
	} {
		street := h.As("all", access.Grant{Role: typev1.Role_ROLE_STREET_OFFICER, Path: district})
		got := must[*pb.GetApplicationResponse](h)(h.GetApplication(street, &pb.GetApplicationRequest{Id: id})).GetApplication()
		if got.GetState() != want {
			t.Errorf("%s is %s, want %s", got.GetNumber(), got.GetState(), want)
		}
	}
}
