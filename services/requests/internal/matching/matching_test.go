package matching

import (
	"errors"
	"fmt"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/linli-project/linli/pkg/rule"
)

var zone = time.FixedZone("Asia/Shanghai", 8*3600)

// Monday 2 September 2013 at an hour and a minute.
func monday(hour, minute int) time.Time { return time.Date(2013, 9, 2, hour, minute, 0, 0, zone) }

func weights() Weights {
	return Weights{Building: 100, Community: 80, Street: 50, Unstated: 50, HalfLoadHours: 8}
}

func evening() Work { return Work{Slot: Span{monday(19, 0), monday(20, 0)}} }

func TestSuggest_Factors(t *testing.T) {
	free := []FreeTime{{1, 18 * 60, 21 * 60}}
	for name, c := range map[string]struct {
		m    Member
		want *big.Rat
	}{
		"same building, free, idle":  {Member{Distance: SameBuilding, Free: free}, big.NewRat(1, 1)},
		"same community":             {Member{Distance: SameCommunity, Free: free}, big.NewRat(4, 5)},
		"same street":                {Member{Distance: SameStreet, Free: free}, big.NewRat(1, 2)},
		"half of it free":            {Member{Distance: SameBuilding, Free: []FreeTime{{1, 19*60 + 30, 22 * 60}}}, big.NewRat(1, 2)},
		"free in two parts":          {Member{Distance: SameBuilding, Free: []FreeTime{{1, 1140, 1165}, {1, 1160, 1200}}}, big.NewRat(1, 1)},
		"nothing stated":             {Member{Distance: SameBuilding}, big.NewRat(1, 2)},
		"eight hours of engagements": {Member{Distance: SameBuilding, Free: free, LoadQuarters: 32}, big.NewRat(1, 2)},
		"all of it":                  {Member{Distance: SameStreet, LoadQuarters: 64}, big.NewRat(1, 12)},
	} {
		s, out := Suggest(evening(), c.m, weights(), false)
		if out != Fits || s.Score.Cmp(c.want) != 0 {
			t.Errorf("%s: %v, left out %d, want %v", name, s.Score, out, c.want)
		}
		if len(s.Reasons) != 3 {
			t.Errorf("%s: reasons %v", name, s.Reasons)
		}
	}
}

func TestSuggest_WhoIsLeftOut(t *testing.T) {
	electric := Work{Specialty: "电工", NeedsQualification: true, NeedsInsurance: true, Slot: evening().Slot}
	good := Specialty{Name: "电工", QualifiedUntil: "2013-09-02", InsuredUntil: "2014-01-01"}
	for name, c := range map[string]struct {
		w       Work
		m       Member
		working bool
		want    LeftOut
	}{
		"has it all":        {electric, Member{Distance: SameBuilding, Specialties: []Specialty{good}}, false, Fits},
		"cannot":            {electric, Member{Distance: SameBuilding, Specialties: []Specialty{{Name: "书法"}}}, false, NoSpecialty},
		"no paper":          {electric, Member{Distance: SameBuilding, Specialties: []Specialty{{Name: "电工"}}}, false, NotQualified},
		"lapsed paper":      {electric, Member{Distance: SameBuilding, Specialties: []Specialty{{Name: "电工", QualifiedUntil: "2013-09-01", InsuredUntil: "2014-01-01"}}}, false, NotQualified},
		"no insurance":      {electric, Member{Distance: SameBuilding, Specialties: []Specialty{{Name: "电工", QualifiedUntil: "2014-01-01"}}}, false, NotInsured},
		"lives far":         {evening(), Member{}, false, Far},
		"free another day":  {evening(), Member{Distance: SameBuilding, Free: []FreeTime{{2, 0, 1440}}}, false, NotFree},
		"engaged":           {evening(), Member{Distance: SameBuilding, Engagements: []Span{{monday(18, 0), monday(19, 15)}}}, false, Engaged},
		"engaged until":     {evening(), Member{Distance: SameBuilding, Engagements: []Span{{monday(18, 0), monday(19, 0)}}}, false, Fits},
		"engaged after":     {evening(), Member{Distance: SameBuilding, Engagements: []Span{{monday(20, 0), monday(21, 0)}}}, false, Fits},
		"works":             {evening(), Member{Distance: SameBuilding}, true, NotInvited},
		"works and invites": {evening(), Member{Distance: SameBuilding, InvitesWorkingHours: true}, true, Fits},
	} {
		if _, out := Suggest(c.w, c.m, weights(), c.working); out != c.want {
			t.Errorf("%s: %d, want %d", name, out, c.want)
		}
	}
}

func TestSort_TheSameOrderAlways(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []Suggestion
		for i := range rapid.IntRange(0, 20).Draw(t, "members") {
			m := Member{ID: fmt.Sprintf("m%02d", i), Distance: Distance(rapid.IntRange(1, 3).Draw(t, "distance")),
				LoadQuarters: rapid.IntRange(0, 400).Draw(t, "load")}
			s, out := Suggest(evening(), m, weights(), false)
			if out != Fits || s.Score.Sign() <= 0 || s.Score.Cmp(big.NewRat(1, 1)) > 0 {
				t.Fatalf("score %v, left out %d", s.Score, out)
			}
			all = append(all, s)
		}
		shuffled := rapid.Permutation(all).Draw(t, "shuffled")
		Sort(all)
		Sort(shuffled)
		for i := range all {
			if all[i].Member != shuffled[i].Member {
				t.Fatalf("place %d: %s and %s", i, all[i].Member, shuffled[i].Member)
			}
			if i > 0 && all[i-1].Score.Cmp(all[i].Score) < 0 {
				t.Fatal("a better one stands below")
			}
		}
	})
}

// More load, more distance and less free time never help.
func TestSuggest_IsMonotonic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, width := rapid.IntRange(0, 1300).Draw(t, "from"), rapid.IntRange(1, 140).Draw(t, "width")
		m := Member{
			Distance: Distance(rapid.IntRange(1, 3).Draw(t, "distance")), LoadQuarters: rapid.IntRange(0, 100).Draw(t, "load"),
			Free: []FreeTime{{1, from, from + width}},
		}
		base, out := Suggest(evening(), m, weights(), false)
		if out != Fits {
			return
		}
		worse := m
		worse.LoadQuarters += rapid.IntRange(0, 40).Draw(t, "more")
		worse.Distance = Distance(rapid.IntRange(int(m.Distance), 3).Draw(t, "farther"))
		worse.Free = []FreeTime{{1, from, from + rapid.IntRange(1, width).Draw(t, "narrower")}}
		if s, out := Suggest(evening(), worse, weights(), false); out == Fits && s.Score.Cmp(base.Score) > 0 {
			t.Fatalf("%v is better than %v", s.Score, base.Score)
		}
	})
}

func hours() Hours { return Hours{WorkFrom: 8, WorkTo: 18, NightFrom: 21, NightTo: 8} }

func weekdays(day time.Time) (bool, error) {
	if day.Year() != 2013 {
		return false, errors.New("no calendar")
	}
	return day.Weekday() != time.Saturday && day.Weekday() != time.Sunday, nil
}

func TestCheckSlot(t *testing.T) {
	for name, c := range map[string]struct {
		from, to time.Time
		want     string
	}{
		"in the evening":     {monday(19, 0), monday(21, 0), ""},
		"in the morning":     {monday(8, 0), monday(9, 0), ""},
		"too late":           {monday(20, 0), monday(21, 15), "OFFER_AT_NIGHT"},
		"too early":          {monday(7, 45), monday(9, 0), "OFFER_AT_NIGHT"},
		"over midnight":      {monday(20, 0), monday(24, 30), "OFFER_AT_NIGHT"},
		"nine hours":         {monday(9, 0), monday(18, 15), "INVALID_FIELD"},
		"nothing":            {monday(9, 0), monday(9, 0), "INVALID_FIELD"},
		"before it is asked": {monday(6, 30), monday(9, 0), "OFFER_IN_THE_PAST"},
	} {
		err := CheckSlot(Span{c.from, c.to}, monday(6, 30), hours())
		var e *rule.Error
		if errors.As(err, &e); (c.want == "") != (err == nil) || err != nil && e.Reason != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestReaches(t *testing.T) {
	for name, c := range map[string]struct {
		at      time.Time
		invited bool
		want    time.Time
	}{
		"in the evening":                {monday(19, 0), false, monday(19, 0)},
		"in working hours":              {monday(10, 0), false, monday(18, 0)},
		"in working hours, invited":     {monday(10, 0), true, monday(10, 0)},
		"late, invited":                 {monday(22, 0), true, monday(32, 0)},
		"late, and tomorrow is work":    {monday(22, 0), false, monday(42, 0)},
		"before dawn":                   {monday(3, 0), true, monday(8, 0)},
		"on Saturday morning":           {monday(24*5+10, 0), false, monday(24*5+10, 0)},
		"on Friday night, for Saturday": {monday(24*4+23, 0), false, monday(24*5+8, 0)},
	} {
		got, err := hours().Reaches(c.at, c.invited, weekdays)
		if err != nil || !got.Equal(c.want) {
			t.Errorf("%s: %s, %v, want %s", name, got, err, c.want)
		}
	}
	if _, err := hours().Reaches(monday(24*365, 0), false, weekdays); err == nil {
		t.Error("a year without a calendar is guessed")
	}
}

// Whenever an offer is made, it reaches nobody at night, and nobody at work
// who did not invite it; and not before it is made.
func TestReaches_NeverDisturbs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := monday(0, 0).Add(time.Duration(rapid.Int64Range(0, int64(80*24*time.Hour)).Draw(t, "at")))
		invited := rapid.Bool().Draw(t, "invited")
		got, err := hours().Reaches(now, invited, weekdays)
		if err != nil {
			t.Fatal(err)
		}
		if got.Before(now) || got.Sub(now) > 22*time.Hour+time.Hour {
			t.Fatalf("made %s, reaches %s", now, got)
		}
		if got.Hour() >= 21 || got.Hour() < 8 {
			t.Fatalf("at night: %s", got)
		}
		if works, _ := weekdays(got); works && !invited && got.Hour() >= 8 && got.Hour() < 18 {
			t.Fatalf("at work: %s", got)
		}
	})
}
