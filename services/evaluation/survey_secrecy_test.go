package evaluation_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/testkit"
)

// surveyCodes are the rows of codes of a survey as they are stored.
func (h surveyHouse) surveyCodes(t *testing.T, id string) (rows []*pb.SurveyCodeRow) {
	t.Helper()
	for k, it := range h.raw(t) {
		var code pb.SurveyCodeRow
		if strings.Contains(k, id) && proto.Unmarshal(rowValue(it), &code) == nil && len(code.GetHash()) == 32 && code.GetSurveyId() == id {
			rows = append(rows, &code)
		}
	}
	return rows
}

// TestSurveySecrecy_AnAnswerLeavesASealedRowAndASum looks at the whole store
// before and after each answer, by households so careless as to be signed in
// and to send an idempotency key.
func TestSurveySecrecy_AnAnswerLeavesASealedRowAndASum(t *testing.T) {
	h := newSurveyHouse(t)
	v, slips := h.openSurvey(t, 2013, 2, 6)
	h.Drain()
	logged := h.Log.String()
	versions := map[kv.Version]int{}
	for i, slip := range slips {
		before := h.raw(t)
		household := h.as(typev1.Role_ROLE_RESIDENT, fmt.Sprintf("household-%d", i), community)
		mark := pb.SurveyMark(i % 4)
		if err := h.say(testkit.Keyed(household, fmt.Sprintf("key-of-%d", i)), v.GetId(), slip, content, not, mark); err != nil {
			t.Fatal(err)
		}
		after := h.raw(t)
		touched := changed(before, after)
		if len(touched) != 2 || len(after) != len(before) {
			t.Fatalf("an answer wrote %d keys, %d more than before: one is the code, one the sums", len(touched), len(after)-len(before))
		}
		versions[touched[0].Version]++
	}
	if len(versions) != len(slips) {
		t.Errorf("%d answers share versions: %v", len(slips), versions)
	}
	lengths := map[int]bool{}
	var sealed [][]byte
	for _, row := range h.surveyCodes(t, v.GetId()) {
		lengths[len(row.GetAnswer())] = true
		sealed = append(sealed, row.GetAnswer())
	}
	slices.SortFunc(sealed, bytes.Compare)
	if len(sealed) != len(slips) || len(slices.CompactFunc(sealed, bytes.Equal)) != len(slips) || len(lengths) != 1 {
		t.Errorf("%d sealed answers of lengths %v: equal ones are told apart or alike", len(sealed), lengths)
	}
	if got := strings.TrimPrefix(h.Log.String(), logged); strings.Contains(got, "AnswerSurvey") || strings.Contains(got, "household-") || strings.Contains(got, "key-of-") {
		t.Errorf("the log tells of answers:\n%s", got)
	}
	h.searchFor(t, append(slips, "household-", "key-of-", "AnswerSurvey", "王1", "王2"))
}

// TestSurveySecrecy_TheKeyringOpensNoAnswer tries everything that the house
// holds on the stored answers: only the slip opens one.
func TestSurveySecrecy_TheKeyringOpensNoAnswer(t *testing.T) {
	h := newSurveyHouse(t)
	v, slips := h.openSurvey(t, 2013, 1, 2)
	h.sayAll(t, v.GetId(), slips, []pb.SurveyMark{content, not})
	keyring := h.Store("evaluation").Keyring()
	slip := strings.ReplaceAll(slips[0], "-", "")
	var opened int
	for _, row := range h.surveyCodes(t, v.GetId()) {
		if row.GetAnswer() == nil {
			continue
		}
		for _, what := range []string{"", string(row.GetHash()), v.GetId(), strings.ReplaceAll(slips[1], "-", "")} {
			for _, purpose := range []string{"survey answer " + v.GetId() + " " + what, "survey answer " + what, "survey answer"} {
				if _, err := keyring.Box(purpose).Open(row.GetAnswer(), v.GetId()); err == nil {
					t.Errorf("opened with %q", purpose)
				}
			}
		}
		if _, err := keyring.Box("survey answer "+v.GetId()+" "+slip).Open(row.GetAnswer(), v.GetId()); err == nil {
			opened++
		}
	}
	if opened != 1 {
		t.Errorf("the slip opens %d answers", opened)
	}
}

// TestSurveySecrecy_WhoSaidWhatMakesNoDifference holds the same survey twice:
// in the second one households have changed their answers and come in another
// order. Whatever is kept of the two is the same.
func TestSurveySecrecy_WhoSaidWhatMakesNoDifference(t *testing.T) {
	h := newSurveyHouse(t)
	kept := func(year int32, order []int, marks []pb.SurveyMark) string {
		v, slips := h.openSurvey(t, year, 1, 6)
		for _, i := range order {
			h.sayAll(t, v.GetId(), slips[i:], []pb.SurveyMark{content, marks[i]})
		}
		lengths := []int{}
		for _, row := range h.surveyCodes(t, v.GetId()) {
			lengths = append(lengths, len(row.GetAnswer()))
		}
		h.count(t, v.GetId(), 6)
		results, err := h.surveys.GetSurveyResults(h.staff(), &pb.GetSurveyResultsRequest{Id: v.GetId()})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(lengths, strings.Join(strings.Fields(results.String()), " "))
	}
	one := kept(2012, []int{0, 1, 2, 3, 4, 5}, []pb.SurveyMark{not, content, content, basically, content, content})
	two := kept(2013, []int{5, 3, 1, 0, 2, 4}, []pb.SurveyMark{content, not, content, content, basically, content})
	if one != two {
		t.Errorf("kept of one:\n%s\nand of the other:\n%s", one, two)
	}
}

// TestSurveySecrecy_AnswersAreErased: once a survey has ended, nothing is left
// of its codes, in slices; events told of the house only.
func TestSurveySecrecy_AnswersAreErased(t *testing.T) {
	h := newSurveyHouse(t)
	v := h.prepareSurvey(t, 2013, 1, 900)
	var slips []string
	for range 2 {
		issued, err := h.surveys.IssueSurveyCodes(h.staff(), &pb.IssueSurveyCodesRequest{Id: v.GetId(), Codes: 450})
		if err != nil {
			t.Fatal(err)
		}
		slips = append(slips, issued.GetCodes()...)
	}
	if _, err := h.surveys.OpenSurvey(h.staff(), &pb.OpenSurveyRequest{Id: v.GetId()}); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		h.sayAll(t, v.GetId(), slips[i*100:], []pb.SurveyMark{content, content})
	}
	h.count(t, v.GetId(), 800)
	h.service.EraseAnswers(t)
	if left := h.surveyCodes(t, v.GetId()); len(left) != 0 {
		t.Errorf("%d rows of codes are left", len(left))
	}
	results, err := h.surveys.GetSurveyResults(h.staff(), &pb.GetSurveyResultsRequest{Id: v.GetId()})
	if err != nil || results.GetMembers()[0].GetSatisfied() != 5 {
		t.Errorf("%v, %v", results, err)
	}
	h.Drain()
	var seen []string
	err = h.Store("evaluation").View(t.Context(), func(r kv.Reader) error {
		return store.EachEvent(r, func(row []byte) {
			var e typev1.EventRow
			if err := proto.Unmarshal(row, &e); err != nil {
				t.Error(err)
			}
			seen = append(seen, fmt.Sprintf("%s %d", e.GetSubject(), e.GetRevision()))
		})
	})
	slices.Sort(seen)
	want := []string{"linli.evaluation.survey.counted 5", "linli.evaluation.survey.issued 2", "linli.evaluation.survey.issued 3",
		"linli.evaluation.survey.opened 4", "linli.evaluation.survey.prepared 1"}
	if err != nil || !slices.Equal(seen, want) {
		t.Errorf("announced: %v, %v", seen, err)
	}
}
