package evaluation_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/rpc"
)

// surveyHouse is a house with a client of surveys; m1, m2 and m3 reported in.
type surveyHouse struct {
	pollHouse
	surveys pb.SurveyServiceClient
}

func newSurveyHouse(t *testing.T) surveyHouse {
	t.Helper()
	h := withMembers(t)
	return surveyHouse{pollHouse{h, pb.NewPollServiceClient(h.Conn())}, pb.NewSurveyServiceClient(h.Conn())}
}

// prepareSurvey makes the survey of C1 over members m1, m2, ….
func (h surveyHouse) prepareSurvey(t *testing.T, year, members, households int32) *pb.Survey {
	t.Helper()
	req := &pb.PrepareSurveyRequest{CommunityId: "C1", Year: year, Households: households}
	for i := range members {
		req.Lines = append(req.Lines, &pb.SurveyLine{MemberId: fmt.Sprintf("m%d", i+1), Label: fmt.Sprintf("王%d", i+1)})
	}
	reply, err := h.surveys.PrepareSurvey(h.staff(), req)
	if err != nil {
		t.Fatal(err)
	}
	return reply.GetSurvey()
}

// openSurvey prepares a survey, issues its codes and opens it.
func (h surveyHouse) openSurvey(t *testing.T, year, members, households int32) (*pb.Survey, []string) {
	t.Helper()
	v := h.prepareSurvey(t, year, members, households)
	issued, err := h.surveys.IssueSurveyCodes(h.staff(), &pb.IssueSurveyCodesRequest{Id: v.GetId(), Etag: v.GetEtag(), Codes: households})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := h.surveys.OpenSurvey(h.staff(), &pb.OpenSurveyRequest{Id: v.GetId(), Etag: issued.GetSurvey().GetEtag()})
	if err != nil {
		t.Fatal(err)
	}
	return opened.GetSurvey(), issued.GetCodes()
}

const (
	content   = pb.SurveyMark_SURVEY_MARK_SATISFIED
	basically = pb.SurveyMark_SURVEY_MARK_BASICALLY_SATISFIED
	not       = pb.SurveyMark_SURVEY_MARK_NOT_SATISFIED
	unknown   = pb.SurveyMark_SURVEY_MARK_UNSPECIFIED
)

// say answers as nobody: of the service, then of m1, m2, ….
func (h surveyHouse) say(ctx context.Context, id, code string, service pb.SurveyMark, members ...pb.SurveyMark) error {
	req := &pb.AnswerSurveyRequest{Id: id, Code: code, Service: service}
	for i, m := range members {
		req.Members = append(req.Members, &pb.SurveyMemberMark{MemberId: fmt.Sprintf("m%d", i+1), Mark: m})
	}
	_, err := h.surveys.AnswerSurvey(ctx, req)
	return err
}

func (h surveyHouse) sayAll(t *testing.T, id string, codes []string, answers ...[]pb.SurveyMark) {
	t.Helper()
	for i, a := range answers {
		if err := h.say(t.Context(), id, codes[i], a[0], a[1:]...); err != nil {
			t.Fatal(err)
		}
	}
}

func (h surveyHouse) count(t *testing.T, id string, handedOut int32) *pb.Survey {
	t.Helper()
	reply, err := h.surveys.CountSurvey(h.staff(), &pb.CountSurveyRequest{Id: id, HandedOut: handedOut})
	if err != nil {
		t.Fatal(err)
	}
	return reply.GetSurvey()
}

// One answer a household, its last; a member of whom fewer than five say
// something has no figure.
func TestSurvey_OneAnswerAHouseholdItsLast(t *testing.T) {
	h := newSurveyHouse(t)
	v, slips := h.openSurvey(t, 2013, 2, 8)
	form, err := h.surveys.GetSurveyForm(t.Context(), &pb.GetSurveyFormRequest{Id: v.GetId(), Code: slips[0]})
	if err != nil || len(form.GetLines()) != 2 || form.GetLines()[1].GetLabel() != "王2" || form.GetYear() != 2013 {
		t.Fatal(form, err)
	}
	h.sayAll(t, v.GetId(), slips,
		[]pb.SurveyMark{content, content, content}, []pb.SurveyMark{content, basically, unknown}, []pb.SurveyMark{basically, not, unknown},
		[]pb.SurveyMark{content, content, not}, []pb.SurveyMark{content, content, unknown}, []pb.SurveyMark{not, unknown, content})
	h.sayAll(t, v.GetId(), slips[2:], []pb.SurveyMark{not, content, unknown}) // the third thinks again
	got, err := h.surveys.GetSurvey(h.staff(), &pb.GetSurveyRequest{Id: v.GetId()})
	if err != nil || got.GetSurvey().GetAnswers() != 6 {
		t.Fatal(got, err)
	}
	_, err = h.surveys.GetSurveyResults(h.staff(), &pb.GetSurveyResultsRequest{Id: v.GetId()})
	refused(t, "results of an open survey", err, codes.FailedPrecondition, "WRONG_STATE")
	_, err = h.surveys.CountSurvey(h.staff(), &pb.CountSurveyRequest{Id: v.GetId(), HandedOut: 5})
	refused(t, "fewer slips than answers", err, codes.FailedPrecondition, "SURVEY_NOT_BALANCED")
	_, err = h.surveys.CountSurvey(h.staff(), &pb.CountSurveyRequest{Id: v.GetId(), HandedOut: 9})
	refused(t, "more slips than codes", err, codes.FailedPrecondition, "SURVEY_NOT_BALANCED")
	if counted := h.count(t, v.GetId(), 7); counted.GetState() != pb.SurveyState_SURVEY_STATE_COUNTED || counted.GetEndedBy() != "staff" {
		t.Fatal(counted)
	}
	results, err := h.surveys.GetSurveyResults(h.street(), &pb.GetSurveyResultsRequest{Id: v.GetId()})
	want := &pb.GetSurveyResultsResponse{
		HandedOut: 7, Answers: 6, Service: &pb.SurveyResult{Satisfied: 4, NotSatisfied: 2, Satisfaction: "66.67", SatisfactionExact: "200/3"},
		Members: []*pb.SurveyResult{
			{MemberId: "m1", Satisfied: 4, BasicallySatisfied: 1, Satisfaction: "100.00", SatisfactionExact: "100/1"},
			{MemberId: "m2", Withheld: true}, // three say something of m2
		},
	}
	if err != nil || !proto.Equal(results, want) {
		t.Errorf("results: %v, %v", results, err)
	}
	list, err := h.surveys.ListSurveys(h.staff(), &pb.ListSurveysRequest{CommunityId: "C1"})
	if err != nil || len(list.GetSurveys()) != 1 || list.GetSurveys()[0].GetAnswers() != 0 {
		t.Errorf("list: %v, %v", list, err)
	}
}

func TestSurvey_UnderFiveAnswersSaysNothing(t *testing.T) {
	h := newSurveyHouse(t)
	v, slips := h.openSurvey(t, 2013, 1, 9)
	for _, c := range slips[:4] {
		h.sayAll(t, v.GetId(), []string{c}, []pb.SurveyMark{content, content})
	}
	h.count(t, v.GetId(), 9)
	_, err := h.surveys.GetSurveyResults(h.staff(), &pb.GetSurveyResultsRequest{Id: v.GetId()})
	refused(t, "four answers", err, codes.FailedPrecondition, "TOO_FEW_ANSWERS")
}

func TestSurvey_Refusals(t *testing.T) {
	h := newSurveyHouse(t)
	prepare := func(change func(*pb.PrepareSurveyRequest)) error {
		req := &pb.PrepareSurveyRequest{CommunityId: "C1", Year: 2013, Households: 10, Lines: []*pb.SurveyLine{{MemberId: "m1", Label: "王1"}}}
		change(req)
		_, err := h.surveys.PrepareSurvey(h.staff(), req)
		return err
	}
	refused(t, "a member twice", prepare(func(r *pb.PrepareSurveyRequest) { r.Lines = append(r.Lines, r.GetLines()...) }),
		codes.InvalidArgument, "SURVEY_MEMBER_TWICE")
	refused(t, "too many households", prepare(func(r *pb.PrepareSurveyRequest) { r.Households = 6001 }),
		codes.FailedPrecondition, "TOO_MANY_HOUSEHOLDS")
	refused(t, "a member of elsewhere", prepare(func(r *pb.PrepareSurveyRequest) { r.Lines[0].MemberId = "m9" }),
		codes.FailedPrecondition, "NOT_OF_THIS_COMMUNITY")
	_, err := h.surveys.PrepareSurvey(h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "m1", community),
		&pb.PrepareSurveyRequest{CommunityId: "C1", Year: 2013, Households: 9, Lines: []*pb.SurveyLine{{MemberId: "m1", Label: "王1"}}})
	refused(t, "about oneself", err, codes.PermissionDenied, "SURVEY_ON_ONESELF")
	_, err = h.surveys.PrepareSurvey(h.officer(), &pb.PrepareSurveyRequest{CommunityId: "W1", Year: 2013, Households: 9})
	refused(t, "of a workplace", err, codes.NotFound, "UNKNOWN_ORGANIZATION")
	v := h.prepareSurvey(t, 2013, 1, 3)
	refused(t, "a second one", prepare(func(*pb.PrepareSurveyRequest) {}), codes.AlreadyExists, "SURVEY_EXISTS")

	issue := func(n int32, anew bool) ([]string, error) {
		reply, err := h.surveys.IssueSurveyCodes(h.staff(), &pb.IssueSurveyCodesRequest{Id: v.GetId(), Codes: n, Anew: anew})
		return reply.GetCodes(), err
	}
	_, err = h.surveys.OpenSurvey(h.staff(), &pb.OpenSurveyRequest{Id: v.GetId()})
	refused(t, "opened without codes", err, codes.FailedPrecondition, "WRONG_STATE")
	_, err = issue(4, false)
	refused(t, "more codes than households", err, codes.FailedPrecondition, "TOO_MANY_HOUSEHOLDS")
	lost, err := issue(2, false)
	if err != nil {
		t.Fatal(err)
	}
	_, err = issue(2, false)
	refused(t, "more codes than households, in two steps", err, codes.FailedPrecondition, "TOO_MANY_HOUSEHOLDS")
	slips, err := issue(3, true)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.surveys.OpenSurvey(h.staff(), &pb.OpenSurveyRequest{Id: v.GetId(), Etag: "1"})
	refused(t, "a stale etag", err, codes.Aborted, "STALE_ETAG")
	refused(t, "before it opens", h.say(t.Context(), v.GetId(), slips[0], content, content), codes.NotFound, "UNKNOWN_CODE")
	if _, err := h.surveys.OpenSurvey(h.staff(), &pb.OpenSurveyRequest{Id: v.GetId()}); err != nil {
		t.Fatal(err)
	}
	refused(t, "a slip that was lost on the way", h.say(t.Context(), v.GetId(), lost[0], content, content), codes.NotFound, "UNKNOWN_CODE")
	refused(t, "one member left out", h.say(t.Context(), v.GetId(), slips[0], content), codes.InvalidArgument, "SURVEY_ANSWER_INCOMPLETE")
	refused(t, "nothing of the service", h.say(t.Context(), v.GetId(), slips[0], unknown, content), codes.InvalidArgument, "INVALID_FIELD")
	_, err = h.surveys.CountSurvey(h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "x", "/1/11/111/C2/"), &pb.CountSurveyRequest{Id: v.GetId()})
	refused(t, "by another community", err, codes.NotFound, "NOT_FOUND")
	_, err = h.surveys.GetSurveyResults(h.home("o"), &pb.GetSurveyResultsRequest{Id: v.GetId()})
	refused(t, "read by a workplace", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	annulled, err := h.surveys.AnnulSurvey(h.staff(), &pb.AnnulSurveyRequest{Id: v.GetId(), Reason: "答题条印错"})
	if err != nil || annulled.GetSurvey().GetState() != pb.SurveyState_SURVEY_STATE_ANNULLED {
		t.Fatal(annulled, err)
	}
	refused(t, "after it was annulled", h.say(t.Context(), v.GetId(), slips[0], content, content), codes.NotFound, "UNKNOWN_CODE")
	h.prepareSurvey(t, 2013, 1, 3) // the community can hold another
}

// Ten thousand guesses open nothing, and what is wrong with a code is answered
// alike: guessed, of another survey, or too late.
func TestSurvey_TenThousandGuessesDoNotHelp(t *testing.T) {
	h := newSurveyHouse(t)
	v, slips := h.openSurvey(t, 2013, 0, 500)
	other, others := h.openSurvey(t, 2012, 0, 5)
	r := rand.New(rand.NewPCG(1, 1))
	const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	guess := []byte(slips[0])
	answers := map[string]int{}
	hear := func(err error) { answers[fmt.Sprint(rpc.Reason(err), " ", err)]++ }
	for i := range 10000 {
		if i%2 == 0 { // near to a true one: all but its last letters
			copy(guess, slips[i%len(slips)])
		}
		for k := range 4 {
			guess[len(guess)-1-k] = letters[r.IntN(len(letters))]
		}
		if string(guess) == slips[i%len(slips)] {
			continue
		}
		if i%2 == 1 {
			hear(h.say(t.Context(), v.GetId(), string(guess), content))
			continue
		}
		_, err := h.surveys.GetSurveyForm(t.Context(), &pb.GetSurveyFormRequest{Id: v.GetId(), Code: string(guess)})
		hear(err)
	}
	hear(h.say(t.Context(), v.GetId(), others[0], content))
	hear(h.say(t.Context(), "srv_none", slips[0], content))
	h.count(t, other.GetId(), 5)
	hear(h.say(t.Context(), other.GetId(), others[0], content))
	if len(answers) != 1 || answers["UNKNOWN_CODE "+fmt.Sprint(h.say(t.Context(), v.GetId(), "x", content))] == 0 {
		t.Errorf("answers tell wrong codes apart: %v", answers)
	}
	got, err := h.surveys.GetSurvey(h.staff(), &pb.GetSurveyRequest{Id: v.GetId()})
	if err != nil || got.GetSurvey().GetAnswers() != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

// Households answer all at once and again, in any order: what is counted is the
// last answer of each, as a model counts it.
func TestSurvey_AnswersAtOnceAndAgain(t *testing.T) {
	h := newSurveyHouse(t)
	const households = 24
	v, slips := h.openSurvey(t, 2013, 3, households)
	r := rand.New(rand.NewPCG(2, 3))
	var want [3][4]int32
	var group sync.WaitGroup
	for _, slip := range slips {
		plan := make([][]pb.SurveyMark, 1+r.IntN(3))
		for i := range plan {
			plan[i] = []pb.SurveyMark{pb.SurveyMark(1 + r.IntN(3)), pb.SurveyMark(r.IntN(4)), pb.SurveyMark(r.IntN(4)), pb.SurveyMark(r.IntN(4))}
		}
		for i, m := range plan[len(plan)-1][1:] {
			want[i][m]++
		}
		group.Go(func() {
			for _, a := range plan {
				if err := h.say(context.Background(), v.GetId(), slip, a[0], a[1:]...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	h.count(t, v.GetId(), households)
	results, err := h.surveys.GetSurveyResults(h.staff(), &pb.GetSurveyResultsRequest{Id: v.GetId()})
	if err != nil || results.GetAnswers() != households {
		t.Fatal(results, err)
	}
	for i, got := range results.GetMembers() {
		if tally := [4]int32{want[i][0], got.GetSatisfied(), got.GetBasicallySatisfied(), got.GetNotSatisfied()}; tally != want[i] {
			t.Errorf("%s: %v, want %v", got.GetMemberId(), tally, want[i])
		}
	}
}
