package main

import (
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestParseCell_ReadsAResult(t *testing.T) {
	c, err := parseCell("100000\tget\t64\t2\tlinli\tRESULT rps=31042.5 p50=1.520 p99=6.100 bad=3 bytes=1820 cpu_us=35\n")
	want := cell{rows: 100000, op: opGet, conns: 64, target: "linli", rps: once(31042.5), p50: once(1.52), p99: once(6.1), cpu: once(35), bad: 3, bytes: 1820}
	if err != nil || c != want {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := parseCell("1\tget\t1\t1\tpb\tRESULT rps=0 p50=0 p99=0 bad=-1 bytes=0 cpu_us=0"); err != nil || c.bad != 1 {
		t.Errorf("a driver that said nothing: %+v, %v", c, err)
	}
	for _, line := range []string{"", "100000\tget", "x\tget\t64\t1\tlinli\tRESULT rps=1 p50=1 p99=1 bad=0 bytes=1 cpu_us=1", "1\tget\t64\t1\tlinli\tRESULT"} {
		if _, err := parseCell(line); err == nil {
			t.Errorf("%q was read", line)
		}
	}
}

func TestMiddle_KeepsTheSpreadOfEachFigure(t *testing.T) {
	c := middle([]cell{
		{target: "pb", rps: once(30), p99: once(1), cpu: once(7), bad: 1}, {target: "pb", rps: once(10), p99: once(3), cpu: once(9)},
		{target: "pb", rps: once(20), p99: once(2), cpu: once(8), bad: 1},
	})
	if c.rps != (spread{20, 10, 30}) || c.p99 != (spread{2, 1, 3}) || c.cpu != (spread{8, 7, 9}) || c.bad != 2 || c.target != "pb" {
		t.Errorf("%+v", c)
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
func TestMeasure_MeasuresABareHandler(t *testing.T) {
	server := httptest.NewServer(newBare(2000).routes())
	defer server.Close()
	s := &stage{c: comparison{seconds: 1}}
	on := target{name: "bare", profile: "bare", url: server.URL, pids: []int{os.Getpid()}}
	calls, err := s.calls(t.Context(), 2000, opList, on)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.measure(t.Context(), opList, 2, on, calls)
	if err != nil || c.bad != 0 || c.rps.mid == 0 || c.cpu.mid <= 0 || c.p99.mid < c.p50.mid || c.bytes < 1000 {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = s.measure(t.Context(), opGet, 1, on, []call{{method: "GET", path: "/v1/requests/none"}})
	if err != nil || c.bad == 0 {
		t.Errorf("refusals: %+v, %v", c, err)
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
