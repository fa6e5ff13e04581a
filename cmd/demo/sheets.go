package demo

import (
	"context"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// Two services of December are confirmed late (sample): one while members can
// object, the other after the letters.
const (
	lateDay      = "2013-12-20"
	objectDay    = "2014-01-05"
	upholdDay    = "2014-01-07"
	correctDay   = "2014-01-17"
	lateServices = 2
	lateHours    = 6 // quarters of an hour
)

func (r *run) planSheets(on func(string, task)) {
	on(lateDay, r.writeLate)
	on(objectDay, r.object)
	on(upholdDay, r.uphold)
	on(correctDay, r.correct)
}

// objector is the first of the honored of a community outside the service
// circle; the second one is corrected.
func (r *run) objector(ctx context.Context) (community string, ids []string, err error) {
	community = r.communities()[0]
	if community == circleID {
		community = r.communities()[1]
	}
	ids, err = r.honored(ctx, community)
	return community, ids, err
}

// writeLate writes the two services into the ledger; nobody confirms them yet.
func (r *run) writeLate(ctx context.Context, day string) error {
	community, ids, err := r.objector(ctx)
	if err != nil {
		return err
	}
	var out evaluationv1.ProposeEntriesResponse
	err = r.client.call(ctx, r.partyStaff(community), http.MethodPost, "/v1/organizations/"+community+"/entries:propose", "demo-late-"+day,
		&evaluationv1.ProposeEntriesRequest{CommunityId: community, MemberIds: ids[:lateServices], Service: &evaluationv1.Service{
			Kind: evaluationv1.ServiceKind_SERVICE_KIND_SAFETY, Source: evaluationv1.EntrySource_ENTRY_SOURCE_POST,
			SourceId: "demo-late-" + day, Day: day, Times: 1, QuarterHours: lateHours,
		}}, &out)
	r.notes.Late = map[string]string{}
	for _, e := range out.GetEntries() {
		r.notes.Late[e.GetMemberId()] = e.GetId()
	}
	return err
}

func (r *run) confirmLate(ctx context.Context, community, member string) error {
	id := r.notes.Late[member]
	return r.client.call(ctx, r.streetOf(community), http.MethodPost, "/v1/entries/"+id+":confirm", "demo-late-"+id,
		&evaluationv1.ConfirmEntryRequest{Id: id}, nil)
}

// object has a member object to the own sheet: a service of December lacks.
func (r *run) object(ctx context.Context, _ string) error {
	community, ids, err := r.objector(ctx)
	if err != nil {
		return err
	}
	var made evaluationv1.Objection
	err = r.client.call(ctx, as(typev1.Role_ROLE_MEMBER, ids[0], r.records.path(community)), http.MethodPost, "/v1/me/sheets/2013:object", "demo-object",
		&evaluationv1.ObjectToSheetRequest{Year: 2013, Line: evaluationv1.SheetLine_SHEET_LINE_LEDGER, Text: "十二月二十日的巡逻没有计入"}, &made)
	r.notes.Objection = made.GetId()
	return err
}

// uphold confirms the service and answers the objection: the year is summed
// anew.
func (r *run) uphold(ctx context.Context, _ string) error {
	community, ids, err := r.objector(ctx)
	if err != nil {
		return err
	}
	if err := r.confirmLate(ctx, community, ids[0]); err != nil {
		return err
	}
	return r.client.call(ctx, r.partyStaff(community), http.MethodPost, "/v1/objections/"+r.notes.Objection+":answer", "demo-uphold",
		&evaluationv1.AnswerObjectionRequest{Id: r.notes.Objection, Upheld: true, Answer: "已确认并计入"}, nil)
}

// correct confirms the other service after the letters: the district corrects
// the result, the letter is issued again, and its home organization answers
// anew.
func (r *run) correct(ctx context.Context, _ string) error {
	community, ids, err := r.objector(ctx)
	if err != nil {
		return err
	}
	if err := r.confirmLate(ctx, community, ids[1]); err != nil {
		return err
	}
	var again evaluationv1.Letter
	err = r.client.call(ctx, r.districtOfficer(), http.MethodPost, "/v1/cycles/"+r.notes.Cycle+"/members/"+ids[1]+":correct", "demo-correct",
		&evaluationv1.CorrectResultRequest{CycleId: r.notes.Cycle, MemberId: ids[1], Reason: "补计十二月二十日的巡逻"}, &again)
	if err != nil || !r.answers(again.GetHomeOrganizationId()) {
		return err
	}
	_, reader := r.officerOf(again.GetHomeOrganizationId())
	return r.client.call(ctx, reader, http.MethodPost, "/v1/letters/"+again.GetId()+"/reply", "demo-reply-again-"+again.GetId(),
		&evaluationv1.ReplyToLetterRequest{LetterId: again.GetId(), Issue: again.GetIssue(), UsedInAppraisal: true, Why: "按更正后的反馈作为参考"}, nil)
}

// recomputed is a member's composite from the demo's own choices: hours, marks
// and answers, with the default weights 40/40/20.
func (r *run) recomputed(community string, i int, quarters int64) (value string, respread bool) {
	sum, weight := new(big.Rat), int64(0)
	add := func(w, num, den int64) {
		sum.Add(sum, big.NewRat(w*num, den))
		weight += w
	}
	worth := map[evaluationv1.Mark]int64{
		evaluationv1.Mark_MARK_GOOD: 100, evaluationv1.Mark_MARK_FAIRLY_GOOD: 80, evaluationv1.Mark_MARK_FAIR: 60, evaluationv1.Mark_MARK_POOR: 0,
	}
	papers, void := papersOf(community)
	var marks, points int64
	for b := range ballotsByCode + papers {
		if m := markOf(community, b, i); m != evaluationv1.Mark_MARK_UNSPECIFIED && (!void || b != ballotsByCode) {
			marks, points = marks+1, points+worth[m]
		}
	}
	if marks >= 5 {
		add(40, points, marks)
	}
	add(40, min(100*quarters, 100*4*20), 4*20)
	var said, satisfied int64
	for b := range r.answersOf(community) {
		switch sayOf(community, b, i) {
		case evaluationv1.SurveyMark_SURVEY_MARK_SATISFIED, evaluationv1.SurveyMark_SURVEY_MARK_BASICALLY_SATISFIED:
			said, satisfied = said+1, satisfied+1
		case evaluationv1.SurveyMark_SURVEY_MARK_NOT_SATISFIED:
			said++
		}
	}
	if said >= 5 {
		add(20, 100*satisfied, said)
	}
	sum.Quo(sum, big.NewRat(weight, 1))
	// ⌊100·sum + 1/2⌋ hundredths.
	cents := new(big.Int).Add(new(big.Int).Mul(sum.Num(), big.NewInt(200)), sum.Denom())
	cents.Div(cents, new(big.Int).Mul(sum.Denom(), big.NewInt(2)))
	return fmt.Sprintf("%d.%02d", cents.Int64()/100, cents.Int64()%100), weight < 100
}

// sheetTotals is what the demo expects of sheets and what linli says.
type sheetTotals struct{ members, equal, respread, saysRespread int64 }

// sheets reads the sheets of the honored of every community outside the service
// circle, whose hours come from posts as well.
func (r *run) sheets(ctx context.Context) (sheetTotals, error) {
	late, ids, err := r.objector(ctx)
	if err != nil {
		return sheetTotals{}, err
	}
	extra := map[string]int64{ids[0]: lateHours, ids[1]: lateHours}
	var out sheetTotals
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, community := range r.communities() {
		if community == circleID {
			continue
		}
		g.Go(func() error {
			ids, err := r.honored(ctx, community)
			if err != nil {
				return err
			}
			for i, id := range ids {
				quarters := int64(activityHours * len(activityDays()))
				if community == late {
					quarters += extra[id]
				}
				want, respread := r.recomputed(community, i, quarters)
				var got evaluationv1.MemberSheet
				err := r.client.call(ctx, r.partyStaff(community), http.MethodGet, "/v1/cycles/"+r.notes.Cycle+"/members/"+id+"/sheet", "", nil, &got)
				if err != nil {
					return err
				}
				mu.Lock()
				out.members++
				out.equal += one(got.GetComposite().GetValue() == want)
				out.respread += one(respread)
				out.saysRespread += one(got.GetComposite().GetRespread())
				mu.Unlock()
			}
			return nil
		})
	}
	return out, g.Wait()
}

func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// reportPolls compares polls and surveys with the demo's choices.
func (r *run) reportPolls(ctx context.Context, c *comparison) error {
	var balanced, valid, saysValid, answers, saysAnswers, figures, withheld int64
	for _, community := range r.communities() {
		w := r.partyStaff(community)
		var p evaluationv1.Poll
		if err := r.client.call(ctx, w, http.MethodGet, "/v1/polls/"+r.notes.Polls[community].ID, "", nil, &p); err != nil {
			return err
		}
		closed := p.GetState() == evaluationv1.PollState_POLL_STATE_CLOSED
		balanced += one(closed && proto.Equal(p.GetCounts(), p.GetTellers()) && proto.Equal(p.GetCounts(), countsOf(community)))
		valid, saysValid = valid+int64(countsOf(community).GetValid()), saysValid+int64(p.GetCounts().GetValid())
		survey := "/v1/surveys/" + r.notes.Surveys[community].ID
		var v evaluationv1.Survey
		if err := r.client.call(ctx, w, http.MethodGet, survey, "", nil, &v); err != nil {
			return err
		}
		answers, saysAnswers = answers+int64(r.answersOf(community)), saysAnswers+int64(v.GetAnswers())
		err := r.client.call(ctx, w, http.MethodGet, survey+"/results", "", nil, nil)
		switch {
		case err == nil:
			figures++
		case reasonOf(err) == "TOO_FEW_ANSWERS":
			withheld++
		default:
			return err
		}
	}
	all := int64(len(r.communities()))
	c.count("secret polls closed, counts in balance", "sample", all, balanced)
	c.count("refused while tellers and house differed", "sample", 1, int64(r.notes.Unbalanced))
	c.count("ballots that count", "sample", valid, saysValid)
	c.count("households that answered the surveys", "sample", answers, saysAnswers)
	c.count("surveys with a figure", "sample", all-1, figures)
	c.count("surveys of four answers: no figure", "sample", 1, withheld)
	return r.reportSheets(ctx, c)
}

// reportSheets compares composites, the objection and the correction.
func (r *run) reportSheets(ctx context.Context, c *comparison) error {
	totals, err := r.sheets(ctx)
	if err != nil {
		return err
	}
	c.count("composites equal to the cent, counted again", "sample", totals.members, totals.equal)
	c.count("of them with a missing input's weight spread", "sample", totals.respread, totals.saysRespread)
	community, ids, err := r.objector(ctx)
	if err != nil {
		return err
	}
	var sheet evaluationv1.MemberSheet
	err = r.client.call(ctx, r.partyStaff(community), http.MethodGet, "/v1/cycles/"+r.notes.Cycle+"/members/"+ids[0]+"/sheet", "", nil, &sheet)
	if err != nil {
		return err
	}
	state := ""
	for _, o := range sheet.GetObjections() {
		state = strings.TrimPrefix(o.GetState().String(), "OBJECTION_STATE_")
	}
	c.same("an objection, heard", "sample", "UPHELD", state)
	letters, err := r.letters(ctx)
	if err != nil {
		return err
	}
	var again int64
	for _, l := range letters {
		again += one(l.GetIssue() > 1 && l.GetCorrection() != "")
	}
	c.count("letters issued again after a correction", "sample", 1, again)
	return nil
}
