package projects_test

import (
	"context"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/testkit"
)

// hand hands in a sheet as a reviewer of newCall.
func (h *house) hand(person string, a *pb.Application, necessity, benefit int32) (*pb.Sheet, error) {
	organization := map[string]string{"E1": "W00001", "E2": "W00005", "E3": "W00001", "E4": "430101004"}[person]
	res, err := h.SubmitSheet(h.reviewer(person, organization),
		&pb.SubmitSheetRequest{ApplicationId: a.GetId(), Points: points(necessity, benefit)})
	return res.GetSheet(), err
}

func TestSubmitSheet_ScoresByTheForm(t *testing.T) {
	h := start(t)
	_, first, _, _ := h.inReview()
	// 100·(15.5 + 2·7) / (20 + 2·10) = 73.75
	res := must[*pb.SubmitSheetResponse](h)(h.SubmitSheet(h.reviewer("E1", "W00001"), &pb.SubmitSheetRequest{
		ApplicationId: first.GetId(), Points: []*pb.Points{{Criterion: "benefit", Halves: 14}, {Criterion: "necessity", Halves: 31}},
	}))
	sheet := res.GetSheet()
	if sheet.GetScoreHundredths() != 7375 || sheet.GetReviewer() != "E1" || sheet.GetPoints()[0].GetCriterion() != "necessity" ||
		!sheet.GetSubmittedAt().AsTime().Equal(day("2013-03-01")) {
		t.Errorf("sheet %v", sheet)
	}
}

func TestSubmitSheet_Refusals(t *testing.T) {
	h := start(t)
	_, first, second, never := h.inReview()
	give := func(ctx context.Context, id string, p ...*pb.Points) error {
		_, err := h.SubmitSheet(ctx, &pb.SubmitSheetRequest{ApplicationId: id, Points: p})
		return err
	}
	e1 := h.reviewer("E1", "W00001")
	good := points(20, 10)
	lacks, twice, strange := good[:1], append(points(20, 10), good[0]), append(points(20, 10), &pb.Points{Criterion: "beauty", Halves: 1})
	cases := []struct {
		what   string
		err    error
		code   codes.Code
		reason string
		field  string
	}{
		{"not a reviewer of the call", give(h.reviewer("E9", "W00001"), first.GetId(), good...), codes.NotFound, "NOT_FOUND", ""},
		{"an officer", give(h.officer(), first.GetId(), good...), codes.PermissionDenied, "ROLE_NOT_ALLOWED", ""},
		{"the applicant's street", give(h.reviewer("E4", "430101004"), second.GetId(), good...), codes.PermissionDenied, "CONFLICT_OF_INTEREST", ""},
		{"a draft", give(e1, never.GetId(), good...), codes.NotFound, "NOT_FOUND", ""},
		{"no such application", give(e1, "apl_nowhere", good...), codes.NotFound, "NOT_FOUND", ""},
		{"no points", give(e1, first.GetId()), codes.InvalidArgument, "INVALID_FIELD", "points"},
		{"more than the maximum", give(e1, first.GetId(), points(41, 10)...), codes.InvalidArgument, "BAD_POINTS", "points"},
		{"less than nothing", give(e1, first.GetId(), points(-1, 10)...), codes.InvalidArgument, "INVALID_FIELD", "points[0].halves"},
		{"a criterion is missing", give(e1, first.GetId(), lacks...), codes.InvalidArgument, "BAD_CRITERIA", "points"},
		{"a criterion twice", give(e1, first.GetId(), twice...), codes.InvalidArgument, "BAD_CRITERIA", "points"},
		{"an unknown criterion", give(e1, first.GetId(), strange...), codes.InvalidArgument, "BAD_CRITERIA", "points"},
	}
	for _, c := range cases {
		refused(t, c.what, c.err, c.code, c.reason, c.field)
	}
	if got := must[*pb.ListSheetsResponse](h)(h.ListSheets(h.officer(), &pb.ListSheetsRequest{ApplicationId: first.GetId()})); len(got.GetSheets()) != 0 {
		t.Errorf("something came in: %v", got)
	}
}

func TestSubmitSheet_OneAReviewer(t *testing.T) {
	h := start(t)
	_, first, _, _ := h.inReview()
	req := &pb.SubmitSheetRequest{ApplicationId: first.GetId(), Points: points(31, 14)}
	keyed := testkit.Keyed(h.reviewer("E1", "W00001"), "once")
	sheet := must[*pb.SubmitSheetResponse](h)(h.SubmitSheet(keyed, req))
	again := must[*pb.SubmitSheetResponse](h)(h.SubmitSheet(keyed, req))
	if !proto.Equal(sheet, again) {
		t.Errorf("first %v, again %v", sheet, again)
	}
	_, err := h.hand("E1", first, 40, 20)
	refused(t, "a second sheet", err, codes.AlreadyExists, "ALREADY_EXISTS", "")
	if _, err := h.hand("E2", first, 40, 20); err != nil {
		t.Errorf("another reviewer: %v", err)
	}
}

func TestSubmitSheet_OnlyWhileInReview(t *testing.T) {
	h := start(t)
	c := h.opened()
	a := h.submit(c.GetId(), community, "2013-01")
	_, err := h.hand("E1", a, 1, 1)
	refused(t, "before the review", err, codes.NotFound, "NOT_FOUND", "")
	h.advance(day("2013-03-01"))
	must[*pb.StartReviewResponse](h)(h.StartReview(h.officer(), &pb.StartReviewRequest{Id: c.GetId()}))
	for _, person := range []string{"E1", "E2", "E4"} {
		if _, err := h.hand(person, a, 20, 10); err != nil {
			t.Errorf("%s: %v", person, err)
		}
	}
	must[*pb.DecideCallResponse](h)(h.DecideCall(h.officer(), &pb.DecideCallRequest{Id: c.GetId()}))
	_, err = h.hand("E1", a, 1, 1)
	refused(t, "after the decision", err, codes.FailedPrecondition, "WRONG_STATE", "")
}

func TestListSheets_AReviewerHandsInFirst(t *testing.T) {
	h := start(t)
	_, first, _, _ := h.inReview()
	_, err := h.hand("E2", first, 20, 10)
	if err != nil {
		t.Fatal(err)
	}
	req := &pb.ListSheetsRequest{ApplicationId: first.GetId()}
	e1 := h.reviewer("E1", "W00001")
	officerToo := h.As("E1", access.Grant{Role: typev1.Role_ROLE_REVIEWER, Path: h.paths["W00001"]},
		access.Grant{Role: typev1.Role_ROLE_DISTRICT_OFFICER, Path: district})
	for who, ctx := range map[string]context.Context{"a reviewer": e1, "an officer who is one too": officerToo} {
		_, err = h.ListSheets(ctx, req)
		refused(t, who, err, codes.FailedPrecondition, "SHEETS_MISSING", "")
	}
	_, err = h.ListSheets(h.reviewer("E9", "W00001"), req)
	refused(t, "a reviewer of no call", err, codes.NotFound, "NOT_FOUND", "")
	_, err = h.ListSheets(h.applicant(community), req)
	refused(t, "the applicant", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED", "")
	if _, err = h.hand("E1", first, 31, 14); err != nil {
		t.Fatal(err)
	}
	for who, ctx := range map[string]context.Context{"reviewer": e1, "both": officerToo, "officer": h.officer()} {
		got := must[*pb.ListSheetsResponse](h)(h.ListSheets(ctx, req)).GetSheets()
		if len(got) != 2 || got[0].GetReviewer() != "E1" || got[1].GetReviewer() != "E2" {
			t.Errorf("%s reads %v", who, got)
		}
	}
}

func TestDecideCall_WaitsForEverySheet(t *testing.T) {
	h := start(t)
	c, first, second, _ := h.inReview()
	decide := &pb.DecideCallRequest{Id: c.GetId()}
	due := []struct {
		person string
		a      *pb.Application
	}{{"E1", first}, {"E2", first}, {"E4", first}, {"E1", second}, {"E2", second}} // E4 stands above second
	for i, d := range due {
		_, err := h.DecideCall(h.officer(), decide)
		refused(t, "sheets missing", err, codes.FailedPrecondition, "SHEETS_MISSING", "")
		if missing, all := detail(err, "missing"), detail(err, "due"); missing != fmt.Sprint(len(due)-i) || all != fmt.Sprint(len(due)) {
			t.Errorf("missing %s of %s, want %d of %d", missing, all, len(due)-i, len(due))
		}
		if _, err := h.hand(d.person, d.a, 20, 10); err != nil {
			t.Fatal(err)
		}
	}
	_, err := h.DecideCall(h.As("f", access.Grant{Role: typev1.Role_ROLE_DISTRICT_OFFICER, Path: elsewhere}), decide)
	refused(t, "another district", err, codes.NotFound, "NOT_FOUND", "")
	keyed := testkit.Keyed(h.officer(), "once")
	ranking := must[*pb.DecideCallResponse](h)(h.DecideCall(keyed, decide))
	again := must[*pb.DecideCallResponse](h)(h.DecideCall(keyed, decide))
	if !proto.Equal(ranking, again) {
		t.Errorf("first %v, again %v", ranking, again)
	}
	// The two are equal, and there is one place: the draw parts them, and both
	// keep their rank.
	places := ranking.GetRanking().GetApplications()
	for i, p := range places {
		want := []pb.ApplicationState{pb.ApplicationState_APPLICATION_STATE_SELECTED, pb.ApplicationState_APPLICATION_STATE_NOT_SELECTED}[i]
		if p.GetRank() != 1 || p.GetOutcome() != want || p.GetScoreHundredths() != 5000 || p.GetPartedBy() != "draw" {
			t.Errorf("place %v", p)
		}
	}
	got := must[*pb.GetApplicationResponse](h)(h.GetApplication(h.officer(), &pb.GetApplicationRequest{Id: places[1].GetApplicationId()})).GetApplication()
	if got.GetState() != pb.ApplicationState_APPLICATION_STATE_NOT_SELECTED || got.GetRank() != 1 || got.GetScoreHundredths() != 5000 {
		t.Errorf("stored %v", got)
	}
}

func TestRankApplications_StoresNothing(t *testing.T) {
	h := start(t)
	c, first, second, _ := h.inReview()
	if _, err := h.hand("E1", second, 40, 20); err != nil {
		t.Fatal(err)
	}
	req := &pb.RankApplicationsRequest{CallId: c.GetId()}
	ranking := must[*pb.RankApplicationsResponse](h)(h.RankApplications(h.officer(), req)).GetRanking()
	places := ranking.GetApplications()
	if len(places) != 2 || places[0].GetApplicationId() != second.GetId() || places[0].GetScoreHundredths() != 10000 ||
		places[1].GetSheets() != 0 || places[1].GetRank() != 0 ||
		places[1].GetOutcome() != pb.ApplicationState_APPLICATION_STATE_NOT_SELECTED || ranking.GetAggregation() != pb.Aggregation_AGGREGATION_MEAN {
		t.Errorf("ranking %v", ranking)
	}
	got := must[*pb.GetApplicationResponse](h)(h.GetApplication(h.officer(), &pb.GetApplicationRequest{Id: first.GetId()})).GetApplication()
	if got.GetRank() != 0 || got.GetState() != pb.ApplicationState_APPLICATION_STATE_IN_REVIEW {
		t.Errorf("stored %v", got)
	}
	_, err := h.RankApplications(h.reviewer("E1", "W00001"), req)
	refused(t, "a reviewer", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED", "")
	req.Aggregation = 77
	_, err = h.RankApplications(h.officer(), req)
	refused(t, "no such aggregation", err, codes.InvalidArgument, "INVALID_FIELD", "aggregation")
}
