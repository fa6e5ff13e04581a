package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
)

// In the last days of December each community polls its party members on the
// members whom it honored, and asks households about them. What they say is
// sample.
const (
	boxDay   = "2013-12-26" // ballots and slips are given out
	voteDay  = "2013-12-28"
	countDay = "2013-12-31"

	ballotsByCode  = 8
	ballotsOnPaper = 6
	households     = 12
	// Answers in the one community whose survey says nothing.
	tooFewAnswers = 4
)

// box is a poll or a survey of a community, with the codes that were given out.
type box struct {
	ID    string   `json:"id"`
	Codes []string `json:"codes"`
}

func (r *run) planPolls(on func(string, task)) {
	on(boxDay, r.everywhere(r.prepareBoxes))
	on(voteDay, r.everywhere(r.vote))
	on(voteDay, r.everywhere(r.answerSurvey))
	on(countDay, r.everywhere(r.countBoxes))
}

// thin is the community whose survey hardly anybody answers, unsteady the one
// whose tellers count wrong at first.
func (r *run) thin() string { return r.communities()[len(r.communities())-1] }

func (r *run) unsteady() string { return r.communities()[len(r.communities())-2] }

// prepareBoxes prepares poll and survey of a community and draws their codes.
// Codes are answered once: on a day that is lived through again others are
// drawn, and those of before are worth nothing.
func (r *run) prepareBoxes(ctx context.Context, community, _ string) error {
	ids, err := r.honored(ctx, community)
	if err != nil {
		return err
	}
	ballot := &evaluationv1.PreparePollRequest{
		OrganizationId: community, Kind: evaluationv1.PollKind_POLL_KIND_COMMUNITY, Year: 2013, Seats: ballotsByCode + ballotsOnPaper,
	}
	form := &evaluationv1.PrepareSurveyRequest{CommunityId: community, Year: 2013, Households: households}
	for i, id := range ids {
		label := fmt.Sprintf("党员%d", i+1)
		ballot.Lines = append(ballot.Lines, &evaluationv1.BallotLine{MemberId: id, Label: label})
		form.Lines = append(form.Lines, &evaluationv1.SurveyLine{MemberId: id, Label: label})
	}
	w, base := r.partyStaff(community), "/v1/organizations/"+community
	var p evaluationv1.Poll
	if err := r.client.call(ctx, w, http.MethodPost, base+"/polls", "demo-poll-"+community, ballot, &p); err != nil {
		return err
	}
	var ballots evaluationv1.IssueBallotsResponse
	err = r.client.call(ctx, w, http.MethodPost, "/v1/polls/"+p.GetId()+":issue", "",
		&evaluationv1.IssueBallotsRequest{Id: p.GetId(), Papers: ballotsOnPaper, Codes: ballotsByCode}, &ballots)
	if err != nil {
		return err
	}
	var v evaluationv1.Survey
	if err := r.client.call(ctx, w, http.MethodPost, base+"/surveys", "demo-survey-"+community, form, &v); err != nil {
		return err
	}
	var slips evaluationv1.IssueSurveyCodesResponse
	err = r.client.call(ctx, w, http.MethodPost, "/v1/surveys/"+v.GetId()+":issue", "",
		&evaluationv1.IssueSurveyCodesRequest{Id: v.GetId(), Codes: households, Anew: true}, &slips)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes.box(&r.notes.Polls)[community] = box{p.GetId(), ballots.GetCodes()}
	r.notes.box(&r.notes.Surveys)[community] = box{v.GetId(), slips.GetCodes()}
	return err
}

// box answers a map of the notes, made when there is none yet.
func (n *notes) box(of *map[string]box) map[string]box {
	if *of == nil {
		*of = map[string]box{}
	}
	return *of
}

// markOf is what ballot b says of the i-th member; papers follow codes.
func markOf(community string, b, i int) evaluationv1.Mark {
	switch n := chance(100*b+i, "mark "+community) % 20; {
	case n < 11:
		return evaluationv1.Mark_MARK_GOOD
	case n < 15:
		return evaluationv1.Mark_MARK_FAIRLY_GOOD
	case n < 17:
		return evaluationv1.Mark_MARK_FAIR
	case n < 18:
		return evaluationv1.Mark_MARK_POOR
	}
	return evaluationv1.Mark_MARK_UNSPECIFIED
}

// papersOf are how many papers come back, and whether the first one is void.
func papersOf(community string) (papers int, void bool) {
	return ballotsOnPaper - chance(0, "papers "+community)%2, chance(0, "void "+community)%4 == 0
}

func (r *run) marks(ids []string, community string, b int) (out []*evaluationv1.BallotMark) {
	for i, id := range ids {
		out = append(out, &evaluationv1.BallotMark{MemberId: id, Mark: markOf(community, b, i)})
	}
	return out
}

// vote casts the ballots by code as nobody(), and has the papers entered.
func (r *run) vote(ctx context.Context, community, _ string) error {
	ids, err := r.honored(ctx, community)
	if err != nil {
		return err
	}
	p := r.notes.Polls[community]
	err = r.client.call(ctx, r.partyStaff(community), http.MethodPost, "/v1/polls/"+p.ID+":open", "demo-open-"+p.ID,
		&evaluationv1.OpenPollRequest{Id: p.ID}, nil)
	if err != nil {
		return err
	}
	for b, code := range p.Codes {
		err := r.client.call(ctx, nobody(), http.MethodPost, "/v1/polls/"+p.ID+":cast", "",
			&evaluationv1.CastBallotRequest{Id: p.ID, Code: code, Marks: r.marks(ids, community, b)}, nil)
		if err != nil && reasonOf(err) != "CODE_USED" { // cast before this day was broken off
			return err
		}
	}
	entered := &evaluationv1.EnterPapersRequest{Id: p.ID}
	papers, void := papersOf(community)
	for b := range papers {
		paper := &evaluationv1.Paper{Void: void && b == 0}
		if !paper.GetVoid() {
			paper.Marks = r.marks(ids, community, ballotsByCode+b)
		}
		entered.Papers = append(entered.Papers, paper)
	}
	err = r.client.call(ctx, r.partyStaff(community), http.MethodPost, "/v1/polls/"+p.ID+":enterPapers", "", entered, nil)
	if reasonOf(err) == "PAPERS_OUT_OF_STEP" { // entered before
		return nil
	}
	return err
}

// reasonOf is the reason of a refusal; empty for anything else.
func reasonOf(err error) string {
	var no *refused
	if errors.As(err, &no) {
		return no.Reason
	}
	return ""
}

// answersOf is how many households of a community answer.
func (r *run) answersOf(community string) int {
	if community == r.thin() {
		return tooFewAnswers
	}
	return 6 + chance(0, "answers "+community)%(households-5)
}

// sayOf is what household b says of the i-th member.
func sayOf(community string, b, i int) evaluationv1.SurveyMark {
	switch n := chance(100*b+i, "say "+community) % 20; {
	case n < 11:
		return evaluationv1.SurveyMark_SURVEY_MARK_SATISFIED
	case n < 16:
		return evaluationv1.SurveyMark_SURVEY_MARK_BASICALLY_SATISFIED
	case n < 18:
		return evaluationv1.SurveyMark_SURVEY_MARK_NOT_SATISFIED
	}
	return evaluationv1.SurveyMark_SURVEY_MARK_UNSPECIFIED
}

// answerSurvey has households answer as nobody; the first thinks again, and
// what it said before counts no more.
func (r *run) answerSurvey(ctx context.Context, community, _ string) error {
	ids, err := r.honored(ctx, community)
	if err != nil {
		return err
	}
	v := r.notes.Surveys[community]
	err = r.client.call(ctx, r.partyStaff(community), http.MethodPost, "/v1/surveys/"+v.ID+":open", "demo-open-"+v.ID,
		&evaluationv1.OpenSurveyRequest{Id: v.ID}, nil)
	if err != nil {
		return err
	}
	say := func(household int, said func(i int) evaluationv1.SurveyMark) error {
		in := &evaluationv1.AnswerSurveyRequest{Id: v.ID, Code: v.Codes[household], Service: evaluationv1.SurveyMark_SURVEY_MARK_SATISFIED}
		for i, id := range ids {
			in.Members = append(in.Members, &evaluationv1.SurveyMemberMark{MemberId: id, Mark: said(i)})
		}
		return r.client.call(ctx, nobody(), http.MethodPost, "/v1/surveys/"+v.ID+":answer", "", in, nil)
	}
	if err := say(0, func(int) evaluationv1.SurveyMark { return evaluationv1.SurveyMark_SURVEY_MARK_NOT_SATISFIED }); err != nil {
		return err
	}
	for b := range r.answersOf(community) {
		if err := say(b, func(i int) evaluationv1.SurveyMark { return sayOf(community, b, i) }); err != nil {
			return err
		}
	}
	return nil
}

// countsOf are the counts of a community's poll as its tellers have them.
func countsOf(community string) *evaluationv1.PollCounts {
	papers, void := papersOf(community)
	out := &evaluationv1.PollCounts{
		Issued: ballotsByCode + ballotsOnPaper, Returned: int32(ballotsByCode + papers), Valid: int32(ballotsByCode + papers),
	}
	if void {
		out.Valid--
	}
	return out
}

// countBoxes closes the poll, once its counts balance, and counts the survey.
func (r *run) countBoxes(ctx context.Context, community, _ string) error {
	p, v, w := r.notes.Polls[community], r.notes.Surveys[community], r.partyStaff(community)
	if community == r.unsteady() {
		wrong := countsOf(community)
		wrong.Returned++
		err := r.client.call(ctx, w, http.MethodPost, "/v1/polls/"+p.ID+":close", "", &evaluationv1.ClosePollRequest{Id: p.ID, Tellers: wrong}, nil)
		switch reasonOf(err) {
		case "POLL_NOT_BALANCED", "WRONG_STATE": // the latter when the day is lived through again
			r.mu.Lock()
			r.notes.Unbalanced++
			r.mu.Unlock()
		default:
			return fmt.Errorf("a poll was closed with counts that do not balance: %w", err)
		}
	}
	err := r.client.call(ctx, w, http.MethodPost, "/v1/polls/"+p.ID+":close", "demo-close-"+p.ID,
		&evaluationv1.ClosePollRequest{Id: p.ID, Tellers: countsOf(community)}, nil)
	if err != nil {
		return err
	}
	return r.client.call(ctx, w, http.MethodPost, "/v1/surveys/"+v.ID+":count", "demo-count-"+v.ID,
		&evaluationv1.CountSurveyRequest{Id: v.ID, HandedOut: households}, nil)
}
