package kv_test

import (
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/memkv"
)

// crowded is an engine whose commits let others in between, so that Updates of
// one key overtake each other even on one core.
type crowded struct {
	kv.Engine
	commits atomic.Int64
}

func (c *crowded) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	for range 20 {
		runtime.Gosched()
	}
	c.commits.Add(1)
	return c.Engine.Commit(ctx, r)
}

func increase(tx kv.Tx, key string) error {
	it, err := tx.Get([]byte(key))
	if err != nil {
		return err
	}
	n := uint64(1)
	if it.Version != 0 {
		n += binary.BigEndian.Uint64(it.Value)
	}
	tx.Put([]byte(key), binary.BigEndian.AppendUint64(nil, n))
	return nil
}

func counter(t *testing.T, db kv.DB, key string) (n uint64) {
	t.Helper()
	err := db.View(t.Context(), func(r kv.Reader) error {
		it, err := r.Get([]byte(key))
		if err == nil && it.Version != 0 {
			n = binary.BigEndian.Uint64(it.Value)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// crowd lets workers increase keys, a key list each in turn, and answers how
// many commits the engine was asked for.
func crowd(t *testing.T, o kv.Options, workers, each int, keys ...[]string) (commits int64, db *kv.Database) {
	t.Helper()
	engine := &crowded{Engine: memkv.New()}
	db = kv.New(engine, o)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for n := range each {
				err := db.Update(t.Context(), func(tx kv.Tx) error {
					for _, k := range keys[(w+n)%len(keys)] {
						if err := increase(tx, k); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Errorf("worker %d: %v", w, err)
				}
			}
		})
	}
	all.Wait()
	return engine.commits.Load(), db
}

// TestLatch_HotKey: everybody gets through, no increment is lost, and those who
// wait do not commit in vain. Without the latch the same crowd does.
func TestLatch_HotKey(t *testing.T) {
	const workers, each = 32, 50
	with, db := crowd(t, kv.Options{}, workers, each, []string{"hot"})
	if got := counter(t, db, "hot"); got != workers*each {
		t.Errorf("the counter says %d of %d", got, workers*each)
	}
	t.Logf("commits with the latch: %d for %d increments", with, workers*each)
	if with > workers*each*5/4 {
		t.Errorf("%d commits for %d increments", with, workers*each)
	}
	without, db := crowd(t, kv.Options{Queue: -1, Tries: 1 << 20, Pause: eager}, workers, each, []string{"hot"})
	if got := counter(t, db, "hot"); got != workers*each {
		t.Errorf("without the latch the counter says %d", got)
	}
	t.Logf("without: %d", without)
	if without < 2*with {
		t.Errorf("without the latch %d commits, with it %d: nobody was overtaken, so this shows nothing", without, with)
	}
}

// TestLatch_SeveralHotKeys: Updates that touch hot keys in whatever order do
// not wait for each other.
func TestLatch_SeveralHotKeys(t *testing.T) {
	const workers, each = 24, 40
	_, db := crowd(t, kv.Options{}, workers, each,
		[]string{"a", "b"}, []string{"b", "a"}, []string{"c", "a"}, []string{"b", "c"})
	if a, b, c := counter(t, db, "a"), counter(t, db, "b"), counter(t, db, "c"); a+b+c != 2*workers*each || a != workers*each*3/4 {
		t.Errorf("counters %d, %d and %d", a, b, c)
	}
}

// TestLatch_CostsNothingWithoutConflicts counts what an undisturbed Update
// allocates.
func TestLatch_CostsNothingWithoutConflicts(t *testing.T) {
	allocations := func(o kv.Options) float64 {
		db := kv.New(memkv.New(), o)
		return testing.AllocsPerRun(200, func() {
			if err := db.Update(t.Context(), func(tx kv.Tx) error { tx.Put([]byte("a"), nil); return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	if with, without := allocations(kv.Options{}), allocations(kv.Options{Queue: -1}); with > without {
		t.Errorf("%v allocations with the latch, %v without", with, without)
	}
}

// fight is an Update of the key "hot". The first one meets a conflict and holds
// the latch in its second run; the others come too late and wait.
type fight struct {
	engine *memkv.Engine
	db     *kv.Database
	mu     sync.Mutex
	order  []string
}

func newFight(o kv.Options) *fight {
	engine := memkv.New()
	return &fight{engine: engine, db: kv.New(engine, o)}
}

// update runs second in the run that has the latch.
func (f *fight) update(ctx context.Context, name string, second func() error) error {
	runs := 0
	return f.db.Update(ctx, func(tx kv.Tx) error {
		if err := increase(tx, "hot"); err != nil {
			return err
		}
		if runs++; runs == 1 {
			if name == "holder" {
				_, err := f.engine.Commit(ctx, kv.CommitRequest{Writes: []kv.Write{{Key: []byte("hot"), Value: make([]byte, 8)}}})
				return err
			}
			return nil
		}
		f.mu.Lock()
		f.order = append(f.order, name)
		f.mu.Unlock()
		return second()
	})
}

func nothing() error { return nil }

func TestLatch_IsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, gate := newFight(kv.Options{}), make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			if err := f.update(t.Context(), "holder", func() error { <-gate; return nil }); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		for _, name := range []string{"first", "second", "third"} {
			all.Go(func() {
				if err := f.update(t.Context(), name, nothing); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
			synctest.Wait()
		}
		if !slices.Equal(f.order, []string{"holder"}) {
			t.Errorf("while one held the latch, others ran: %v", f.order)
		}
		close(gate)
		all.Wait()
		if !slices.Equal(f.order, []string{"holder", "first", "second", "third"}) {
			t.Errorf("the order was %v", f.order)
		}
		if got := counter(t, f.db, "hot"); got != 4 {
			t.Errorf("the counter says %d", got)
		}
	})
}

// TestLatch_IsReleased: however its holder ends, and whoever leaves the queue,
// the next one gets in.
func TestLatch_IsReleased(t *testing.T) {
	refusal := errors.New("no")
	for name, end := range map[string]func(cancel func()) error{
		"panic":              func(func()) error { panic("in a closure") },
		"goroutine ended":    func(func()) error { runtime.Goexit(); return nil },
		"refusal":            func(func()) error { return refusal },
		"its context ended":  func(cancel func()) error { cancel(); return nil },
		"closure's own wish": func(func()) error { return kv.ErrConflict },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, gate := newFight(kv.Options{Tries: 3}), make(chan struct{})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				impatient, leave := context.WithCancel(t.Context())
				var all sync.WaitGroup
				all.Go(func() {
					defer func() { _ = recover() }()
					if err := f.update(ctx, "holder", func() error { <-gate; return end(cancel) }); err == nil {
						t.Error("the holder got through")
					}
				})
				synctest.Wait()
				all.Go(func() {
					err := f.update(impatient, "left", nothing)
					if !errors.Is(err, context.Canceled) || !errors.Is(err, kv.ErrConflict) {
						t.Errorf("one whose context ended in the queue: %v", err)
					}
				})
				synctest.Wait()
				all.Go(func() {
					if err := f.update(t.Context(), "next", nothing); err != nil {
						t.Errorf("the next one: %v", err)
					}
				})
				synctest.Wait()
				leave()
				synctest.Wait()
				close(gate)
				all.Wait()
				if slices.Contains(f.order, "left") || f.order[len(f.order)-1] != "next" {
					t.Errorf("the order was %v", f.order)
				}
			})
		})
	}
}

func TestLatch_QueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, gate := newFight(kv.Options{Queue: 1}), make(chan struct{})
		var all sync.WaitGroup
		for _, name := range []string{"holder", "waits"} {
			all.Go(func() {
				if err := f.update(t.Context(), name, func() error { <-gate; return nil }); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
			synctest.Wait()
		}
		if err := f.update(t.Context(), "too many", nothing); !errors.Is(err, kv.ErrConflict) {
			t.Errorf("one too many: %v", err)
		}
		// Who reads the key, and does not write it, is in nobody's way.
		err := f.db.Update(t.Context(), func(tx kv.Tx) error {
			_, err := tx.Get([]byte("hot"))
			tx.Put([]byte("other"), nil)
			return err
		})
		if err != nil {
			t.Errorf("a reader of the key: %v", err)
		}
		close(gate)
		all.Wait()
	})
}
