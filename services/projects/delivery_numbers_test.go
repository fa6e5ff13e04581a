package projects

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/policy"
	"github.com/linli-project/linli/services/projects/internal/acceptance"
	"github.com/linli-project/linli/services/projects/internal/indicator"
	"github.com/linli-project/linli/services/projects/internal/keyproject"
	"github.com/linli-project/linli/services/projects/internal/spending"
	"github.com/linli-project/linli/services/projects/internal/support"
)

// The domain counts the states of key projects as the API does.
func TestConvert_NumbersOfKeyProjectsAreTheAPIs(t *testing.T) {
	for _, c := range []struct {
		prefix string
		names  map[int32]string
		state  func(int32) fmt.Stringer
	}{
		{"KEY_PROJECT_STATE_", pb.KeyProjectState_name, func(n int32) fmt.Stringer { return keyproject.State(n) }},
		{"PROMISE_STATE_", pb.PromiseState_name, func(n int32) fmt.Stringer { return support.State(n) }},
		{"SPENDING_STATE_", pb.SpendingState_name, func(n int32) fmt.Stringer { return spending.State(n) }},
		{"READING_STATE_", pb.ReadingState_name, func(n int32) fmt.Stringer { return indicator.ReadingState(n) }},
		{"TARGET_CHANGE_STATE_", pb.TargetChangeState_name, func(n int32) fmt.Stringer { return indicator.ChangeState(n) }},
		{"SUPERVISION_STATE_", pb.SupervisionState_name, func(n int32) fmt.Stringer { return indicator.LetterState(n) }},
		{"ACCEPTANCE_STATE_", pb.AcceptanceState_name, func(n int32) fmt.Stringer { return acceptance.State(n) }},
		{"MODEL_STATE_", pb.ModelState_name, func(n int32) fmt.Stringer { return keyproject.ModelState(n) }},
	} {
		said := map[string]string{"refused": "not approved", "withdrawn": "taken down"} // words that others use in another sense
		for n, name := range c.names {
			word := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, c.prefix), "_", " "))
			if other, ok := said[word]; ok {
				word = other
			}
			if n != 0 && c.state(n).String() != word {
				t.Errorf("%s is %q", name, c.state(n))
			}
		}
	}
	for rung, want := range map[indicator.Rung]pb.Rung{
		indicator.Reminded: pb.Rung_RUNG_REMINDED, indicator.FellBehind: pb.Rung_RUNG_FELL_BEHIND,
		indicator.Overdue: pb.Rung_RUNG_OVERDUE, indicator.Supervised: pb.Rung_RUNG_SUPERVISED,
	} {
		if pb.Rung(rung) != want || rungName(rung) != strings.ToLower(strings.TrimPrefix(want.String(), "RUNG_")) {
			t.Errorf("rung %d is %s, told as %q", rung, pb.Rung(rung), rungName(rung))
		}
	}
	for light, want := range map[indicator.Light]pb.Light{
		indicator.Green: pb.Light_LIGHT_GREEN, indicator.Yellow: pb.Light_LIGHT_YELLOW, indicator.Red: pb.Light_LIGHT_RED,
	} {
		if pb.Light(light) != want {
			t.Errorf("light %d is %s", light, pb.Light(light))
		}
	}
	if pb.Direction(indicator.Down) != pb.Direction_DIRECTION_DOWN || pb.PromiseKind(support.Policy) != pb.PromiseKind_PROMISE_KIND_POLICY ||
		pb.PromiseKind(support.Money) != pb.PromiseKind_PROMISE_KIND_MONEY {
		t.Error("directions or kinds of promises differ")
	}
}

// The policy knows every kind of spending by the API's name.
func TestPolicy_KnowsEveryKindOfSpending(t *testing.T) {
	i := slices.IndexFunc(policy.Keys(), func(k policy.Key) bool { return k.Name == "projects.spending_not_allowed" })
	for n := range pb.SpendingKind_name {
		if kind := kindToken(pb.SpendingKind(n)); n != 0 && !slices.Contains(policy.Keys()[i].OneOf, kind) {
			t.Errorf("the policy does not know %s", kind)
		}
	}
}

func TestPeriods_AreYearsMonthsAndDaysUpToADay(t *testing.T) {
	for _, c := range []struct {
		year  int
		until string
		want  []string
	}{
		{2013, "2013-01-02", []string{"2013-01-01", "2013-01-02"}},
		{2013, "2013-03-01", []string{"2013-01", "2013-02", "2013-03-01"}},
		{2012, "2013-01-01", []string{"2012", "2013-01-01"}},
		{2014, "2013-12-31", nil},
	} {
		if got := periodsUntil(c.year, c.until); !slices.Equal(got, c.want) {
			t.Errorf("%d until %s: %v", c.year, c.until, got)
		}
	}
	if got := periodsUntil(2013, "2013-12-31"); len(got) != 11+31 {
		t.Errorf("a year is %d ranges", len(got))
	}
}
