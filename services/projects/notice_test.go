package projects_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/store"
)

// noticed is the client of the public notice.
func (h *house) noticed() pb.NoticeServiceClient { return pb.NewNoticeServiceClient(h.Conn()) }

// resident calls as somebody who lives in a place.
func (h *house) resident(person, place string) context.Context {
	return h.As(person, access.Grant{Role: typev1.Role_ROLE_RESIDENT, Path: h.paths[place]})
}

// secondOfficer calls as another officer of the district.
func (h *house) secondOfficer() context.Context {
	return h.As("second officer", access.Grant{Role: typev1.Role_ROLE_DISTRICT_OFFICER, Path: district})
}

// callOf makes an open call that is changed in some way.
func (h *house) callOf(change func(*pb.CreateCallRequest)) *pb.Call {
	h.t.Helper()
	req := newCall()
	change(req)
	c := must[*pb.CreateCallResponse](h)(h.CreateCall(h.officer(), req)).GetCall()
	h.advance(day("2013-01-05"))
	return must[*pb.OpenCallResponse](h)(h.OpenCall(h.officer(), &pb.OpenCallRequest{Id: c.GetId()})).GetCall()
}

// decided makes a call that is decided on Wednesday 20 March 2013: first is
// selected, second is in reserve.
func (h *house) decided() (c *pb.Call, first, second *pb.Application) {
	h.t.Helper()
	c = h.callOf(func(r *pb.CreateCallRequest) { r.Reserves = 1 })
	first, second = h.submit(c.GetId(), community, "2013-01"), h.submit(c.GetId(), otherPlace, "2013-02")
	h.advance(day("2013-03-01"))
	must[*pb.StartReviewResponse](h)(h.StartReview(h.officer(), &pb.StartReviewRequest{Id: c.GetId()}))
	for _, who := range []string{"E1", "E2", "E4"} {
		must[*pb.Sheet](h)(h.hand(who, first, 30, 10))
		if who != "E4" { // stands above second
			must[*pb.Sheet](h)(h.hand(who, second, 20, 10))
		}
	}
	h.advance(day("2013-03-20"))
	must[*pb.DecideCallResponse](h)(h.DecideCall(h.officer(), &pb.DecideCallRequest{Id: c.GetId()}))
	return c, first, second
}

// stateOf is where an application stands, as its applicant reads it.
func (h *house) stateOf(a *pb.Application) pb.ApplicationState {
	h.t.Helper()
	return must[*pb.GetApplicationResponse](h)(h.GetApplication(h.applicant(a.GetApplicantId()), &pb.GetApplicationRequest{Id: a.GetId()})).GetApplication().GetState()
}

func (h *house) give(c *pb.Call) *pb.Notice {
	h.t.Helper()
	return must[*pb.GiveNoticeResponse](h)(h.noticed().GiveNotice(h.officer(), &pb.GiveNoticeRequest{CallId: c.GetId()})).GetNotice()
}

func (h *house) object(person string, a *pb.Application) (*pb.SelectionObjection, error) {
	res, err := h.noticed().ObjectToSelection(h.resident(person, otherPlace),
		&pb.ObjectToSelectionRequest{ApplicationId: a.GetId(), Text: "该项目与去年的内容重复"})
	return res.GetObjection(), err
}

func (h *house) answer(ctx context.Context, o *pb.SelectionObjection, upheld bool) error {
	req := &pb.AnswerSelectionObjectionRequest{Id: o.GetId(), Upheld: upheld, Answer: "已核实,答复如下"}
	if upheld {
		req.Reason = "与上一年度项目重复"
	}
	_, err := h.noticed().AnswerSelectionObjection(ctx, req)
	return err
}

// From the decision to the key project: known to everybody for five working
// days by the official calendar, and nothing before they are over.
func TestNotice_FiveWorkingDaysThenAKeyProject(t *testing.T) {
	h := start(t)
	c, first, second := h.decided()
	_, err := h.noticed().GiveNotice(h.As("f", access.Grant{Role: typev1.Role_ROLE_DISTRICT_OFFICER, Path: elsewhere}), &pb.GiveNoticeRequest{CallId: c.GetId()})
	refused(t, "another district", err, codes.NotFound, "NOT_FOUND", "")
	_, err = h.object("li", first)
	refused(t, "before the notice nobody knows of it", err, codes.NotFound, "NOT_FOUND", "")
	n := h.give(c)
	if !n.GetUntil().AsTime().Equal(day("2013-03-28")) || n.GetApplications() != 1 || n.GetMovedUp() { // Thursday to Wednesday
		t.Errorf("given %v", n)
	}
	_, err = h.noticed().GiveNotice(h.officer(), &pb.GiveNoticeRequest{CallId: c.GetId()})
	refused(t, "a second notice", err, codes.FailedPrecondition, "NOTHING_SELECTED", "")

	anybody := h.resident("li", foreignPlace)
	list := must[*pb.ListNoticesResponse](h)(h.noticed().ListNotices(anybody, &pb.ListNoticesRequest{DistrictId: districtID})).GetNotices()
	if len(list) != 1 || list[0].GetId() != n.GetId() {
		t.Errorf("listed %v", list)
	}
	shown := must[*pb.ShowNoticeResponse](h)(h.noticed().ShowNotice(anybody, &pb.ShowNoticeRequest{Id: n.GetId()}))
	if len(shown.GetApplications()) != 1 || shown.GetApplications()[0].GetApplicantId() != community || shown.GetApplications()[0].GetRank() != 1 ||
		shown.GetApplications()[0].GetState() != pb.ApplicationState_APPLICATION_STATE_IN_NOTICE {
		t.Errorf("shown %v", shown)
	}
	_, err = h.noticed().ShowNotice(anybody, &pb.ShowNoticeRequest{Id: "ntc_nowhere"})
	refused(t, "no such notice", err, codes.NotFound, "NOT_FOUND", "")

	h.advance(day("2013-03-28").Add(-1))
	h.svc.WorkOff(t)
	if got := h.stateOf(first); got != pb.ApplicationState_APPLICATION_STATE_IN_NOTICE {
		t.Errorf("in the last instant it is %s", got)
	}
	h.advance(day("2013-03-28"))
	h.svc.WorkOff(t)
	if a, b := h.stateOf(first), h.stateOf(second); a != pb.ApplicationState_APPLICATION_STATE_KEY_PROJECT || b != pb.ApplicationState_APPLICATION_STATE_RESERVE {
		t.Errorf("after the notice they are %s, %s", a, b)
	}
	_, err = h.object("li", first)
	refused(t, "after the notice", err, codes.FailedPrecondition, "NOT_IN_NOTICE", "")
	_, err = h.object("li", second)
	refused(t, "what was never in notice", err, codes.NotFound, "NOT_FOUND", "")
	if !strings.Contains(string(h.Events("projects")), "application.became_key_project") {
		t.Error("nobody is told")
	}
	file := must[*pb.ExportSelectionResponse](h)(h.ExportSelection(h.officer(), &pb.ExportSelectionRequest{CallId: c.GetId()}))
	if got := checkFile(t, file.GetContent()); len(got) != 0 {
		t.Errorf("counted again: %v", got)
	}
}

// policy publishes how many working days a notice takes in a year, with the
// calendars of that year and the next, which have no holidays.
func (h *house) policy(year int32, noticeDays int) {
	p := &registryv1.Policy{Year: year, Version: 1, Values: []*registryv1.PolicyValue{
		{Key: "projects.notice_days", Value: strconv.Itoa(noticeDays), Source: &registryv1.PolicySource{Title: "项目评审办法", Number: "1号"}},
	}}
	for _, y := range []int32{year, year + 1} {
		p.Calendars = append(p.Calendars, &registryv1.OfficialCalendar{Year: y, Source: &registryv1.PolicySource{Title: "放假安排", Number: "2号"}})
	}
	h.Announce("registry", store.Event{
		Name: "policy.published", EntityID: fmt.Sprint(districtID, "-", year), Revision: 1,
		Data: &registryv1.PolicyPublished{DistrictPath: string(district), Policy: p, Revision: 1},
	})
	h.Drain()
}

// How long a notice takes is the district's to say.
func TestNotice_AsManyDaysAsThePolicySays(t *testing.T) {
	h := start(t)
	h.policy(2013, 7)
	c, _, _ := h.decided()
	if n := h.give(c); !n.GetUntil().AsTime().Equal(day("2013-03-30")) { // Thursday to the Friday of the next week
		t.Errorf("given %v", n)
	}
}

// What the official calendar does not say is not guessed.
func TestNotice_NoCalendar(t *testing.T) {
	h := start(t)
	c, _, _ := h.decided()
	h.advance(day("2014-12-26"))
	_, err := h.noticed().GiveNotice(h.officer(), &pb.GiveNoticeRequest{CallId: c.GetId()})
	refused(t, "over the end of 2014", err, codes.FailedPrecondition, "NO_CALENDAR", "")
}

// An objection that is dismissed: the selection waits for the answer, however
// long, and no longer. Texts are sealed, and who objected is not told.
func TestObjection_Dismissed(t *testing.T) {
	h := start(t)
	c, first, _ := h.decided()
	h.give(c)
	o, err := h.object("li", first)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.object("li", first)
	refused(t, "twice", err, codes.AlreadyExists, "OBJECTED_ALREADY", "")
	h.advance(day("2013-04-10"))
	h.svc.WorkOff(t)
	if got := h.stateOf(first); got != pb.ApplicationState_APPLICATION_STATE_IN_NOTICE {
		t.Errorf("with an open objection it is %s", got)
	}
	for who, ctx := range map[string]context.Context{"who objected": h.resident("li", otherPlace), "the applicant": h.applicant(community)} {
		_, err = h.noticed().RevealSelectionObjection(ctx, &pb.RevealSelectionObjectionRequest{Id: o.GetId(), Reason: "查阅"})
		refused(t, who+" reveals", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED", "")
	}
	other := h.As("f", access.Grant{Role: typev1.Role_ROLE_DISTRICT_OFFICER, Path: elsewhere})
	_, err = h.noticed().RevealSelectionObjection(other, &pb.RevealSelectionObjectionRequest{Id: o.GetId(), Reason: "查阅异议内容"})
	refused(t, "another district reveals", err, codes.NotFound, "NOT_FOUND", "")
	_, err = h.noticed().RevealSelectionObjection(h.officer(), &pb.RevealSelectionObjectionRequest{Id: o.GetId()})
	refused(t, "without a reason", err, codes.InvalidArgument, "INVALID_FIELD", "reason")
	got := must[*pb.RevealSelectionObjectionResponse](h)(h.noticed().RevealSelectionObjection(h.officer(), &pb.RevealSelectionObjectionRequest{Id: o.GetId(), Reason: "办理异议"}))
	if got.GetText() != "该项目与去年的内容重复" || got.GetAnswer() != "" {
		t.Errorf("revealed %v", got)
	}
	if err := h.answer(h.officer(), o, false); err != nil {
		t.Fatal(err)
	}
	refused(t, "answered twice", h.answer(h.officer(), o, true), codes.FailedPrecondition, "OBJECTION_ANSWERED", "")
	h.svc.WorkOff(t)
	if got := h.stateOf(first); got != pb.ApplicationState_APPLICATION_STATE_KEY_PROJECT {
		t.Errorf("answered after the notice it is %s", got)
	}
	list := must[*pb.ListSelectionObjectionsResponse](h)(h.noticed().ListSelectionObjections(h.officer(), &pb.ListSelectionObjectionsRequest{ApplicationId: first.GetId()})).GetObjections()
	if len(list) != 1 || list[0].GetAnsweredBy() != "officer" || list[0].GetUpheld() || list[0].GetAnswer() != "" {
		t.Errorf("listed %v", list)
	}
	mine := must[*pb.ListMySelectionObjectionsResponse](h)(h.noticed().ListMySelectionObjections(h.resident("li", otherPlace), &pb.ListMySelectionObjectionsRequest{})).GetObjections()
	if len(mine) != 1 || mine[0].GetAnswer() != "已核实,答复如下" {
		t.Errorf("mine %v", mine)
	}
	if others := must[*pb.ListMySelectionObjectionsResponse](h)(h.noticed().ListMySelectionObjections(h.resident("zhao", otherPlace), &pb.ListMySelectionObjectionsRequest{})).GetObjections(); len(others) != 0 {
		t.Errorf("another reads %v", others)
	}
	if events := string(h.Events("projects")); strings.Contains(events, "内容重复") || strings.Contains(events, "答复如下") {
		t.Error("an event tells a text")
	}
}

// An officer who objects does not answer; upheld needs a reason for the
// applicant; the selection goes and the reserve moves up, once, with a notice of
// its own and a second letter at the end.
func TestObjection_UpheldAndTheReserveMovesUp(t *testing.T) {
	h := start(t)
	c, first, second := h.decided()
	up := &pb.MoveUpReserveRequest{CallId: c.GetId()}
	_, err := h.noticed().MoveUpReserve(h.officer(), up)
	refused(t, "no place is free", err, codes.FailedPrecondition, "QUOTA_EXCEEDED", "")
	h.give(c)
	own := must[*pb.ObjectToSelectionResponse](h)(h.noticed().ObjectToSelection(h.officer(), &pb.ObjectToSelectionRequest{ApplicationId: first.GetId(), Text: "材料与事实不符"})).GetObjection()
	refused(t, "the own objection", h.answer(h.officer(), own, false), codes.PermissionDenied, "OWN_OBJECTION", "")
	_, err = h.noticed().AnswerSelectionObjection(h.secondOfficer(), &pb.AnswerSelectionObjectionRequest{Id: own.GetId(), Upheld: true, Answer: "异议成立"})
	refused(t, "upheld and no reason", err, codes.InvalidArgument, "INVALID_FIELD", "reason")
	late, err := h.object("li", first)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.answer(h.secondOfficer(), own, true); err != nil {
		t.Fatal(err)
	}
	a := must[*pb.GetApplicationResponse](h)(h.GetApplication(h.applicant(community), &pb.GetApplicationRequest{Id: first.GetId()})).GetApplication()
	if a.GetState() != pb.ApplicationState_APPLICATION_STATE_NOT_SELECTED || a.GetWithdrawalReason() != "与上一年度项目重复" {
		t.Errorf("taken off %v", a)
	}
	if err := h.answer(h.officer(), late, true); err != nil { // a second one, after the fact
		t.Fatal(err)
	}
	h.advance(day("2013-03-22"))
	n := must[*pb.MoveUpReserveResponse](h)(h.noticed().MoveUpReserve(h.officer(), up)).GetNotice()
	if !n.GetMovedUp() || !n.GetUntil().AsTime().Equal(day("2013-03-30")) || n.GetApplications() != 1 {
		t.Errorf("its notice %v", n)
	}
	_, err = h.noticed().MoveUpReserve(h.officer(), up)
	refused(t, "nobody is left", err, codes.FailedPrecondition, "NO_RESERVE", "")
	h.advance(day("2013-03-30"))
	h.svc.WorkOff(t)
	if a, b := h.stateOf(first), h.stateOf(second); a != pb.ApplicationState_APPLICATION_STATE_NOT_SELECTED || b != pb.ApplicationState_APPLICATION_STATE_KEY_PROJECT {
		t.Errorf("at the end they are %s, %s", a, b)
	}
	for a, want := range map[*pb.Application][]pb.ApplicationState{
		first:  {pb.ApplicationState_APPLICATION_STATE_SELECTED, pb.ApplicationState_APPLICATION_STATE_NOT_SELECTED},
		second: {pb.ApplicationState_APPLICATION_STATE_RESERVE, pb.ApplicationState_APPLICATION_STATE_KEY_PROJECT},
	} {
		for i, outcome := range want {
			l := h.letter(h.applicant(a.GetApplicantId()), a, int32(i+1))
			if l.GetOutcome() != outcome || l.GetIssue() != int32(i+1) {
				t.Errorf("letter %d of %s says %s", i+1, a.GetNumber(), l.GetOutcome())
			}
		}
	}
	if l := h.letter(h.applicant(community), first, 0); l.GetReason() != "与上一年度项目重复" {
		t.Errorf("the latest letter %v", l)
	}
}

// Of two officers at once, one answer stands, one notice is given, one reserve
// moves up, one decision holds.
func TestNotice_TwoOfficersAtOnce(t *testing.T) {
	h := start(t)
	race := func(what, reason string, try func(ctx context.Context) error) {
		t.Helper()
		results := make(chan error, 8)
		var group sync.WaitGroup
		for i := range 8 {
			ctx := []context.Context{h.officer(), h.secondOfficer()}[i%2]
			group.Go(func() { results <- try(ctx) })
		}
		group.Wait()
		close(results)
		won := 0
		for err := range results {
			if err == nil {
				won++
				continue
			}
			refused(t, what, err, codes.FailedPrecondition, reason, "")
		}
		if won != 1 {
			t.Errorf("%s: %d won", what, won)
		}
	}
	c := h.callOf(func(r *pb.CreateCallRequest) { r.Reserves = 1 })
	first, second := h.submit(c.GetId(), community, "2013-01"), h.submit(c.GetId(), otherPlace, "2013-02")
	h.advance(day("2013-03-01"))
	must[*pb.StartReviewResponse](h)(h.StartReview(h.officer(), &pb.StartReviewRequest{Id: c.GetId()}))
	for _, who := range []string{"E1", "E2", "E4"} {
		must[*pb.Sheet](h)(h.hand(who, first, 30, 10))
		if who != "E4" {
			must[*pb.Sheet](h)(h.hand(who, second, 20, 10))
		}
	}
	race("decide", "WRONG_STATE", func(ctx context.Context) error {
		_, err := h.DecideCall(ctx, &pb.DecideCallRequest{Id: c.GetId()})
		return err
	})
	race("give notice", "NOTHING_SELECTED", func(ctx context.Context) error {
		_, err := h.noticed().GiveNotice(ctx, &pb.GiveNoticeRequest{CallId: c.GetId()})
		return err
	})
	o := must[*pb.SelectionObjection](h)(h.object("li", first))
	race("answer", "OBJECTION_ANSWERED", func(ctx context.Context) error { return h.answer(ctx, o, true) })
	race("move up", "NO_RESERVE", func(ctx context.Context) error {
		_, err := h.noticed().MoveUpReserve(ctx, &pb.MoveUpReserveRequest{CallId: c.GetId()})
		return err
	})
}
