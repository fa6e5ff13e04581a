package projects_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/services/projects/selection"
)

// judged makes a call of two applications with every sheet handed in: first is
// ahead by what it gets.
func (h *house) judged(necessity int32) (c *pb.Call, first, second *pb.Application) {
	h.t.Helper()
	c, first, second, _ = h.inReview()
	for _, who := range []string{"E1", "E2", "E4"} {
		must[*pb.Sheet](h)(h.hand(who, first, necessity, 10))
		if who != "E4" { // stands above second
			must[*pb.Sheet](h)(h.hand(who, second, 20, 10))
		}
	}
	return c, first, second
}

// The file says all that the decision rests on, its hash stands at the call,
// and counting it again finds nothing to say; a changed file is found.
func TestExportSelection_CanBeCountedAgain(t *testing.T) {
	h := start(t)
	c, first, second := h.judged(30)
	export := &pb.ExportSelectionRequest{CallId: c.GetId()}
	_, err := h.ExportSelection(h.officer(), export)
	refused(t, "before the decision", err, codes.FailedPrecondition, "WRONG_STATE", "")
	ranking := must[*pb.DecideCallResponse](h)(h.DecideCall(h.officer(), &pb.DecideCallRequest{
		Id: c.GetId(), Deviations: []*pb.Deviation{
			{ApplicationId: first.GetId(), Outcome: pb.ApplicationState_APPLICATION_STATE_RESERVE, Reason: "已获市级立项"},
			{ApplicationId: second.GetId(), Outcome: pb.ApplicationState_APPLICATION_STATE_SELECTED, Reason: "递补首位"},
		},
	})).GetRanking()
	if ranking.GetApplications()[0].GetApplicationId() != first.GetId() || ranking.GetDrawSeed() == "" {
		t.Errorf("the ranking is not what the committee decided: %v", ranking)
	}
	for id, want := range map[string]pb.ApplicationState{
		first.GetId():  pb.ApplicationState_APPLICATION_STATE_RESERVE,
		second.GetId(): pb.ApplicationState_APPLICATION_STATE_SELECTED,
	} {
		a := must[*pb.GetApplicationResponse](h)(h.GetApplication(h.officer(), &pb.GetApplicationRequest{Id: id})).GetApplication()
		if a.GetState() != want || a.GetRankedOutcome() == want || a.GetDeviationReason() == "" {
			t.Errorf("decided %v", a)
		}
	}
	file := must[*pb.ExportSelectionResponse](h)(h.ExportSelection(h.officer(), export))
	sum := sha256.Sum256(file.GetContent())
	decided := must[*pb.GetCallResponse](h)(h.GetCall(h.officer(), &pb.GetCallRequest{Id: c.GetId()})).GetCall()
	if hash := hex.EncodeToString(sum[:]); hash != file.GetHash() || hash != decided.GetSelectionHash() {
		t.Errorf("hash %s, said %s, at the call %s", hash, file.GetHash(), decided.GetSelectionHash())
	}
	for _, person := range []string{"E1", "E2", "E4"} {
		if bytes.Contains(file.GetContent(), []byte(`"`+person+`"`)) {
			t.Errorf("the file names %s", person)
		}
	}
	if got := checkFile(t, file.GetContent()); len(got) != 0 {
		t.Errorf("counted again: %v", got)
	}
	for old, changed := range map[string]string{
		`"halves": 30`: `"halves": 10`, `"reason": "递补首位"`: `"reason": ""`, `"rank": 2`: `"rank": 1`,
		`"seed": "`: `"seed": "00`, `"quota": 1`: `"quota": 0`, `"outcome": "reserve"`: `"outcome": "selected"`,
	} {
		if got := checkFile(t, []byte(strings.Replace(string(file.GetContent()), old, changed, 1))); len(got) == 0 {
			t.Errorf("%s was changed to %s and not found", old, changed)
		}
	}
	_, err = h.ExportSelection(h.reviewer("E1", "W00001"), export)
	refused(t, "a reviewer", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED", "")
}

func checkFile(t *testing.T, content []byte) []string {
	t.Helper()
	f, err := selection.Read(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return selection.Check(f)
}

func TestDecideCall_RefusedDeviations(t *testing.T) {
	h := start(t)
	c, first, second := h.judged(30)
	selected, reserve := pb.ApplicationState_APPLICATION_STATE_SELECTED, pb.ApplicationState_APPLICATION_STATE_RESERVE
	const why = "区里另有安排"
	for _, tc := range []struct {
		what          string
		deviations    []*pb.Deviation
		code          codes.Code
		reason, field string
	}{
		{"over the quota", []*pb.Deviation{{ApplicationId: second.GetId(), Outcome: selected, Reason: why}},
			codes.FailedPrecondition, "QUOTA_EXCEEDED", "deviations"},
		{"as ranked", []*pb.Deviation{{ApplicationId: first.GetId(), Outcome: selected, Reason: why}},
			codes.InvalidArgument, "INVALID_FIELD", "deviations[0].outcome"},
		{"twice", []*pb.Deviation{{ApplicationId: first.GetId(), Outcome: reserve, Reason: why}, {ApplicationId: first.GetId(), Outcome: reserve, Reason: why}},
			codes.InvalidArgument, "INVALID_FIELD", "deviations[1].application_id"},
		{"unknown", []*pb.Deviation{{ApplicationId: "apl_nowhere", Outcome: reserve, Reason: why}},
			codes.NotFound, "NOT_FOUND", "deviations[0].application_id"},
		{"no reason", []*pb.Deviation{{ApplicationId: first.GetId(), Outcome: reserve}},
			codes.InvalidArgument, "INVALID_FIELD", "deviations[0].reason"},
		{"back into review", []*pb.Deviation{{ApplicationId: first.GetId(), Outcome: pb.ApplicationState_APPLICATION_STATE_IN_REVIEW, Reason: why}},
			codes.InvalidArgument, "INVALID_FIELD", "deviations[0].outcome"},
	} {
		_, err := h.DecideCall(h.officer(), &pb.DecideCallRequest{Id: c.GetId(), Deviations: tc.deviations})
		refused(t, tc.what, err, tc.code, tc.reason, tc.field)
	}
	got := must[*pb.GetCallResponse](h)(h.GetCall(h.officer(), &pb.GetCallRequest{Id: c.GetId()})).GetCall()
	if got.GetState() != pb.CallState_CALL_STATE_IN_REVIEW || got.GetSelectionHash() != "" {
		t.Errorf("something was decided: %v", got)
	}
}

// A criterion that does not apply leaves the denominator:
// 100·15 / 20 = 75, of the necessity alone.
func TestSubmitSheet_NotApplicable(t *testing.T) {
	h := start(t)
	_, first, _, _ := h.inReview()
	sheet := must[*pb.SubmitSheetResponse](h)(h.SubmitSheet(h.reviewer("E1", "W00001"), &pb.SubmitSheetRequest{
		ApplicationId: first.GetId(), Points: []*pb.Points{{Criterion: "necessity", Halves: 30}, {Criterion: "benefit", NotApplicable: true}},
	})).GetSheet()
	if sheet.GetScoreHundredths() != 7500 || !sheet.GetPoints()[1].GetNotApplicable() {
		t.Errorf("sheet %v", sheet)
	}
	_, err := h.SubmitSheet(h.reviewer("E2", "W00005"), &pb.SubmitSheetRequest{
		ApplicationId: first.GetId(), Points: []*pb.Points{{Criterion: "necessity", Halves: 30}, {Criterion: "benefit", Halves: 2, NotApplicable: true}},
	})
	refused(t, "points for what does not apply", err, codes.InvalidArgument, "BAD_POINTS", "points")
}

// Equals at the line are parted by the published ladder before the draw.
func TestDecideCall_TieLadder(t *testing.T) {
	h := start(t)
	req := newCall()
	req.TieLadder, req.Criteria[1].Weight = []string{"benefit"}, 1
	c := must[*pb.CreateCallResponse](h)(h.CreateCall(h.officer(), req)).GetCall()
	h.advance(day("2013-01-05"))
	must[*pb.OpenCallResponse](h)(h.OpenCall(h.officer(), &pb.OpenCallRequest{Id: c.GetId()}))
	first, second := h.submit(c.GetId(), community, "2013-01"), h.submit(c.GetId(), community, "2013-02")
	h.advance(day("2013-03-01"))
	must[*pb.StartReviewResponse](h)(h.StartReview(h.officer(), &pb.StartReviewRequest{Id: c.GetId()}))
	for _, who := range []string{"E1", "E2", "E4"} {
		must[*pb.Sheet](h)(h.hand(who, first, 30, 10))
		must[*pb.Sheet](h)(h.hand(who, second, 20, 20))
	}
	places := must[*pb.DecideCallResponse](h)(h.DecideCall(h.officer(), &pb.DecideCallRequest{Id: c.GetId()})).GetRanking().GetApplications()
	if places[0].GetApplicationId() != second.GetId() || places[0].GetPartedBy() != "benefit" || places[1].GetRank() != 1 {
		t.Errorf("places %v", places)
	}
	bad := newCall()
	bad.TieLadder = []string{"beauty"}
	_, err := h.CreateCall(h.officer(), bad)
	refused(t, "a ladder of what is no criterion", err, codes.InvalidArgument, "INVALID_FIELD", "tie_ladder[0]")
}

func TestDraftApplication_NoMoreThanTheCallTakesOfOne(t *testing.T) {
	h := start(t)
	req := newCall()
	req.MostPerApplicant = 0 // 3
	c := must[*pb.CreateCallResponse](h)(h.CreateCall(h.officer(), req)).GetCall()
	h.advance(day("2013-01-05"))
	must[*pb.OpenCallResponse](h)(h.OpenCall(h.officer(), &pb.OpenCallRequest{Id: c.GetId()}))
	for _, n := range []string{"1", "2", "3"} {
		h.draft(c.GetId(), community, n)
	}
	_, err := h.DraftApplication(h.applicant(community), application(c.GetId(), community, "4"))
	refused(t, "a fourth", err, codes.FailedPrecondition, "APPLICANT_FULL", "applicant_id")
	h.draft(c.GetId(), otherPlace, "4")
}

// Applicants do not learn who judges them; a reviewer sees the own name.
func TestGetCall_HidesReviewers(t *testing.T) {
	h := start(t)
	c := h.opened()
	names := func(ctxPerson string, got *pb.GetCallResponse) {
		for _, r := range got.GetCall().GetReviewers() {
			if r.GetPerson() != "" && r.GetPerson() != ctxPerson || r.GetOrganizationId() == "" {
				t.Errorf("%s sees %v", ctxPerson, r)
			}
		}
	}
	get := &pb.GetCallRequest{Id: c.GetId()}
	names("staff", must[*pb.GetCallResponse](h)(h.GetCall(h.applicant(community), get)))
	got := must[*pb.GetCallResponse](h)(h.GetCall(h.reviewer("E1", "W00001"), get))
	names("E1", got)
	if got.GetCall().GetReviewers()[0].GetPerson() != "E1" {
		t.Error("a reviewer does not see the own name")
	}
	if got := must[*pb.GetCallResponse](h)(h.GetCall(h.officer(), get)); got.GetCall().GetReviewers()[2].GetPerson() != "E4" {
		t.Error("the district does not see its reviewers")
	}
}

// An officer who is a reviewer sees no ranking before the own sheets.
func TestRankApplications_OwnSheetsFirst(t *testing.T) {
	h := start(t)
	c, first, second, _ := h.inReview()
	both := h.As("E1", access.Grant{Role: typev1.Role_ROLE_REVIEWER, Path: h.paths["W00001"]},
		access.Grant{Role: typev1.Role_ROLE_DISTRICT_OFFICER, Path: district})
	req := &pb.RankApplicationsRequest{CallId: c.GetId()}
	for _, a := range []*pb.Application{first, second} {
		_, err := h.RankApplications(both, req)
		refused(t, "before the own sheets", err, codes.FailedPrecondition, "SHEETS_MISSING", "")
		must[*pb.Sheet](h)(h.hand("E1", a, 20, 10))
	}
	ranking := must[*pb.RankApplicationsResponse](h)(h.RankApplications(both, req)).GetRanking()
	if ranking.GetDrawSeed() != "" || ranking.GetAgreement().GetAlpha().GetText() == "" || len(ranking.GetProof()) == 0 {
		t.Errorf("ranking %v", ranking)
	}
}
