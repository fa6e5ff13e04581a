package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	projectsv1 "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// What happens around the review is sample; how many apply, what the reviewers
// gave and who is selected is the records'.
const (
	returnedNumber        = "2013-08" // goes back to its applicant once
	returnUntil           = "2013-03-04"
	resubmitDay           = "2013-03-04"
	judgeDay              = "2013-03-05"
	conflictReviewer      = "E2" // says so before anybody asks
	conflictNumber        = "2013-17"
	noticedNumber         = "2013-12" // whose selection somebody objects to
	selectionObjectionDay = "2013-03-22"
	answerDay             = "2013-03-25"
	noticeDays            = 5
	noticeEnds            = "2013-03-27" // five working days after Wednesday 20 March
	keyProjectDay         = "2013-03-28"
)

func (r *run) planNotice(on func(string, task)) {
	on(reviewDay, r.checkApplications)
	on(resubmitDay, r.resubmit)
	on(judgeDay, r.judge)
	on(decideDay, r.giveNotice)
	on(selectionObjectionDay, r.objectToSelection)
	on(answerDay, r.answerObjection)
	on(keyProjectDay, r.awaitKeyProjects)
	on(keyProjectDay, r.readApplicants)
}

// district sends one command of the district department.
func (r *run) district(ctx context.Context, path, key string, in, out proto.Message) error {
	return r.client.call(ctx, r.districtOfficer(), http.MethodPost, path, key, in, out)
}

func (r *run) checkApplications(ctx context.Context, _ string) error {
	err := r.district(ctx, "/v1/calls/"+r.notes.Call+":startCheck", "demo-start-check", &projectsv1.StartCheckRequest{Id: r.notes.Call}, nil)
	if err != nil {
		return err
	}
	id := r.notes.Applications[returnedNumber]
	return r.district(ctx, "/v1/applications/"+id+":return", "demo-return-"+returnedNumber,
		&projectsv1.ReturnApplicationRequest{Id: id, Reason: "请补充受益人数的依据", Until: returnUntil}, nil)
}

func (r *run) resubmit(ctx context.Context, _ string) error {
	for _, a := range r.records.round.Applications {
		if a.Number != returnedNumber {
			continue
		}
		id := r.notes.Applications[a.Number]
		err := r.client.call(ctx, r.applicant(a.Applicant), http.MethodPost, "/v1/applications/"+id+":resubmit", "demo-resubmit-"+a.Number,
			&projectsv1.ResubmitApplicationRequest{Id: id}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// judge finds all of them eligible and hands them to the reviewers.
func (r *run) judge(ctx context.Context, _ string) error {
	for number, id := range r.notes.Applications {
		var out projectsv1.Application
		err := r.district(ctx, "/v1/applications/"+id+":judgeEligibility", "demo-judge-"+number,
			&projectsv1.JudgeEligibilityRequest{Id: id, Eligible: true}, &out)
		if err != nil {
			return err
		}
		r.notes.Round.Eligible++
		r.notes.Round.Returned += int(out.GetCheck().GetReturns())
	}
	err := r.district(ctx, "/v1/calls/"+r.notes.Call+":startReview", "demo-start-review", &projectsv1.StartReviewRequest{Id: r.notes.Call}, nil)
	if err != nil {
		return err
	}
	id := r.notes.Applications[conflictNumber]
	return r.client.call(ctx, r.reviewer(conflictReviewer), http.MethodPost, "/v1/applications/"+id+"/conflicts", "demo-declare-conflict",
		&projectsv1.DeclareConflictRequest{ApplicationId: id, Reason: "任职单位参与申报"}, nil)
}

func (r *run) giveNotice(ctx context.Context, _ string) error {
	var out projectsv1.Notice
	err := r.district(ctx, "/v1/calls/"+r.notes.Call+":giveNotice", "demo-give-notice", &projectsv1.GiveNoticeRequest{CallId: r.notes.Call}, &out)
	r.notes.Round.Notice, r.notes.Round.Noticed = out.GetId(), int(out.GetApplications())
	r.notes.Round.Until = out.GetUntil().AsTime().Add(-time.Second).In(morning(noticeEnds).Location()).Format(time.DateOnly)
	return err
}

func (r *run) objectToSelection(ctx context.Context, _ string) error {
	id := r.notes.Applications[noticedNumber]
	var out projectsv1.SelectionObjection
	err := r.client.call(ctx, r.selectionObjector(), http.MethodPost, "/v1/applications/"+id+"/objections", "demo-object",
		&projectsv1.ObjectToSelectionRequest{ApplicationId: id, Text: "该项目的受益人数与实际不符,请核实"}, &out)
	r.notes.Round.Objection = out.GetId()
	return err
}

func (r *run) selectionObjector() who {
	return as(typev1.Role_ROLE_RESIDENT, "demo-selectionObjector", r.records.path(circleID))
}

func (r *run) answerObjection(ctx context.Context, _ string) error {
	id := r.notes.Round.Objection
	err := r.district(ctx, "/v1/selection-objections/"+id+":reveal", "demo-reveal-objection",
		&projectsv1.RevealSelectionObjectionRequest{Id: id, Reason: "办理公示期间的异议"}, nil)
	if err != nil {
		return err
	}
	return r.district(ctx, "/v1/selection-objections/"+id+":answer", "demo-answer-objection",
		&projectsv1.AnswerSelectionObjectionRequest{Id: id, Answer: "经核实,受益人数以社区登记为准,异议不成立"}, nil)
}

// shownNotice is the notice as a resident reads it.
func (r *run) shownNotice(ctx context.Context) (*projectsv1.ShowNoticeResponse, error) {
	var out projectsv1.ShowNoticeResponse
	err := r.client.call(ctx, r.selectionObjector(), http.MethodGet, "/v1/notices/"+r.notes.Round.Notice, "", nil, &out)
	return &out, err
}

// awaitKeyProjects asks until all of the notice are key projects.
func (r *run) awaitKeyProjects(ctx context.Context, _ string) error {
	return until(ctx, func() (bool, error) {
		shown, err := r.shownNotice(ctx)
		return keyProjects(shown) == r.notes.Round.Noticed, err
	})
}

func keyProjects(shown *projectsv1.ShowNoticeResponse) (n int) {
	for _, a := range shown.GetApplications() {
		if a.GetState() == projectsv1.ApplicationState_APPLICATION_STATE_KEY_PROJECT {
			n++
		}
	}
	return n
}

// until asks again and again until something is done.
func until(ctx context.Context, done func() (bool, error)) error {
	t := time.NewTicker(poll)
	defer t.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// readApplicants has every applicant read the letter to it, on the screen and
// as a file.
func (r *run) readApplicants(ctx context.Context, _ string) error {
	for _, a := range r.records.round.Applications {
		path := "/v1/applications/" + r.notes.Applications[a.Number] + "/letter"
		var letter projectsv1.ApplicationLetter
		err := until(ctx, func() (bool, error) {
			err := r.client.call(ctx, r.applicant(a.Applicant), http.MethodGet, path, "", nil, &letter)
			var no *refused
			if errors.As(err, &no) && no.Status == http.StatusNotFound {
				return false, nil
			}
			return true, err
		})
		if err != nil {
			return err
		}
		file, err := r.client.send(ctx, r.applicant(a.Applicant), http.MethodGet, path+"/xlsx", "", "", nil)
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(file, []byte("PK")) || letter.GetNumber() != a.Number || len(letter.GetCriteria()) != len(r.records.round.Call.Criteria) {
			return fmt.Errorf("the letter for %s is not about it", a.Number)
		}
		r.notes.Round.Letters++
		if letter.GetOutcome() == projectsv1.ApplicationState_APPLICATION_STATE_SELECTED {
			r.notes.Round.Congratulated++
		}
	}
	return nil
}

// byZScore answers who takes whose place by z-score, as the proof of the cut
// line says: "17 for 18".
func byZScore(ranking *projectsv1.Ranking) string {
	short := func(numbers []string) string {
		return strings.ReplaceAll(strings.Join(numbers, " "), "2013-", "")
	}
	for _, m := range ranking.GetProof() {
		if m.GetAggregation() == projectsv1.Aggregation_AGGREGATION_Z_SCORE && m.GetWithoutReviewer() == "" {
			return short(m.GetMovesIn()) + " for " + short(m.GetMovesOut())
		}
	}
	return ""
}

func (r *run) reportNotice(ctx context.Context, c *comparison) error {
	all := int64(len(r.records.round.Applications))
	shown, err := r.shownNotice(ctx)
	if err != nil {
		return err
	}
	var mine projectsv1.ListMySelectionObjectionsResponse
	if err := r.client.call(ctx, r.selectionObjector(), http.MethodGet, "/v1/me/selection-objections", "", nil, &mine); err != nil {
		return err
	}
	var conflicts projectsv1.ListConflictsResponse
	err = r.client.call(ctx, r.districtOfficer(), http.MethodGet, "/v1/applications/"+r.notes.Applications[conflictNumber]+"/conflicts", "", nil, &conflicts)
	if err != nil {
		return err
	}
	answered := int64(0)
	for _, o := range mine.GetObjections() {
		if o.GetAnswered() && o.GetAnswer() != "" {
			answered++
		}
	}
	c.count("found eligible", "sample", all, int64(r.notes.Round.Eligible))
	c.count("returned for changes and handed in again", "sample", 1, int64(r.notes.Round.Returned))
	c.count("conflicts that a reviewer declared", "sample", 1, int64(len(conflicts.GetConflicts())))
	c.same("by z-score", "records", "17 for 18", r.notes.Round.ByZScore)
	c.count("projects in public notice", "records", 12, int64(r.notes.Round.Noticed))
	c.same(fmt.Sprintf("%d working days, until", noticeDays), "sample", noticeEnds, r.notes.Round.Until)
	c.count("objections answered to who made them", "sample", 1, answered)
	c.count("letters to applicants", "records", all, int64(r.notes.Round.Letters))
	c.count("letters that say selected", "records", 12, int64(r.notes.Round.Congratulated))
	c.count("key projects", "article", 12, int64(keyProjects(shown)))
	return nil
}
