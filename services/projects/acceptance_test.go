package projects_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/services/projects"
)

func panel() []*pb.Reviewer {
	return []*pb.Reviewer{{Person: "E1", OrganizationId: "W00001"}, {Person: "E2", OrganizationId: "W00005"}}
}

func (y *yard) open(id string) *pb.Acceptance {
	y.t.Helper()
	return must[*pb.OpenAcceptanceResponse](y.house)(y.acceptance().OpenAcceptance(y.officer(),
		&pb.OpenAcceptanceRequest{ProjectId: id, Panel: panel()})).GetAcceptance()
}

// halves makes points that sum up to a total of 100 points, in halves.
func halves(total int32) *pb.AcceptancePoints {
	p := &pb.AcceptancePoints{Effect: min(total, 100)}
	p.Innovation = min(total-p.GetEffect(), 50)
	p.Ease = total - p.GetEffect() - p.GetInnovation()
	return p
}

// score opens a look and has everybody hand in the same total, in halves.
func (y *yard) score(p *pb.KeyProject, total int32) *pb.Acceptance {
	y.t.Helper()
	a := y.open(p.GetId())
	must[*pb.ScoreSelfResponse](y.house)(y.acceptance().ScoreSelf(y.applicant(p.GetApplicantId()), &pb.ScoreSelfRequest{ProjectId: p.GetId(), Points: halves(200)}))
	for _, m := range panel() {
		must[*pb.ScorePanelResponse](y.house)(y.acceptance().ScorePanel(y.reviewer(m.GetPerson(), m.GetOrganizationId()),
			&pb.ScorePanelRequest{ProjectId: p.GetId(), Points: halves(total)}))
	}
	return a
}

func (y *yard) decide(id string, finding pb.AcceptanceState, items, until string) (*pb.DecideAcceptanceResponse, error) {
	return y.acceptance().DecideAcceptance(y.officer(), &pb.DecideAcceptanceRequest{ProjectId: id, Finding: finding, Items: items, RemedyUntil: until, Document: "验收纪要"})
}

const (
	foundAccepted = pb.AcceptanceState_ACCEPTANCE_STATE_ACCEPTED
	foundRemedy   = pb.AcceptanceState_ACCEPTANCE_STATE_TO_BE_REMEDIED
	foundFailed   = pb.AcceptanceState_ACCEPTANCE_STATE_FAILED
)

func TestAcceptance_SelfBesideThePanelAndWhoSeesWhat(t *testing.T) {
	y := newYard(t)
	p := y.begun(community, "2013-01", manual(1, "2013-12-31"))
	y.deliverAll(p.GetId())
	_, err := y.acceptance().OpenAcceptance(y.officer(), &pb.OpenAcceptanceRequest{ProjectId: p.GetId(), Panel: []*pb.Reviewer{{Person: "S1", OrganizationId: community[:9]}}})
	refused(t, "the street above the applicant", err, codes.PermissionDenied, "CONFLICT_OF_INTEREST", "")
	_, err = y.acceptance().OpenAcceptance(y.officer(), &pb.OpenAcceptanceRequest{ProjectId: p.GetId(), Panel: append(panel(), panel()[0])})
	refused(t, "one twice", err, codes.InvalidArgument, "INVALID_FIELD", "panel[2].person")
	_, err = y.acceptance().ScorePanel(y.reviewer("E1", "W00001"), &pb.ScorePanelRequest{ProjectId: p.GetId(), Points: halves(100)})
	refused(t, "before it is opened", err, codes.NotFound, "NOT_FOUND", "")
	a := y.open(p.GetId())
	if a.GetMost().GetEffect() != 100 || a.GetMost().GetInnovation() != 50 || a.GetMost().GetEase() != 50 || a.GetLook() != 1 {
		t.Errorf("opened %v", a)
	}
	e1, e2 := y.reviewer("E1", "W00001"), y.reviewer("E2", "W00005")
	_, err = y.acceptance().ScorePanel(y.reviewer("E9", "W00001"), &pb.ScorePanelRequest{ProjectId: p.GetId(), Points: halves(100)})
	refused(t, "not on the panel", err, codes.NotFound, "NOT_FOUND", "")
	_, err = y.acceptance().ScorePanel(e1, &pb.ScorePanelRequest{ProjectId: p.GetId(), Points: &pb.AcceptancePoints{Effect: 101}})
	refused(t, "above the sheet", err, codes.InvalidArgument, "BAD_POINTS", "points.effect")
	_, err = y.decide(p.GetId(), foundAccepted, "", "")
	refused(t, "without scores", err, codes.FailedPrecondition, "SCORES_MISSING", "")
	must[*pb.ScorePanelResponse](y.house)(y.acceptance().ScorePanel(e1, &pb.ScorePanelRequest{ProjectId: p.GetId(), Points: &pb.AcceptancePoints{Effect: 90, Innovation: 40, Ease: 45}}))
	_, err = y.acceptance().ScorePanel(e1, &pb.ScorePanelRequest{ProjectId: p.GetId(), Points: halves(10)})
	refused(t, "twice", err, codes.AlreadyExists, "ALREADY_EXISTS", "")
	get := &pb.GetAcceptanceRequest{ProjectId: p.GetId(), Look: 1}
	if got := must[*pb.GetAcceptanceResponse](y.house)(y.acceptance().GetAcceptance(e2, get)).GetAcceptance(); len(got.GetScores()) != 0 {
		t.Errorf("E2 sees before the own: %v", got)
	}
	got := must[*pb.ScorePanelResponse](y.house)(y.acceptance().ScorePanel(e2, &pb.ScorePanelRequest{ProjectId: p.GetId(), Points: &pb.AcceptancePoints{Effect: 80, Innovation: 50, Ease: 40}})).GetAcceptance()
	if len(got.GetScores()) != 2 {
		t.Errorf("E2 sees after the own: %v", got)
	}
	got = must[*pb.ScoreSelfResponse](y.house)(y.acceptance().ScoreSelf(y.applicant(community), &pb.ScoreSelfRequest{ProjectId: p.GetId(), Points: halves(190)})).GetAcceptance()
	if got.GetSelfHundredths() != 9500 || len(got.GetScores()) != 0 || len(got.GetPanel()) != 0 || got.GetPanelHundredths() != 0 {
		t.Errorf("the applicant sees %v", got)
	}
	done := must[*pb.DecideAcceptanceResponse](y.house)(y.decide(p.GetId(), foundAccepted, "", "")).GetAcceptance()
	if done.GetPanelHundredths() != 8625 || done.GetSelfHundredths() != 9500 || done.GetOffHundredths() != 0 {
		t.Errorf("decided %v", done)
	}
	if got := y.project(p.GetId()); got.GetScoreHundredths() != 8625 || got.GetState() != pb.KeyProjectState_KEY_PROJECT_STATE_ACCEPTED {
		t.Errorf("project %v", got)
	}
	_, err = y.indicators().AskTargetChange(y.applicant(community), &pb.AskTargetChangeRequest{ProjectId: p.GetId(), Target: 5, Reason: "太低"})
	wrongState(t, "a target of what was accepted", err)
	_, err = y.indicators().RecordReading(y.applicant(community), &pb.RecordReadingRequest{ProjectId: p.GetId(), Value: proto.Float64(5), AsOf: "2013-04-01", Proof: "表"})
	wrongState(t, "a reading of what was accepted", err)
}

// A co-applicant counts like the applicant: the street above it is not on the
// panel.
func TestAcceptance_NobodyAboveACoApplicantIsOnThePanel(t *testing.T) {
	y := newYard(t)
	req := application(y.call.GetId(), "W00003", "2013-01")
	req.CoApplicantIds = []string{otherPlace}
	a := must[*pb.DraftApplicationResponse](y.house)(y.DraftApplication(y.applicant("W00003"), req)).GetApplication()
	must[*pb.SubmitApplicationResponse](y.house)(y.SubmitApplication(y.applicant("W00003"), &pb.SubmitApplicationRequest{Id: a.GetId()}))
	if err := projects.MakeKeyProject(t.Context(), y.svc, a.GetId()); err != nil {
		t.Fatal(err)
	}
	p := must[*pb.BeginProjectResponse](y.house)(y.delivery().BeginProject(y.officer(), plan(a.GetId()))).GetKeyProject()
	_, err := y.acceptance().OpenAcceptance(y.officer(), &pb.OpenAcceptanceRequest{ProjectId: p.GetId(), Panel: []*pb.Reviewer{{Person: "E4", OrganizationId: "430101004"}}})
	refused(t, "the street above the co-applicant", err, codes.PermissionDenied, "CONFLICT_OF_INTEREST", "")
}

// A letter of supervision takes points off, by the policy.
func TestAcceptance_ALetterTakesPointsOff(t *testing.T) {
	y := newYard(t)
	p := y.begun(community, "2013-01", manual(10, "2013-05-01"))
	y.deliverAll(p.GetId())
	y.on("2013-05-11")
	y.score(p, 124)
	_, err := y.decide(p.GetId(), foundFailed, "", "")
	refused(t, "failed at the first look", err, codes.FailedPrecondition, "REMEDY_FIRST", "")
	if got := must[*pb.DecideAcceptanceResponse](y.house)(y.decide(p.GetId(), foundAccepted, "", "")).GetAcceptance(); got.GetPanelHundredths() != 6000 || got.GetOffHundredths() != 200 {
		t.Errorf("decided %v", got)
	}
}

// A remedy with a date and a second look; accepted then, and closed once the
// money is settled.
func TestAcceptance_RemediedAndAcceptedOnTheSecondLook(t *testing.T) {
	y := newYard(t)
	p := y.begun(community, "2013-01", manual(1, "2013-12-31"))
	y.deliverAll(p.GetId())
	y.score(p, 110)
	_, err := y.decide(p.GetId(), foundAccepted, "", "")
	refused(t, "too little", err, codes.FailedPrecondition, "BELOW_PASS", "")
	_, err = y.decide(p.GetId(), foundRemedy, "", "2013-05-01")
	refused(t, "without what is missing", err, codes.InvalidArgument, "INVALID_FIELD", "items")
	_, err = y.decide(p.GetId(), foundRemedy, "补台账", "2013-04-01")
	refused(t, "until today", err, codes.InvalidArgument, "INVALID_FIELD", "remedy_until")
	must[*pb.DecideAcceptanceResponse](y.house)(y.decide(p.GetId(), foundRemedy, "补台账", "2013-05-01"))
	_, err = y.decide(p.GetId(), foundAccepted, "", "")
	wrongState(t, "decided twice", err)
	y.on("2013-05-01")
	if a := y.score(p, 140); a.GetLook() != 2 {
		t.Errorf("second look %v", a)
	}
	_, err = y.decide(p.GetId(), foundRemedy, "再补", "2013-06-01")
	refused(t, "a second remedy", err, codes.FailedPrecondition, "SECOND_LOOK", "")
	must[*pb.DecideAcceptanceResponse](y.house)(y.decide(p.GetId(), foundAccepted, "", ""))
	if got := must[*pb.GetAcceptanceResponse](y.house)(y.acceptance().GetAcceptance(y.officer(), &pb.GetAcceptanceRequest{ProjectId: p.GetId(), Look: 1})).GetAcceptance(); got.GetItems() != "补台账" || got.GetRemedyUntil() != "2013-05-01" {
		t.Errorf("the first look %v", got)
	}
	_, err = y.delivery().CloseProject(y.officer(), &pb.CloseProjectRequest{Id: p.GetId()})
	refused(t, "with 1,000 yuan left", err, codes.FailedPrecondition, "NOT_SETTLED", "")
	_, err = y.spending().ReturnLeftover(y.officer(), &pb.ReturnLeftoverRequest{ProjectId: p.GetId(), AmountFen: 100001, Document: "回单"})
	refused(t, "more than is left", err, codes.FailedPrecondition, "RETURN_OVER_LEFT", "amount_fen")
	must[*pb.ReturnLeftoverResponse](y.house)(y.spending().ReturnLeftover(y.officer(), &pb.ReturnLeftoverRequest{ProjectId: p.GetId(), AmountFen: 100000, Document: "回单"}))
	if got := must[*pb.CloseProjectResponse](y.house)(y.delivery().CloseProject(y.officer(), &pb.CloseProjectRequest{Id: p.GetId()})).GetKeyProject(); got.GetState() != pb.KeyProjectState_KEY_PROJECT_STATE_CLOSED || len(got.GetReturns()) != 1 {
		t.Errorf("closed %v", got)
	}
	req := spend(p, "materials", 1)
	_, err = y.spending().RecordSpending(y.applicant(community), req)
	wrongState(t, "spending of a closed project", err)
}

// Failed twice: all funds go back, and the applicant does not apply for a year.
func TestAcceptance_FailedTwiceGivesAllBackAndIsBarred(t *testing.T) {
	y := newYard(t)
	p := y.begun(community, "2013-01", manual(1, "2013-12-31"))
	y.deliverAll(p.GetId())
	e := spend(p, "materials", 30000)
	e.Day = "2013-04-01"
	spent := must[*pb.RecordSpendingResponse](y.house)(y.spending().RecordSpending(y.applicant(community), e)).GetSpending()
	must[*pb.ConfirmSpendingResponse](y.house)(y.spending().ConfirmSpending(y.officer(), &pb.ConfirmSpendingRequest{ProjectId: p.GetId(), Id: spent.GetId()}))
	y.score(p, 100)
	must[*pb.DecideAcceptanceResponse](y.house)(y.decide(p.GetId(), foundRemedy, "补台账", "2013-05-01"))
	y.score(p, 100)
	must[*pb.DecideAcceptanceResponse](y.house)(y.decide(p.GetId(), foundFailed, "", ""))
	must[*pb.ReturnLeftoverResponse](y.house)(y.spending().ReturnLeftover(y.officer(), &pb.ReturnLeftoverRequest{ProjectId: p.GetId(), AmountFen: 70000, Document: "回单"}))
	_, err := y.delivery().CloseProject(y.officer(), &pb.CloseProjectRequest{Id: p.GetId()})
	refused(t, "what was spent goes back too", err, codes.FailedPrecondition, "NOT_SETTLED", "")
	must[*pb.ReturnLeftoverResponse](y.house)(y.spending().ReturnLeftover(y.officer(), &pb.ReturnLeftoverRequest{ProjectId: p.GetId(), AmountFen: 30000, Document: "回单"}))
	must[*pb.CloseProjectResponse](y.house)(y.delivery().CloseProject(y.officer(), &pb.CloseProjectRequest{Id: p.GetId()}))
	_, err = y.models().PublishModel(y.officer(), &pb.PublishModelRequest{ProjectId: p.GetId(), Summary: "做法"})
	refused(t, "a model of what failed", err, codes.FailedPrecondition, "NOT_ACCEPTED", "")

	next := newCall()
	next.Year, next.OpensAt.Seconds, next.ClosesAt.Seconds = 2014, day("2014-01-05").Unix(), day("2014-06-01").Unix()
	y.on("2014-01-05")
	c := must[*pb.CreateCallResponse](y.house)(y.CreateCall(y.officer(), next)).GetCall()
	must[*pb.OpenCallResponse](y.house)(y.OpenCall(y.officer(), &pb.OpenCallRequest{Id: c.GetId()}))
	_, err = y.DraftApplication(y.applicant(community), application(c.GetId(), community, "2014-01"))
	refused(t, "within the year", err, codes.FailedPrecondition, "APPLICANT_BARRED", "applicant_id")
	y.draft(c.GetId(), otherPlace, "2014-02")
	y.on("2014-04-01")
	y.draft(c.GetId(), community, "2014-03")
}

// At most half are excellent; a tie across the line stays below until somebody
// decides with a reason; nobody is before all are decided.
func TestExcellence_AtMostHalfAndTiesAreDecided(t *testing.T) {
	y := newYard(t)
	var all []*pb.KeyProject
	for i, applicant := range []string{community, otherPlace, "W00003", "430101004"} {
		y.selectedLater(i, applicant, &all)
	}
	for i, total := range []int32{196, 188, 188, 150} {
		y.deliverAll(all[i].GetId())
		y.score(all[i], total)
		if i == 3 {
			_, err := y.acceptance().AwardExcellence(y.officer(), &pb.AwardExcellenceRequest{CallId: y.call.GetId()})
			refused(t, "before all are decided", err, codes.FailedPrecondition, "ACCEPTANCES_OPEN", "")
		}
		must[*pb.DecideAcceptanceResponse](y.house)(y.decide(all[i].GetId(), foundAccepted, "", ""))
	}
	got := must[*pb.AwardExcellenceResponse](y.house)(y.acceptance().AwardExcellence(y.officer(), &pb.AwardExcellenceRequest{CallId: y.call.GetId()}))
	if !slices.Equal(got.GetExcellent(), []string{all[0].GetId()}) || len(got.GetTied()) != 2 || got.GetRoom() != 1 || got.GetMost() != 2 {
		t.Fatalf("awarded %v", got)
	}
	choose := func(reason string, ids ...string) (*pb.AwardExcellenceResponse, error) {
		return y.acceptance().AwardExcellence(y.officer(), &pb.AwardExcellenceRequest{CallId: y.call.GetId(), Chosen: ids, Reason: reason})
	}
	_, err := choose("", all[1].GetId())
	refused(t, "without a reason", err, codes.InvalidArgument, "INVALID_FIELD", "reason")
	_, err = choose("会议研究", all[3].GetId())
	refused(t, "not in the tie", err, codes.InvalidArgument, "NOT_TIED", "chosen")
	_, err = choose("会议研究", all[1].GetId(), all[2].GetId())
	refused(t, "both", err, codes.FailedPrecondition, "TOO_MANY_CHOSEN", "chosen")
	must[*pb.AwardExcellenceResponse](y.house)(choose("会议研究", all[2].GetId()))
	_, err = choose("再议", all[1].GetId())
	refused(t, "the other one later", err, codes.FailedPrecondition, "TOO_MANY_CHOSEN", "chosen")
	var excellent []bool
	for _, p := range all {
		excellent = append(excellent, y.project(p.GetId()).GetExcellent())
	}
	if !slices.Equal(excellent, []bool{true, false, true, false}) || y.told("key_project.excelled") != 2 {
		t.Errorf("excellent %v", excellent)
	}
}

// selectedLater begins a project of its own applicant; all applications are in
// before the first begins.
func (y *yard) selectedLater(i int, applicant string, all *[]*pb.KeyProject) {
	y.t.Helper()
	id := y.selected(applicant, fmt.Sprintf("2013-%02d", i+1), manual(1, "2013-12-31"))
	*all = append(*all, must[*pb.BeginProjectResponse](y.house)(y.delivery().BeginProject(y.officer(), plan(id))).GetKeyProject())
}

func TestModel_BrandByADocumentAndYearsOn(t *testing.T) {
	y := newYard(t)
	resident := y.As("li", access.Grant{Role: typev1.Role_ROLE_RESIDENT, Path: elsewhere})
	p := y.begun(community, "2013-01", manual(1, "2013-12-31"), &pb.Indicator{Name: "解决居民问题", Unit: "件", Target: 1, Due: "2013-12-31", Source: "requests.resolved"})
	y.deliverAll(p.GetId())
	publish := &pb.PublishModelRequest{ProjectId: p.GetId(), Summary: "居民点单、党员接单"}
	_, err := y.models().PublishModel(y.officer(), publish)
	refused(t, "before it is accepted", err, codes.FailedPrecondition, "NOT_ACCEPTED", "")
	y.read(p, 0, 3, "2013-04-01")
	y.score(p, 180)
	must[*pb.DecideAcceptanceResponse](y.house)(y.decide(p.GetId(), foundAccepted, "", ""))
	_, err = y.models().GetModel(resident, &pb.GetModelRequest{ProjectId: p.GetId()})
	refused(t, "before it is published", err, codes.NotFound, "NOT_FOUND", "")
	must[*pb.PublishModelResponse](y.house)(y.models().PublishModel(y.officer(), publish))
	_, err = y.models().PublishModel(y.officer(), publish)
	wrongState(t, "twice", err)
	m := must[*pb.GetModelResponse](y.house)(y.models().GetModel(resident, &pb.GetModelRequest{ProjectId: p.GetId()})).GetModel()
	if m.GetState() != pb.ModelState_MODEL_STATE_PUBLISHED || len(m.GetIndicators()) != 2 || len(m.GetIndicators()[0].GetValues()) != 1 || m.GetIndicators()[0].GetValues()[0].GetValue() != 3 || len(m.GetIndicators()[1].GetValues()) != 1 {
		t.Errorf("page %v", m)
	}
	_, err = y.models().NameBrand(y.officer(), &pb.NameBrandRequest{ProjectId: p.GetId()})
	refused(t, "a brand without a document", err, codes.InvalidArgument, "INVALID_FIELD", "approval_document")
	must[*pb.NameBrandResponse](y.house)(y.models().NameBrand(y.officer(), &pb.NameBrandRequest{ProjectId: p.GetId(), ApprovalDocument: "长组发〔2013〕9号"}))
	if got := must[*pb.ListModelsResponse](y.house)(y.models().ListModels(resident, &pb.ListModelsRequest{Year: 2013})).GetModels(); len(got) != 1 || got[0].GetApprovalDocument() != "长组发〔2013〕9号" {
		t.Errorf("listed %v", got)
	}
	y.Announce("requests", requestEvent("r1", 2, "resolved", resolvedAt(string(y.paths[community]), "2014-03-01")))
	y.on("2014-04-01")
	y.on("2015-04-01")
	y.on("2016-04-01")
	m = must[*pb.GetModelResponse](y.house)(y.models().GetModel(resident, &pb.GetModelRequest{ProjectId: p.GetId()})).GetModel()
	counted := m.GetIndicators()[1].GetValues()
	if m.GetYearsAsked() != 2 || y.told("indicator.reading_asked") != 2 || len(counted) != 3 ||
		counted[0].GetAsOf() != "2015-04-01" || counted[0].GetValue() != 0 || counted[1].GetAsOf() != "2014-04-01" || counted[1].GetValue() != 1 {
		t.Errorf("years on: %v", m)
	}
	y.read(p, 0, 4, "2015-03-31")
	must[*pb.WithdrawModelResponse](y.house)(y.models().WithdrawModel(y.officer(), &pb.WithdrawModelRequest{ProjectId: p.GetId()}))
	_, err = y.models().GetModel(resident, &pb.GetModelRequest{ProjectId: p.GetId()})
	refused(t, "withdrawn", err, codes.NotFound, "NOT_FOUND", "")
}
