package projects_test

import (
	"bytes"
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/store"
)

// Themes, kinds of applicants and co-applicants are checked when a draft is
// made and when it is changed.
func TestDraftApplication_AsTheCallSays(t *testing.T) {
	h := start(t)
	req := newCall()
	req.ApplicantKinds = []string{"community", "district"}
	_, err := h.CreateCall(h.officer(), req)
	refused(t, "a kind that never applies", err, codes.InvalidArgument, "INVALID_FIELD", "applicant_kinds[1]")
	c := h.callOf(func(r *pb.CreateCallRequest) {
		r.Themes, r.ApplicantKinds, r.BudgetYuan = []string{"基层治理", "民生"}, []string{"community", "workplace"}, 100000
	})
	if c.GetThemes()[1] != "民生" || c.GetApplicantKinds()[0] != "community" || c.GetBudgetYuan() != 100000 || c.GetHideApplicants() {
		t.Errorf("call %v", c)
	}
	ask := func(applicant, category string, with ...string) error {
		req := application(c.GetId(), applicant, "2013-01")
		req.Category, req.CoApplicantIds = category, with
		_, err := h.DraftApplication(h.applicant(applicant), req)
		return err
	}
	refused(t, "another theme", ask(community, "文化"), codes.FailedPrecondition, "THEME_NOT_OF_CALL", "category")
	refused(t, "a street", ask("430101004", "民生"), codes.FailedPrecondition, "APPLICANT_NOT_ALLOWED", "applicant_id")
	refused(t, "together with itself", ask(community, "民生", "W00003", community), codes.InvalidArgument, "INVALID_FIELD", "co_applicant_ids[1]")
	refused(t, "together with a building", ask(community, "民生", "B1"), codes.FailedPrecondition, "APPLICANT_NOT_ALLOWED", "co_applicant_ids[0]")
	refused(t, "together with nobody", ask(community, "民生", "999"), codes.NotFound, "UNKNOWN_ORGANIZATION", "co_applicant_ids[0]")
	refused(t, "together with six", ask(community, "民生", "W00001", "W00002", "W00003", "W00004", "W00005", "W00006"), codes.InvalidArgument, "INVALID_FIELD", "co_applicant_ids")
	refused(t, "twice with one", ask(community, "民生", "W00001", "W00001"), codes.InvalidArgument, "INVALID_FIELD", "co_applicant_ids")
	if err := ask(community, "民生", "W00003", "430101004"); err != nil { // who applies together need not be called for
		t.Fatal(err)
	}
}

// A draft is its applicant's to change; co-applicants read it.
func TestUpdateApplication(t *testing.T) {
	h := start(t)
	c := h.callOf(func(r *pb.CreateCallRequest) { r.Themes = []string{"基层治理", "民生"} })
	a := h.draft(c.GetId(), community, "2013-01")
	change := &pb.UpdateApplicationRequest{Id: a.GetId(), Etag: a.GetEtag(), Title: proto.String(" 邻里食堂 "), Category: proto.String("民生"),
		BudgetYuan: proto.Int64(50000), CoApplicants: &pb.CoApplicants{Ids: []string{"W00003"}}}
	got := must[*pb.UpdateApplicationResponse](h)(h.UpdateApplication(h.applicant(community), change)).GetApplication()
	if got.GetTitle() != "邻里食堂" || got.GetCategory() != "民生" || got.GetBudgetYuan() != 50000 || got.GetStaffRequested() != 2 ||
		len(got.GetIndicators()) != 1 || got.GetCoApplicantIds()[0] != "W00003" {
		t.Errorf("changed to %v", got)
	}
	_, err := h.UpdateApplication(h.applicant(community), change)
	refused(t, "an old etag", err, codes.Aborted, "STALE_ETAG", "etag")
	with := h.applicant("W00003")
	must[*pb.GetApplicationResponse](h)(h.GetApplication(with, &pb.GetApplicationRequest{Id: a.GetId()}))
	for what, try := range map[string]func() error{
		"update": func() error {
			_, err := h.UpdateApplication(with, &pb.UpdateApplicationRequest{Id: a.GetId()})
			return err
		},
		"submit": func() error {
			_, err := h.SubmitApplication(with, &pb.SubmitApplicationRequest{Id: a.GetId()})
			return err
		},
		"withdraw": func() error {
			_, err := h.WithdrawApplication(with, &pb.WithdrawApplicationRequest{Id: a.GetId()})
			return err
		},
	} {
		refused(t, "a co-applicant would "+what, try(), codes.PermissionDenied, "NOT_THE_APPLICANT", "")
	}
	_, err = h.UpdateApplication(h.applicant(otherPlace), &pb.UpdateApplicationRequest{Id: a.GetId()})
	refused(t, "somebody else", err, codes.NotFound, "NOT_FOUND", "")
	_, err = h.UpdateApplication(h.applicant(community), &pb.UpdateApplicationRequest{Id: a.GetId(), Category: proto.String("文化")})
	refused(t, "another theme", err, codes.FailedPrecondition, "THEME_NOT_OF_CALL", "category")
	got = must[*pb.UpdateApplicationResponse](h)(h.UpdateApplication(h.applicant(community), &pb.UpdateApplicationRequest{Id: a.GetId(), CoApplicants: &pb.CoApplicants{}})).GetApplication()
	if len(got.GetCoApplicantIds()) != 0 || got.GetTitle() != "邻里食堂" {
		t.Errorf("without co-applicants %v", got)
	}
	_, err = h.GetApplication(with, &pb.GetApplicationRequest{Id: a.GetId()})
	refused(t, "no co-applicant any more", err, codes.NotFound, "NOT_FOUND", "")
	must[*pb.SubmitApplicationResponse](h)(h.SubmitApplication(h.applicant(community), &pb.SubmitApplicationRequest{Id: a.GetId()}))
	_, err = h.UpdateApplication(h.applicant(community), &pb.UpdateApplicationRequest{Id: a.GetId()})
	refused(t, "what is handed in", err, codes.FailedPrecondition, "WRONG_STATE", "")
	late := h.draft(c.GetId(), community, "2013-02")
	h.advance(day("2013-03-01"))
	_, err = h.UpdateApplication(h.applicant(community), &pb.UpdateApplicationRequest{Id: late.GetId()})
	refused(t, "after the window", err, codes.FailedPrecondition, "WINDOW_CLOSED", "")
}

// What was returned is changed until its day has passed.
func TestUpdateApplication_WhileReturned(t *testing.T) {
	h := start(t)
	_, first, _ := h.inCheck()
	must[*pb.ReturnApplicationResponse](h)(h.checks().ReturnApplication(h.officer(), &pb.ReturnApplicationRequest{Id: first.GetId(), Reason: "请补充预算明细", Until: "2013-03-08"}))
	got := must[*pb.UpdateApplicationResponse](h)(h.UpdateApplication(h.applicant(community), &pb.UpdateApplicationRequest{Id: first.GetId(), BudgetYuan: proto.Int64(70000)})).GetApplication()
	if got.GetBudgetYuan() != 70000 || got.GetState() != pb.ApplicationState_APPLICATION_STATE_RETURNED {
		t.Errorf("changed to %v", got)
	}
	h.advance(day("2013-03-09"))
	_, err := h.UpdateApplication(h.applicant(community), &pb.UpdateApplicationRequest{Id: first.GetId()})
	refused(t, "too late", err, codes.FailedPrecondition, "RETURN_OVER", "")
}

// Before the window closes an application can be taken back: its number and
// its place are free again, and nothing of it comes to the district.
func TestWithdrawApplication(t *testing.T) {
	h := start(t)
	c := h.callOf(func(r *pb.CreateCallRequest) { r.MostPerApplicant = 1 })
	a := h.submit(c.GetId(), community, "2013-01")
	_, err := h.DraftApplication(h.applicant(community), application(c.GetId(), community, "2013-02"))
	refused(t, "a second one", err, codes.FailedPrecondition, "APPLICANT_FULL", "applicant_id")
	gone := must[*pb.WithdrawApplicationResponse](h)(h.WithdrawApplication(h.applicant(community), &pb.WithdrawApplicationRequest{Id: a.GetId()})).GetApplication()
	if gone.GetState() != pb.ApplicationState_APPLICATION_STATE_WITHDRAWN {
		t.Errorf("withdrawn %v", gone)
	}
	_, err = h.SubmitApplication(h.applicant(community), &pb.SubmitApplicationRequest{Id: a.GetId()})
	refused(t, "handed in again", err, codes.FailedPrecondition, "WRONG_STATE", "")
	again := h.submit(c.GetId(), community, "2013-01")
	h.advance(day("2013-03-01"))
	must[*pb.StartReviewResponse](h)(h.StartReview(h.officer(), &pb.StartReviewRequest{Id: c.GetId()}))
	list := must[*pb.ListApplicationsResponse](h)(h.ListApplications(h.officer(), &pb.ListApplicationsRequest{CallId: c.GetId()})).GetApplications()
	if len(list) != 1 || list[0].GetId() != again.GetId() {
		t.Errorf("the district sees %v", list)
	}
	_, err = h.GetApplication(h.officer(), &pb.GetApplicationRequest{Id: a.GetId()})
	refused(t, "the district asks for it", err, codes.NotFound, "NOT_FOUND", "")
}

// together makes a call in review, which hides its applicants, of one
// application of community together with otherPlace.
func (h *house) together() (*pb.Call, *pb.Application) {
	h.t.Helper()
	c := h.callOf(func(r *pb.CreateCallRequest) { r.HideApplicants = true })
	req := application(c.GetId(), community, "2013-01")
	req.CoApplicantIds = []string{otherPlace}
	a := must[*pb.DraftApplicationResponse](h)(h.DraftApplication(h.applicant(community), req)).GetApplication()
	must[*pb.SubmitApplicationResponse](h)(h.SubmitApplication(h.applicant(community), &pb.SubmitApplicationRequest{Id: a.GetId()}))
	h.advance(day("2013-03-01"))
	must[*pb.StartReviewResponse](h)(h.StartReview(h.officer(), &pb.StartReviewRequest{Id: c.GetId()}))
	return c, a
}

// A co-applicant counts like the applicant: the street above it does not judge,
// its office reads the application and the letter, and is in the events.
func TestCoApplicant_CountsLikeTheApplicant(t *testing.T) {
	h := start(t)
	c, a := h.together()
	_, err := h.hand("E4", a, 20, 10)
	refused(t, "the street above the co-applicant", err, codes.PermissionDenied, "CONFLICT_OF_INTEREST", "")
	must[*pb.Sheet](h)(h.hand("E1", a, 20, 10))
	must[*pb.Sheet](h)(h.hand("E2", a, 20, 10))
	ranking := must[*pb.DecideCallResponse](h)(h.DecideCall(h.officer(), &pb.DecideCallRequest{Id: c.GetId()})).GetRanking()
	if ranking.GetApplications()[0].GetSheets() != 2 {
		t.Errorf("ranked %v", ranking)
	}
	h.svc.WorkOff(t)
	for _, who := range []string{community, otherPlace, "430101004"} {
		if l := h.letter(h.applicant(who), a, 0); l.GetCoApplicantIds()[0] != otherPlace {
			t.Errorf("%s reads %v", who, l)
		}
	}
	_, err = h.GetApplication(h.applicant("W00003"), &pb.GetApplicationRequest{Id: a.GetId()})
	refused(t, "somebody else", err, codes.NotFound, "NOT_FOUND", "")
	if !bytes.Contains(h.Events("projects"), []byte(h.paths[otherPlace])) {
		t.Error("no event names the co-applicant")
	}
}

// An office finds what it drafted and what it stands beside; nobody else's.
func TestListOwnApplications_DraftsToo(t *testing.T) {
	h := start(t)
	_, a := h.together()
	list := func(who, of string) (ids []string, err error) {
		reply, err := h.ListOwnApplications(h.applicant(who), &pb.ListOwnApplicationsRequest{OrganizationId: of})
		for _, a := range reply.GetApplications() {
			ids = append(ids, a.GetId())
		}
		return ids, err
	}
	for _, who := range []string{community, otherPlace} {
		if ids, err := list(who, who); err != nil || len(ids) != 1 || ids[0] != a.GetId() {
			t.Errorf("%s finds %v, %v", who, ids, err)
		}
	}
	if ids, err := list("W00003", "W00003"); err != nil || len(ids) != 0 {
		t.Errorf("somebody else finds %v, %v", ids, err)
	}
	_, err := list("W00003", community)
	refused(t, "of another organization", err, codes.NotFound, "UNKNOWN_ORGANIZATION", "organization_id")
}

// While a call hides its applicants, whoever reviews does not learn them, an
// officer who reviews neither; once it is decided there is nothing to hide.
func TestHideApplicants_WhileInReview(t *testing.T) {
	h := start(t)
	c, a := h.together()
	seen := func(ctx context.Context) string {
		t.Helper()
		got := must[*pb.GetApplicationResponse](h)(h.GetApplication(ctx, &pb.GetApplicationRequest{Id: a.GetId()})).GetApplication()
		if got.GetTitle() == "" || got.GetBudgetYuan() == 0 {
			t.Errorf("more is hidden: %v", got)
		}
		list := must[*pb.ListApplicationsResponse](h)(h.ListApplications(ctx, &pb.ListApplicationsRequest{CallId: c.GetId()})).GetApplications()
		if len(list) != 1 || list[0].GetApplicantId() != got.GetApplicantId() || len(list[0].GetCoApplicantIds()) != len(got.GetCoApplicantIds()) {
			t.Errorf("listed otherwise: %v", list)
		}
		if len(got.GetCoApplicantIds()) > 0 {
			return got.GetApplicantId() + " " + got.GetCoApplicantIds()[0]
		}
		return got.GetApplicantId()
	}
	e1 := h.reviewer("E1", "W00001")
	if got := seen(e1); got != "" {
		t.Errorf("a reviewer learns %s", got)
	}
	both := h.As("E1", access.Grant{Role: typev1.Role_ROLE_REVIEWER, Path: h.paths["W00001"]},
		access.Grant{Role: typev1.Role_ROLE_DISTRICT_OFFICER, Path: district})
	if got := seen(both); got != "" {
		t.Errorf("an officer who reviews learns %s", got)
	}
	if got := seen(h.officer()); got != community+" "+otherPlace {
		t.Errorf("the district learns %q", got)
	}
	must[*pb.Sheet](h)(h.hand("E1", a, 20, 10))
	must[*pb.Sheet](h)(h.hand("E2", a, 20, 10))
	must[*pb.DecideCallResponse](h)(h.DecideCall(h.officer(), &pb.DecideCallRequest{Id: c.GetId()}))
	if got := seen(e1); got != community+" "+otherPlace {
		t.Errorf("after the decision a reviewer learns %q", got)
	}
}

// A reviewer whose organization comes to stand on one line with an applicant,
// or with a co-applicant, after the sheet was handed in: the sheet is set aside
// and not due, and the file counts again.
func TestDecideCall_AMoveInTheTreeSetsASheetAside(t *testing.T) {
	for what, under := range map[string]string{"the applicant": community, "a co-applicant": otherPlace} {
		h := start(t)
		c, a := h.together()
		must[*pb.Sheet](h)(h.hand("E1", a, 40, 20))
		must[*pb.Sheet](h)(h.hand("E2", a, 20, 10))
		h.Announce("registry", store.Event{
			Name: "organization.moved", EntityID: "W00001", Revision: 2,
			Data: &registryv1.OrganizationChanged{
				Id: "W00001", Path: string(h.paths[under].Child("W00001")), Displayed: true, Revision: 2,
				Kind: registryv1.OrganizationKind_ORGANIZATION_KIND_WORKPLACE,
			},
		})
		h.Drain()
		ranking := must[*pb.DecideCallResponse](h)(h.DecideCall(h.officer(), &pb.DecideCallRequest{Id: c.GetId()})).GetRanking()
		if got := ranking.GetApplications()[0]; got.GetSheets() != 1 || got.GetScoreHundredths() != 5000 {
			t.Errorf("moved under %s: %v", what, got)
		}
		file := must[*pb.ExportSelectionResponse](h)(h.ExportSelection(h.officer(), &pb.ExportSelectionRequest{CallId: c.GetId()}))
		if got := checkFile(t, file.GetContent()); len(got) != 0 {
			t.Errorf("counted again: %v", got)
		}
	}
}

// More than the budget is selected with a reason only, at the decision and when
// a reserve moves up.
func TestBudget_NeedsAReasonAbove(t *testing.T) {
	h := start(t)
	c := h.callOf(func(r *pb.CreateCallRequest) { r.Reserves, r.BudgetYuan = 1, 79999 })
	first, second := h.submit(c.GetId(), community, "2013-01"), h.submit(c.GetId(), otherPlace, "2013-02") // 80000 each
	h.advance(day("2013-03-01"))
	must[*pb.StartReviewResponse](h)(h.StartReview(h.officer(), &pb.StartReviewRequest{Id: c.GetId()}))
	for _, who := range []string{"E1", "E2", "E4"} {
		must[*pb.Sheet](h)(h.hand(who, first, 30, 10))
		if who != "E4" {
			must[*pb.Sheet](h)(h.hand(who, second, 20, 10))
		}
	}
	_, err := h.DecideCall(h.officer(), &pb.DecideCallRequest{Id: c.GetId()})
	refused(t, "above the budget", err, codes.FailedPrecondition, "BUDGET_EXCEEDED", "over_budget_reason")
	if detail(err, "selected") != "80000" || detail(err, "budget") != "79999" {
		t.Errorf("says %v", err)
	}
	must[*pb.DecideCallResponse](h)(h.DecideCall(h.officer(), &pb.DecideCallRequest{Id: c.GetId(), OverBudgetReason: "市级配套资金"}))
	for ctx, want := range map[context.Context]string{h.officer(): "市级配套资金", h.applicant(community): ""} {
		if got := must[*pb.GetCallResponse](h)(h.GetCall(ctx, &pb.GetCallRequest{Id: c.GetId()})).GetCall().GetOverBudgetReason(); got != want {
			t.Errorf("reads %q, want %q", got, want)
		}
	}
	h.give(c)
	o := must[*pb.SelectionObjection](h)(h.object("li", first))
	if err := h.answer(h.officer(), o, true); err != nil {
		t.Fatal(err)
	}
	_, err = h.noticed().MoveUpReserve(h.officer(), &pb.MoveUpReserveRequest{CallId: c.GetId()})
	refused(t, "the reserve above the budget", err, codes.FailedPrecondition, "BUDGET_EXCEEDED", "over_budget_reason")
	must[*pb.MoveUpReserveResponse](h)(h.noticed().MoveUpReserve(h.officer(), &pb.MoveUpReserveRequest{CallId: c.GetId(), OverBudgetReason: "市级配套资金"}))
	if got := h.stateOf(second); got != pb.ApplicationState_APPLICATION_STATE_IN_NOTICE {
		t.Errorf("moved up it is %s", got)
	}
}
