package campaign

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestOf(t *testing.T) {
	const deadline = "2013-10-31"
	for what, c := range map[string]struct {
		in    Case
		today string
		want  Class
	}{
		"nothing":                {Case{}, "2013-10-01", Missing},
		"on the last day":        {Case{AcceptedFor: deadline}, "2013-11-05", OnTime},
		"a day late":             {Case{AcceptedFor: "2013-11-01"}, "2013-11-05", Late},
		"lives in a village":     {Case{Excluded: true, Reason: Village}, "2013-10-01", NotDue},
		"ill until today":        {Case{Excluded: true, Reason: Ill, Until: "2013-10-01"}, "2013-10-01", Exempt},
		"ill until yesterday":    {Case{Excluded: true, Reason: Ill, Until: "2013-09-30"}, "2013-10-01", Missing},
		"excluded, came anyway":  {Case{Excluded: true, Reason: OtherCity, AcceptedFor: "2013-09-01"}, "2013-10-01", OnTime},
		"posted away, came late": {Case{Excluded: true, Reason: PostedAway, Until: "2014-01-01", AcceptedFor: "2013-12-01"}, "2013-12-02", Late},
	} {
		if got := Of(c.in, deadline, c.today); got != c.want {
			t.Errorf("%s: %d, want %d", what, got, c.want)
		}
	}
}

func TestPercent_Bounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 20000)
		onTime, late, missing := n.Draw(t, "on time"), n.Draw(t, "late"), n.Draw(t, "missing")
		got := Percent(onTime, late, missing)
		switch {
		case onTime+late+missing == 0 && got != "":
			t.Fatal(got)
		case onTime+late > 0 && missing == 0 && got != "100.0":
			t.Fatal(got)
		}
	})
	if got := Percent(1, 1, 1); got != "66.7" {
		t.Error(got)
	}
}

func TestNextReminder(t *testing.T) {
	ladder := []int{30, 14, 7, 1}
	for _, c := range []struct {
		today string
		done  []int32
		want  int
		due   bool
	}{
		{"2013-09-01", nil, 0, false}, {"2013-10-01", nil, 30, true}, {"2013-10-05", []int32{30}, 30, false},
		{"2013-10-17", []int32{30}, 14, true}, {"2013-10-30", []int32{30}, 1, true}, {"2013-10-31", []int32{1}, 1, false},
		{"2013-11-01", nil, 0, false},
	} {
		if got, due := NextReminder(ladder, c.done, "2013-08-01", "2013-10-31", c.today); got != c.want || due != c.due {
			t.Errorf("%s: %d, %v", c.today, got, due)
		}
	}
}

// TestNextReminder_NotOfBefore: a campaign that opens late does not begin with
// the reminder that it came too late for.
func TestNextReminder_NotOfBefore(t *testing.T) {
	for _, c := range []struct {
		from, today string
		want        int
		due         bool
	}{
		{"2013-10-09", "2013-10-09", 30, false}, {"2013-10-09", "2013-10-16", 30, false}, {"2013-10-09", "2013-10-17", 14, true},
		{"2013-10-01", "2013-10-01", 30, true}, {"2013-10-02", "2013-10-02", 30, false}, {"2013-10-31", "2013-10-31", 1, false},
	} {
		if got, due := NextReminder([]int{30, 14, 7, 1}, nil, c.from, "2013-10-31", c.today); got != c.want || due != c.due {
			t.Errorf("from %s, on %s: %d, %v", c.from, c.today, got, due)
		}
	}
}

func TestExclusions_RandomCommands(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	commands := []string{Propose, Approve, Reject, Lapse}
	for range 1000 {
		at, open, holds := New, false, false // the model: whether a proposal waits, whether one holds
		for range 12 {
			c := commands[random.IntN(len(commands))]
			next, err := Exclusions().Next(at, c)
			allowed := c == Propose && !open || (c == Approve || c == Reject) && open || c == Lapse && (open || holds)
			if (err == nil) != allowed {
				t.Fatalf("%s in %s: %v", c, at, err)
			}
			if err == nil {
				at, open, holds = next, c == Propose, c == Approve
			}
		}
	}
}

func TestChecks(t *testing.T) {
	if CheckDays("2013-08-01", "2013-10-31") != nil || CheckDays("2013-10-31", "2013-10-31") == nil || CheckDays("x", "2013-10-31") == nil {
		t.Error("days")
	}
	for _, c := range []struct {
		reason Reason
		until  string
		ok     bool
	}{
		{Ill, "", false}, {Ill, "2013-12-31", true}, {Ill, "2013-10-01", true}, {Ill, "2013-09-30", false},
		{Village, "2013-12-31", false}, {Village, "", true},
	} {
		if err := CheckUntil(c.reason, c.until, "2013-10-01"); (err == nil) != c.ok {
			t.Errorf("%d until %q: %v", c.reason, c.until, err)
		}
	}
}

// TestOutlives: an exclusion goes along as long as what it rests on.
func TestOutlives(t *testing.T) {
	for _, c := range []struct {
		reason Reason
		move   Move
		want   bool
	}{
		{Village, Move{Home: true}, true}, {Village, Move{Residence: true}, false},
		{OtherCity, Move{Home: true}, true}, {OtherCity, Move{Residence: true}, false},
		{OtherLevel, Move{Home: true}, false}, {OtherLevel, Move{Residence: true}, true},
		{PostedAway, Move{Home: true, Residence: true}, true}, {Ill, Move{Home: true, Residence: true}, true},
		{Ill, Move{Home: true, Away: true}, false}, {Village, Move{Home: true, Away: true}, false},
	} {
		if got := c.reason.Outlives(c.move); got != c.want {
			t.Errorf("%d after %+v: %v", c.reason, c.move, got)
		}
	}
}

func TestLadder(t *testing.T) {
	if got := Ladder([]string{"30", " x", "1"}); !slices.Equal(got, []int{30, 1}) {
		t.Error(got)
	}
}
