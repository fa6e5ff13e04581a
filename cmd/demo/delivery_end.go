package demo

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	projectsv1 "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// panelOf are three reviewers of the round on nobody's line of the tree.
func (r *run) panelOf(ctx context.Context) (out []*projectsv1.Reviewer, err error) {
	for _, e := range r.records.round.Reviewers {
		if !slices.Contains(panel(), e.ID) {
			continue
		}
		person, err := r.personOf(ctx, r.reviewer(e.ID))
		if err != nil {
			return nil, err
		}
		out = append(out, &projectsv1.Reviewer{Person: person, OrganizationId: e.Organization})
	}
	return out, nil
}

func panel() []string { return []string{"E1", "E2", "E5"} }

// totals are what the panel gives, in points: seven from 90 on, one too little.
func totals(number string) int32 {
	all := map[string]int32{
		"2013-01": 98, "2013-02": 96, "2013-03": 95, "2013-04": 94, "2013-05": 93, "2013-12": 92, "2013-18": 90, remedyNumber: 55,
	}
	if n, ok := all[number]; ok {
		return n
	}
	return 85
}

// assess has a project scored by its applicant and the panel, and decided.
func (r *run) assess(ctx context.Context, a application, _ string) error {
	if a.Number == remedyNumber {
		return r.lookAt(ctx, a, "first", totals(a.Number), &projectsv1.DecideAcceptanceRequest{
			Finding: projectsv1.AcceptanceState_ACCEPTANCE_STATE_TO_BE_REMEDIED, Items: "补齐活动台账和群众反馈", RemedyUntil: "2014-01-13",
		})
	}
	return r.lookAt(ctx, a, "first", totals(a.Number), &projectsv1.DecideAcceptanceRequest{Finding: projectsv1.AcceptanceState_ACCEPTANCE_STATE_ACCEPTED})
}

func (r *run) assessAgain(ctx context.Context, _ string) error {
	return r.lookAt(ctx, r.applicationOf(remedyNumber), "second", 80,
		&projectsv1.DecideAcceptanceRequest{Finding: projectsv1.AcceptanceState_ACCEPTANCE_STATE_ACCEPTED})
}

// pointsOf spreads a total over the sheet, in halves.
func pointsOf(total int32) *projectsv1.AcceptancePoints {
	return &projectsv1.AcceptancePoints{Effect: total, Innovation: total / 2, Ease: total - total/2}
}

func (r *run) lookAt(ctx context.Context, a application, look string, total int32, decide *projectsv1.DecideAcceptanceRequest) error {
	id, key := r.notes.Delivery.Projects[a.Number], "demo-"+look+"-look-"+a.Number
	reviewers, err := r.panelOf(ctx)
	if err != nil {
		return err
	}
	err = r.district(ctx, r.keyProject(a.Number, ":openAcceptance"), key, &projectsv1.OpenAcceptanceRequest{ProjectId: id, Panel: reviewers}, nil)
	if err != nil {
		return err
	}
	err = r.client.call(ctx, r.applicant(a.Applicant), http.MethodPost, r.keyProject(a.Number, ":scoreSelf"), key+"-self",
		&projectsv1.ScoreSelfRequest{ProjectId: id, Points: pointsOf(96)}, nil)
	if err != nil {
		return err
	}
	for _, m := range panel() {
		err := r.client.call(ctx, r.reviewer(m), http.MethodPost, r.keyProject(a.Number, ":scorePanel"), key+"-"+m,
			&projectsv1.ScorePanelRequest{ProjectId: id, Points: pointsOf(total)}, nil)
		if err != nil {
			return err
		}
	}
	decide.ProjectId, decide.Document = id, "验收纪要〔2014〕"+a.Number[5:]+"号"
	return r.district(ctx, r.keyProject(a.Number, ":decideAcceptance"), key+"-decide", decide, nil)
}

// settle marks the excellent, and has leftovers returned and projects closed.
func (r *run) settle(ctx context.Context, day string) error {
	var out projectsv1.AwardExcellenceResponse
	err := r.district(ctx, "/v1/calls/"+r.notes.Call+":awardExcellence", "demo-excellence", &projectsv1.AwardExcellenceRequest{CallId: r.notes.Call}, &out)
	if err != nil {
		return err
	}
	r.notes.Delivery.Excellent, r.notes.Delivery.Most = len(out.GetExcellent()), int(out.GetMost())
	return r.eachKeyProject(func(ctx context.Context, a application, _ string) error {
		p, err := r.keyProjectNow(ctx, a.Number)
		if err != nil {
			return err
		}
		err = r.district(ctx, r.keyProject(a.Number, ":returnLeftover"), "demo-leftover-"+a.Number, &projectsv1.ReturnLeftoverRequest{
			ProjectId: p.GetId(), AmountFen: leftAfter(a, p), Document: "缴款书" + a.Number[5:],
		}, nil)
		if err != nil {
			return err
		}
		return r.district(ctx, r.keyProject(a.Number, ":close"), "demo-close-"+a.Number, &projectsv1.CloseProjectRequest{Id: p.GetId()}, nil)
	})(ctx, day)
}

// leftAfter is what a project has left, whether it was returned already or not.
func leftAfter(a application, p *projectsv1.KeyProject) int64 {
	return a.Budget*fenOfYuan - p.GetSpentFen()
}

func (r *run) keyProjectNow(ctx context.Context, number string) (*projectsv1.KeyProject, error) {
	var out projectsv1.KeyProject
	err := r.client.call(ctx, r.districtOfficer(), http.MethodGet, r.keyProject(number, ""), "", nil, &out)
	return &out, err
}

// publishModels makes models of the service circle and the heart homes.
func (r *run) publishModels(ctx context.Context, _ string) error {
	for number, summary := range map[string]string{
		circleNumber: "居民点单、社区派单、党员接单、群众评单", homesNumber: "按行业建家,按作息办活动,与流出地党组织双向联系",
	} {
		err := r.district(ctx, r.keyProject(number, ":publishModel"), "demo-model-"+number,
			&projectsv1.PublishModelRequest{ProjectId: r.notes.Delivery.Projects[number], Summary: summary}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// reportDelivery compares what became of the twelve.
func (r *run) reportDelivery(ctx context.Context, c *comparison) error {
	var staffed, people, yuan, staff, budget, closed, looks, letters int64
	err := r.eachKeyProject(func(ctx context.Context, a application, _ string) error {
		p, err := r.keyProjectNow(ctx, a.Number)
		if err != nil {
			return err
		}
		kept := map[projectsv1.PromiseKind]bool{}
		for _, promise := range p.GetPromises() {
			kept[promise.GetKind()] = kept[promise.GetKind()] || promise.GetState() == projectsv1.PromiseState_PROMISE_STATE_DELIVERED
			people += int64(promise.GetPeople())
			yuan += promise.GetAmountFen() / fenOfYuan
		}
		staff, budget = staff+int64(a.Staff), budget+a.Budget
		if len(kept) == 3 && kept[projectsv1.PromiseKind_PROMISE_KIND_PEOPLE] && kept[projectsv1.PromiseKind_PROMISE_KIND_MONEY] && kept[projectsv1.PromiseKind_PROMISE_KIND_POLICY] {
			staffed++
		}
		if p.GetState() == projectsv1.KeyProjectState_KEY_PROJECT_STATE_CLOSED && p.GetLeftFen() == 0 {
			closed++
		}
		looks, letters = looks+int64(p.GetLooks()), letters+int64(p.GetLetters())
		return nil
	})(ctx, "")
	if err != nil {
		return err
	}
	late, err := r.keyProjectNow(ctx, lateNumber)
	if err != nil {
		return err
	}
	c.count("with staff, funds and policy", "article", 12, staffed)
	c.count("people", "records", staff, people)
	c.count("yuan", "records", budget, yuan)
	c.count("days that a clock stood still for a late tranche", "sample", 10, int64(late.GetStandstill().GetDays()))
	c.count("dinners refused by the policy", "sample", 1, int64(r.notes.Delivery.Dinners))
	if err := r.reportIndicators(ctx, c); err != nil {
		return err
	}
	c.count("letters of supervision", "sample", 1, letters)
	c.count("tranches stopped by one", "sample", 1, int64(r.notes.Delivery.Stopped))
	c.count("looks at the twelve, one of them a second", "sample", 13, looks)
	c.count("excellent, of seven good enough", "sample", int64(r.notes.Delivery.Most), int64(r.notes.Delivery.Excellent))
	c.count("accepted, settled and closed", "sample", 12, closed)
	return r.reportModels(ctx, c)
}

// reportIndicators compares the values of the two projects that linli counts,
// and counts those of all twelve that were met.
func (r *run) reportIndicators(ctx context.Context, c *comparison) error {
	var all, met, solved, said, floating int64
	values, former := map[string]int64{}, ""
	err := r.eachKeyProject(func(ctx context.Context, a application, _ string) error {
		var out projectsv1.ListIndicatorsResponse
		err := r.client.call(ctx, r.districtOfficer(), http.MethodGet, r.keyProject(a.Number, "/indicators"), "", nil, &out)
		for _, n := range out.GetIndicators() {
			all++
			if n.GetMet() && n.GetLight() == projectsv1.Light_LIGHT_GREEN {
				met++
			}
			values[n.GetSource()] = int64(n.GetValue())
			for _, f := range n.GetFormerTargets() {
				former += fmt.Sprintf("%v → %v", f.GetTarget(), n.GetTarget())
			}
		}
		return err
	})(ctx, "")
	if err != nil {
		return err
	}
	_, residents := r.circlePeople()
	for _, p := range r.records.posts {
		if p.Type == "problem" {
			solved++
		} else {
			said++
		}
	}
	street := r.applicationOf(homesNumber).Applicant
	for _, m := range r.records.members {
		if m.kind == "流动" && strings.HasPrefix(m.community, street) {
			floating++
		}
	}
	c.count("indicator of 01: problems solved", "records", solved, values["requests.resolved"])
	c.count("indicator of 01: suggestions", "records", said, values["requests.suggestions"])
	c.count("indicator of 01: residents taking part", "records", int64(len(residents)), values["requests.residents"])
	c.count("indicator of 02: floating members who live there", "records", floating, values[districtFloat])
	c.count("indicator of 02: heart homes", "records", 4, values["registry.heart_homes"])
	c.same("target of 02 by a dated approval", "sample", fmt.Sprintf("200 → %d", changedTarget), former)
	c.count("indicators met", "sample", all, met)
	return nil
}

func (r *run) reportModels(ctx context.Context, c *comparison) error {
	var out projectsv1.ListModelsResponse
	reader := as(typev1.Role_ROLE_RESIDENT, "demo-reader", r.records.path(circleID))
	if err := r.client.call(ctx, reader, http.MethodGet, "/v1/models?year=2013", "", nil, &out); err != nil {
		return err
	}
	var numbers []string
	for _, m := range out.GetModels() {
		numbers = append(numbers, m.GetNumber())
	}
	c.same("models that everybody reads", "sample", circleNumber+" "+homesNumber, strings.Join(numbers, " "))
	return nil
}
