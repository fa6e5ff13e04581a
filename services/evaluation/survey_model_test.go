package evaluation_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
)

// modelSurvey is what the model knows of a survey: no hashes, no seals.
type modelSurvey struct {
	state      string
	households int
	slips      map[string]pb.SurveyMark // what each one said of m1; unset before it answers
	void       []string                 // slips of a batch that was lost
	said       map[string]bool
}

func (m *modelSurvey) issue(n int, anew bool) bool {
	have := len(m.slips)
	if anew {
		have = 0
	}
	return (m.state == "prepared" || m.state == "issued") && have+n <= m.households
}

// TestSurvey_RandomCommandsAgainstAModel carries out random commands on surveys
// and beside them on a model. What is allowed, how many have answered, and what
// a counted survey says agree.
func TestSurvey_RandomCommandsAgainstAModel(t *testing.T) {
	h := newSurveyHouse(t)
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 4))
		m := &modelSurvey{state: "prepared", households: 6 + r.IntN(6), slips: map[string]pb.SurveyMark{}, said: map[string]bool{}}
		v := h.prepareSurvey(t, 2001+int32(seed), 1, int32(m.households))
		for step := range 60 {
			what, allowed, err := h.surveyStep(m, v.GetId(), r)
			if allowed != (err == nil) {
				t.Fatalf("seed %d, step %d: %s of %+v: %v", seed, step, what, m, err)
			}
			got, err := h.surveys.GetSurvey(h.staff(), &pb.GetSurveyRequest{Id: v.GetId()})
			if err != nil || int(got.GetSurvey().GetAnswers()) != len(m.said) {
				t.Fatalf("seed %d, step %d: %s: %v, want %d answers, %v", seed, step, what, got, len(m.said), err)
			}
		}
		if m.state == "counted" && len(m.said) >= 5 {
			h.compareResults(t, m, v.GetId())
		}
	}
}

func (h surveyHouse) compareResults(t *testing.T, m *modelSurvey, id string) {
	t.Helper()
	tally := map[pb.SurveyMark]int32{}
	for _, mark := range m.slips {
		tally[mark]++
	}
	results, err := h.surveys.GetSurveyResults(h.staff(), &pb.GetSurveyResultsRequest{Id: id})
	if err != nil {
		t.Fatal(err)
	}
	got := results.GetMembers()[0]
	want := fmt.Sprint(tally[content], tally[basically], tally[not])
	if is := fmt.Sprint(got.GetSatisfied(), got.GetBasicallySatisfied(), got.GetNotSatisfied()); !got.GetWithheld() && is != want {
		t.Errorf("%s, want %s", is, want)
	}
	if few := tally[content]+tally[basically]+tally[not] < 5; few != got.GetWithheld() {
		t.Errorf("withheld %v of %v", got.GetWithheld(), tally)
	}
}

// surveyStep carries out one command in the house and in the model.
func (h surveyHouse) surveyStep(m *modelSurvey, id string, r *rand.Rand) (what string, allowed bool, err error) {
	switch n := r.IntN(20); {
	case n < 2:
		n, anew := 1+r.IntN(8), r.IntN(3) == 0
		allowed = m.issue(n, anew)
		reply, err := h.surveys.IssueSurveyCodes(h.staff(), &pb.IssueSurveyCodesRequest{Id: id, Codes: int32(n), Anew: anew})
		if err == nil {
			m.state = "issued"
			if anew {
				for slip := range m.slips {
					m.void = append(m.void, slip)
				}
				clear(m.slips)
			}
			for _, slip := range reply.GetCodes() {
				m.slips[slip] = unknown
			}
		}
		return "issue", allowed, err
	case n < 3:
		_, err = h.surveys.OpenSurvey(h.staff(), &pb.OpenSurveyRequest{Id: id})
		allowed = m.state == "issued"
		if allowed {
			m.state = "open"
		}
		return "open", allowed, err
	case n < 17:
		return h.surveyAnswer(m, id, r)
	case n < 18 && r.IntN(4) == 0:
		handedOut := r.IntN(m.households + 2)
		_, err = h.surveys.CountSurvey(h.staff(), &pb.CountSurveyRequest{Id: id, HandedOut: int32(handedOut)})
		allowed = m.state == "open" && handedOut <= len(m.slips) && handedOut >= len(m.said)
		if allowed {
			m.state = "counted"
		}
		return "count", allowed, err
	case n < 19 && r.IntN(12) == 0:
		_, err = h.surveys.AnnulSurvey(h.staff(), &pb.AnnulSurveyRequest{Id: id, Reason: "作废"})
		allowed = m.state != "counted" && m.state != "annulled"
		if allowed {
			m.state = "annulled"
		}
		return "annul", allowed, err
	}
	_, err = h.surveys.GetSurveyResults(h.staff(), &pb.GetSurveyResultsRequest{Id: id})
	return "read", m.state == "counted" && len(m.said) >= 5, err
}

// surveyAnswer answers with a slip of the batch that holds, or with one of a
// lost batch.
func (h surveyHouse) surveyAnswer(m *modelSurvey, id string, r *rand.Rand) (what string, allowed bool, err error) {
	mark := pb.SurveyMark(r.IntN(4))
	if len(m.void) > 0 && r.IntN(6) == 0 {
		return "answer with a lost slip", false, h.say(h.staff(), id, m.void[r.IntN(len(m.void))], content, mark)
	}
	slips := make([]string, 0, len(m.slips))
	for slip := range m.slips {
		slips = append(slips, slip)
	}
	if len(slips) == 0 {
		return "answer without a slip", false, h.say(h.staff(), id, "0", content, mark)
	}
	slip := slips[r.IntN(len(slips))]
	err = h.say(h.staff(), id, slip, content, mark)
	if allowed = m.state == "open"; allowed {
		m.slips[slip], m.said[slip] = mark, true
	}
	return "answer", allowed, err
}
