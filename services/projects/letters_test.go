package projects_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
)

// mail is the client of the letters.
func (h *house) mail() pb.LetterServiceClient { return pb.NewLetterServiceClient(h.Conn()) }

// letter reads a letter; issue 0 is the latest.
func (h *house) letter(ctx context.Context, a *pb.Application, issue int32) *pb.ApplicationLetter {
	h.t.Helper()
	return must[*pb.GetApplicationLetterResponse](h)(h.mail().GetApplicationLetter(ctx, &pb.GetApplicationLetterRequest{ApplicationId: a.GetId(), Issue: issue})).GetLetter()
}

// Every applicant gets a letter after the decision: what came of it, the own
// points in the call's words, and why; those who fell out in the check too.
func TestLetter_AfterTheDecision(t *testing.T) {
	h := start(t)
	c, first, second := h.inCheck()
	third := must[*pb.JudgeEligibilityResponse](h)(h.checks().JudgeEligibility(h.officer(), &pb.JudgeEligibilityRequest{Id: second.GetId(), Reason: "不在申报范围"})).GetApplication()
	must[*pb.JudgeEligibilityResponse](h)(h.checks().JudgeEligibility(h.officer(), &pb.JudgeEligibilityRequest{Id: first.GetId(), Eligible: true}))
	must[*pb.StartReviewResponse](h)(h.StartReview(h.officer(), &pb.StartReviewRequest{Id: c.GetId()}))
	_, err := h.mail().GetApplicationLetter(h.applicant(community), &pb.GetApplicationLetterRequest{ApplicationId: first.GetId()})
	refused(t, "before the decision", err, codes.NotFound, "NOT_FOUND", "")
	must[*pb.Sheet](h)(h.hand("E1", first, 31, 9))
	must[*pb.Sheet](h)(h.hand("E2", first, 30, 10))
	must[*pb.Sheet](h)(h.hand("E4", first, 0, 0)) // set aside by what E4 declares
	must[*pb.DeclareConflictResponse](h)(h.checks().DeclareConflict(h.reviewer("E4", "430101004"), &pb.DeclareConflictRequest{ApplicationId: first.GetId(), Reason: "参与过申报"}))
	must[*pb.DecideCallResponse](h)(h.DecideCall(h.officer(), &pb.DecideCallRequest{Id: c.GetId(), Deviations: []*pb.Deviation{
		{ApplicationId: first.GetId(), Outcome: pb.ApplicationState_APPLICATION_STATE_RESERVE, Reason: "已获市级立项"},
	}}))
	h.svc.WorkOff(t)
	l := h.letter(h.applicant(community), first, 0)
	if l.GetOutcome() != pb.ApplicationState_APPLICATION_STATE_RESERVE || l.GetRank() != 1 || l.GetReason() != "已获市级立项" || l.GetIssue() != 1 ||
		len(l.GetCriteria()) != 2 || l.GetCriteria()[0].GetName() != "必要性" || l.GetCriteria()[0].GetMeanHundredths() != 1525 || // (15.5+15)/2
		l.GetCriteria()[1].GetMeanHundredths() != 475 {
		t.Errorf("letter %v", l)
	}
	if text := protojson.Format(l); strings.Contains(text, "E1") || strings.Contains(text, second.GetId()) || strings.Contains(text, `"2013-02"`) {
		t.Errorf("the letter tells of others: %s", text)
	}
	if l := h.letter(h.applicant(otherPlace), third, 1); l.GetOutcome() != pb.ApplicationState_APPLICATION_STATE_INELIGIBLE ||
		l.GetReason() != "不在申报范围" || l.GetRank() != 0 || len(l.GetCriteria()) != 0 {
		t.Errorf("letter of the check %v", l)
	}
	h.letter(h.officer(), first, 0)
	for who, ctx := range map[string]context.Context{
		"another applicant": h.applicant(otherPlace), "another district": h.As("f", access.Grant{Role: typev1.Role_ROLE_DISTRICT_OFFICER, Path: elsewhere}),
	} {
		_, err := h.mail().GetApplicationLetter(ctx, &pb.GetApplicationLetterRequest{ApplicationId: first.GetId()})
		refused(t, who, err, codes.NotFound, "NOT_FOUND", "")
	}
	for who, ctx := range map[string]context.Context{"a reviewer": h.reviewer("E1", "W00001"), "a resident": h.resident("li", community)} {
		_, err := h.mail().GetApplicationLetter(ctx, &pb.GetApplicationLetterRequest{ApplicationId: first.GetId()})
		refused(t, who, err, codes.PermissionDenied, "ROLE_NOT_ALLOWED", "")
	}
	if events := string(h.Events("projects")); strings.Count(events, "application.letter_issued.v1") < 2 || strings.Contains(events, "市级立项") {
		t.Errorf("announced %d letters, or a text", strings.Count(events, "application.letter_issued.v1"))
	}
}

// The paper says what the letter says, every cell a text.
func TestLetter_AsAFile(t *testing.T) {
	h := start(t)
	_, first, _ := h.decided()
	h.svc.WorkOff(t)
	file := must[*pb.RenderApplicationLetterResponse](h)(h.mail().RenderApplicationLetter(h.applicant(community), &pb.RenderApplicationLetterRequest{ApplicationId: first.GetId()}))
	book, err := excelize.OpenReader(bytes.NewReader(file.GetContent()))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := book.GetRows(book.GetSheetName(0))
	if err != nil || book.Close() != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, row := range rows {
		lines = append(lines, strings.Join(row, "|"))
	}
	want := []string{
		"outcome of the review of projects|项目申报|2013", "applicant|" + community, "project|2013-01|党员责任田", "outcome|selected|2013-03-20",
		"rank|1", "score|62.50", "criterion|most|mean", "必要性|20|15.00", "受益面|10|5.00",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") || file.GetFileName() != "2013-01-1.xlsx" {
		t.Errorf("%s says\n%s", file.GetFileName(), strings.Join(lines, "\n"))
	}
	_, err = h.mail().RenderApplicationLetter(h.applicant(otherPlace), &pb.RenderApplicationLetterRequest{ApplicationId: first.GetId()})
	refused(t, "another applicant", err, codes.NotFound, "NOT_FOUND", "")
}
