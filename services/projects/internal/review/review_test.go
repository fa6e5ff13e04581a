package review

import (
	"errors"
	"math/big"
	"testing"

	"github.com/linli-project/linli/pkg/rule"
)

func rat(num, den int64) *big.Rat { return big.NewRat(num, den) }

func reason(err error) string {
	var broken *rule.Error
	if errors.As(err, &broken) {
		return broken.Reason
	}
	return ""
}

func form(t testing.TB, criteria ...Criterion) Form {
	t.Helper()
	f, err := NewForm(criteria)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestNewForm_RefusesNonsense(t *testing.T) {
	good := Criterion{Key: "necessity", Max: 20, Weight: 1}
	cases := map[string][]Criterion{
		"criteria":           nil,
		"criteria[1].key":    {good, good},
		"criteria[0].key":    {{Key: " ", Max: 20, Weight: 1}},
		"criteria[0].max":    {{Key: "a", Max: 0, Weight: 1}},
		"criteria[1].weight": {good, {Key: "b", Max: 5, Weight: 0}},
	}
	for field, criteria := range cases {
		_, err := NewForm(criteria)
		var broken *rule.Error
		if !errors.As(err, &broken) || broken.Reason != "INVALID_FIELD" || broken.Field != field {
			t.Errorf("want %s refused: %v", field, err)
		}
	}
}

func TestFill_ChecksAndOrders(t *testing.T) {
	f := form(t, Criterion{"a", 20, 1}, Criterion{"b", 5, 1})
	got, err := f.Fill([]Points{{Criterion: "b", Halves: 10}, {Criterion: "a", Halves: 0}})
	if err != nil || got[0] != (Points{Criterion: "a", Halves: 0}) || got[1] != (Points{Criterion: "b", Halves: 10}) {
		t.Errorf("good points: %v, %v", got, err)
	}
	cases := []struct {
		points []Points
		reason string
	}{
		{[]Points{{Criterion: "a", Halves: 1}}, "BAD_CRITERIA"},
		{[]Points{{Criterion: "a", Halves: 1}, {Criterion: "a", Halves: 1}, {Criterion: "b", Halves: 1}}, "BAD_CRITERIA"},
		{[]Points{{Criterion: "a", Halves: 1}, {Criterion: "b", Halves: 1}, {Criterion: "c", Halves: 1}}, "BAD_CRITERIA"},
		{nil, "BAD_CRITERIA"},
		{[]Points{{Criterion: "a", Halves: 41}, {Criterion: "b", Halves: 1}}, "BAD_POINTS"},
		{[]Points{{Criterion: "a", Halves: 1}, {Criterion: "b", Halves: -1}}, "BAD_POINTS"},
		{[]Points{{Criterion: "a", Halves: 1, NotApplicable: true}, {Criterion: "b", Halves: 1}}, "BAD_POINTS"},
		{[]Points{{Criterion: "a", NotApplicable: true}, {Criterion: "b", NotApplicable: true}}, "BAD_CRITERIA"},
	}
	for _, c := range cases {
		if _, err := f.Fill(c.points); reason(err) != c.reason {
			t.Errorf("%v: %v, want %s", c.points, err, c.reason)
		}
	}
}

// Worked by hand.
func TestScore_ByHand(t *testing.T) {
	cases := []struct {
		why      string
		criteria []Criterion
		halves   []int
		want     *big.Rat
	}{
		{"one criterion in full", []Criterion{{"a", 20, 1}}, []int{40}, rat(100, 1)},
		{"nothing", []Criterion{{"a", 20, 1}, {"b", 15, 3}}, []int{0, 0}, rat(0, 1)},
		{"15.5 of 20 and 13 of 15: 100·28.5/35", []Criterion{{"a", 20, 1}, {"b", 15, 1}}, []int{31, 26}, rat(570, 7)},
		{"weights 2 and 1: 100·(2·10+5)/(2·20+5)", []Criterion{{"a", 20, 2}, {"b", 5, 1}}, []int{20, 10}, rat(500, 9)},
		{"the same as points are worth", []Criterion{{"a", 10, 3}}, []int{1}, rat(5, 1)},
	}
	for _, c := range cases {
		points := make([]Points, len(c.criteria))
		for i := range points {
			points[i] = Points{Criterion: c.criteria[i].Key, Halves: c.halves[i]}
		}
		if got := form(t, c.criteria...).Score(points); got.Cmp(c.want) != 0 {
			t.Errorf("%s: %s, want %s", c.why, got, c.want)
		}
	}
}

// Worked by hand.
func TestAggregate_ByHand(t *testing.T) {
	cases := []struct {
		why        string
		scores     []*big.Rat
		mean, drop *big.Rat
	}{
		{"none", nil, rat(0, 1), rat(0, 1)},
		{"one", []*big.Rat{rat(80, 1)}, rat(80, 1), rat(80, 1)},
		{"three: too few to drop", []*big.Rat{rat(0, 1), rat(90, 1), rat(100, 1)}, rat(190, 3), rat(190, 3)},
		{"four", []*big.Rat{rat(0, 1), rat(90, 1), rat(100, 1), rat(80, 1)}, rat(135, 2), rat(85, 1)},
		{"the highest twice: one goes", []*big.Rat{rat(100, 1), rat(100, 1), rat(70, 1), rat(60, 1)}, rat(165, 2), rat(85, 1)},
		{"all the same", []*big.Rat{rat(50, 3), rat(50, 3), rat(50, 3), rat(50, 3), rat(50, 3)}, rat(50, 3), rat(50, 3)},
	}
	for _, c := range cases {
		if got := Aggregate(Mean, c.scores); got.Cmp(c.mean) != 0 {
			t.Errorf("%s: mean %s, want %s", c.why, got, c.mean)
		}
		if got := Aggregate(DropHighLow, c.scores); got.Cmp(c.drop) != 0 {
			t.Errorf("%s: dropped %s, want %s", c.why, got, c.drop)
		}
	}
}

func TestHundredths_HalfUp(t *testing.T) {
	cases := []struct {
		score *big.Rat
		want  int64
	}{
		{rat(0, 1), 0}, {rat(100, 1), 10000}, {rat(570, 7), 8143}, {rat(500, 9), 5556},
		{rat(1, 200), 1},      // 0.005 goes up
		{rat(49, 10000), 0},   // 0.0049 goes down
		{rat(1001, 200), 501}, // 5.005: up, where a rounding to even would not
		{rat(1003, 200), 502},
		{rat(2, 3), 67},
	}
	for _, c := range cases {
		if got := Hundredths(c.score); got != c.want {
			t.Errorf("%s: %d, want %d", c.score, got, c.want)
		}
	}
}

// Standard competition ranking: equals share the best of their places.
func TestRank_OneTwoTwoFour(t *testing.T) {
	entries := []Entry{
		{ID: "d", Number: "4", Score: rat(10, 1)},
		{ID: "c", Number: "3", Score: rat(20, 1)},
		{ID: "a", Number: "1", Score: rat(30, 1)},
		{ID: "b", Number: "2", Score: rat(40, 2)},
	}
	cases := map[int][]Outcome{
		0: {NotSelected, NotSelected, NotSelected, NotSelected},
		1: {Selected, NotSelected, NotSelected, NotSelected},
		2: {Selected, Reserve, Reserve, NotSelected}, // the tie lies across the line
		3: {Selected, Selected, Selected, NotSelected},
		4: {Selected, Selected, Selected, Selected},
		9: {Selected, Selected, Selected, Selected},
	}
	for quota, outcomes := range cases {
		for i, p := range Rank(entries, quota) {
			if want := []int{1, 2, 2, 4}[i]; p.Rank != want || p.ID != string("abcd"[i]) || p.Outcome != outcomes[i] {
				t.Errorf("quota %d, place %d: %+v, want rank %d, outcome %d", quota, i, p, want, outcomes[i])
			}
		}
	}
	if len(Rank(nil, 3)) != 0 {
		t.Error("a ranking of nothing has places")
	}
}

// Scores are compared exactly: these two look the same in hundredths.
func TestRank_ComparesFractionsNotHundredths(t *testing.T) {
	a, b := rat(66666, 1000), rat(200, 3)
	if Hundredths(a) != Hundredths(b) {
		t.Fatal("the example is wrong")
	}
	got := Rank([]Entry{{ID: "a", Number: "1", Score: a}, {ID: "b", Number: "2", Score: b}}, 1)
	if got[0].ID != "b" || got[1].Rank != 2 || got[1].Outcome != NotSelected {
		t.Errorf("%+v", got)
	}
}

func TestConflict_AlongTheTree(t *testing.T) {
	cases := []struct {
		a, b string
		want bool
	}{
		{"/1/11/111/", "/1/11/111/", true},
		{"/1/11/", "/1/11/111/", true},
		{"/1/11/112/", "/1/11/111/", false},
		{"/1/11/", "/1/111/", false}, // a name that begins like another
		{"/", "/1/11/", true},
		{"", "/1/11/", true}, // nobody knows where it stands
	}
	for _, c := range cases {
		if Conflict(c.a, c.b) != c.want || Conflict(c.b, c.a) != c.want {
			t.Errorf("Conflict(%q, %q) is not %v both ways", c.a, c.b, c.want)
		}
	}
}

// Who applies together with another counts like the applicant.
func TestBarred_CoApplicantsCount(t *testing.T) {
	p := Panel{}
	a := Party{ID: "a", Path: "/1/13/", With: []string{"/1/14/", "/1/11/111/"}}
	for path, want := range map[string]bool{"/1/11/": true, "/1/11/111/": true, "/1/14/141/": true, "/1/13/": true, "/1/12/": false} {
		if p.Barred(Party{ID: "E", Path: path}, a) != want {
			t.Errorf("a reviewer of %s is barred: %v", path, !want)
		}
	}
	a.With = append(a.With, "") // an organization that nobody knows
	if !p.Barred(Party{ID: "E", Path: "/1/12/"}, a) {
		t.Error("judges together with nobody knows whom")
	}
}

func TestCheckComplete(t *testing.T) {
	reviewers := []Party{{ID: "E1", Path: "/1/11/"}, {ID: "E2", Path: "/1/12/"}}
	applications := []Party{{ID: "a", Path: "/1/11/111/"}, {ID: "b", Path: "/1/13/"}}
	handed, declared := map[Pair]bool{}, map[Pair]bool{}
	want := func(missing, due string) {
		t.Helper()
		err := Panel{Reviewers: reviewers, Handed: handed, Declared: declared}.CheckComplete(applications)
		var broken *rule.Error
		if missing == "0" {
			if err != nil {
				t.Errorf("all is there: %v", err)
			}
			return
		}
		if !errors.As(err, &broken) || broken.Reason != "SHEETS_MISSING" || broken.Params[1] != missing || broken.Params[3] != due {
			t.Errorf("want %s of %s missing: %v", missing, due, err)
		}
	}
	want("3", "3") // E1 and a are one line of the tree
	handed[Pair{"E2", "a"}], handed[Pair{"E2", "b"}] = true, true
	want("1", "3")
	handed[Pair{"E1", "b"}] = true
	want("0", "3")
	applications = append(applications, Party{ID: "c", Path: "/1/"})
	want("1", "4") // nobody may judge c
	declared[Pair{"E2", "a"}] = true
	want("2", "4") // and now nobody may judge a; the sheet that was there is set aside
	if err := (Panel{Reviewers: reviewers}).CheckComplete(nil); err != nil {
		t.Errorf("nothing to judge: %v", err)
	}
	for person, missing := range map[string]bool{"E1": false, "E2": true, "nobody": false} {
		err := Panel{Reviewers: reviewers, Handed: map[Pair]bool{{"E1", "b"}: true}}.CheckOwn(person, applications[:2])
		if (err != nil) != missing {
			t.Errorf("%s owes: %v", person, err)
		}
	}
}
