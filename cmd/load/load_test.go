package main

import (
	"bytes"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/linli-project/linli/cmd/figures"
)

func TestParseCell_ReadsTheSummary(t *testing.T) {
	c, err := parseCell("100000\tget\t64\tlinli\trps=31042 (26675-31150)\tp50=1.52\tp99=6.10\tbad=3\tbytes=1820\tcpu_us=35\n")
	want := cell{rows: 100000, op: opGet, conns: 64, target: "linli", rps: 31042, low: 26675, high: 31150, p50: 1.52, p99: 6.1, cpu: 35, bad: 3, bytes: 1820}
	if err != nil || c != want {
		t.Errorf("%+v, %v", c, err)
	}
	for _, line := range []string{"", "100000\tget", "x\tget\t64\tlinli\trps=1 (1-1)\tp50=1\tp99=1\tbad=0\tbytes=1\tcpu_us=1"} {
		if _, err := parseCell(line); err == nil {
			t.Errorf("%q was read", line)
		}
	}
}

// The rows are those of the peers: their sizes, spread over all communities.
func TestRow_HasTheSizesOfThePeers(t *testing.T) {
	seen := map[string]bool{}
	for i := range communities {
		r := row(i)
		title, body, _ := strings.Cut(r.GetText(), "\n")
		if utf8.RuneCountInString(title) != titleRunes || utf8.RuneCountInString(body) != bodyRunes {
			t.Fatalf("row %d: %d and %d characters", i, utf8.RuneCountInString(title), utf8.RuneCountInString(body))
		}
		seen[r.GetCommunityId()] = true
	}
	if len(seen) != communities || row(1).GetText() == row(2).GetText() {
		t.Errorf("%d communities", len(seen))
	}
}

// The loop measures a server and its own process, and counts what is refused.
func TestOnce_MeasuresABareHandler(t *testing.T) {
	server := httptest.NewServer(newBare(2000).routes())
	defer server.Close()
	s := &stage{c: comparison{seconds: 1}}
	on := target{name: "bare", profile: "bare", url: server.URL, pids: []int{os.Getpid()}}
	calls, err := s.calls(2000, opList, on)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.once(t.Context(), opList, 2, on, calls)
	if err != nil || c.bad != 0 || c.rps == 0 || c.cpu <= 0 || c.p99 < c.p50 || c.bytes < 1000 {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = s.once(t.Context(), opGet, 1, on, []call{{method: "GET", path: "/v1/requests/none"}})
	if err != nil || c.bad == 0 {
		t.Errorf("refusals: %+v, %v", c, err)
	}
}

// A figure with a refused call in it is not saved; the ratio is against the
// peer, and the aim stands beside it at the rows and connections it is for.
func TestReport_RatiosAndRefusals(t *testing.T) {
	var out bytes.Buffer
	c := comparison{figures: t.TempDir(), out: &out, repeats: 3}
	cells := []cell{
		{rows: aimRows, op: opGet, conns: 64, target: "pb", rps: 1000, cpu: 100},
		{rows: aimRows, op: opGet, conns: 64, target: "linli", rps: 4100, low: 4000, high: 4200, cpu: 25},
	}
	if err := c.report(aimRows, cells); err != nil {
		t.Fatal(err)
	}
	runs, err := figures.Load(c.figures)
	if err != nil || len(runs) != 1 || len(runs[0].Rows) != 2 {
		t.Fatalf("%v, %v", runs, err)
	}
	if r := runs[0].Rows[0]; r.Ratio != 4.1 || r.Target != "≥ 4×" || r.Beside != titleOf("pb") || r.Shape != "one process" {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(out.String(), "met") {
		t.Errorf("printed %s", out.String())
	}
	cells[1].bad = 1
	c.figures = t.TempDir()
	if err := c.report(aimRows, cells); err == nil {
		t.Error("a refused call was passed over")
	}
	if runs, err := figures.Load(c.figures); err != nil || len(runs) != 0 {
		t.Errorf("saved all the same: %v, %v", runs, err)
	}
}

func TestPage_ComparesWhatItWasToldOf(t *testing.T) {
	p := &page{at: map[string]time.Time{}}
	p.note("event: missed")
	p.note(`data: {"type":"linli.requests.request.posted.v1","entityId":"a"}`)
	p.note(`data: {"type":"linli.requests.request.admitted.v1","entityId":"b"}`)
	at := p.at["a"]
	s := p.compare([]post{{id: "a", sent: at.Add(-30 * time.Millisecond), answered: at.Add(-20 * time.Millisecond)}, {id: "b"}}, 2)
	if s.told != 1 || s.posted != 2 || s.missed != 1 || s.p99 != 20 || s.sentP50 != 30 {
		t.Errorf("%+v", s)
	}
}
