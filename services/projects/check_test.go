package projects_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
)

// checks is the client of the check.
func (h *house) checks() pb.CheckServiceClient { return pb.NewCheckServiceClient(h.Conn()) }

// inCheck makes a call in check, from Friday 1 March 2013, with an application
// of community and one of otherPlace.
func (h *house) inCheck() (c *pb.Call, first, second *pb.Application) {
	h.t.Helper()
	c = h.opened()
	first, second = h.submit(c.GetId(), community, "2013-01"), h.submit(c.GetId(), otherPlace, "2013-02")
	_, err := h.checks().StartCheck(h.officer(), &pb.StartCheckRequest{Id: c.GetId()})
	refused(h.t, "within the window", err, codes.FailedPrecondition, "WINDOW_OPEN", "")
	h.advance(day("2013-03-01"))
	c = must[*pb.StartCheckResponse](h)(h.checks().StartCheck(h.officer(), &pb.StartCheckRequest{Id: c.GetId()})).GetCall()
	return c, first, second
}

// From the window to the review: seen by the district, returned while its
// clock stands still, changed, found eligible and not.
func TestCheck_FromTheWindowToTheReview(t *testing.T) {
	h := start(t)
	c, first, second := h.inCheck()
	if got := must[*pb.ListApplicationsResponse](h)(h.ListApplications(h.officer(), &pb.ListApplicationsRequest{CallId: c.GetId()})).GetApplications(); len(got) != 2 ||
		got[0].GetState() != pb.ApplicationState_APPLICATION_STATE_IN_CHECK || !got[0].GetCheck().GetDueAt().AsTime().Equal(day("2013-03-16")) {
		t.Fatalf("the district sees %v", got) // ten working days after Friday 1 March
	}
	_, err := h.GetApplication(h.reviewer("E1", "W00001"), &pb.GetApplicationRequest{Id: first.GetId()})
	refused(t, "a reviewer before the review", err, codes.NotFound, "NOT_FOUND", "")

	h.advance(day("2013-03-05"))
	back := &pb.ReturnApplicationRequest{Id: first.GetId(), Reason: "请补充受益人数的依据", Until: "2013-03-05"}
	_, err = h.checks().ReturnApplication(h.officer(), back)
	refused(t, "until today", err, codes.InvalidArgument, "INVALID_FIELD", "until")
	back.Until = "2013-03-12"
	a := must[*pb.ReturnApplicationResponse](h)(h.checks().ReturnApplication(h.officer(), back)).GetApplication()
	if a.GetState() != pb.ApplicationState_APPLICATION_STATE_RETURNED || a.GetCheck().GetDaysLeft() != 8 || a.GetCheck().GetDueAt() != nil {
		t.Errorf("returned %v", a)
	}
	_, err = h.StartReview(h.officer(), &pb.StartReviewRequest{Id: c.GetId()})
	refused(t, "review while two are pending", err, codes.FailedPrecondition, "CHECK_PENDING", "")
	_, err = h.checks().JudgeEligibility(h.officer(), &pb.JudgeEligibilityRequest{Id: first.GetId(), Reason: "未补充"})
	refused(t, "given up too early", err, codes.FailedPrecondition, "RETURN_OPEN", "")

	h.advance(day("2013-03-11"))
	again := &pb.ResubmitApplicationRequest{Id: first.GetId(), Title: proto.String("党员责任田(修改)"), BudgetYuan: proto.Int64(90000)}
	_, err = h.checks().ResubmitApplication(h.applicant(otherPlace), again)
	refused(t, "another applicant", err, codes.NotFound, "NOT_FOUND", "")
	a = must[*pb.ResubmitApplicationResponse](h)(h.checks().ResubmitApplication(h.applicant(community), again)).GetApplication()
	if a.GetTitle() != "党员责任田(修改)" || a.GetBudgetYuan() != 90000 || len(a.GetIndicators()) != 1 ||
		!a.GetCheck().GetDueAt().AsTime().Equal(day("2013-03-22")) { // eight working days after Monday 11 March
		t.Errorf("resubmitted %v", a)
	}
	a = must[*pb.JudgeEligibilityResponse](h)(h.checks().JudgeEligibility(h.officer(), &pb.JudgeEligibilityRequest{Id: first.GetId(), Eligible: true})).GetApplication()
	if a.GetState() != pb.ApplicationState_APPLICATION_STATE_ELIGIBLE || a.GetCheck().GetReturns() != 1 {
		t.Errorf("eligible %v", a)
	}
	_, err = h.checks().JudgeEligibility(h.officer(), &pb.JudgeEligibilityRequest{Id: second.GetId()})
	refused(t, "not eligible, and why", err, codes.InvalidArgument, "INVALID_FIELD", "reason")
	must[*pb.JudgeEligibilityResponse](h)(h.checks().JudgeEligibility(h.officer(), &pb.JudgeEligibilityRequest{Id: second.GetId(), Reason: "不在申报范围"}))

	must[*pb.StartReviewResponse](h)(h.StartReview(h.officer(), &pb.StartReviewRequest{Id: c.GetId()}))
	for _, who := range []string{"E1", "E2", "E4"} {
		must[*pb.Sheet](h)(h.hand(who, first, 30, 10))
	}
	_, err = h.hand("E1", second, 30, 10)
	refused(t, "a sheet for what is not eligible", err, codes.FailedPrecondition, "WRONG_STATE", "")
	ranking := must[*pb.DecideCallResponse](h)(h.DecideCall(h.officer(), &pb.DecideCallRequest{Id: c.GetId()})).GetRanking()
	if len(ranking.GetApplications()) != 1 || ranking.GetApplications()[0].GetApplicationId() != first.GetId() {
		t.Errorf("ranked %v", ranking)
	}
	h.checkReturnAnnounced(first.GetId(), "2013-03-12")
}

// checkReturnAnnounced: whoever tells the applicant of a return says until when.
func (h *house) checkReturnAnnounced(id, until string) {
	h.t.Helper()
	var days []string
	h.each(func(e *typev1.EventRow) {
		var ev pb.ApplicationChanged
		if e.GetSubject() == "linli.projects.application.returned" && e.GetEntityId() == id {
			if err := proto.Unmarshal(e.GetData(), &ev); err != nil {
				h.t.Error(err)
			}
			days = append(days, ev.GetUntilDay())
		}
	})
	if len(days) != 1 || days[0] != until {
		h.t.Errorf("returned until %v, want %s", days, until)
	}
}

// Who does not come back in time cannot, and the district goes on.
func TestCheck_AReturnRunsOut(t *testing.T) {
	h := start(t)
	_, first, _ := h.inCheck()
	must[*pb.ReturnApplicationResponse](h)(h.checks().ReturnApplication(h.officer(),
		&pb.ReturnApplicationRequest{Id: first.GetId(), Reason: "请补充预算明细", Until: "2013-03-08"}))
	h.advance(day("2013-03-09"))
	_, err := h.checks().ResubmitApplication(h.applicant(community), &pb.ResubmitApplicationRequest{Id: first.GetId()})
	refused(t, "too late", err, codes.FailedPrecondition, "RETURN_OVER", "")
	a := must[*pb.JudgeEligibilityResponse](h)(h.checks().JudgeEligibility(h.officer(),
		&pb.JudgeEligibilityRequest{Id: first.GetId(), Reason: "逾期未补充"})).GetApplication()
	if a.GetState() != pb.ApplicationState_APPLICATION_STATE_INELIGIBLE || a.GetCheck().GetReason() != "逾期未补充" {
		t.Errorf("judged %v", a)
	}
}

// A reviewer who becomes conflicted after scoring: the sheet is set aside, and
// nothing that is decided later changes it.
func TestDeclareConflict_SetsASheetAside(t *testing.T) {
	h := start(t)
	c, first, second := h.judged(30)
	e1 := h.reviewer("E1", "W00001")
	req := &pb.DeclareConflictRequest{ApplicationId: first.GetId(), Reason: "配偶在该社区任职"}
	_, err := h.checks().DeclareConflict(h.reviewer("E9", "W00001"), req)
	refused(t, "no reviewer of the call", err, codes.NotFound, "NOT_FOUND", "")
	_, err = h.checks().DeclareConflict(e1, &pb.DeclareConflictRequest{ApplicationId: first.GetId(), Reviewer: "E2", Reason: "听说"})
	refused(t, "for somebody else", err, codes.PermissionDenied, "NOT_A_REVIEWER", "reviewer")
	got := must[*pb.DeclareConflictResponse](h)(h.checks().DeclareConflict(e1, req)).GetConflict()
	if got.GetReviewer() != "E1" || got.GetDeclaredBy() != "E1" {
		t.Errorf("declared %v", got)
	}
	_, err = h.checks().DeclareConflict(e1, req)
	refused(t, "twice", err, codes.AlreadyExists, "ALREADY_EXISTS", "")
	must[*pb.DeclareConflictResponse](h)(h.checks().DeclareConflict(h.officer(), &pb.DeclareConflictRequest{ApplicationId: second.GetId(), Reviewer: "E2", Reason: "曾任该社区主任"}))
	list := must[*pb.ListConflictsResponse](h)(h.checks().ListConflicts(h.officer(), &pb.ListConflictsRequest{ApplicationId: first.GetId()})).GetConflicts()
	if len(list) != 1 || list[0].GetReason() != "配偶在该社区任职" {
		t.Errorf("listed %v", list)
	}
	ranking := must[*pb.DecideCallResponse](h)(h.DecideCall(h.officer(), &pb.DecideCallRequest{Id: c.GetId()})).GetRanking()
	for i, sheets := range []int32{2, 1} {
		if got := ranking.GetApplications()[i].GetSheets(); got != sheets {
			t.Errorf("place %d rests on %d sheets, want %d", i+1, got, sheets)
		}
	}
	_, err = h.checks().DeclareConflict(h.officer(), &pb.DeclareConflictRequest{ApplicationId: first.GetId(), Reviewer: "E2", Reason: "事后补报"})
	refused(t, "after the decision", err, codes.FailedPrecondition, "WRONG_STATE", "")
	file := must[*pb.ExportSelectionResponse](h)(h.ExportSelection(h.officer(), &pb.ExportSelectionRequest{CallId: c.GetId()}))
	if got := checkFile(t, file.GetContent()); len(got) != 0 {
		t.Errorf("counted again: %v", got)
	}
}

func TestSubmitSheet_NotAfterADeclaredConflict(t *testing.T) {
	h := start(t)
	c, first, _, _ := h.inReview()
	must[*pb.DeclareConflictResponse](h)(h.checks().DeclareConflict(h.reviewer("E1", "W00001"),
		&pb.DeclareConflictRequest{ApplicationId: first.GetId(), Reason: "参与过申报材料编写"}))
	_, err := h.hand("E1", first, 20, 10)
	refused(t, "a conflicted sheet", err, codes.PermissionDenied, "CONFLICT_OF_INTEREST", "")
	for _, role := range []typev1.Role{typev1.Role_ROLE_COMMITTEE_STAFF, typev1.Role_ROLE_MEMBER} {
		_, err := h.checks().ListConflicts(h.As("x", access.Grant{Role: role, Path: h.paths[community]}), &pb.ListConflictsRequest{ApplicationId: first.GetId()})
		refused(t, role.String(), err, codes.PermissionDenied, "ROLE_NOT_ALLOWED", "")
	}
	if c.GetState() != pb.CallState_CALL_STATE_IN_REVIEW {
		t.Errorf("call %v", c)
	}
}
