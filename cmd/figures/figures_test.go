package figures_test

import (
	"strings"
	"testing"

	"github.com/linli-project/linli/cmd/figures"
)

func good() figures.Run {
	return figures.Run{
		Name: "rest-1", Page: "performance", Section: "REST", Command: "make compare",
		Rows: []figures.Row{{What: "get | 64", Value: 1234.5, Low: 1000, High: 2000, Unit: "req/s", Repeats: 3, Beside: "bare", Ratio: 0.5}},
	}
}

func TestSave_RefusesWhatSaysNothing(t *testing.T) {
	for name, spoil := range map[string]func(*figures.Run){
		"name":    func(r *figures.Run) { r.Name = "../x" },
		"page":    func(r *figures.Run) { r.Page = "other" },
		"section": func(r *figures.Run) { r.Section = "" },
		"command": func(r *figures.Run) { r.Command = "" },
		"rows":    func(r *figures.Run) { r.Rows = nil },
		"unit":    func(r *figures.Run) { r.Rows[0].Unit = "" },
	} {
		r := good()
		spoil(&r)
		if err := figures.Save(t.TempDir(), r); err == nil {
			t.Errorf("%s: saved", name)
		}
	}
}

func TestPrint_ShowsWhatWasSaved(t *testing.T) {
	folder := t.TempDir()
	if err := figures.Save(folder, good()); err != nil {
		t.Fatal(err)
	}
	runs, err := figures.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	if err := figures.Print(&page, "performance", "What is missed.\n", runs); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n\nWhat is missed.\n", "## REST", "`make compare`", `| get \| 64 | 1234 (1000–2000) | req/s | 3 | bare | 0.50× |`, "cores"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("%q is missing in\n%s", want, page.String())
		}
	}
	if strings.Contains(page.String(), "| note |") {
		t.Error("an empty column is printed")
	}
}

func TestMedian_OfOddAndEven(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want [3]float64
	}{{[]float64{3, 1, 2}, [3]float64{2, 1, 3}}, {[]float64{4, 1, 3, 2}, [3]float64{2, 1, 4}}, {[]float64{7}, [3]float64{7, 7, 7}}} {
		m, l, h := figures.Median(c.in)
		if [3]float64{m, l, h} != c.want {
			t.Errorf("%v: %v %v %v", c.in, m, l, h)
		}
	}
}
