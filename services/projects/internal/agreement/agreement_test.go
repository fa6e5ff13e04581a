package agreement_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/linli-project/linli/services/projects/internal/agreement"
)

var gap = math.NaN()

// krippendorff is the example of the Wikipedia article "Krippendorff's alpha":
// 3 coders, 15 units; published: nominal 0.691, interval 0.811.
func krippendorff() agreement.Table {
	coders := [][]float64{
		{gap, gap, gap, gap, gap, 3, 4, 1, 2, 1, 1, 3, 3, gap, 3},
		{1, gap, 2, 1, 3, 3, 4, 3, gap, gap, gap, gap, gap, gap, gap},
		{gap, gap, 2, 1, 3, 4, 4, gap, 2, 1, 1, 3, 3, gap, 4},
	}
	t := make(agreement.Table, 15)
	for unit := range t {
		for _, c := range coders {
			t[unit] = append(t[unit], c[unit])
		}
	}
	return t
}

// shroutFleiss is Table 2 of Shrout & Fleiss (1979): 4 judges, 6 targets;
// published: ICC(2,1) 0.29, ICC(2,4) 0.62.
func shroutFleiss() agreement.Table {
	return agreement.Table{{9, 2, 5, 8}, {6, 1, 3, 2}, {8, 4, 6, 8}, {7, 1, 2, 6}, {10, 5, 6, 9}, {6, 2, 4, 7}}
}

func near(t *testing.T, what string, got, want, by float64) {
	t.Helper()
	if math.Abs(got-want) > by {
		t.Errorf("%s = %.4f, published %.3f", what, got, want)
	}
}

func TestAlpha_PublishedExample(t *testing.T) {
	interval, _ := agreement.Alpha(krippendorff())
	near(t, "interval alpha", interval, 0.811, 0.0005)
	nominal, _ := agreement.NominalAlpha(krippendorff())
	near(t, "nominal alpha", nominal, 0.691, 0.0005)
}

func TestICC_PublishedExample(t *testing.T) {
	single, average, ok := agreement.ICC(shroutFleiss())
	if !ok {
		t.Fatal("refused")
	}
	near(t, "ICC(2,1)", single, 0.29, 0.005)
	near(t, "ICC(2,4)", average, 0.62, 0.005)
}

func TestKendallW_PublishedExample(t *testing.T) {
	// Siegel (1956), three executives rank six applicants for a job:
	// W = 0.162.
	ranks := [][]float64{{1, 6, 3, 2, 5, 4}, {1, 5, 6, 4, 2, 3}, {6, 3, 2, 5, 4, 1}}
	table := make(agreement.Table, 6)
	for i := range table {
		for _, r := range ranks {
			table[i] = append(table[i], r[i])
		}
	}
	w, ok := agreement.KendallW(table)
	if !ok {
		t.Fatal("refused")
	}
	near(t, "W", w, 0.162, 0.0005)
}

func TestKendallW_PerfectAgreementWithTies(t *testing.T) {
	w, ok := agreement.KendallW(agreement.Table{{1, 2}, {1, 2}, {3, 7}, {4, 9}})
	if !ok || math.Abs(w-1) > 1e-12 {
		t.Errorf("two raters of one mind: %v %v", w, ok)
	}
}

func TestMeasures_SayWhenTheyCannot(t *testing.T) {
	for name, table := range map[string]agreement.Table{
		"nothing":      {},
		"one rater":    {{1}, {2}, {3}},
		"two subjects": {{1, 2}, {2, 3}},
		"all the same": {{5, 5}, {5, 5}, {5, 5}},
		"only gaps":    {{1, gap}, {gap, 2}, {3, gap}},
	} {
		if _, _, ok := agreement.ICC(table); ok {
			t.Errorf("%s: ICC", name)
		}
		if _, ok := agreement.KendallW(table); ok {
			t.Errorf("%s: W", name)
		}
		if _, ok := agreement.Alpha(table); ok && name != "two subjects" {
			t.Errorf("%s: alpha", name)
		}
	}
	if agreement.InWords(0.9, false) != agreement.TooFew || agreement.InWords(0.9, true) != agreement.Strong ||
		agreement.InWords(0.7, true) != agreement.Fair || agreement.InWords(0.1, true) != agreement.Weak || agreement.InWords(-0.2, true) != agreement.None {
		t.Error("the words are wrong")
	}
}

// Relabelling raters or reordering subjects changes nothing.
func TestMeasures_OrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raters := rapid.IntRange(2, 6).Draw(t, "raters")
		row := rapid.SliceOfN(rapid.Float64Range(0, 100), raters, raters)
		table := agreement.Table(rapid.SliceOfN(row, 3, 12).Draw(t, "table"))
		order := rapid.Permutation(indexes(raters)).Draw(t, "raters' order")
		var other agreement.Table
		for _, r := range rapid.Permutation(indexes(len(table))).Draw(t, "subjects' order") {
			var moved []float64
			for _, j := range order {
				moved = append(moved, table[r][j])
			}
			other = append(other, moved)
		}
		for name, measure := range map[string]func(agreement.Table) (float64, bool){
			"alpha": agreement.Alpha, "W": agreement.KendallW,
			"ICC": func(t agreement.Table) (float64, bool) { s, _, ok := agreement.ICC(t); return s, ok },
		} {
			a, okA := measure(table)
			b, okB := measure(other)
			if okA != okB || okA && math.Abs(a-b) > 1e-6 {
				t.Fatalf("%s: %v and %v", name, a, b)
			}
			if okA && (a > 1+1e-9 || name == "W" && a < -1e-9) {
				t.Fatalf("%s out of bounds: %v", name, a)
			}
		}
	})
}

func indexes(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return slices.Clone(out)
}
