package kv_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/memkv"
)

// watched is an engine that notes what the layer asks of it. It answers
// ErrConflict to the first so many commits.
type watched struct {
	kv.Engine
	conflicts int
	commits   []kv.CommitRequest
	reads     []string
	open      int
	openAt    []int // snapshots open at each commit
}

func (w *watched) Snapshot(ctx context.Context) (kv.Snapshot, error) {
	s, err := w.Engine.Snapshot(ctx)
	w.open++
	return watchedSnapshot{s, w}, err
}

func (w *watched) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	w.commits, w.openAt = append(w.commits, r), append(w.openAt, w.open)
	if w.conflicts > 0 {
		w.conflicts--
		return 0, kv.ErrConflict
	}
	return w.Engine.Commit(ctx, r)
}

type watchedSnapshot struct {
	kv.Snapshot
	w *watched
}

func (s watchedSnapshot) Read(ctx context.Context, keys [][]byte) ([]kv.Item, error) {
	s.w.reads = append(s.w.reads, fmt.Sprintf("%s", keys))
	return s.Snapshot.Read(ctx, keys)
}

func (s watchedSnapshot) Close() error {
	s.w.open--
	return s.Snapshot.Close()
}

func watch(o kv.Options) (*watched, *kv.Database) {
	w := &watched{Engine: memkv.New()}
	return w, kv.New(w, o)
}

// eager never waits between tries.
func eager(context.Context, int) error { return nil }

func TestUpdate_RunsAgainAndGivesUp(t *testing.T) {
	var pauses []int
	w, db := watch(kv.Options{Tries: 4, Pause: func(_ context.Context, n int) error { pauses = append(pauses, n); return nil }})
	runs := 0
	put := func(tx kv.Tx) error { runs++; tx.Put([]byte("a"), nil); return nil }
	w.conflicts = 3
	if err := db.Update(t.Context(), put); err != nil || runs != 4 {
		t.Errorf("after three conflicts: %d runs, %v", runs, err)
	}
	if !slices.Equal(pauses, []int{1, 2, 3}) {
		t.Errorf("pauses %v", pauses)
	}
	runs, w.conflicts = 0, 4
	if err := db.Update(t.Context(), put); !errors.Is(err, kv.ErrConflict) || runs != 4 {
		t.Errorf("after four conflicts: %d runs, %v", runs, err)
	}
}

func TestUpdate_StopsWaitingWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, db := watch(kv.Options{})
		w.conflicts = 100
		ctx, cancel := context.WithCancel(t.Context())
		err := db.Update(ctx, func(tx kv.Tx) error { cancel(); tx.Put([]byte("a"), nil); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestUpdate_PausesAreShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, db := watch(kv.Options{})
		w.conflicts = 15
		began := time.Now()
		if err := db.Update(t.Context(), func(tx kv.Tx) error { tx.Put([]byte("a"), nil); return nil }); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took == 0 || took > (2+4+8+16+11*32)*time.Millisecond {
			t.Errorf("fifteen pauses took %s", took)
		}
	})
}

func TestUpdate_ClosesItsSnapshotBeforeTheCommit(t *testing.T) {
	w, db := watch(kv.Options{Pause: eager})
	w.conflicts = 2
	if err := db.Update(t.Context(), func(tx kv.Tx) error { tx.Put([]byte("a"), nil); return nil }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(w.openAt, []int{0, 0, 0}) {
		t.Errorf("snapshots open at the commits: %v", w.openAt)
	}
	func() {
		defer func() { _ = recover() }()
		_ = db.Update(t.Context(), func(kv.Tx) error { panic("in a closure") })
	}()
	if w.open != 0 {
		t.Error("a closure that panicked left its snapshot open")
	}
}

func TestUpdate_ChecksWhatItReadAndSortsItsKeys(t *testing.T) {
	w, db := watch(kv.Options{})
	update := func(fn func(kv.Tx) error) kv.CommitRequest {
		t.Helper()
		if err := db.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
		return w.commits[len(w.commits)-1]
	}
	update(func(tx kv.Tx) error {
		for _, k := range []string{"d", "b", "c", "a"} {
			tx.Put([]byte(k), []byte(k))
		}
		return nil
	})
	r := update(func(tx kv.Tx) error {
		tx.Put([]byte("z"), nil)
		tx.Delete([]byte("b"))
		tx.Put([]byte("b0"), nil)
		err := tx.Prefetch([]byte("c"), []byte("d"), []byte("e"))
		if err != nil {
			return err
		}
		if _, err := tx.Get([]byte("d")); err != nil {
			return err
		}
		if _, err := tx.Get([]byte("z")); err != nil { // its own
			return err
		}
		_, err = tx.Scan(kv.Range{Limit: 2, KeysOnly: true}) // a, and b0 in place of b
		return err
	})
	var checks, writes []string
	for _, c := range r.Checks {
		checks = append(checks, string(c.Key))
	}
	for _, w := range r.Writes {
		writes = append(writes, string(w.Key))
	}
	if !slices.Equal(checks, []string{"a", "b", "d"}) || !slices.Equal(writes, []string{"b", "b0", "z"}) {
		t.Errorf("checks %q, writes %q", checks, writes)
	}
	if !slices.Equal(w.reads, []string{"[c d e]"}) {
		t.Errorf("what was prefetched was read in %q", w.reads)
	}
}

func TestUpdate_ValidatesARefusal(t *testing.T) {
	w, db := watch(kv.Options{Pause: eager})
	refusal := errors.New("no")
	w.conflicts = 1
	runs := 0
	err := db.Update(t.Context(), func(tx kv.Tx) error {
		runs++
		_, err := tx.Get([]byte("a"))
		tx.Put([]byte("b"), nil)
		tx.Put(nil, nil) // what is wrong with a write is nothing to a refusal
		return errors.Join(err, refusal)
	})
	if !errors.Is(err, refusal) || runs != 2 {
		t.Errorf("after %d runs: %v", runs, err)
	}
	for _, r := range w.commits {
		if len(r.Writes) != 0 || len(r.Checks) != 1 {
			t.Errorf("a refusal committed %+v", r)
		}
	}
	if err := db.Update(t.Context(), func(kv.Tx) error { return refusal }); !errors.Is(err, refusal) || len(w.commits) != 2 {
		t.Errorf("a refusal that rests on nothing: %v after %d commits", err, len(w.commits))
	}
}

func TestUpdate_RunsAgainWhenTheClosureSaysSo(t *testing.T) {
	_, db := watch(kv.Options{Pause: eager})
	runs := 0
	err := db.Update(t.Context(), func(kv.Tx) error {
		if runs++; runs == 1 {
			return fmt.Errorf("lost a race: %w", kv.ErrConflict)
		}
		return nil
	})
	if err != nil || runs != 2 {
		t.Errorf("%d runs, %v", runs, err)
	}
}

func TestUpdate_RefusesAnUpdateUnderItsContext(t *testing.T) {
	_, db := watch(kv.Options{})
	_, other := watch(kv.Options{})
	nothing := func(kv.Tx) error { return nil }
	err := db.Update(t.Context(), func(tx kv.Tx) error {
		ctx, cancel := context.WithCancel(tx.Context())
		defer cancel()
		if err := other.View(ctx, func(kv.Reader) error { return nil }); err != nil {
			t.Errorf("a view under an update: %v", err)
		}
		return other.Update(ctx, nothing)
	})
	if !errors.Is(err, kv.ErrNested) {
		t.Errorf("got %v", err)
	}
	err = db.View(t.Context(), func(r kv.Reader) error { return db.Update(r.Context(), nothing) })
	if err != nil {
		t.Errorf("an update under a view: %v", err)
	}
}

func TestReader_IsOfNoUseAfterItsClosure(t *testing.T) {
	_, db := watch(kv.Options{})
	var kept []kv.Reader
	keep := func(r kv.Reader) error { kept = append(kept, r); return nil }
	if err := errors.Join(db.View(t.Context(), keep), db.Update(t.Context(), func(tx kv.Tx) error { return keep(tx) })); err != nil {
		t.Fatal(err)
	}
	for _, r := range kept {
		_, getErr := r.Get([]byte("a"))
		_, scanErr := r.Scan(kv.Range{})
		if getErr == nil || scanErr == nil {
			t.Errorf("%T read after its closure: %v, %v", r, getErr, scanErr)
		}
	}
}

func TestTx_HandsOutCopies(t *testing.T) {
	_, db := watch(kv.Options{})
	value := []byte("value")
	err := db.Update(t.Context(), func(tx kv.Tx) error {
		tx.Put([]byte("a"), value)
		value[0] = 'X'
		own, err := tx.Get([]byte("a"))
		own.Value[1] = 'X'
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx kv.Tx) error {
		for range 2 {
			it, err := tx.Get([]byte("a"))
			if err != nil {
				return err
			}
			if string(it.Value) != "value" {
				t.Errorf("somebody else's change is in %q", it.Value)
			}
			it.Value[0] = 'X'
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTx_CreatedTwiceIsAnError(t *testing.T) {
	w, db := watch(kv.Options{})
	err := db.Update(t.Context(), func(tx kv.Tx) error {
		tx.Create([]byte("a"), nil)
		tx.Create([]byte("a"), nil)
		return nil
	})
	if err == nil || errors.Is(err, kv.ErrConflict) || len(w.commits) != 0 {
		t.Errorf("%v after %d commits", err, len(w.commits))
	}
}
