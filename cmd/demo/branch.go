package demo

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// One branch of the records appraises its own members; what it marks and
// decides is sample.
const (
	branchOpenDay   = "2013-12-16"
	branchBallotDay = "2013-12-17"
	branchPollDay   = "2013-12-18"
	branchDecideDay = "2013-12-19"
	branchShowDay   = "2013-12-20"
	branchCloseDay  = "2014-01-06"
	exportDay       = "2014-01-07"

	leastOfBranch, mostOfBranch = 10, 40
	probationary                = "预备党员"
)

// branchNotes are what the demo remembers of the branch and of the export.
type branchNotes struct {
	Cycle string   `json:"cycle"`
	Poll  string   `json:"poll"`
	Codes []string `json:"codes"`
	// Exception is the member for whom one was asked, Refused what showing the
	// grades met before it was answered.
	Exception string `json:"exception"`
	Refused   string `json:"refused"`
	// Services are the rows of the export.
	Services int `json:"services"`
}

func (r *run) planBranch(on func(string, task)) {
	on(branchOpenDay, r.openBranch)
	on(branchBallotDay, r.issueBranchBallots)
	on(branchPollDay, r.pollBranch)
	on(branchDecideDay, r.decideBranch)
	on(branchShowDay, r.showBranch)
	on(branchCloseDay, r.closeBranch)
	on(exportDay, r.exportServices)
}

// branchOfRecords is the first workplace of the right size with a probationary
// member, and its members.
func (r *run) branchOfRecords() (home string, members []member) {
	status := slices.Index(r.records.columns, "党员状态")
	byHome := map[string][]member{}
	hasOne := map[string]bool{}
	for _, m := range r.records.members {
		byHome[m.home] = append(byHome[m.home], m)
		hasOne[m.home] = hasOne[m.home] || m.row[status] == probationary
	}
	for id, all := range byHome {
		fits := len(all) >= leastOfBranch && len(all) <= mostOfBranch && hasOne[id] && r.records.organizations[id].kind == "workplace"
		if fits && (home == "" || id < home) {
			home = id
		}
	}
	return home, byHome[home]
}

func (r *run) branchCall(ctx context.Context, w who, verb, key string, in, out proto.Message) error {
	return r.client.call(ctx, w, http.MethodPost, "/v1/branchCycles/"+r.notes.Branch.Cycle+verb, key, in, out)
}

func (r *run) branchSecretary() who {
	home, _ := r.branchOfRecords()
	_, w := r.officerOf(home)
	return w
}

func (r *run) branchCycle(ctx context.Context) (*evaluationv1.BranchCycle, error) {
	var c evaluationv1.BranchCycle
	err := r.client.call(ctx, r.branchSecretary(), http.MethodGet, "/v1/branchCycles/"+r.notes.Branch.Cycle, "", nil, &c)
	return &c, err
}

// awaitBranch asks until the cycle has come to a state or past it.
func (r *run) awaitBranch(ctx context.Context, state evaluationv1.BranchCycleState) (*evaluationv1.BranchCycle, error) {
	t := time.NewTicker(poll)
	defer t.Stop()
	for {
		c, err := r.branchCycle(ctx)
		if err != nil || c.GetState() >= state {
			return c, err
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (r *run) branchGrades(ctx context.Context) ([]*evaluationv1.BranchGrade, error) {
	var page evaluationv1.ListBranchGradesResponse
	err := r.client.call(ctx, r.branchSecretary(), http.MethodGet, "/v1/branchCycles/"+r.notes.Branch.Cycle+"/grades?pageSize=200", "", nil, &page)
	return page.GetGrades(), err
}

func (r *run) openBranch(ctx context.Context, _ string) error {
	home, _ := r.branchOfRecords()
	var c evaluationv1.BranchCycle
	err := r.client.call(ctx, r.branchSecretary(), http.MethodPost, "/v1/organizations/"+home+"/branchCycles", "demo-branch",
		&evaluationv1.OpenBranchCycleRequest{OrganizationId: home, Year: 2013}, &c)
	r.notes.Branch.Cycle = c.GetId()
	return err
}

// issueBranchBallots prepares the poll and draws the codes: again, if the day
// is lived again, as no key brings them back.
func (r *run) issueBranchBallots(ctx context.Context, _ string) error {
	home, members := r.branchOfRecords()
	names := map[string]string{}
	for _, m := range members {
		id, err := r.memberID(ctx, m)
		if err != nil {
			return err
		}
		names[id] = m.name
	}
	c, err := r.awaitBranch(ctx, evaluationv1.BranchCycleState_BRANCH_CYCLE_STATE_OPEN)
	if err != nil {
		return err
	}
	grades, err := r.branchGrades(ctx)
	if err != nil {
		return err
	}
	prepare := &evaluationv1.PreparePollRequest{
		OrganizationId: home, Kind: evaluationv1.PollKind_POLL_KIND_BRANCH, Year: 2013, Seats: c.GetVoters(),
	}
	for _, g := range grades {
		if !g.GetProbationary() {
			prepare.Lines = append(prepare.Lines, &evaluationv1.BallotLine{MemberId: g.GetMemberId(), Label: names[g.GetMemberId()]})
		}
	}
	var p evaluationv1.Poll
	err = r.client.call(ctx, r.branchSecretary(), http.MethodPost, "/v1/organizations/"+home+"/polls", "demo-branch-poll", prepare, &p)
	if err != nil {
		return err
	}
	var issued evaluationv1.IssueBallotsResponse
	err = r.client.call(ctx, r.branchSecretary(), http.MethodPost, "/v1/polls/"+p.GetId()+":issue", "",
		&evaluationv1.IssueBallotsRequest{Id: p.GetId(), Codes: c.GetVoters()}, &issued)
	r.notes.Branch.Poll, r.notes.Branch.Codes = p.GetId(), issued.GetCodes()
	return err
}

// pollBranch has every seat vote, closes the poll and has proposals made.
func (r *run) pollBranch(ctx context.Context, _ string) error {
	base, seats := "/v1/polls/"+r.notes.Branch.Poll, int32(len(r.notes.Branch.Codes))
	var p evaluationv1.Poll
	err := r.client.call(ctx, r.branchSecretary(), http.MethodPost, base+":open", "demo-branch-open-poll",
		&evaluationv1.OpenPollRequest{Id: r.notes.Branch.Poll}, &p)
	if err != nil {
		return err
	}
	for seat, code := range r.notes.Branch.Codes {
		cast := &evaluationv1.CastBallotRequest{Id: r.notes.Branch.Poll, Code: code}
		for line, m := range p.GetMemberIds() {
			cast.Marks = append(cast.Marks, &evaluationv1.BallotMark{MemberId: m, Mark: branchMark(seat, line)})
		}
		err := r.client.call(ctx, nobody(), http.MethodPost, base+":cast", "", cast, nil)
		var no *refused
		if errors.As(err, &no) && (no.Reason == "CODE_USED" || no.Reason == "UNKNOWN_CODE") {
			err = nil // the day is lived again: the ballot was counted
		}
		if err != nil {
			return err
		}
	}
	all := &evaluationv1.PollCounts{Issued: seats, Returned: seats, Valid: seats}
	err = r.client.call(ctx, r.branchSecretary(), http.MethodPost, base+":close", "demo-branch-close-poll",
		&evaluationv1.ClosePollRequest{Id: r.notes.Branch.Poll, Tellers: all}, nil)
	if err != nil {
		return err
	}
	return r.branchCall(ctx, r.branchSecretary(), ":compute", "demo-branch-compute",
		&evaluationv1.ComputeBranchCycleRequest{Id: r.notes.Branch.Cycle}, nil)
}

// branchMark: two in five are thought well of by nearly everybody, which is
// more than the third.
func branchMark(seat, line int) evaluationv1.Mark {
	c := chance(seat*1000+line, "mark")
	switch {
	case line%5 < 2:
		return evaluationv1.Mark(1 + c%10/9)
	case line%5 < 4:
		return evaluationv1.Mark(1 + c%2)
	}
	return evaluationv1.Mark(2 + c%2)
}

// decideBranch decides as proposed, in a tie as far as there is room, and asks
// for one exception, without which nothing can be shown.
func (r *run) decideBranch(ctx context.Context, _ string) error {
	if _, err := r.awaitBranch(ctx, evaluationv1.BranchCycleState_BRANCH_CYCLE_STATE_COMPUTED); err != nil {
		return err
	}
	grades, err := r.branchGrades(ctx)
	if err != nil {
		return err
	}
	for _, g := range grades {
		if g.GetProbationary() {
			continue
		}
		grade := g.GetProposed()
		if g.GetTied() {
			grade = evaluationv1.StatutoryGrade_STATUTORY_GRADE_EXCELLENT
		}
		err := r.decideGrade(ctx, g.GetMemberId(), grade, false)
		var no *refused
		if errors.As(err, &no) && no.Reason == "BRANCH_THIRD_USED" {
			err = r.decideGrade(ctx, g.GetMemberId(), g.GetProposed(), false)
		}
		if err != nil {
			return err
		}
		if g.GetCapped() {
			r.notes.Branch.Exception = g.GetMemberId()
		}
	}
	if err := r.decideGrade(ctx, r.notes.Branch.Exception, evaluationv1.StatutoryGrade_STATUTORY_GRADE_EXCELLENT, true); err != nil {
		return err
	}
	err = r.branchCall(ctx, r.branchSecretary(), ":show", "", &evaluationv1.ShowBranchGradesRequest{Id: r.notes.Branch.Cycle}, nil)
	var no *refused
	if !errors.As(err, &no) {
		return fmt.Errorf("grades were shown while an exception waits: %w", err)
	}
	r.notes.Branch.Refused = no.Reason
	return nil
}

func (r *run) decideGrade(ctx context.Context, id string, grade evaluationv1.StatutoryGrade, exception bool) error {
	in := &evaluationv1.DecideGradeRequest{CycleId: r.notes.Branch.Cycle, MemberId: id, Grade: grade, Exception: exception}
	if exception {
		in.Reason = "全年带头参加楼道整治和夜间巡逻"
	}
	key := fmt.Sprintf("demo-grade-%s-%d-%v", id, grade, exception)
	return r.branchCall(ctx, r.branchSecretary(), "/grades/"+id+":decide", key, in, nil)
}

// showBranch: the organization above does not consent, and members see their
// grades.
func (r *run) showBranch(ctx context.Context, _ string) error {
	id := r.notes.Branch.Exception
	err := r.branchCall(ctx, r.districtOfficer(), "/grades/"+id+":answerException", "demo-exception",
		&evaluationv1.AnswerExceptionRequest{CycleId: r.notes.Branch.Cycle, MemberId: id, Reason: "优秀名额按三分之一掌握"}, nil)
	if err != nil {
		return err
	}
	return r.branchCall(ctx, r.branchSecretary(), ":show", "demo-branch-show", &evaluationv1.ShowBranchGradesRequest{Id: r.notes.Branch.Cycle}, nil)
}

func (r *run) closeBranch(ctx context.Context, _ string) error {
	return r.branchCall(ctx, r.branchSecretary(), ":close", "demo-branch-close", &evaluationv1.CloseBranchCycleRequest{Id: r.notes.Branch.Cycle}, nil)
}

// exportServices exports the year of the service circle's community: one person
// asks, another approves.
func (r *run) exportServices(ctx context.Context, _ string) error {
	var e evaluationv1.LedgerExport
	err := r.client.call(ctx, r.partyStaff(circleID), http.MethodPost, "/v1/organizations/"+circleID+"/ledgerExports", "demo-export",
		&evaluationv1.AskLedgerExportRequest{CommunityId: circleID, Year: 2013, Purpose: "汇入全国志愿服务信息系统"}, &e)
	if err != nil {
		return err
	}
	second := as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "demo-second-"+circleID, r.records.path(circleID))
	err = r.client.call(ctx, second, http.MethodPost, "/v1/ledgerExports/"+e.GetId()+":answer", "demo-export-answer",
		&evaluationv1.AnswerLedgerExportRequest{Id: e.GetId(), Approves: true}, nil)
	if err != nil {
		return err
	}
	file, err := r.client.send(ctx, second, http.MethodGet, "/v1/ledgerExports/"+e.GetId()+"/csv", "", "", nil)
	if err != nil {
		return err
	}
	rows, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil {
		return fmt.Errorf("export as CSV: %w", err)
	}
	r.notes.Branch.Services = len(rows) - 1
	return nil
}

// atMost is for what may not be passed.
func (c *comparison) atMost(what, source string, says, linli int64) {
	c.lines = append(c.lines, line{c.scenario, what, source,
		"≤ " + strconv.FormatInt(says, 10), strconv.FormatInt(linli, 10), linli <= says})
}

// reportBranch compares the branch with the records; services are those of the
// circle's community.
func (r *run) reportBranch(ctx context.Context, c *comparison, services int64) error {
	home, members := r.branchOfRecords()
	status := slices.Index(r.records.columns, "党员状态")
	var waiting int64
	for _, m := range members {
		if m.row[status] == probationary {
			waiting++
		}
	}
	cycle, err := r.branchCycle(ctx)
	if err != nil {
		return err
	}
	grades, err := r.branchGrades(ctx)
	if err != nil {
		return err
	}
	var without, excellent, opinions int64
	for _, g := range grades {
		switch g.GetDecided() {
		case evaluationv1.StatutoryGrade_STATUTORY_GRADE_UNSPECIFIED:
			without++
		case evaluationv1.StatutoryGrade_STATUTORY_GRADE_EXCELLENT:
			excellent++
		}
		if g.GetOpinion() != nil {
			opinions++
		}
	}
	all := int64(len(members))
	c.count("members of the branch "+home, "records", all, int64(cycle.GetMembers()))
	c.count("probationary, without a grade and a vote", "records", waiting, without)
	c.atMost("优秀, a third of those graded", "sample", (all-waiting)/3, excellent)
	c.same("an exception without consent", "sample", "GRADE_EXCEPTION_CONSENT", r.notes.Branch.Refused)
	c.count("grades with the community's opinion beside them", "records", all, opinions)
	c.same("the branch's cycle", "sample", "BRANCH_CYCLE_STATE_CLOSED", cycle.GetState().String())
	c.count("services exported for the volunteer system", "sample", services, int64(r.notes.Branch.Services))
	return nil
}
