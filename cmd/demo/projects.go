package demo

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	projectsv1 "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// Days of the project year that the records leave open (sample).
const (
	callDay   = "2013-01-04"
	reviewDay = "2013-03-01"
	sheetDay  = "2013-03-06"
	decideDay = "2013-03-20"
)

func (r *run) planProjects(on func(string, task)) {
	on(callDay, r.openCall)
	for i, a := range r.records.round.Applications {
		on(a.SubmittedAt[:10], func(ctx context.Context, _ string) error { return r.apply(ctx, i) })
	}
	on(sheetDay, r.submitSheets)
	on(sheetDay, r.trySheetsInConflict)
	on(decideDay, r.decide)
	r.planNotice(on)
	r.planDelivery(on)
}

func (r *run) openCall(ctx context.Context, _ string) error {
	c := r.records.round.Call
	in := &projectsv1.CreateCallRequest{
		DistrictId: districtID, Year: int32(c.Year), Title: c.Title, Quota: int32(c.Quota),
		OpensAt: timestamppb.New(morning(callDay)), ClosesAt: timestamppb.New(morning(reviewDay)),
		Aggregation: projectsv1.Aggregation_AGGREGATION_DROP_HIGH_LOW,
	}
	for _, k := range c.Criteria {
		in.Criteria = append(in.Criteria, &projectsv1.Criterion{Key: k.Key, Name: k.Name, Max: k.Max})
	}
	for _, e := range r.records.round.Reviewers {
		person, err := r.personOf(ctx, r.reviewer(e.ID))
		if err != nil {
			return err
		}
		in.Reviewers = append(in.Reviewers, &projectsv1.Reviewer{Person: person, OrganizationId: e.Organization})
	}
	var out projectsv1.Call
	err := r.client.call(ctx, r.districtOfficer(), http.MethodPost, "/v1/organizations/"+districtID+"/calls", "demo-call", in, &out)
	if err != nil {
		return err
	}
	r.notes.Call = out.GetId()
	return r.client.call(ctx, r.districtOfficer(), http.MethodPost, "/v1/calls/"+out.GetId()+":open", "demo-open-call",
		&projectsv1.OpenCallRequest{Id: out.GetId()}, nil)
}

// applicant speaks for an organization that applies.
func (r *run) applicant(id string) who {
	role := typev1.Role_ROLE_WORKPLACE_OFFICER
	switch r.records.organizations[id].kind {
	case "community":
		role = typev1.Role_ROLE_COMMUNITY_PARTY_STAFF
	case "street":
		role = typev1.Role_ROLE_STREET_OFFICER
	}
	return as(role, "demo-applicant-"+id, r.records.path(id))
}

func (r *run) apply(ctx context.Context, i int) error {
	a := r.records.round.Applications[i]
	in := &projectsv1.DraftApplicationRequest{
		CallId: r.notes.Call, ApplicantId: a.Applicant, Number: a.Number, Title: a.Title,
		Category: a.Category, BudgetYuan: a.Budget, StaffRequested: a.Staff,
	}
	for _, k := range a.Indicators {
		in.Indicators = append(in.Indicators, &projectsv1.Indicator{
			Name: k.Name, Unit: k.Unit, Baseline: k.Baseline, Target: k.Target, Due: k.Due, Source: k.Source})
	}
	var out projectsv1.Application
	err := r.client.call(ctx, r.applicant(a.Applicant), http.MethodPost, "/v1/calls/"+r.notes.Call+"/applications",
		"demo-draft-"+a.Number, in, &out)
	if err != nil {
		return err
	}
	r.notes.Applications[a.Number] = out.GetId()
	return r.client.call(ctx, r.applicant(a.Applicant), http.MethodPost, "/v1/applications/"+out.GetId()+":submit",
		"demo-apply-"+a.Number, &projectsv1.SubmitApplicationRequest{Id: out.GetId()}, nil)
}

func (r *run) reviewer(id string) who {
	for _, e := range r.records.round.Reviewers {
		if e.ID == id {
			return as(typev1.Role_ROLE_REVIEWER, id, r.records.path(e.Organization))
		}
	}
	return nobody()
}

func (r *run) sheet(ctx context.Context, reviewer, application string, scores map[string]float64) error {
	id := r.notes.Applications[application]
	in := &projectsv1.SubmitSheetRequest{ApplicationId: id}
	for _, k := range r.records.round.Call.Criteria {
		in.Points = append(in.Points, &projectsv1.Points{Criterion: k.Key, Halves: int32(math.Round(2 * scores[k.Key]))})
	}
	return r.client.call(ctx, r.reviewer(reviewer), http.MethodPost, "/v1/applications/"+id+"/sheets",
		"demo-sheet-"+reviewer+"-"+application, in, nil)
}

func (r *run) submitSheets(ctx context.Context, _ string) error {
	for _, v := range r.records.round.Reviews {
		if err := r.sheet(ctx, v.Reviewer, v.Application, v.Scores); err != nil {
			return err
		}
	}
	return nil
}

// trySheetsInConflict tries the sheets that the records leave out: each must be
// refused because of the organization tree.
func (r *run) trySheetsInConflict(ctx context.Context, _ string) error {
	handedIn := map[string]bool{}
	for _, v := range r.records.round.Reviews {
		handedIn[v.Reviewer+v.Application] = true
	}
	for _, e := range r.records.round.Reviewers {
		for _, a := range r.records.round.Applications {
			if handedIn[e.ID+a.Number] {
				continue
			}
			err := r.sheet(ctx, e.ID, a.Number, map[string]float64{})
			var no *refused
			if !errors.As(err, &no) || no.Reason != "CONFLICT_OF_INTEREST" {
				return fmt.Errorf("sheet of %s for %s was not refused as a conflict: %w", e.ID, a.Number, err)
			}
			r.notes.Conflicts++
		}
	}
	return nil
}

// decide asks for both rankings, then has the call's own stored.
func (r *run) decide(ctx context.Context, _ string) error {
	for _, how := range []string{"AGGREGATION_MEAN", "AGGREGATION_DROP_HIGH_LOW"} {
		var out projectsv1.Ranking
		err := r.client.call(ctx, r.districtOfficer(), http.MethodGet,
			"/v1/calls/"+r.notes.Call+"/ranking?aggregation="+how, "", nil, &out)
		if err != nil {
			return err
		}
		r.notes.Twelve[how] = selected(&out)
	}
	var out projectsv1.Ranking
	err := r.client.call(ctx, r.districtOfficer(), http.MethodPost, "/v1/calls/"+r.notes.Call+":decide",
		"demo-decide", &projectsv1.DecideCallRequest{Id: r.notes.Call}, &out)
	r.notes.Twelve["decided"], r.notes.Round.ByZScore = selected(&out), byZScore(&out)
	return err
}

func selected(ranking *projectsv1.Ranking) []string {
	var out []string
	for _, a := range ranking.GetApplications() {
		if a.GetOutcome() == projectsv1.ApplicationState_APPLICATION_STATE_SELECTED {
			out = append(out, a.GetNumber())
		}
	}
	slices.Sort(out)
	return out
}
