package support

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/linli-project/linli/pkg/rule"
)

func TestPlan_PeopleMoneyAndPolicyEachWithADay(t *testing.T) {
	people, money, policy := Promise{Kind: People, People: 2, Due: 10}, Promise{Kind: Money, Fen: 100, Due: 10}, Promise{Kind: Policy, Title: "t", Due: 10}
	for name, c := range map[string]struct {
		plan  []Promise
		field string
	}{
		"whole":          {[]Promise{people, money, policy}, ""},
		"no policy":      {[]Promise{people, money}, "promises"},
		"nobody":         {[]Promise{{Kind: People, Due: 10}, money, policy}, "promises[0].people"},
		"no money":       {[]Promise{people, {Kind: Money, Due: 10}, policy}, "promises[1].amount_fen"},
		"untitled":       {[]Promise{people, money, {Kind: Policy, Title: " ", Due: 10}}, "promises[2].title"},
		"before begins":  {[]Promise{people, money, {Kind: Policy, Title: "t", Due: 4}}, "promises[2].due"},
		"money in staff": {[]Promise{{Kind: People, People: 1, Fen: 5, Due: 10}, money, policy}, "promises[0].amount_fen"},
	} {
		err := CheckPlan(c.plan, 5)
		var e *rule.Error
		if got := ""; errors.As(err, &e) {
			if got = e.Field; got != c.field {
				t.Errorf("%s: %v", name, err)
			}
		} else if c.field != "" {
			t.Errorf("%s: taken", name)
		}
	}
}

// A tranche due on day 10 that comes on day 15 stops the clock for five days;
// staff two days late within them add nothing; a policy still out adds each day.
func TestStandstill_IsTheUnionOfWhatWasLate(t *testing.T) {
	tranche := Promise{Kind: Money, Due: 10, DeliveredOn: 15}
	staff := Promise{Kind: People, Due: 12, DeliveredOn: 14}
	for name, c := range map[string]struct {
		promises []Promise
		withheld []Span
		today    int
		want     []Span
	}{
		"on the due day":          {[]Promise{tranche}, nil, 10, nil},
		"one day late":            {[]Promise{tranche}, nil, 11, []Span{{11, 12}}},
		"delivered":               {[]Promise{tranche}, nil, 40, []Span{{11, 16}}},
		"within":                  {[]Promise{tranche, staff}, nil, 40, []Span{{11, 16}}},
		"still out":               {[]Promise{tranche, {Kind: Policy, Due: 30}}, nil, 40, []Span{{11, 16}, {31, 41}}},
		"touching":                {[]Promise{tranche, {Kind: Policy, Due: 15, DeliveredOn: 17}}, nil, 40, []Span{{11, 18}}},
		"withheld":                {[]Promise{tranche}, []Span{{12, 14}}, 40, []Span{{11, 12}, {14, 16}}},
		"staff are not withheld":  {[]Promise{staff}, []Span{{1, 40}}, 40, []Span{{13, 15}}},
		"in time, early included": {[]Promise{{Kind: Money, Due: 10, DeliveredOn: 10}, {Kind: Policy, Due: 10, DeliveredOn: 3}}, nil, 40, nil},
	} {
		if got := Standstill(c.promises, c.withheld, c.today).Stands(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestDue_MovesByTheDaysBeforeItAndNoOthers(t *testing.T) {
	c := Clock{[]Span{{11, 16}, {31, 41}}}
	for due, want := range map[int]int{10: 10, 11: 16, 12: 17, 20: 25, 25: 30, 26: 41, 50: 65} {
		if got := c.Due(due); got != want {
			t.Errorf("Due(%d) = %d, want %d", due, got, want)
		}
	}
}

func promises(t *rapid.T) []Promise {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Promise {
		p := Promise{Kind: Kind(rapid.IntRange(1, 3).Draw(t, "kind")), Due: rapid.IntRange(1, 60).Draw(t, "due")}
		if rapid.Bool().Draw(t, "delivered") {
			p.DeliveredOn = rapid.IntRange(1, 90).Draw(t, "on")
		}
		return p
	}), 0, 6).Draw(t, "promises")
}

// Day by day, the clock stands exactly while something is late; a moved due
// day leaves as many running days as were given; the order of promises does
// not matter; and with every promise in time nothing moves.
func TestClock_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan, today := promises(t), rapid.IntRange(1, 100).Draw(t, "today")
		c := Standstill(plan, nil, today)
		stood := 0
		for d := 1; d <= today; d++ {
			late := slices.ContainsFunc(plan, func(p Promise) bool { return d > p.Due && (p.DeliveredOn == 0 || d <= p.DeliveredOn) })
			if late {
				stood++
			}
			if got := d - c.Running(0, d); got != stood {
				t.Fatalf("until day %d it stood %d days, want %d", d, got, stood)
			}
		}
		if c.Days() != stood {
			t.Fatalf("stood %d days in all, want %d", c.Days(), stood)
		}
		due := rapid.IntRange(1, 80).Draw(t, "a due day")
		moved := c.Due(due)
		if moved < due || moved > due+c.Days() || c.Running(0, moved) != due {
			t.Fatalf("due %d moved to %d with %d running days", due, moved, c.Running(0, moved))
		}
		if later := c.Due(due + 1); later <= moved {
			t.Fatalf("the day after is due on %d, not after %d", later, moved)
		}
		turned := slices.Clone(plan)
		slices.Reverse(turned)
		if !slices.Equal(Standstill(turned, nil, today).Stands(), c.Stands()) {
			t.Fatal("the order of promises matters")
		}
		for i := range plan {
			plan[i].DeliveredOn = plan[i].Due
		}
		if n := Standstill(plan, nil, today).Days(); n != 0 {
			t.Fatalf("all in time and %d days of standstill", n)
		}
	})
}

func TestDay_IsOneOfTheProject(t *testing.T) {
	for on, ok := range map[int]bool{4: false, 5: true, 9: true, 10: false} {
		if err := CheckDay("delivered_on", on, 5, 9); (err == nil) != ok {
			t.Errorf("on %d: %v", on, err)
		}
	}
	p := Promise{Due: 10}
	if p.IsLate(10) || !p.IsLate(11) || (Promise{Due: 10, DeliveredOn: 12}).IsLate(12) {
		t.Error("late")
	}
}
