package projects_test

import (
	"bytes"
	"testing"

	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
)

// onlyReviewer makes an open call that E4 alone reviews, with an application of
// each of these.
func (h *house) onlyReviewer(applicants ...string) (*pb.Call, []*pb.Application) {
	h.t.Helper()
	req := newCall()
	req.Reviewers = []*pb.Reviewer{{Person: "E4", OrganizationId: "430101004"}}
	c := must[*pb.CreateCallResponse](h)(h.CreateCall(h.officer(), req)).GetCall()
	must[*pb.OpenCallResponse](h)(h.OpenCall(h.officer(), &pb.OpenCallRequest{Id: c.GetId()}))
	h.advance(day("2013-01-05"))
	var all []*pb.Application
	for i, id := range applicants {
		all = append(all, h.submit(c.GetId(), id, "2013-0"+string(rune('1'+i))))
	}
	h.advance(day("2013-03-01"))
	return c, all
}

func added(callID, person, organization string) *pb.AddReviewersRequest {
	return &pb.AddReviewersRequest{
		Id: callID, Reason: "评委与申报单位有上下级关系", Reviewers: []*pb.Reviewer{{Person: person, OrganizationId: organization}},
	}
}

func TestStartReview_NotWithWhatNobodyMayJudge(t *testing.T) {
	h := start(t)
	c, all := h.onlyReviewer(otherPlace, community)
	review := &pb.StartReviewRequest{Id: c.GetId()}
	_, err := h.StartReview(h.officer(), review)
	refused(t, "the only reviewer stands above one", err, codes.FailedPrecondition, "NOBODY_MAY_JUDGE", "")
	if got := detail(err, "applications"); got != "2013-01" {
		t.Errorf("names %q, want 2013-01", got)
	}
	must[*pb.StartCheckResponse](h)(h.checks().StartCheck(h.officer(), &pb.StartCheckRequest{Id: c.GetId()}))
	for _, a := range all {
		must[*pb.JudgeEligibilityResponse](h)(h.checks().JudgeEligibility(h.officer(), &pb.JudgeEligibilityRequest{Id: a.GetId(), Eligible: true}))
	}
	_, err = h.StartReview(h.officer(), review)
	refused(t, "after the check", err, codes.FailedPrecondition, "NOBODY_MAY_JUDGE", "")
	must[*pb.AddReviewersResponse](h)(h.checks().AddReviewers(h.officer(), added(c.GetId(), "E1", "W00001")))
	must[*pb.StartReviewResponse](h)(h.StartReview(h.officer(), review))
	for _, a := range all {
		must[*pb.Sheet](h)(h.hand("E1", a, 20, 10))
	}
	must[*pb.Sheet](h)(h.hand("E4", all[1], 20, 10))
	must[*pb.DecideCallResponse](h)(h.DecideCall(h.officer(), &pb.DecideCallRequest{Id: c.GetId()}))
}

func TestAddReviewers_FreesWhatLostItsLastReviewer(t *testing.T) {
	h := start(t)
	c, all := h.onlyReviewer(community)
	must[*pb.StartReviewResponse](h)(h.StartReview(h.officer(), &pb.StartReviewRequest{Id: c.GetId()}))
	must[*pb.Sheet](h)(h.hand("E4", all[0], 20, 10))
	_, err := h.checks().DeclareConflict(h.reviewer("E4", "430101004"),
		&pb.DeclareConflictRequest{ApplicationId: all[0].GetId(), Reason: "与申报单位负责人有亲属关系"})
	if err != nil {
		t.Fatal(err)
	}
	decide := &pb.DecideCallRequest{Id: c.GetId()}
	_, err = h.DecideCall(h.officer(), decide)
	refused(t, "nobody is left", err, codes.FailedPrecondition, "SHEETS_MISSING", "")
	ranked := must[*pb.RankApplicationsResponse](h)(h.RankApplications(h.officer(), &pb.RankApplicationsRequest{CallId: c.GetId()}))
	if p := ranked.GetRanking().GetApplications()[0]; p.GetRank() != 0 || p.GetOutcome() != pb.ApplicationState_APPLICATION_STATE_NOT_SELECTED {
		t.Errorf("without a sheet it stands at %v", p)
	}
	must[*pb.AddReviewersResponse](h)(h.checks().AddReviewers(h.officer(), added(c.GetId(), "E1", "W00001")))
	_, err = h.DecideCall(h.officer(), decide)
	refused(t, "the new sheet is due", err, codes.FailedPrecondition, "SHEETS_MISSING", "")
	must[*pb.GetApplicationResponse](h)(h.GetApplication(h.reviewer("E1", "W00001"), &pb.GetApplicationRequest{Id: all[0].GetId()}))
	must[*pb.Sheet](h)(h.hand("E1", all[0], 30, 10))
	got := must[*pb.DecideCallResponse](h)(h.DecideCall(h.officer(), decide)).GetRanking().GetApplications()
	if len(got) != 1 || got[0].GetSheets() != 1 || got[0].GetOutcome() != pb.ApplicationState_APPLICATION_STATE_SELECTED {
		t.Errorf("decided %v", got)
	}
	h.Drain()
	if n := bytes.Count(h.Events("projects"), []byte("linli.projects.call.reviewers_added.v1")); n != 1 {
		t.Errorf("announced %d times", n)
	}
}

func TestAddReviewers_ConnectsAPanelThatFallsIntoParts(t *testing.T) {
	h := start(t)
	req := newCall()
	req.Aggregation = pb.Aggregation_AGGREGATION_ADDITIVE
	// Each of them stands above one of the two applicants.
	req.Reviewers = []*pb.Reviewer{{Person: "E4", OrganizationId: "430101004"}, {Person: "E5", OrganizationId: community}}
	c := must[*pb.CreateCallResponse](h)(h.CreateCall(h.officer(), req)).GetCall()
	must[*pb.OpenCallResponse](h)(h.OpenCall(h.officer(), &pb.OpenCallRequest{Id: c.GetId()}))
	h.advance(day("2013-01-05"))
	first, second := h.submit(c.GetId(), community, "2013-01"), h.submit(c.GetId(), otherPlace, "2013-02")
	h.advance(day("2013-03-01"))
	must[*pb.StartReviewResponse](h)(h.StartReview(h.officer(), &pb.StartReviewRequest{Id: c.GetId()}))
	must[*pb.Sheet](h)(h.hand("E4", first, 20, 10))
	must[*pb.Sheet](h)(h.hand("E5", second, 20, 10))
	decide := &pb.DecideCallRequest{Id: c.GetId()}
	_, err := h.DecideCall(h.officer(), decide)
	refused(t, "two parts", err, codes.FailedPrecondition, "REVIEW_NOT_CONNECTED", "aggregation")
	must[*pb.AddReviewersResponse](h)(h.checks().AddReviewers(h.officer(), added(c.GetId(), "E1", "W00001")))
	must[*pb.Sheet](h)(h.hand("E1", first, 20, 10))
	must[*pb.Sheet](h)(h.hand("E1", second, 10, 10))
	must[*pb.DecideCallResponse](h)(h.DecideCall(h.officer(), decide))
}

func TestAddReviewers_Refusals(t *testing.T) {
	h := start(t)
	c, _, _, _ := h.inReview()
	_, err := h.checks().AddReviewers(h.officer(), added(c.GetId(), "E1", "W00001"))
	refused(t, "there already", err, codes.InvalidArgument, "INVALID_FIELD", "reviewers[0].person")
	_, err = h.checks().AddReviewers(h.officer(), added(c.GetId(), "E9", "nowhere"))
	refused(t, "no such organization", err, codes.NotFound, "UNKNOWN_ORGANIZATION", "reviewers[0].organization_id")
	unsaid := added(c.GetId(), "E9", "W00001")
	unsaid.Reason = ""
	_, err = h.checks().AddReviewers(h.officer(), unsaid)
	refused(t, "without a reason", err, codes.InvalidArgument, "INVALID_FIELD", "reason")
	stale := added(c.GetId(), "E9", "W00001")
	stale.Etag = "stale"
	_, err = h.checks().AddReviewers(h.officer(), stale)
	refused(t, "another officer was first", err, codes.Aborted, "STALE_ETAG", "etag")
	_, err = h.checks().AddReviewers(h.reviewer("E1", "W00001"), added(c.GetId(), "E9", "W00001"))
	refused(t, "a reviewer", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED", "")
}

func TestWithdrawApplication_UntilTheDecision(t *testing.T) {
	h := start(t)
	c, first, second, _ := h.inReview()
	must[*pb.Sheet](h)(h.hand("E1", first, 20, 10))
	must[*pb.WithdrawApplicationResponse](h)(h.WithdrawApplication(h.applicant(community), &pb.WithdrawApplicationRequest{Id: first.GetId()}))
	must[*pb.Sheet](h)(h.hand("E1", second, 20, 10))
	must[*pb.Sheet](h)(h.hand("E2", second, 20, 10))
	got := must[*pb.DecideCallResponse](h)(h.DecideCall(h.officer(), &pb.DecideCallRequest{Id: c.GetId()})).GetRanking().GetApplications()
	if len(got) != 1 || got[0].GetNumber() != "2013-02" || got[0].GetOutcome() != pb.ApplicationState_APPLICATION_STATE_SELECTED {
		t.Errorf("decided %v", got)
	}
	_, err := h.WithdrawApplication(h.applicant(otherPlace), &pb.WithdrawApplicationRequest{Id: second.GetId()})
	refused(t, "after the decision", err, codes.FailedPrecondition, "WRONG_STATE", "")
}
