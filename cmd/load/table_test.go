package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/linli-project/linli/cmd/figures"
)

func measured(rows int, op, target string, conns int, rps, cpu float64) cell {
	return cell{rows: rows, op: op, conns: conns, target: target, rps: spread{rps, rps - 1, rps + 1}, p50: once(1), p99: once(2), cpu: once(cpu)}
}

func asked(t *testing.T, out *bytes.Buffer) comparison {
	t.Helper()
	return comparison{
		figures: t.TempDir(), out: out, said: out, repeats: 3, seconds: 2, sizes: []int{aimRows}, conns: []int{1, aimConns},
		shapes: []string{shapeOne}, peers: "/somewhere/peers",
	}
}

func saved(t *testing.T, folder string) figures.Run {
	t.Helper()
	runs, err := figures.Load(folder)
	if err != nil || len(runs) != 1 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	return runs[0]
}

// A target has a row of its own that says whether it is met; figures without
// one name the others and the ratio to each.
func TestReport_SaysWhatIsMetAndWhatIsMissed(t *testing.T) {
	var out bytes.Buffer
	c := asked(t, &out)
	cells := []cell{
		measured(aimRows, opGet, "pb", 64, 1000, 100), measured(aimRows, opGet, "pg", 64, 4100, 50),
		measured(aimRows, opGet, "linli", 64, 4100, 25),
	}
	own := []figures.Row{itself("start to first answer", "one process", "ms", []float64{810, 800, 900}).against(150)}
	if err := c.report(aimRows, cells, own); err != nil {
		t.Fatal(err)
	}
	run := saved(t, c.figures)
	if run.Name != "rest-100000" || run.Command != "make compare SIZES=100000 CONNS=1,64 SHAPES=one SECONDS_EACH=2 REPEATS=3 PEERS=<folder of the peers>" {
		t.Errorf("%s: %s", run.Name, run.Command)
	}
	want := []figures.Row{
		{What: "get, 64 connections", Shape: "one process", Value: 4100, Low: 4099, High: 4101, Unit: "req/s", Repeats: 3, Beside: titleOf("pb"), Ratio: 4.1, Target: "≥ 4×", Note: "met; 1000 req/s there"},
		{What: "get, 64 connections", Shape: "one process", Value: 4100, Low: 4099, High: 4101, Unit: "req/s", Repeats: 3, Beside: titleOf("pg"), Ratio: 1, Target: "≥ 2×", Note: "missed; 4100 req/s there"},
	}
	for i, w := range want {
		if run.Rows[i] != w {
			t.Errorf("row %d: %+v", i, run.Rows[i])
		}
	}
	cpu, start := run.Rows[len(run.Rows)-2], run.Rows[len(run.Rows)-1]
	if cpu.Unit != "µs" || cpu.Note != "0.25× PocketBase, synchronous FULL (100 µs there); 0.50× hand-written, PostgreSQL (50 µs there)" {
		t.Errorf("%+v", cpu)
	}
	if start.Note != "missed" || start.Low != 800 || start.High != 900 || start.Value != 810 || start.Repeats != 3 {
		t.Errorf("%+v", start)
	}
	for _, part := range []string{"req/s 4.10× (≥ 4× met), p50 1.00×", "req/s 1.00× (≥ 2× missed)", "810 (800–900)"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%q is not in what was printed:\n%s", part, out.String())
		}
	}
}

func TestReport_DoesNotSaveRefusedCalls(t *testing.T) {
	var out bytes.Buffer
	c := asked(t, &out)
	one := measured(aimRows, opGet, "linli", 64, 4100, 25)
	one.bad = 1
	if err := c.report(aimRows, []cell{one}, nil); err == nil {
		t.Error("a refused call was passed over")
	}
	if runs, err := figures.Load(c.figures); err != nil || len(runs) != 0 {
		t.Errorf("saved all the same: %v, %v", runs, err)
	}
}

// What is printed without peers has linli's figures, also of what the bare
// handler does not do, and nothing is divided by nothing.
func TestReport_BesideTheBareHandlerAlone(t *testing.T) {
	var out bytes.Buffer
	c := asked(t, &out)
	c.peers = ""
	cells := []cell{
		measured(2000, opGet, "bare", 4, 0, 0), measured(2000, opGet, "linli", 4, 50, 5), measured(2000, opSummaries, "linli-six", 1, 70, 5),
	}
	if err := c.report(2000, cells, nil); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"get, 4 connections", "bare net/http from memory", "list of a community's 2 summaries, 1 connection", "six processes"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%q is not in what was printed:\n%s", part, out.String())
		}
	}
	run := saved(t, c.figures)
	if strings.Contains(run.Command, "PEERS") || !strings.HasPrefix(run.Rows[len(run.Rows)-1].What, "list of a community's 2 summaries") {
		t.Errorf("%+v", run)
	}
	for _, r := range run.Rows {
		if r.Ratio != 0 || r.Target != "" {
			t.Errorf("%+v", r)
		}
	}
}

func TestGrowth_ComparesTheCPUOfARequest(t *testing.T) {
	var out bytes.Buffer
	c := asked(t, &out)
	c.sizes = []int{10_000, 1_000_000}
	cells := []cell{
		measured(10_000, opGet, "linli", 64, 1, 50), measured(10_000, opList, "linli", 64, 1, 50), measured(10_000, opGet, "linli", 1, 1, 50),
		measured(1_000_000, opGet, "linli", 64, 1, 55), measured(1_000_000, opList, "linli", 64, 1, 150), measured(1_000_000, opGet, "bare", 64, 1, 500),
	}
	if err := c.reportGrowth(cells); err != nil {
		t.Fatal(err)
	}
	run := saved(t, c.figures)
	if len(run.Rows) != 2 || run.Rows[0].Ratio != 1.1 || run.Rows[0].Note != "met; 50 µs there" || run.Rows[0].Target != "≤ 1.2×" {
		t.Errorf("%+v", run.Rows)
	}
	if run.Rows[1].Note != "missed; 50 µs there; rows of a page: 10 there, 50 here" {
		t.Errorf("%+v", run.Rows[1])
	}
	if !strings.Contains(out.String(), "CPU of a request, 10000 → 1000000 rows") {
		t.Errorf("printed %s", out.String())
	}
}

// A page that was told of everything in time is met only at the rate that the
// target is of.
func TestPageRows_TheTargetIsOfARate(t *testing.T) {
	fast := seen{posted: 5000, told: 5000, rate: 1000, p50: 5, p99: 40}
	slow, lost := fast, fast
	slow.rate, lost.told = 700, 4999
	for want, all := range map[string][]seen{
		"met; 10000 of 10000 posts told, at 1000 a second":                          {fast, fast},
		"missed; 5000 of 5000 posts told, at 700 a second (the target is of 1000)":  {slow},
		"missed; 4999 of 5000 posts told, at 1000 a second (the target is of 1000)": {lost},
	} {
		rows := pageRows("one process", 50, all)
		if last := rows[1]; last.Note != want || last.Value != 40 || last.Repeats != len(all) || last.Target != "≤ 50 ms" {
			t.Errorf("%+v", last)
		}
	}
}

func TestValidate_RefusesBeforeAnythingIsSeeded(t *testing.T) {
	var out bytes.Buffer
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "bin", "linli"), 0o750); err != nil {
		t.Fatal(err)
	}
	good := asked(t, &out)
	good.root, good.peers = root, ""
	if err := good.validate(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*comparison){
		"--conns":      func(c *comparison) { c.conns = []int{4, 0} },
		"--sizes":      func(c *comparison) { c.sizes = nil },
		"--repeats":    func(c *comparison) { c.repeats = 0 },
		"--seconds":    func(c *comparison) { c.seconds = -1 },
		"shape":        func(c *comparison) { c.shapes = []string{"two"} },
		"make build":   func(c *comparison) { c.root = t.TempDir() },
		"/nonexistent": func(c *comparison) { c.peers = "/nonexistent" },
	} {
		c := good
		spoil(&c)
		if err := c.validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// A port that somebody listens on is not taken for one's own.
func TestAllFree_SeesAStranger(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if allFree(port-1, 2) {
		t.Error("a port that is taken counts as free")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if first, err := freePorts(shapePorts); err != nil || !allFree(first, shapePorts) {
		t.Errorf("%d, %v", first, err)
	}
}
