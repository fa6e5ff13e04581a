package demo

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCityRecords_AreTheCity: the figures that the records are known by, with
// the rows of each workplace together.
func TestCityRecords_AreTheCity(t *testing.T) {
	r, err := readCityRecords(0)
	if err != nil {
		t.Fatal(err)
	}
	if r.members != 100_000 || r.reported != 97_076 || len(r.byHome) != 2000 || len(r.byCommunity) != 600 {
		t.Errorf("%d members, %d reported, of %d workplaces, in %d communities", r.members, r.reported, len(r.byHome), len(r.byCommunity))
	}
	if slices.Contains(r.columns, dateColumn) || len(r.columns) != 15 {
		t.Errorf("columns that are sent: %v", r.columns)
	}
	few, err := readCityRecords(3)
	if err != nil {
		t.Fatal(err)
	}
	var homes []string
	err = few.eachHome(func(home string, people []person) error {
		homes = append(homes, home)
		for i, p := range people {
			if p.home != home || len(p.row) != len(few.columns) || i > 0 && p.n != people[i-1].n+1 {
				t.Errorf("row %d of %s: %v", i, home, p.home)
			}
		}
		return nil
	})
	if err != nil || !slices.Equal(homes, []string{"W00001", "W00002", "W00003"}) || few.members != few.byHome["W00001"].members+few.byHome["W00002"].members+few.byHome["W00003"].members {
		t.Errorf("workplaces %v, %v", homes, err)
	}
}

func TestInOrder_HandsOnInOrder(t *testing.T) {
	const n = 2*batchOf + 5
	var got []int
	o := inOrder[int, int]{
		do:   func(_ context.Context, i int) (int, error) { runtime.Gosched(); return 2 * i, nil },
		each: func(i, twice int) error { got = append(got, twice-i); return nil },
	}
	for i := range n {
		if err := o.add(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(got) != n || !slices.IsSorted(got) {
		t.Errorf("%d of %d, in order: %t", len(got), n, slices.IsSorted(got))
	}
	broken := errors.New("broken")
	o.do = func(context.Context, int) (int, error) { return 0, broken }
	if err := errors.Join(o.add(t.Context(), 1), o.flush(t.Context())); !errors.Is(err, broken) {
		t.Errorf("an error is lost: %v", err)
	}
}

func TestCityNotes_GoOnWithTheSameCity(t *testing.T) {
	folder := t.TempDir()
	n, err := openCityNotes(folder, 8)
	if err != nil {
		t.Fatal(err)
	}
	n.Done, n.Day = 4, "2013-09-02"
	n.measure = func() CityStep { return CityStep{Name: "report in", Took: time.Second, Server: 7} }
	if err := n.keep(); err != nil {
		t.Fatal(err)
	}
	again, err := openCityNotes(folder, 8)
	if err != nil || again.Done != 4 || again.Day != n.Day || again.Step.Server != 7 {
		t.Errorf("%+v, %v", again, err)
	}
	if _, err := openCityNotes(folder, 0); err == nil || !strings.Contains(err.Error(), "--workplaces 8") {
		t.Errorf("another city in the same folder: %v", err)
	}
}

func TestWatchMemory_KeepsTheLargest(t *testing.T) {
	if runtime.GOOS != "linux" {
		if anonymous(os.Getpid()) != 0 || processor(os.Getpid()) != 0 {
			t.Error("a figure where the system tells none")
		}
		return
	}
	const large = 64 << 20
	m := watchMemory(os.Getpid(), 0)
	before := m.peaks()[0]
	block := make([]byte, large)
	for i := 0; i < len(block); i += os.Getpagesize() {
		block[i] = 1
	}
	after := m.peaks()
	m.stop()
	if before == 0 || after[0] < large || after[1] != 0 {
		t.Errorf("%d bytes before, %v with %d more", before, after, large)
	}
	runtime.KeepAlive(block)
	if processor(os.Getpid()) < 0 || processor(0) != 0 {
		t.Error("time on processors")
	}
}
