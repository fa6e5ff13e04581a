package review

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// round is testdata/projects-2013.json, the sample round: 7 reviewers and 23
// applications for 12 places.
type round struct {
	Call struct {
		Quota    int
		Criteria []struct {
			Key string
			Max int
		}
	}
	Reviewers    []struct{ ID, Organization string }
	Applications []struct{ No, Applicant string }
	Reviews      []struct {
		Application, Reviewer string
		Scores                map[string]float64
	}
}

func readRound(t testing.TB) round {
	t.Helper()
	text, err := os.ReadFile("testdata/projects-2013.json")
	if err != nil {
		t.Fatal(err)
	}
	var r round
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// readPaths answers the paths of testdata/organizations.csv by code.
func readPaths(t testing.TB) map[string]string {
	t.Helper()
	f, err := os.Open("testdata/organizations.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // only read
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]string{"": "/"}
	for _, row := range rows[1:] { // parents stand before their children
		paths[row[0]] = paths[row[3]] + row[0] + "/"
	}
	return paths
}

func (r round) form(t testing.TB) Form {
	t.Helper()
	var criteria []Criterion
	for _, c := range r.Call.Criteria {
		criteria = append(criteria, Criterion{Key: c.Key, Max: c.Max, Weight: 1})
	}
	return form(t, criteria...)
}

// scores answers the sheet scores by application number.
func (r round) scores(t testing.TB) map[string][]*big.Rat {
	t.Helper()
	f := r.form(t)
	out := map[string][]*big.Rat{}
	for _, v := range r.Reviews {
		var points []Points
		for k, x := range v.Scores {
			points = append(points, Points{Criterion: k, Halves: int(2 * x)})
		}
		filled, err := f.Fill(points)
		if err != nil {
			t.Fatalf("%s by %s: %v", v.Application, v.Reviewer, err)
		}
		out[v.Application] = append(out[v.Application], f.Score(filled))
	}
	return out
}

func rankBy(m Method, scores map[string][]*big.Rat, quota int) []Place {
	var entries []Entry
	for no, s := range scores {
		entries = append(entries, Entry{ID: no, Number: no, Score: Aggregate(m, s), Sheets: len(s)})
	}
	return Rank(entries, quota)
}

func selected(places []Place) string {
	var out []string
	for _, p := range places {
		if p.Outcome == Selected {
			out = append(out, strings.TrimPrefix(p.Number, "2013-"))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

const theTwelve = "01 02 03 04 05 07 09 12 13 18 21 23"

func TestRound2013_TheTwelveByBothMethods(t *testing.T) {
	r := readRound(t)
	for _, m := range methods() {
		places := rankBy(m, r.scores(t), r.Call.Quota)
		if got := selected(places); got != theTwelve {
			t.Errorf("method %d selects %s", m, got)
		}
		if len(places) != 23 {
			t.Errorf("method %d ranks %d", m, len(places))
		}
	}
}

// The scores of two applications, worked by hand from the file: 2013-01 has
// 7 sheets, 2013-17 has 6 since E2 is of the applicant.
func TestRound2013_ScoresByHand(t *testing.T) {
	scores := readRound(t).scores(t)
	if first := scores["2013-01"][0]; first.Cmp(rat(85, 1)) != 0 { // 15.5 + 17.5 + 18 + 21 + 13 of 100
		t.Errorf("E1 gives 2013-01 %s", first)
	}
	if n := len(scores["2013-17"]); n != 6 {
		t.Errorf("2013-17 has %d sheets", n)
	}
}

// The file leaves out the conflicted sheets: they must be exactly the ones
// that the tree says.
func TestRound2013_ConflictsAreThoseOfTheTree(t *testing.T) {
	r, paths := readRound(t), readPaths(t)
	handed := map[Pair]bool{}
	for _, v := range r.Reviews {
		handed[Pair{v.Reviewer, v.Application}] = true
	}
	var left []string
	var reviewers, applications []Party
	for _, e := range r.Reviewers {
		reviewers = append(reviewers, Party{ID: e.ID, Path: paths[e.Organization]})
		for _, a := range r.Applications {
			conflict := Conflict(paths[e.Organization], paths[a.Applicant])
			if conflict == handed[Pair{e.ID, a.No}] {
				t.Errorf("%s and %s: conflict %v, sheet %v", e.ID, a.No, conflict, !conflict)
			}
			if conflict {
				left = append(left, fmt.Sprint(e.ID, " ", a.No))
			}
		}
	}
	for _, a := range r.Applications {
		applications = append(applications, Party{ID: a.No, Path: paths[a.Applicant]})
	}
	want := []string{"E2 2013-17", "E3 2013-18", "E4 2013-03", "E4 2013-05", "E4 2013-13", "E4 2013-21"}
	if len(r.Reviews) != 155 || !slices.Equal(left, want) {
		t.Errorf("%d sheets, conflicts %v", len(r.Reviews), left)
	}
	if err := (Panel{Reviewers: reviewers, Handed: handed}).CheckComplete(applications); err != nil {
		t.Errorf("the file is complete: %v", err)
	}
}

// Who gave which sheet, and in which order they came, changes nothing.
func TestRound2013_RelabelledReviewersRankAlike(t *testing.T) {
	r := readRound(t)
	scores := r.scores(t)
	want := map[Method]string{}
	for _, m := range methods() {
		want[m] = fmt.Sprint(rankBy(m, scores, r.Call.Quota))
	}
	rapid.Check(t, func(t *rapid.T) {
		mixed := map[string][]*big.Rat{}
		for _, no := range slices.Sorted(maps.Keys(scores)) {
			mixed[no] = rapid.Permutation(scores[no]).Draw(t, no)
		}
		for _, m := range methods() {
			if got := fmt.Sprint(rankBy(m, mixed, r.Call.Quota)); got != want[m] {
				t.Fatalf("method %d: %s", m, got)
			}
		}
	})
}
