package projects_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/rpc"
)

// As many applications as a call takes, each as long as it may be, go through
// review and decision in one commit each.
func TestCall_AsLargeAsItMayBe(t *testing.T) {
	h := start(t)
	c := h.opened()
	const most = 200
	var all []*pb.Application
	for i := range most {
		req := application(c.GetId(), community, fmt.Sprintf("2013-%03d", i))
		for len(req.Indicators) < 20 {
			req.Indicators = append(req.Indicators, req.Indicators[0])
		}
		a := must[*pb.DraftApplicationResponse](h)(h.DraftApplication(h.applicant(community), req)).GetApplication()
		must[*pb.SubmitApplicationResponse](h)(h.SubmitApplication(h.applicant(community), &pb.SubmitApplicationRequest{Id: a.GetId()}))
		all = append(all, a)
	}
	_, err := h.DraftApplication(h.applicant(community), application(c.GetId(), community, "2013-200"))
	refused(t, "one too many", err, codes.ResourceExhausted, "OVERLOADED", "")
	last := must[*pb.WithdrawApplicationResponse](h)(h.WithdrawApplication(h.applicant(community), &pb.WithdrawApplicationRequest{Id: all[most-1].GetId()})).GetApplication()
	all[most-1] = h.submit(c.GetId(), community, last.GetNumber()) // its place is free again
	h.advance(day("2013-03-01"))
	must[*pb.StartReviewResponse](h)(h.StartReview(h.officer(), &pb.StartReviewRequest{Id: c.GetId()}))
	for i, a := range all {
		for _, person := range []string{"E1", "E2", "E4"} {
			if _, err := h.hand(person, a, int32(i%41), int32(i/41)); err != nil {
				t.Fatal(err)
			}
		}
	}
	ranking := must[*pb.DecideCallResponse](h)(h.DecideCall(h.officer(), &pb.DecideCallRequest{Id: c.GetId()})).GetRanking()
	if len(ranking.GetApplications()) != most {
		t.Errorf("%d are ranked", len(ranking.GetApplications()))
	}
	for _, p := range ranking.GetApplications() {
		if p.GetSheets() != 3 {
			t.Fatalf("%s is ranked with %d sheets", p.GetNumber(), p.GetSheets())
		}
	}
}

// Whoever is in time is in review: no application is left behind between the
// two, however the steps meet.
func TestStartReview_MissesNobody(t *testing.T) {
	h := start(t)
	c := h.opened()
	h.advance(day("2013-03-01").Add(-time.Nanosecond))
	var group sync.WaitGroup
	ids := make(chan string, 40)
	for i := range 40 {
		group.Go(func() {
			ctx := h.applicant(community)
			drafted, err := h.DraftApplication(ctx, application(c.GetId(), community, fmt.Sprint("2013-", i)))
			if err == nil {
				ids <- drafted.GetApplication().GetId()
				_, err = h.SubmitApplication(ctx, &pb.SubmitApplicationRequest{Id: drafted.GetApplication().GetId()})
			}
			if err != nil && rpc.Reason(err) != "WINDOW_CLOSED" {
				t.Errorf("applicant %d: %v", i, err)
			}
		})
	}
	group.Go(func() {
		h.Civil.Advance(day("2013-03-01"))
		if _, err := h.StartReview(h.officer(), &pb.StartReviewRequest{Id: c.GetId()}); err != nil {
			t.Errorf("start the review: %v", err)
		}
	})
	group.Wait()
	close(ids)
	for id := range ids {
		got := must[*pb.GetApplicationResponse](h)(h.GetApplication(h.applicant(community), &pb.GetApplicationRequest{Id: id})).GetApplication()
		if got.GetState() == pb.ApplicationState_APPLICATION_STATE_SUBMITTED {
			t.Errorf("%s was submitted and is not in review", got.GetNumber())
		}
	}
}

// Of many at once, one gets the number and one sheet counts.
func TestUnique_WhenManyTryAtOnce(t *testing.T) {
	h := start(t)
	c := h.opened()
	race := func(try func(ctx context.Context, i int) error, lost codes.Code) {
		t.Helper()
		results := make(chan error, 12)
		var group sync.WaitGroup
		for i := range 12 {
			group.Go(func() { results <- try(t.Context(), i) })
		}
		group.Wait()
		close(results)
		won := 0
		for err := range results {
			switch {
			case err == nil:
				won++
			case status.Code(err) != lost:
				t.Errorf("lost with %v", err)
			}
		}
		if won != 1 {
			t.Errorf("%d won", won)
		}
	}
	race(func(_ context.Context, _ int) error {
		_, err := h.DraftApplication(h.applicant(community), application(c.GetId(), community, "2013-01"))
		return err
	}, codes.AlreadyExists)
	a := h.submit(c.GetId(), otherPlace, "2013-02")
	h.advance(day("2013-03-01"))
	must[*pb.StartReviewResponse](h)(h.StartReview(h.officer(), &pb.StartReviewRequest{Id: c.GetId()}))
	race(func(_ context.Context, i int) error {
		_, err := h.hand("E1", a, int32(i), 1)
		return err
	}, codes.AlreadyExists)
	if _, err := h.hand("E2", a, 1, 1); err != nil {
		t.Fatal(err)
	}
	race(func(_ context.Context, _ int) error {
		_, err := h.DecideCall(h.officer(), &pb.DecideCallRequest{Id: c.GetId()})
		return err
	}, codes.FailedPrecondition)
}

// As many as a call takes are selected, made known, become key projects and get
// their letters.
func TestNotice_AsLargeAsItMayBe(t *testing.T) {
	h := start(t)
	const most = 200
	c := h.callOf(func(r *pb.CreateCallRequest) { r.Quota, r.Reviewers = most, r.Reviewers[:1] })
	for i := range most {
		req := application(c.GetId(), community, fmt.Sprintf("2013-%03d", i))
		for len(req.Indicators) < 20 {
			req.Indicators = append(req.Indicators, req.Indicators[0])
		}
		req.CoApplicantIds = []string{otherPlace, "W00003", "W00005", "430101004", "430101002"}
		a := must[*pb.DraftApplicationResponse](h)(h.DraftApplication(h.applicant(community), req)).GetApplication()
		must[*pb.SubmitApplicationResponse](h)(h.SubmitApplication(h.applicant(community), &pb.SubmitApplicationRequest{Id: a.GetId()}))
	}
	h.advance(day("2013-03-01"))
	must[*pb.StartReviewResponse](h)(h.StartReview(h.officer(), &pb.StartReviewRequest{Id: c.GetId()}))
	all := must[*pb.ListApplicationsResponse](h)(h.ListApplications(h.officer(), &pb.ListApplicationsRequest{CallId: c.GetId(), PageSize: 200})).GetApplications()
	for i, a := range all {
		must[*pb.Sheet](h)(h.hand("E1", a, int32(i%41), int32(i/41)))
	}
	must[*pb.DecideCallResponse](h)(h.DecideCall(h.officer(), &pb.DecideCallRequest{Id: c.GetId()}))
	n := h.give(c)
	if n.GetApplications() != most {
		t.Errorf("given %v", n)
	}
	h.advance(n.GetUntil().AsTime())
	h.svc.WorkOff(t)
	shown := must[*pb.ShowNoticeResponse](h)(h.noticed().ShowNotice(h.resident("li", community), &pb.ShowNoticeRequest{Id: n.GetId(), PageSize: 200}))
	for _, a := range shown.GetApplications() {
		if a.GetState() != pb.ApplicationState_APPLICATION_STATE_KEY_PROJECT {
			t.Errorf("%s is %s", a.GetNumber(), a.GetState())
		}
	}
	for _, a := range all {
		if l := h.letter(h.officer(), a, 0); l.GetIssue() != 1 || l.GetOutcome() != pb.ApplicationState_APPLICATION_STATE_SELECTED {
			t.Errorf("letter %v", l)
		}
	}
	if len(shown.GetApplications()) != most || len(all) != most {
		t.Errorf("%d of %d are shown", len(shown.GetApplications()), len(all))
	}
}
