package evaluation_test

import (
	"context"
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"

	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

func (h house) exemptions() pb.ExemptionServiceClient { return pb.NewExemptionServiceClient(h.Conn()) }

// closedPoll polls m1, m2, … by code, a ballot a line, and closes.
func (h surveyHouse) closedPoll(t *testing.T, ballots ...[]pb.Mark) *pb.Poll {
	t.Helper()
	n := int32(len(ballots))
	p, drawn := h.open(t, 2013, int32(len(ballots[0])), 0, n)
	for i, marks := range ballots {
		if err := h.cast(t.Context(), p.GetId(), drawn[i], marks...); err != nil {
			t.Fatal(err)
		}
	}
	return h.closePoll(t, p.GetId(), n)
}

func (h surveyHouse) closePoll(t *testing.T, id string, n int32) *pb.Poll {
	t.Helper()
	closed, err := h.polls.ClosePoll(h.staff(), &pb.ClosePollRequest{Id: id, Tellers: counts(n, n, n)})
	if err != nil {
		t.Fatal(err)
	}
	return closed.GetPoll()
}

// countedSurvey surveys m1, m2, …, an answer a line, and counts.
func (h surveyHouse) countedSurvey(t *testing.T, answers ...[]pb.SurveyMark) *pb.Survey {
	t.Helper()
	n := int32(len(answers))
	v, slips := h.openSurvey(t, 2013, int32(len(answers[0])-1), n)
	h.sayAll(t, v.GetId(), slips, answers...)
	return h.count(t, v.GetId(), n)
}

func (h house) sheet(t *testing.T, cycle, member string) *pb.MemberSheet {
	t.Helper()
	reply, err := h.sheets().GetSheet(h.staff(), &pb.GetSheetRequest{CycleId: cycle, MemberId: member})
	if err != nil {
		t.Fatal(err)
	}
	return reply.GetSheet()
}

// input is "value weight counted missing" of one input.
func input(in *pb.SheetInput) string {
	return fmt.Sprintf("%s %s %s %s", in.GetValue(), in.GetWeight(), in.GetCounted(), in.GetMissing().String()[len("INPUT_MISSING_"):])
}

func five[T any](one ...T) [][]T { return [][]T{one, one, one, one, one} }

// The sheet shows the three inputs, what they make, by which policy, and the
// records that each number comes from.
func TestSheet_ShowsTheThreeInputsAndWhereTheyComeFrom(t *testing.T) {
	h := newSurveyHouse(t)
	h.policy(3, map[string]string{"evaluation.weight.satisfaction": "20", "evaluation.full_marks_hours": "24"})
	h.confirm(t, h.mine(t, "m1", service("2013-08-01", 1)).GetId()) // one hour of 24: 25/6
	p := h.closedPoll(t, []pb.Mark{good, fair}, []pb.Mark{good, fair}, []pb.Mark{fairly, fair}, []pb.Mark{good, fair}, []pb.Mark{good, poor}, []pb.Mark{poor, good})
	v := h.countedSurvey(t, []pb.SurveyMark{content, content, not}, []pb.SurveyMark{content, basically, not}, []pb.SurveyMark{content, not, not},
		[]pb.SurveyMark{content, content, content}, []pb.SurveyMark{not, content, content}, []pb.SurveyMark{content, content, unknown})
	c := h.cycle(t)

	// Computed by hand: m1 is appraised 480/6, served 25/6, is found good by 5 of
	// 6; 0.4·80 + 0.4·25/6 + 0.2·250/3 = 151/3.
	got := h.sheet(t, c.GetId(), "m1").GetComposite()
	for what, is := range map[string]string{
		"appraisal":    input(got.GetAppraisal()),
		"ledger":       input(got.GetLedger()),
		"satisfaction": input(got.GetSatisfaction()),
		"composite":    fmt.Sprint(got.GetValue(), " ", got.GetNumerator(), "/", got.GetDenominator(), " ", got.GetRespread(), got.GetAlone()),
		"records":      got.GetAppraisal().GetRecordId() + got.GetSatisfaction().GetRecordId(),
		"exactly":      got.GetLedger().GetNumerator() + "/" + got.GetLedger().GetDenominator(),
		"marks":        fmt.Sprint(got.GetPoll().GetGood(), got.GetPoll().GetFairlyGood(), got.GetPoll().GetPoor()),
		"answers":      fmt.Sprint(got.GetSurvey().GetSatisfied(), got.GetSurvey().GetBasicallySatisfied(), got.GetSurvey().GetNotSatisfied()),
		"policy":       fmt.Sprint(got.GetPolicyVersion()),
	} {
		want := map[string]string{
			"appraisal": "80.00 40 40.00 UNSPECIFIED", "ledger": "4.17 40 40.00 UNSPECIFIED", "satisfaction": "83.33 20 20.00 UNSPECIFIED",
			"composite": "50.33 151/3 false false", "records": p.GetId() + v.GetId(), "exactly": "25/6", "marks": "4 1 1", "answers": "4 1 1", "policy": "3",
		}[what]
		if is != want {
			t.Errorf("%s: %q, want %q", what, is, want)
		}
	}
	cited := map[string]string{}
	for _, q := range got.GetPolicy() {
		cited[q.GetKey()] = q.GetValue() + " " + q.GetSourceTitle() + q.GetSourceNumber()
	}
	if cited["evaluation.full_marks_hours"] != "24 办法1号" || cited["evaluation.weight.ledger"] != "40 " {
		t.Errorf("cited: %v", cited)
	}
	// The records are there for who may read them.
	if _, err := h.polls.GetPollResults(h.street(), &pb.GetPollResultsRequest{Id: got.GetAppraisal().GetRecordId()}); err != nil {
		t.Error(err)
	}
	if _, err := h.surveys.GetSurveyResults(h.street(), &pb.GetSurveyResultsRequest{Id: got.GetSatisfaction().GetRecordId()}); err != nil {
		t.Error(err)
	}
	mine, err := h.sheets().GetMySheet(h.member1(), &pb.GetMySheetRequest{Year: 2013})
	if err != nil || mine.GetSheet().GetComposite().GetValue() != "50.33" || mine.GetSheet().GetOpinion() != pb.Opinion_OPINION_FAIR {
		t.Errorf("the member sees %v, %v", mine, err)
	}
	_, err = h.sheets().GetSheet(h.asMember("m2"), &pb.GetSheetRequest{CycleId: c.GetId(), MemberId: "m1"})
	refused(t, "somebody else's sheet", err, codes.NotFound, "NOT_FOUND")

	// A later policy changes nothing of what was summed.
	h.policy(4, map[string]string{"evaluation.weight.satisfaction": "100", "evaluation.full_marks_hours": "1"})
	if again := h.sheet(t, c.GetId(), "m1").GetComposite(); again.GetValue() != "50.33" || again.GetPolicyVersion() != 3 || input(again.GetSatisfaction()) != "83.33 20 20.00 UNSPECIFIED" {
		t.Errorf("after another policy: %v", again)
	}
}

// Each way in which an input can be missing is said, and its weight is spread
// over the others.
func TestSheet_SaysWhyAnInputIsMissing(t *testing.T) {
	for name, c := range map[string]struct {
		prepare                         func(*testing.T, surveyHouse)
		appraisal, ledger, satisfaction string
	}{
		"neither poll nor survey": {func(*testing.T, surveyHouse) {},
			" 40  NOT_POLLED", "5.00 40 100.00 UNSPECIFIED", " 20  NO_SURVEY"},
		"another is polled and asked of": {func(t *testing.T, h surveyHouse) {
			p, err := h.polls.PreparePoll(h.staff(), &pb.PreparePollRequest{OrganizationId: "C1", Kind: pb.PollKind_POLL_KIND_COMMUNITY, Year: 2013, Seats: 5,
				Lines: []*pb.BallotLine{{MemberId: "m2", Label: "王2"}}})
			if err != nil || p == nil {
				t.Fatal(err)
			}
			h.countedSurvey(t, five(content)...)
		}, " 40  NOT_POLLED", "5.00 40 100.00 UNSPECIFIED", " 20  NOT_ASKED"},
		"both go on": {func(t *testing.T, h surveyHouse) {
			h.open(t, 2013, 1, 0, 5)
			h.openSurvey(t, 2013, 1, 5)
		}, " 40  POLL_NOT_CLOSED", "5.00 40 100.00 UNSPECIFIED", " 20  SURVEY_NOT_COUNTED"},
		"both annulled": {func(t *testing.T, h surveyHouse) {
			p, _ := h.open(t, 2013, 1, 0, 5)
			if _, err := h.polls.AnnulPoll(h.staff(), &pb.AnnulPollRequest{Id: p.GetId(), Reason: "票箱未封"}); err != nil {
				t.Fatal(err)
			}
			v, _ := h.openSurvey(t, 2013, 1, 5)
			if _, err := h.surveys.AnnulSurvey(h.staff(), &pb.AnnulSurveyRequest{Id: v.GetId(), Reason: "印错"}); err != nil {
				t.Fatal(err)
			}
		}, " 40  POLL_ANNULLED", "5.00 40 100.00 UNSPECIFIED", " 20  NO_SURVEY"},
		"four say something": {func(t *testing.T, h surveyHouse) {
			h.closedPoll(t, append(five(good)[:4], []pb.Mark{blank})...)
			h.countedSurvey(t, append(five(content, content)[:4], []pb.SurveyMark{content, unknown})...)
		}, " 40  TOO_FEW_MARKS", "5.00 40 100.00 UNSPECIFIED", " 20  TOO_FEW_ANSWERS"},
		"polled anew after an annulled poll, and exempt": {func(t *testing.T, h surveyHouse) {
			p, _ := h.open(t, 2013, 1, 0, 5)
			if _, err := h.polls.AnnulPoll(h.staff(), &pb.AnnulPollRequest{Id: p.GetId(), Reason: "票箱未封"}); err != nil {
				t.Fatal(err)
			}
			h.closedPoll(t, five(good)...)
			_, err := h.exemptions().ExemptMember(h.street(), &pb.ExemptMemberRequest{CommunityId: "C1", MemberId: "m1", Year: 2013, Document: "街组〔2013〕5号"})
			if err != nil {
				t.Fatal(err)
			}
		}, "100.00 40 100.00 UNSPECIFIED", " 40  EXEMPT", " 20  NO_SURVEY"},
		"no survey": {func(t *testing.T, h surveyHouse) { h.closedPoll(t, five(good)...) },
			"100.00 40 50.00 UNSPECIFIED", "5.00 40 50.00 UNSPECIFIED", " 20  NO_SURVEY"},
		"no poll": {func(t *testing.T, h surveyHouse) { h.countedSurvey(t, five(content, content)...) },
			" 40  NOT_POLLED", "5.00 40 66.67 UNSPECIFIED", "100.00 20 33.33 UNSPECIFIED"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newSurveyHouse(t)
			h.confirm(t, h.mine(t, "m1", service("2013-08-01", 1)).GetId())
			c.prepare(t, h)
			got := h.sheet(t, h.cycle(t).GetId(), "m1").GetComposite()
			present := 0
			for _, in := range []*pb.SheetInput{got.GetAppraisal(), got.GetLedger(), got.GetSatisfaction()} {
				if in.GetMissing() == pb.InputMissing_INPUT_MISSING_UNSPECIFIED {
					present++
				}
			}
			if input(got.GetAppraisal()) != c.appraisal || input(got.GetLedger()) != c.ledger || input(got.GetSatisfaction()) != c.satisfaction ||
				!got.GetRespread() || got.GetAlone() != (present == 1) {
				t.Errorf("%v", got)
			}
		})
	}
}

// A member who reported in nowhere has the ledger alone, and no opinion.
func TestSheet_OfNoCommunity(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	h.year(t)
	mine, err := h.sheets().GetMySheet(h.asMember("m2"), &pb.GetMySheetRequest{Year: 2013})
	got := mine.GetSheet().GetComposite()
	if err != nil || input(got.GetAppraisal()) != " 40  NO_COMMUNITY" || input(got.GetLedger()) != "0.00 40 100.00 UNSPECIFIED" ||
		input(got.GetSatisfaction()) != " 20  NO_COMMUNITY" || mine.GetSheet().GetOpinion() != pb.Opinion_OPINION_UNSPECIFIED {
		t.Errorf("%v, %v", mine, err)
	}
}

func TestExemptions_ByNobodyOfTheOwnUnit(t *testing.T) {
	h := withMembers(t)
	exempt := &pb.ExemptMemberRequest{CommunityId: "C1", MemberId: "m1", Year: 2013, Document: "街组〔2013〕5号"}
	colleague := h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "m2", community) // of W1, as m1 is
	for name, ctx := range map[string]context.Context{"oneself": h.as(typev1.Role_ROLE_STREET_OFFICER, "m1", "/1/11/111/"), "a colleague": colleague} {
		_, err := h.exemptions().ExemptMember(ctx, exempt)
		refused(t, name, err, codes.PermissionDenied, "EXEMPTS_OWN")
	}
	if _, err := h.exemptions().ExemptMember(h.street(), exempt); err != nil {
		t.Fatal(err)
	}
	_, err := h.exemptions().ExemptMember(h.street(), exempt)
	refused(t, "twice", err, codes.AlreadyExists, "EXEMPTION_EXISTS")
	_, err = h.exemptions().ExemptMember(h.street(), &pb.ExemptMemberRequest{CommunityId: "C1", MemberId: "m9", Year: 2013, Document: "5号"})
	refused(t, "who is not of the community", err, codes.FailedPrecondition, "NOT_OF_THIS_COMMUNITY")
	list, err := h.exemptions().ListExemptions(h.staff(), &pb.ListExemptionsRequest{CommunityId: "C1", Year: 2013})
	if err != nil || len(list.GetExemptions()) != 1 || list.GetExemptions()[0].GetDocument() != "街组〔2013〕5号" {
		t.Errorf("%v, %v", list, err)
	}
	end := &pb.EndExemptionRequest{CommunityId: "C1", MemberId: "m1", Year: 2013}
	_, err = h.exemptions().EndExemption(colleague, end)
	refused(t, "taken back by a colleague", err, codes.PermissionDenied, "EXEMPTS_OWN")
	if _, err := h.exemptions().EndExemption(h.street(), end); err != nil {
		t.Fatal(err)
	}
	_, err = h.exemptions().EndExemption(h.street(), end)
	refused(t, "taken back twice", err, codes.NotFound, "NOT_FOUND")
}

// TestComposite_OfRandomYearsAgainstAModel sums a year with random services,
// ballots and answers, some of each lacking, and compares every composite with
// one that is made another way.
func TestComposite_OfRandomYearsAgainstAModel(t *testing.T) {
	const members, voters, households = 12, 11, 13
	r := rand.New(rand.NewPCG(20, 13))
	h := newHouse(t, inMemory(), names{})
	for i := range members {
		h.member(fmt.Sprintf("m%d", i+1), w1, true)
	}
	h.Drain()
	s := surveyHouse{pollHouse{h, pb.NewPollServiceClient(h.Conn())}, pb.NewSurveyServiceClient(h.Conn())}
	quarters := make([]int64, members)
	for i := range members {
		for k := range r.IntN(4) {
			e := service(fmt.Sprintf("2013-0%d-10", k+1), i*10+k)
			e.QuarterHours = int32(r.IntN(60))
			quarters[i] += int64(e.GetQuarterHours())
			s.confirm(t, s.mine(t, fmt.Sprintf("m%d", i+1), e).GetId())
		}
	}
	marks, said := make([][5]int64, members), make([][4]int64, members)
	ballots, answers := make([][]pb.Mark, voters), make([][]pb.SurveyMark, households)
	for v := range ballots {
		for i := range members {
			m := r.IntN(5) * min(1, r.IntN(1+i)) // of the first ones hardly a mark
			ballots[v] = append(ballots[v], pb.Mark(m))
			marks[i][m]++
		}
	}
	for v := range answers {
		answers[v] = []pb.SurveyMark{content}
		for i := range members {
			m := r.IntN(4) * min(1, r.IntN(1+i))
			answers[v] = append(answers[v], pb.SurveyMark(m))
			said[i][m]++
		}
	}
	s.closedPoll(t, ballots...)
	s.countedSurvey(t, answers...)
	c := s.cycle(t)
	for i := range members {
		// Σ weight × numerator ÷ denominator over Σ weight.
		sum, weight := new(big.Rat), int64(0)
		add := func(w, num, den int64) {
			sum.Add(sum, big.NewRat(w*num, den))
			weight += w
		}
		if n := voters - marks[i][0]; n >= 5 {
			add(40, 100*marks[i][1]+80*marks[i][2]+60*marks[i][3], n)
		}
		add(40, min(100*quarters[i], 100*4*20), 4*20)
		if n := households - said[i][0]; n >= 5 {
			add(20, 100*(said[i][1]+said[i][2]), n)
		}
		sum.Quo(sum, big.NewRat(weight, 1))
		got := s.sheet(t, c.GetId(), fmt.Sprintf("m%d", i+1)).GetComposite()
		if is := got.GetNumerator() + "/" + got.GetDenominator(); is != sum.String() || got.GetRespread() != (weight < 100) {
			t.Errorf("member %d: %s of weight %d, want %s", i+1, is, weight, sum)
		}
		cents := new(big.Int).Div(new(big.Int).Add(new(big.Int).Mul(sum.Num(), big.NewInt(200)), sum.Denom()), new(big.Int).Mul(sum.Denom(), big.NewInt(2)))
		if want := fmt.Sprintf("%d.%02d", cents.Int64()/100, cents.Int64()%100); got.GetValue() != want {
			t.Errorf("member %d: %s, want %s", i+1, got.GetValue(), want)
		}
	}
}

// By times instead of hours, where the policy says so.
func TestSheet_ByTimes(t *testing.T) {
	h := newSurveyHouse(t)
	h.policy(1, map[string]string{"evaluation.ledger_by_times": "true", "evaluation.full_marks_times": "4"})
	for i := range 3 {
		h.confirm(t, h.mine(t, "m1", service("2013-08-0"+fmt.Sprint(i+1), i)).GetId())
	}
	if got := h.sheet(t, h.cycle(t).GetId(), "m1").GetComposite(); got.GetValue() != "75.00" || !got.GetLedgerByTimes() || !got.GetAlone() {
		t.Errorf("%v", got)
	}
}
