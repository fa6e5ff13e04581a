package projects_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/testkit"
)

const theTwelve = "01 02 03 04 05 07 09 12 13 18 21 23"

// The sample round through the public methods, from the call to the twelve.
func TestRound2013_FromTheCallToTheTwelve(t *testing.T) {
	t.Run("memory", func(t *testing.T) { runRound(t, start(t)) })
	t.Run("bolt", func(t *testing.T) {
		engine, err := boltkv.Open(filepath.Join(t.TempDir(), "projects.db"), boltkv.Options{})
		if err != nil {
			t.Fatal(err)
		}
		runRound(t, startOn(t, kvtest.Rerun(kv.New(engine, kv.Options{}))))
	})
}

func runRound(t *testing.T, h *house) {
	r := readRound(t)
	c := h.call2013(r)
	applications := h.apply2013(r, c)
	h.advance(day("2013-03-01"))
	c = twice(h.officer(), h, &pb.StartReviewRequest{Id: c.GetId()}, h.StartReview).GetCall()
	_, err := h.DecideCall(h.officer(), &pb.DecideCallRequest{Id: c.GetId()})
	refused(t, "no sheet is there", err, codes.FailedPrecondition, "SHEETS_MISSING", "")
	if detail(err, "missing") != "155" || detail(err, "due") != "155" {
		t.Errorf("missing %s of %s", detail(err, "missing"), detail(err, "due"))
	}
	h.refuseConflicts2013(r, applications)
	h.judge2013(r, applications)

	for _, method := range []pb.Aggregation{0, pb.Aggregation_AGGREGATION_MEAN, pb.Aggregation_AGGREGATION_DROP_HIGH_LOW} {
		got := must[*pb.RankApplicationsResponse](h)(h.RankApplications(h.officer(),
			&pb.RankApplicationsRequest{CallId: c.GetId(), Aggregation: method})).GetRanking()
		if selected(got) != theTwelve {
			t.Errorf("%s selects %s", method, selected(got))
		}
	}
	ranking := twice(h.officer(), h, &pb.DecideCallRequest{Id: c.GetId()}, h.DecideCall).GetRanking()
	if selected(ranking) != theTwelve || len(ranking.GetApplications()) != 23 {
		t.Errorf("decided %v", ranking)
	}
	h.checkStored(r, ranking)
	h.checkAnnounced(r)
	h.checkAudit()
}

// twice calls a method and repeats it under the same key: nothing may happen
// the second time, and the answer is the first one.
func twice[Q, R proto.Message, F ~func(context.Context, Q, ...grpc.CallOption) (R, error)](ctx context.Context, h *house, req Q, method F) R {
	h.t.Helper()
	h.keys++
	ctx = testkit.Keyed(ctx, fmt.Sprint("key-", h.keys))
	first := must[R](h)(method(ctx, req))
	if again := must[R](h)(method(ctx, req)); !proto.Equal(first, again) {
		h.t.Errorf("first %v, again %v", first, again)
	}
	return first
}

func (h *house) call2013(r round) *pb.Call {
	h.t.Helper()
	req := &pb.CreateCallRequest{
		DistrictId: districtID, Year: 2013, Title: r.Call.Title, Quota: r.Call.Quota,
		OpensAt: timestamppb.New(day("2013-01-05")), ClosesAt: timestamppb.New(day("2013-03-01")),
		Aggregation: pb.Aggregation_AGGREGATION_DROP_HIGH_LOW,
	}
	for _, k := range r.Call.Criteria {
		req.Criteria = append(req.Criteria, &pb.Criterion{Key: k.Key, Name: k.Name, Max: k.Max})
	}
	for _, e := range r.Reviewers {
		req.Reviewers = append(req.Reviewers, &pb.Reviewer{Person: "person-" + e.ID, OrganizationId: e.Organization})
	}
	c := twice(h.officer(), h, req, h.CreateCall).GetCall()
	return twice(h.officer(), h, &pb.OpenCallRequest{Id: c.GetId(), Etag: c.GetEtag()}, h.OpenCall).GetCall()
}

// apply2013 drafts and submits the 23 on their days, and answers their ids by
// number.
func (h *house) apply2013(r round, c *pb.Call) map[string]string {
	h.t.Helper()
	order := slices.Clone(r.Applications)
	slices.SortStableFunc(order, func(a, b entry) int { return a.Submitted.Compare(b.Submitted) })
	ids := map[string]string{}
	for _, a := range order {
		h.advance(a.Submitted)
		req := &pb.DraftApplicationRequest{
			CallId: c.GetId(), ApplicantId: a.Applicant, Number: a.No, Title: a.Title, Category: a.Category,
			BudgetYuan: a.Budget, StaffRequested: a.Staff,
		}
		for _, n := range a.Indicators {
			req.Indicators = append(req.Indicators, &pb.Indicator{
				Name: n.Name, Unit: n.Unit, Baseline: n.Baseline, Target: n.Target, Due: n.Due, Source: n.Source,
			})
		}
		drafted := twice(h.applicant(a.Applicant), h, req, h.DraftApplication).GetApplication()
		ids[a.No] = drafted.GetId()
		twice(h.applicant(a.Applicant), h, &pb.SubmitApplicationRequest{Id: drafted.GetId(), Etag: drafted.GetEtag()}, h.SubmitApplication)
	}
	return ids
}

// refuseConflicts2013 tries every sheet that the file leaves out: all of them
// are refused for their conflict.
func (h *house) refuseConflicts2013(r round, applications map[string]string) {
	h.t.Helper()
	given := map[string]bool{}
	for _, v := range r.Reviews {
		given[v.Reviewer+" "+v.Application] = true
	}
	var left []string
	for _, e := range r.Reviewers {
		for _, a := range r.Applications {
			if given[e.ID+" "+a.No] {
				continue
			}
			left = append(left, e.ID+" "+a.No)
			req := &pb.SubmitSheetRequest{ApplicationId: applications[a.No]}
			for _, k := range r.Call.Criteria {
				req.Points = append(req.Points, &pb.Points{Criterion: k.Key, Halves: 1})
			}
			_, err := h.SubmitSheet(h.reviewer("person-"+e.ID, e.Organization), req)
			refused(h.t, e.ID+" judges "+a.No, err, codes.PermissionDenied, "CONFLICT_OF_INTEREST", "")
		}
	}
	if len(left) != 6 {
		h.t.Errorf("conflicts %v", left)
	}
}

// judge2013 hands in the 155 sheets, each reviewer in turn.
func (h *house) judge2013(r round, applications map[string]string) {
	h.t.Helper()
	organizations := map[string]string{}
	for _, e := range r.Reviewers {
		organizations[e.ID] = e.Organization
	}
	for _, v := range r.Reviews {
		req := &pb.SubmitSheetRequest{ApplicationId: applications[v.Application]}
		for _, k := range r.Call.Criteria {
			req.Points = append(req.Points, &pb.Points{Criterion: k.Key, Halves: int32(2 * v.Scores[k.Key])})
		}
		twice(h.reviewer("person-"+v.Reviewer, organizations[v.Reviewer]), h, req, h.SubmitSheet)
	}
}

// selected answers the short numbers that a ranking selects, in order.
func selected(r *pb.Ranking) string {
	var out []string
	for _, p := range r.GetApplications() {
		if p.GetOutcome() == pb.ApplicationState_APPLICATION_STATE_SELECTED {
			out = append(out, strings.TrimPrefix(p.GetNumber(), "2013-"))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// checkStored reads every application as its applicant and as the district.
func (h *house) checkStored(r round, ranking *pb.Ranking) {
	h.t.Helper()
	applicants := map[string]string{}
	for _, a := range r.Applications {
		applicants[a.No] = a.Applicant
	}
	for _, p := range ranking.GetApplications() {
		for _, ctx := range []context.Context{h.officer(), h.applicant(applicants[p.GetNumber()])} {
			got := must[*pb.GetApplicationResponse](h)(h.GetApplication(ctx, &pb.GetApplicationRequest{Id: p.GetApplicationId()})).GetApplication()
			if got.GetState() != p.GetOutcome() || got.GetRank() != p.GetRank() || got.GetScoreHundredths() != p.GetScoreHundredths() {
				h.t.Errorf("%s is stored as %v", p.GetNumber(), got)
			}
		}
		sheets := must[*pb.ListSheetsResponse](h)(h.ListSheets(h.officer(), &pb.ListSheetsRequest{ApplicationId: p.GetApplicationId()}))
		if len(sheets.GetSheets()) != int(p.GetSheets()) {
			h.t.Errorf("%s has %d sheets, ranked with %d", p.GetNumber(), len(sheets.GetSheets()), p.GetSheets())
		}
	}
}

// each calls fn with every event of the service.
func (h *house) each(fn func(*typev1.EventRow)) {
	h.t.Helper()
	err := h.Store("projects").View(h.t.Context(), func(r kv.Reader) error {
		return store.EachEvent(r, func(data []byte) {
			var e typev1.EventRow
			if err := proto.Unmarshal(data, &e); err != nil {
				h.t.Error(err)
			}
			fn(&e)
		})
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// checkAnnounced counts the events, and looks for what must not be in them.
func (h *house) checkAnnounced(r round) {
	h.t.Helper()
	h.Drain()
	all := h.Events("projects")
	for subject, want := range map[string]int{
		"call.opened": 1, "call.review_started": 1, "call.decided": 1,
		"application.submitted": 23, "application.decided": 23, "sheet.submitted": 155,
	} {
		if got := bytes.Count(all, []byte("linli.projects."+subject+".v1")); got != want {
			h.t.Errorf("%s was announced %d times, want %d", subject, got, want)
		}
	}
	secret := []string{"person-", "staff of", r.Call.Title}
	for _, a := range r.Applications {
		secret = append(secret, a.Title)
	}
	// Who is asked for sheets is said once, so that they can be told; who judged
	// what is not.
	asked := 0
	h.each(func(e *typev1.EventRow) {
		for i, text := range secret {
			if !bytes.Contains(e.GetData(), []byte(text)) {
				continue
			}
			if i == 0 && e.GetSubject() == "linli.projects.call.review_started" {
				asked++
				continue
			}
			h.t.Errorf("%s holds %q", e.GetSubject(), text)
		}
	})
	if asked != 1 {
		h.t.Errorf("reviewers were asked for sheets %d times", asked)
	}
	for _, text := range secret[2:] {
		if strings.Contains(h.Log.String(), text) {
			h.t.Errorf("the log holds %q", text)
		}
	}
}

// checkAudit counts the audit lines: one for each change, none for a repeat
// or a refusal.
func (h *house) checkAudit() {
	h.t.Helper()
	lines := map[string]int{}
	err := h.Store("projects").View(h.t.Context(), func(r kv.Reader) error {
		rows, err := store.AuditRows(r, 1000)
		for _, row := range rows {
			if strings.HasPrefix(row.GetPerson(), "house/") {
				continue // a job's, which comes when it comes
			}
			lines[row.GetMethod()[strings.LastIndexByte(row.GetMethod(), '/')+1:]]++
			if row.GetPerson() == "" || row.GetRole() == "" || row.GetOutcome() != "done" || len(row.GetRows()) == 0 {
				h.t.Errorf("audit line %v", row)
			}
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	for method, want := range map[string]int{
		"CreateCall": 1, "OpenCall": 1, "StartReview": 1, "DecideCall": 1,
		"DraftApplication": 23, "SubmitApplication": 23, "SubmitSheet": 155,
	} {
		if lines[method] != want {
			h.t.Errorf("%s stands in the audit %d times, want %d", method, lines[method], want)
		}
	}
}
