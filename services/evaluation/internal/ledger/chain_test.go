package ledger_test

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/linli-project/linli/services/evaluation/internal/ledger"
)

func link(member string, n uint64, kind ledger.LineKind, entry string, previous []byte, facts ...string) ledger.Link {
	l := ledger.Line{Member: member, Sequence: n, Kind: kind, Entry: entry, Facts: facts, Previous: previous}
	return ledger.Link{Line: l, Hash: l.Hash()}
}

func walk(links []ledger.Link, lines uint64, hash []byte) (out []string) {
	w := ledger.Walk{Member: "m"}
	for _, l := range links {
		w.Next(l)
	}
	w.End(lines, hash)
	for _, f := range w.Faults() {
		out = append(out, f.What)
	}
	return out
}

// TestLine_HashAsPublished: computed apart from this code, with Python's hashlib, as
// docs/ledger.md describes it.
func TestLine_HashAsPublished(t *testing.T) {
	l := ledger.Line{Member: "m", Sequence: 1, Kind: ledger.LineConfirmed, Entry: "ent_1", Facts: []string{"2013-09-03", "1", "1", "6"}}
	if got := hex.EncodeToString(l.Hash()); got != "cab892672f527850be59a6ae1fdd8571e8d387ec8b1a775b89a9621519abd614" {
		t.Errorf("first line: %s", got)
	}
	l = ledger.Line{Member: "m", Sequence: 2, Kind: ledger.LineOnHold, Entry: "ent_1", Facts: l.Facts, Previous: l.Hash()}
	if got := hex.EncodeToString(l.Hash()); got != "514b3b769fb3cf496a595f0362d24f725f49c0469a99c638e52cd2436b8a663c" {
		t.Errorf("second line: %s", got)
	}
}

// TestWalk_FindsEveryDamage damages a sound chain at random in each way and
// place there is.
func TestWalk_FindsEveryDamage(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		var links []ledger.Link
		var previous []byte
		for i := range 1 + random.IntN(8) {
			l := link("m", uint64(i+1), ledger.LineConfirmed, fmt.Sprint("e", i), previous, "2013-09-03", fmt.Sprint(i))
			links, previous = append(links, l), l.Hash
		}
		n, head := uint64(len(links)), previous
		if got := walk(links, n, head); got != nil {
			t.Fatalf("a sound chain: %v", got)
		}
		at := random.IntN(len(links))
		removed := slices.Delete(slices.Clone(links), at, at+1)
		if walk(removed, n, head) == nil {
			t.Fatalf("line %d of %d removed, and not found", at, n)
		}
		for name, change := range map[string]func(*ledger.Link){
			"facts":    func(l *ledger.Link) { l.Facts = []string{"2013-09-03", "99"} },
			"entry":    func(l *ledger.Link) { l.Entry = "other" },
			"kind":     func(l *ledger.Link) { l.Kind = ledger.LineOnHold },
			"member":   func(l *ledger.Link) { l.Member = "n" },
			"previous": func(l *ledger.Link) { l.Previous = []byte("x") },
			"number":   func(l *ledger.Link) { l.Sequence += 7 },
			"written anew": func(l *ledger.Link) {
				l.Facts = []string{"2013-09-03", "99"}
				l.Hash = l.Line.Hash()
			},
		} {
			damaged := slices.Clone(links)
			change(&damaged[at])
			if walk(damaged, n, head) == nil {
				t.Fatalf("%s of line %d of %d changed, and not found", name, at, n)
			}
		}
	}
}

func TestWalk_ComparesWithTheEntries(t *testing.T) {
	facts := []string{"2013-09-03", "1"}
	first := link("m", 1, ledger.LineConfirmed, "e1", nil, facts...)
	hold := link("m", 2, ledger.LineOnHold, "e1", first.Hash, facts...)
	for name, c := range map[string]struct {
		id          string
		ever, count bool
		facts       []string
		want        string
	}{
		"as it stands":        {"e1", true, false, facts, ""},
		"counts, but on hold": {"e1", true, true, facts, ledger.FaultEntryChanged},
		"another figure":      {"e1", true, false, []string{"2013-09-03", "9"}, ledger.FaultEntryChanged},
		"made up":             {"e2", true, true, facts, ledger.FaultNoLine},
		"not yet confirmed":   {"e3", false, false, facts, ""},
	} {
		w := ledger.Walk{Member: "m"}
		w.Next(first)
		w.Next(hold)
		w.End(2, hold.Hash)
		w.Entry(c.id, c.ever, c.count, c.facts)
		got := ""
		for _, f := range w.Faults() {
			got = f.What
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestOverlaps(t *testing.T) {
	of := ledger.Done{ID: "a", FromMinute: 540, ToMin: 600, QuarterHour: 4}
	for name, c := range map[string]struct {
		others []ledger.Done
		want   int
	}{
		"alone":             {nil, 0},
		"itself":            {[]ledger.Done{of}, 0},
		"touching":          {[]ledger.Done{{ID: "b", FromMinute: 600, ToMin: 660, QuarterHour: 4}}, 0},
		"one minute":        {[]ledger.Done{{ID: "b", FromMinute: 599, ToMin: 660, QuarterHour: 4}}, 1},
		"time not known":    {[]ledger.Done{{ID: "b", QuarterHour: 8}}, 0},
		"more than a day's": {[]ledger.Done{{ID: "b", QuarterHour: 30}, {ID: "c", QuarterHour: 15}}, 2},
	} {
		if got := ledger.Overlaps(of, c.others, 48); len(got) != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestDecemberBurst(t *testing.T) {
	for _, c := range []struct {
		december, year int32
		want           bool
	}{{4, 4, false}, {5, 10, true}, {5, 11, false}, {5, 5, true}, {0, 0, false}} {
		if got := ledger.DecemberBurst(c.december, c.year, 5, 50); got != c.want {
			t.Errorf("%d of %d: %v", c.december, c.year, got)
		}
	}
}

func TestStars(t *testing.T) {
	thresholds := [ledger.StarLevels]int32{1, 5, 10, 20, 40}
	for counted, want := range map[int32][2]int32{
		0: {0, 1}, 1: {1, 5}, 4: {1, 5}, 5: {2, 10}, 19: {3, 20}, 20: {4, 40}, 39: {4, 40}, 40: {5, 0}, 400: {5, 0}, -1: {0, 1},
	} {
		if level, next := ledger.Stars(counted, thresholds); level != want[0] || next != want[1] {
			t.Errorf("%d: level %d, next at %d", counted, level, next)
		}
	}
}
