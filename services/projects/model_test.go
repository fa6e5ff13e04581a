package projects_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/clock"
)

const (
	modelQuota    = 2
	modelReserves = 2
)

// modelPlaces apply in a model's round, the better the earlier: place i gets
// 40 - 5i halves from each of the two reviewers.
func modelPlaces() []string {
	return []string{community, otherPlace, "430101002002", "430101003001", "W00003"}
}

// modelApplication is what the model knows of an application.
type modelApplication struct {
	id, state  string
	until      time.Time // last instant for changes after a return
	noticed    time.Time // end of the notice; zero for what never was in one
	movedUp    bool
	sheets     map[string]bool
	objections map[string]string // person → id; "" once it is answered
	letters    int32
}

// known says whether the district knows of an application.
func (a *modelApplication) known() bool {
	return !slices.Contains([]string{"draft", "submitted", "withdrawn"}, a.state)
}

// contested says whether an objection waits for its answer.
func (a *modelApplication) contested() bool {
	for _, id := range a.objections {
		if id != "" {
			return true
		}
	}
	return false
}

// model is a call with its applications by place; nil where there is none.
type model struct {
	*house
	call, state  string
	closes       time.Time
	added        bool // E3 reviews too
	applications []*modelApplication
}

func (m *model) now() time.Time { return m.Civil.Now() }
func (m *model) over() bool     { return !m.now().Before(m.closes) }

// reviewers are who owes a sheet for each application.
func (m *model) reviewers() []string {
	if m.added {
		return []string{"E1", "E2", "E3"}
	}
	return []string{"E1", "E2"}
}

// in counts the applications that stand in one of these states.
func (m *model) in(states ...string) (n int) {
	for _, a := range m.applications {
		if a != nil && slices.Contains(states, a.state) {
			n++
		}
	}
	return n
}

// all moves every application of one state on.
func (m *model) all(from, to string) {
	for _, a := range m.applications {
		if a != nil && a.state == from {
			a.state = to
		}
	}
}

// because answers the first reason that holds, "" when none does.
func because(pairs ...any) string {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i].(bool) {
			return pairs[i+1].(string)
		}
	}
	return ""
}

// drafts carries out what an applicant does.
func (m *model) drafts(command string, i int) (want string, err error) {
	a, mine := m.applications[i], m.applicant(modelPlaces()[i])
	if a == nil || command == "draft" {
		var res *pb.DraftApplicationResponse
		req := application(m.call, modelPlaces()[i], fmt.Sprint(i))
		req.Indicators[0].Due = "2099-12-31" // the rounds go on for years
		res, err = m.DraftApplication(mine, req)
		if want = because(m.over() || m.state != "open", "WINDOW_CLOSED", a != nil && a.state != "withdrawn", "APPLICATION_EXISTS"); want == "" {
			m.applications[i] = &modelApplication{id: res.GetApplication().GetId(), state: "draft", sheets: map[string]bool{}, objections: map[string]string{}}
		}
		return want, err
	}
	closed := m.over() || m.state != "open"
	switch command {
	case "submit":
		_, err = m.SubmitApplication(mine, &pb.SubmitApplicationRequest{Id: a.id})
		if want = because(a.state != "draft", "WRONG_STATE", closed, "WINDOW_CLOSED"); want == "" {
			a.state = "submitted"
		}
	case "withdraw":
		_, err = m.WithdrawApplication(mine, &pb.WithdrawApplicationRequest{Id: a.id})
		open := []string{"draft", "submitted", "in check", "returned", "eligible", "in review"}
		if want = because(!slices.Contains(open, a.state), "WRONG_STATE"); want == "" {
			a.state = "withdrawn"
		}
	case "update":
		_, err = m.UpdateApplication(mine, &pb.UpdateApplicationRequest{Id: a.id})
		want = because(a.state != "draft" && a.state != "returned", "WRONG_STATE", a.state == "draft" && closed, "WINDOW_CLOSED",
			a.state == "returned" && !m.now().Before(a.until), "RETURN_OVER")
	case "resubmit":
		_, err = m.checks().ResubmitApplication(mine, &pb.ResubmitApplicationRequest{Id: a.id})
		if want = because(a.state != "returned", "WRONG_STATE", !m.now().Before(a.until), "RETURN_OVER"); want == "" {
			a.state = "in check"
		}
	}
	return want, err
}

// judges carries out what the district and the reviewers do with an application.
func (m *model) judges(command string, i int, yes bool) (want string, err error) {
	a := m.applications[i]
	if a == nil {
		return "", nil
	}
	switch command {
	case "return":
		day := m.now().In(clock.Shanghai()).AddDate(0, 0, 1)
		_, err = m.checks().ReturnApplication(m.officer(), &pb.ReturnApplicationRequest{Id: a.id, Reason: "请补充材料", Until: day.Format(time.DateOnly)})
		if want = because(!a.known(), "NOT_FOUND", a.state != "in check", "WRONG_STATE"); want == "" {
			a.state, a.until = "returned", time.Date(day.Year(), day.Month(), day.Day()+1, 0, 0, 0, 0, clock.Shanghai())
		}
	case "judge":
		_, err = m.checks().JudgeEligibility(m.officer(), &pb.JudgeEligibilityRequest{Id: a.id, Eligible: yes, Reason: "不在范围"})
		if want = because(!a.known(), "NOT_FOUND", a.state != "in check" && (yes || a.state != "returned"), "WRONG_STATE",
			a.state == "returned" && m.now().Before(a.until), "RETURN_OPEN"); want == "" {
			a.state = map[bool]string{true: "eligible", false: "ineligible"}[yes]
		}
	case "sheet":
		who := map[bool]string{true: "E1", false: "E2"}[yes]
		if yes && a.sheets["E1"] && m.added {
			who = "E3"
		}
		_, err = m.hand(who, &pb.Application{Id: a.id}, int32(40-5*i), 0)
		if want = because(!a.known(), "NOT_FOUND", a.state != "in review", "WRONG_STATE", a.sheets[who], "ALREADY_EXISTS"); want == "" {
			a.sheets[who] = true
		}
	}
	return want, err
}

// objects carries out what happens to a selection in its notice.
func (m *model) objects(command string, i int, yes bool) (want string, err error) {
	a := m.applications[i]
	if a == nil {
		return "", nil
	}
	person := map[bool]string{true: "li", false: "zhao"}[yes]
	id, made := a.objections[person]
	if command == "object" {
		var o *pb.SelectionObjection
		o, err = m.object(person, &pb.Application{Id: a.id})
		if want = because(a.noticed.IsZero(), "NOT_FOUND", a.state != "in notice" || !m.now().Before(a.noticed), "NOT_IN_NOTICE",
			made, "OBJECTED_ALREADY"); want == "" {
			a.objections[person] = o.GetId()
		}
		return want, err
	}
	if !made || id == "" {
		return "", nil
	}
	upheld := command == "uphold"
	if err = m.answer(m.officer(), &pb.SelectionObjection{Id: id}, upheld); err != nil {
		return "", err
	}
	a.objections[person] = ""
	if upheld && a.state == "in notice" {
		a.state = "not selected"
		a.letters++
	}
	return "", nil
}

// calls carries out a step of the call.
func (m *model) calls(command string) (want string, err error) {
	switch command {
	case "start check":
		_, err = m.checks().StartCheck(m.officer(), &pb.StartCheckRequest{Id: m.call})
		if want = because(m.state != "open", "WRONG_STATE", !m.over(), "WINDOW_OPEN"); want == "" {
			m.state = "in check"
			m.all("submitted", "in check")
		}
	case "start review":
		_, err = m.StartReview(m.officer(), &pb.StartReviewRequest{Id: m.call})
		if want = because(m.state != "open" && m.state != "in check", "WRONG_STATE", !m.over(), "WINDOW_OPEN",
			m.in("in check", "returned") > 0, "CHECK_PENDING"); want == "" {
			m.state = "in review"
			m.all("submitted", "in review")
			m.all("eligible", "in review")
		}
	case "add reviewer":
		_, err = m.checks().AddReviewers(m.officer(), &pb.AddReviewersRequest{Id: m.call, Reason: "增补评委",
			Reviewers: []*pb.Reviewer{{Person: "E3", OrganizationId: "W00001"}}})
		if want = because(m.state != "in check" && m.state != "in review", "WRONG_STATE", m.added, "INVALID_FIELD"); want == "" {
			m.added = true
		}
	case "decide":
		_, err = m.DecideCall(m.officer(), &pb.DecideCallRequest{Id: m.call})
		missing := slices.ContainsFunc(m.applications, func(a *modelApplication) bool {
			return a != nil && a.state == "in review" && len(a.sheets) < len(m.reviewers())
		})
		if want = because(m.state != "in review", "WRONG_STATE", missing, "SHEETS_MISSING"); want == "" {
			m.decides()
		}
	case "give notice":
		var res *pb.GiveNoticeResponse
		res, err = m.noticed().GiveNotice(m.officer(), &pb.GiveNoticeRequest{CallId: m.call})
		if want = because(m.in("selected") == 0, "NOTHING_SELECTED"); want == "" {
			for _, a := range m.applications {
				if a != nil && a.state == "selected" {
					a.state, a.noticed = "in notice", res.GetNotice().GetUntil().AsTime()
				}
			}
		}
	case "move up":
		var res *pb.MoveUpReserveResponse
		res, err = m.noticed().MoveUpReserve(m.officer(), &pb.MoveUpReserveRequest{CallId: m.call})
		if want = because(m.in("reserve") == 0, "NO_RESERVE", m.in("selected", "in notice", "key project") >= modelQuota, "QUOTA_EXCEEDED"); want == "" {
			i := slices.IndexFunc(m.applications, func(a *modelApplication) bool { return a != nil && a.state == "reserve" })
			m.applications[i].state, m.applications[i].noticed, m.applications[i].movedUp = "in notice", res.GetNotice().GetUntil().AsTime(), true
		}
	}
	return want, err
}

// decides cuts at the quota and at the reserves, by place.
func (m *model) decides() {
	m.state = "decided"
	place := 0
	for _, a := range m.applications {
		switch {
		case a == nil:
		case a.state == "ineligible":
			a.letters++
		case a.state == "in review":
			a.state = map[bool]string{true: "reserve", false: "not selected"}[place < modelQuota+modelReserves]
			if place < modelQuota {
				a.state = "selected"
			}
			place++
			a.letters++
		}
	}
}

// passes moves the clock, and has done what that brings.
func (m *model) passes(to time.Time) {
	m.Civil.Advance(to)
	m.svc.WorkOff(m.t)
	for _, a := range m.applications {
		if a != nil && a.state == "in notice" && !m.now().Before(a.noticed) && !a.contested() {
			a.state = "key project"
			if a.movedUp {
				a.letters++
			}
		}
	}
}

// differs answers how what the house says differs from the model; "" when it
// does not.
func (m *model) differs() string {
	for i, a := range m.applications {
		if a == nil {
			continue
		}
		got, err := m.GetApplication(m.applicant(modelPlaces()[i]), &pb.GetApplicationRequest{Id: a.id})
		if err != nil {
			return err.Error()
		}
		state := map[pb.ApplicationState]string{
			1: "draft", 2: "submitted", 3: "in review", 4: "selected", 5: "reserve", 6: "not selected", 7: "in check",
			8: "returned", 9: "eligible", 10: "ineligible", 11: "in notice", 12: "key project", 13: "withdrawn",
		}[got.GetApplication().GetState()]
		if state != a.state || got.GetApplication().GetLetters() != a.letters {
			return fmt.Sprintf("place %d is %s with %d letters, the model has %s with %d", i, state, got.GetApplication().GetLetters(), a.state, a.letters)
		}
	}
	if chosen := m.in("selected", "in notice", "key project"); chosen > modelQuota {
		return fmt.Sprintf("%d are chosen of %d", chosen, modelQuota)
	}
	return ""
}

// newRound opens a call whose window lasts an hour from now.
func (m *model) newRound() {
	req := newCall()
	m.closes = m.now().Add(time.Hour)
	req.OpensAt, req.ClosesAt = timestamppb.New(m.now()), timestamppb.New(m.closes)
	req.Quota, req.Reserves, req.Reviewers = modelQuota, modelReserves, req.GetReviewers()[:2]
	c := must[*pb.CreateCallResponse](m.house)(m.CreateCall(m.officer(), req)).GetCall()
	must[*pb.OpenCallResponse](m.house)(m.OpenCall(m.officer(), &pb.OpenCallRequest{Id: c.GetId()}))
	m.call, m.state, m.added, m.applications = c.GetId(), "open", false, make([]*modelApplication, len(modelPlaces()))
}

// Random commands on a call, its applications and their notice, beside a model:
// what is allowed, why not, where each stands and how many letters were written
// agree after every one, and the quota holds.
func TestRound_RandomCommandsAgainstAModel(t *testing.T) {
	h := start(t)
	for year := range int32(20) { // the rounds go on for years
		h.policy(2013+year, 1)
	}
	// The way to a key project is long: each phase mostly begins and ends with
	// what leads on, and between draws from what belongs to it and what does not.
	phases := []struct{ begin, commands, end []string }{
		{[]string{"each draft"}, []string{"draft", "submit", "submit", "update", "withdraw"}, []string{"each submit", "close"}},
		{nil, []string{"start check", "return", "resubmit", "judge", "update", "day", "start review", "withdraw", "add reviewer"}, []string{"each resubmit", "each judge", "start review"}},
		{nil, []string{"sheet", "sheet", "add reviewer", "start review", "judge", "object", "withdraw"}, []string{"each sheet", "decide"}},
		{
			[]string{"give notice", "each object"},
			[]string{"object", "uphold", "uphold", "dismiss", "move up", "move up", "day", "week", "decide", "draft", "sheet"},
			[]string{"each dismiss", "week"},
		},
	}
	reached := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{house: h}
		m.newRound()
		for _, phase := range phases {
			commands := rapid.SliceOfN(rapid.SampledFrom(phase.commands), 2, 12).Draw(rt, "commands")
			if rapid.IntRange(0, 7).Draw(rt, "leads on") < 7 {
				commands = slices.Concat(phase.begin, commands, phase.end)
			}
			for _, command := range commands {
				m.try(rt, command)
			}
		}
		for _, a := range m.applications {
			if a != nil {
				reached[a.state]++
			}
		}
	})
	for _, state := range []string{"key project", "not selected", "ineligible", "withdrawn"} {
		if reached[state] == 0 {
			t.Errorf("no application came to be %s: %v", state, reached)
		}
	}
}
