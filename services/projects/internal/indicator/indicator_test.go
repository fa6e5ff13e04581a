package indicator

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func rat(n int64) *big.Rat { return big.NewRat(n, 1) }

func numbers() Numbers { return Numbers{Behind: rat(10), Soon: 14, Fresh: 31, Letter: 10} }

// 700 in 280 days from 0: after 100 days the plan says 250.
func TestLight_GreenYellowRed(t *testing.T) {
	p := Plan{Baseline: rat(0), Target: rat(700), Direction: Up, Days: 280}
	on := func(value int64, asOf, today int) Standing {
		return Standing{Value: rat(value), AsOf: asOf, Today: today, Due: 280, RunAsOf: asOf, RunToday: today}
	}
	for name, c := range map[string]struct {
		s     Standing
		light Light
		rung  Rung
	}{
		"on plan":                                {on(250, 100, 100), Green, 0},
		"behind by exactly 10 %":                 {on(225, 100, 100), Green, 0},
		"behind by more":                         {on(224, 100, 100), Yellow, FellBehind},
		"a fresh reading against its own day":    {on(250, 100, 131), Green, 0},
		"an old one against today":               {on(250, 100, 132), Yellow, FellBehind},
		"an old one far ahead is only asked for": {on(600, 100, 132), Green, Reminded},
		"met early":                              {on(700, 100, 200), Green, 0},
		"15 days before, on plan":                {on(663, 265, 265), Green, 0},
		"14 days before and not met":             {on(699, 266, 266), Yellow, FellBehind},
		"on the due day":                         {on(699, 280, 280), Yellow, FellBehind},
		"the day after":                          {on(699, 281, 281), Red, Overdue},
		"nine days after":                        {on(699, 281, 289), Red, Overdue},
		"ten days after":                         {on(699, 281, 290), Red, Supervised},
		"met late":                               {on(701, 290, 290), Green, 0},
	} {
		if got := p.Light(c.s, numbers()); got != c.light {
			t.Errorf("%s: light %d, want %d", name, got, c.light)
		}
		if got := p.Rung(c.s, numbers(), true); got != c.rung {
			t.Errorf("%s: rung %d, want %d", name, got, c.rung)
		}
	}
	if got := p.Rung(on(600, 100, 132), numbers(), false); got != 0 {
		t.Errorf("linli asks itself for a reading: %d", got)
	}
}

// Complaints from 60 down to 20 in 100 days: half way the plan says 40.
func TestLight_Down(t *testing.T) {
	p := Plan{Baseline: rat(60), Target: rat(20), Direction: Down, Days: 100}
	for value, want := range map[int64]Light{40: Green, 42: Green, 43: Yellow, 20: Green, 61: Yellow} {
		s := Standing{Value: rat(value), AsOf: 50, Today: 50, Due: 100, RunAsOf: 50, RunToday: 50}
		if got := p.Light(s, numbers()); got != want {
			t.Errorf("%d: light %d, want %d", value, got, want)
		}
	}
}

func TestDirection_IsSaidOrFollowsFromTheTarget(t *testing.T) {
	for _, c := range []struct {
		said             Direction
		baseline, target int64
		want             Direction
	}{{0, 0, 5, Up}, {0, 5, 0, Down}, {0, 0, 0, Up}, {Down, 0, 0, Down}} {
		if got := DirectionOf(c.said, rat(c.baseline), rat(c.target)); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

// The plan runs from baseline to target and never outside; a better value
// never has a worse light or stands higher on the ladder; mirrored values have
// the same light in the other direction; a moved due day is never worse.
func TestPlan_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, gain := rapid.Int64Range(-50, 50).Draw(t, "baseline"), rapid.Int64Range(1, 100).Draw(t, "gain")
		p := Plan{Baseline: rat(base), Target: rat(base + gain), Direction: Up, Days: rapid.IntRange(1, 300).Draw(t, "days")}
		d := rapid.IntRange(0, 320).Draw(t, "day")
		if at := p.At(d); at.Cmp(p.Baseline) < 0 || at.Cmp(p.Target) > 0 || p.At(d+1).Cmp(at) < 0 {
			t.Fatalf("plan at %d: %s", d, at)
		}
		asOf := rapid.IntRange(0, d).Draw(t, "as of")
		s := Standing{Value: rat(base + rapid.Int64Range(-20, 120).Draw(t, "value")), AsOf: asOf, Today: d, Due: p.Days, RunAsOf: asOf, RunToday: d}
		better := s
		better.Value = new(big.Rat).Add(s.Value, big.NewRat(rapid.Int64Range(0, 30).Draw(t, "more"), 1))
		if p.Light(better, numbers()) > p.Light(s, numbers()) || p.Rung(better, numbers(), true) > p.Rung(s, numbers(), true) {
			t.Fatalf("better is worse: %+v", s)
		}
		later := s
		later.Due += rapid.IntRange(0, 40).Draw(t, "standstill")
		if p.Light(later, numbers()) > p.Light(s, numbers()) {
			t.Fatalf("more time is worse: %+v", s)
		}
		mirror, down := s, p
		mirror.Value = new(big.Rat).Neg(s.Value)
		down.Baseline, down.Target, down.Direction = new(big.Rat).Neg(p.Baseline), new(big.Rat).Neg(p.Target), Down
		if p.Light(s, numbers()) != down.Light(mirror, numbers()) {
			t.Fatalf("down differs: %+v", s)
		}
		if p.Met(s.Value) != (p.Light(s, numbers()) == Green && s.Value.Cmp(p.Target) >= 0) {
			t.Fatalf("met: %+v", s)
		}
	})
}

func TestTarget_ChangesToTheSideOfItsDirection(t *testing.T) {
	for _, c := range []struct {
		d      Direction
		target int64
		ok     bool
	}{{Up, 150, true}, {Up, 200, false}, {Up, -1, false}, {Down, -1, true}, {Down, 1, false}, {Up, 0, true}} {
		if err := CheckTarget(c.d, rat(0), rat(200), rat(c.target)); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestRecovered(t *testing.T) {
	if !Recovered(Supervised, 0) || !Recovered(FellBehind, Reminded) || Recovered(Reminded, 0) || Recovered(Overdue, FellBehind) {
		t.Error("recovered")
	}
}

func TestCheck_SourceAndDirection(t *testing.T) {
	for _, c := range []struct {
		source string
		said   Direction
		target int64
		ok     bool
	}{
		{Manual, 0, 5, true}, {RequestsResolved, Up, 5, true}, {"requests.solved", 0, 5, false},
		{Manual, Down, 5, false}, {Manual, Up, -5, false}, {LedgerAttendance, Down, 0, true},
	} {
		if err := Check(0, c.source, c.said, rat(0), rat(c.target)); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for _, q := range Queries() {
		if got, ok := FindQuery(q.Name); !ok || got != q {
			t.Errorf("%s is not found", q.Name)
		}
	}
}
