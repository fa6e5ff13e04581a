package survey_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/services/evaluation/internal/survey"
)

func reason(err error) string {
	var broken *rule.Error
	if errors.As(err, &broken) {
		return broken.Reason
	}
	return ""
}

func TestAnswer_MarksEachMemberOnce(t *testing.T) {
	members := []string{"b", "a"}
	full := survey.Answer{Service: survey.Satisfied, Members: []survey.Given{{"a", survey.NotSatisfied}, {"b", survey.None}}}
	if err := full.Check(members); err != nil {
		t.Error(err)
	}
	for name, given := range map[string]survey.Answer{
		"nothing of the service": {Members: full.Members},
		"no such mark":           {Service: 4, Members: full.Members},
		"one lacks":              {Service: survey.Satisfied, Members: full.Members[:1]},
		"one twice":              {Service: survey.Satisfied, Members: []survey.Given{{"a", survey.None}, {"a", survey.None}}},
		"somebody else":          {Service: survey.Satisfied, Members: []survey.Given{{"a", survey.None}, {"c", survey.None}}},
		"no such member mark":    {Service: survey.Satisfied, Members: []survey.Given{{"a", survey.None}, {"b", 4}}},
	} {
		if got := reason(given.Check(members)); got != "SURVEY_ANSWER_INCOMPLETE" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"twice on the form":        {survey.CheckMembers([]string{"a", "a"}), "SURVEY_MEMBER_TWICE"},
		"too many households":      {survey.CheckHouseholds("households", 11, 10), "TOO_MANY_HOUSEHOLDS"},
		"as many as may be":        {survey.CheckHouseholds("households", 10, 10), ""},
		"run by who is asked of":   {survey.MayRun("a", []string{"a"}), "SURVEY_ON_ONESELF"},
		"more slips than codes":    {survey.CheckCount(10, 11, 3), "SURVEY_NOT_BALANCED"},
		"fewer slips than answers": {survey.CheckCount(10, 2, 3), "SURVEY_NOT_BALANCED"},
		"balanced":                 {survey.CheckCount(10, 8, 3), ""},
		"four answers":             {survey.MayShow(4, 5), "TOO_FEW_ANSWERS"},
		"five answers":             {survey.MayShow(5, 5), ""},
	} {
		if got := reason(c.err); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestCode_Has130BitsAndReadsAsItIsWritten(t *testing.T) {
	seen := map[string]bool{}
	for i := range 2000 {
		var random [survey.CodeBytes]byte
		random[i%survey.CodeBytes], random[(i+1)%survey.CodeBytes] = byte(i%32), byte(i/32)
		c := survey.Code(random)
		if len(survey.Plain(c)) != survey.CodeBytes {
			t.Fatalf("code %q", c)
		}
		seen[c] = true
	}
	if a, b := survey.Plain("70k2-m1xd-991z"), survey.Plain("7OK2 MLXD99IZ"); a != b || a != "70K2M1XD991Z" {
		t.Errorf("%q, %q", a, b)
	}
}

// The order of answers does not matter, and of a household only the last one
// counts, whatever it said before; what was packed is read again.
func TestSums_TheLastAnswerOfEachHouseholdInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := []string{"m2", "m1", "m3"}[:rapid.IntRange(0, 3).Draw(t, "members")]
		answer := rapid.Custom(func(t *rapid.T) survey.Answer {
			a := survey.Answer{Service: survey.Mark(rapid.IntRange(1, 3).Draw(t, "service"))}
			for _, m := range members {
				a.Members = append(a.Members, survey.Given{Member: m, Mark: survey.Mark(rapid.IntRange(0, 3).Draw(t, m))})
			}
			return a
		})
		type given struct {
			household int
			answer    survey.Answer
		}
		all := rapid.SliceOf(rapid.Custom(func(t *rapid.T) given {
			return given{rapid.IntRange(0, 9).Draw(t, "household"), answer.Draw(t, "answer")}
		})).Draw(t, "given")
		sums := survey.Sums{Members: make([]survey.Tally, len(members))}
		kept := map[int][]byte{}
		last := map[int]survey.Answer{}
		for _, g := range all {
			if err := g.answer.Check(members); err != nil {
				t.Fatal(err)
			}
			if before, again := kept[g.household]; again {
				old, ok := survey.Unpack(before, members)
				if !ok {
					t.Fatal("what was packed is not read")
				}
				sums.Remove(old, members)
			}
			sums.Add(g.answer, members)
			kept[g.household], last[g.household] = g.answer.Pack(), g.answer
		}
		other := survey.Sums{Members: make([]survey.Tally, len(members))}
		for _, h := range rapid.Permutation([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}).Draw(t, "order") {
			if a, ok := last[h]; ok {
				other.Add(a, members)
			}
		}
		if fmt.Sprint(sums) != fmt.Sprint(other) {
			t.Fatalf("%v, want %v", sums, other)
		}
		for _, tally := range append(slices.Clone(sums.Members), sums.Service) {
			if tally.Satisfied(true) > tally.Said() || tally.Satisfied(false) > tally.Satisfied(true) || tally.Said() > sums.Answers {
				t.Fatalf("%v of %d", tally, sums.Answers)
			}
		}
	})
}
