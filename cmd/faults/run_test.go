package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestChoose_NamesWhatThereIs(t *testing.T) {
	t.Parallel()
	for name, each := range map[string]struct {
		s    settings
		want string // in the error; "" = none
	}{
		"all":                {settings{cycles: 1, everything: 1}, ""},
		"one":                {settings{cycles: 1, everything: 1, only: "torn file"}, ""},
		"nonsense":           {settings{cycles: 2, everything: 1, disk: true, only: "nonsense"}, "no fault is called nonsense; there are: kill -9, "},
		"without a disk":     {settings{cycles: 2, everything: 1, only: "power cut"}, "no fault is called power cut"},
		"of one, not of six": {settings{cycles: 2, everything: 1, six: true, only: "torn"}, "there are: kill -9 of broker"},
		"no cycles":          {settings{everything: 1}, "at least 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chosen, err := each.s.choose()
			if each.want == "" && (err != nil || len(chosen) == 0) {
				t.Errorf("%d faults, %v", len(chosen), err)
			}
			if each.want != "" && (err == nil || !strings.Contains(err.Error(), each.want)) {
				t.Errorf("%v, want %s", err, each.want)
			}
		})
	}
}

func TestRounds_StrikeEachAsOften(t *testing.T) {
	t.Parallel()
	all := faults()
	order := func(seed uint64) (names []string) {
		next := rounds(all, seed)
		for range 3 * len(all) {
			names = append(names, next().name)
		}
		return names
	}
	one := order(1)
	for round := range 3 {
		met := map[string]bool{}
		for _, name := range one[round*len(all) : (round+1)*len(all)] {
			met[name] = true
		}
		if len(met) != len(all) {
			t.Errorf("round %d: %d of %d kinds", round, len(met), len(all))
		}
	}
	if fmt.Sprint(one) != fmt.Sprint(order(1)) || fmt.Sprint(one) == fmt.Sprint(order(2)) {
		t.Error("the order follows from the seed")
	}
}

func TestFindings_AreCountedByKind(t *testing.T) {
	t.Parallel()
	chains := &ledger{solved: 2, chains: []*chain{
		{no: 1, id: "req_1", text: "no1", state: "A"},
		{no: 2, id: "req_2", text: "no2", state: "A", member: "m", quarterHours: 2},
		{no: 3, id: "req_3", text: "no3", state: "A", member: "m", quarterHours: 2},
	}}
	var got findings
	got.count(chains.compare(observed{
		requests: map[string][]request{"no2": {{"req_2", "A"}, {"req_9", "A"}}, "no3": {{"req_3", "A"}}, "no4": {{"req_4", "A"}}},
		entries:  map[string][]entry{"req_3": {{"e1", "m", 2}, {"e2", "m", 2}}},
		posted:   4, resolved: 2,
	}))
	// Lost: request 1, the entry of 2. Twice: request 2, the entry of 3, a post in the figures.
	if want := (findings{lost: 2, twice: 3, other: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestControl_CountsOnlyWhatIsItsOwn(t *testing.T) {
	t.Parallel()
	for _, c := range controls() {
		if len(c.finds) == 0 || len(c.own([]string{"drain: context deadline exceeded", "fsck: exit status 1"})) > 0 {
			t.Errorf("%s finds %v", c.name, c.finds)
		}
		if len(c.own([]string{c.finds[0] + "request req_1"})) != 1 {
			t.Errorf("%s does not see its own", c.name)
		}
	}
	no := &problem{status: 503}
	if answered(fmt.Errorf("in vain: %w (last: %w)", context.DeadlineExceeded, no)) || answered(errors.New("broken")) || !answered(fmt.Errorf("post: %w", no)) {
		t.Error("an answer is what linli said, and no timeout")
	}
}

func TestInventory_ListsFaultsAndControls(t *testing.T) {
	t.Parallel()
	text := inventory()
	names := append(faultNames(faults()), faultNames(sixFaults())...)
	for _, c := range controls() {
		names = append(names, c.name)
	}
	for _, name := range names {
		if !strings.Contains(text, name) {
			t.Errorf("%s is not listed", name)
		}
	}
}

// TestPlaced_UnmountsWhenItPanics needs a disk.
func TestPlaced_UnmountsWhenItPanics(t *testing.T) {
	folder := t.TempDir()
	s := settings{disk: mayMount()}
	mounted := func() bool {
		mounts, err := os.ReadFile("/proc/self/mounts")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(mounts), filepath.Join(folder, "disk"))
	}
	during := map[bool]bool{}
	func() {
		defer func() { during[recover() != nil] = true }()
		_ = s.placed(folder, func(worldConfig) error {
			if mounted() != s.disk {
				t.Error("not on its disk")
			}
			panic("out")
		})
	}()
	if want := map[bool]bool{true: true}; !maps.Equal(during, want) || mounted() {
		t.Errorf("panicked %v, mounted %v", during, mounted())
	}
}
