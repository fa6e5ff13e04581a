package kvtest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/linli-project/linli/pkg/kv"
)

func number(b []byte) uint64 {
	if len(b) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

func bytesOf(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// meeting holds two closures until both have read, so that they overlap in
// every round and not when the scheduler wills. It lets re-runs through.
type meeting struct {
	first [2]sync.Once
	both  sync.WaitGroup
}

func newMeeting() *meeting {
	m := &meeting{}
	m.both.Add(2)
	return m
}

func (m *meeting) arrive(who int) {
	m.first[who].Do(func() {
		m.both.Done()
		m.both.Wait()
	})
}

func together(a, b func() error) (results [2]error) {
	var done sync.WaitGroup
	done.Go(func() { results[0] = a() })
	done.Go(func() { results[1] = b() })
	done.Wait()
	return results
}

func setPair(db kv.DB, n uint64) error {
	return db.Update(context.Background(), func(tx kv.Tx) error {
		tx.Put([]byte("left"), bytesOf(n))
		tx.Put([]byte("right"), bytesOf(n))
		return nil
	})
}

// readPair reads two keys that are always written together, one after the
// other, each in another way.
func readPair(r kv.Reader) (uint64, error) {
	a, err := r.Get([]byte("left"))
	if err != nil {
		return 0, err
	}
	b, err := r.Scan(kv.Range{From: []byte("right"), Limit: 1})
	if err != nil {
		return 0, err
	}
	c, err := r.GetMany([][]byte{[]byte("right")})
	if err != nil {
		return 0, err
	}
	if len(b) != 1 || number(a.Value) != number(b[0].Value) || number(a.Value) != number(c[0].Value) {
		return 0, fmt.Errorf("saw a state that never was: left %d, right %d", number(a.Value), number(c[0].Value))
	}
	return number(a.Value), nil
}

// testSnapshot: no closure ever sees a state that never was, not even one that
// will be run again.
func testSnapshot(t testing.TB, f Factory) {
	db := f.database(t)
	if err := setPair(db, 1); err != nil {
		t.Fatal(err)
	}
	// A commit between two reads of a closure is not seen by the second.
	overtaken := func(r kv.Reader, n uint64) error {
		if _, err := r.Get([]byte("left")); err != nil {
			return err
		}
		if err := setPair(db, n); err != nil {
			return err
		}
		if v, err := readPair(r); err != nil || v == n {
			return fmt.Errorf("read what was committed after it began: %d, %w", v, err)
		}
		return nil
	}
	if err := db.View(context.Background(), func(r kv.Reader) error { return overtaken(r, 2) }); err != nil {
		t.Fatalf("view: %v", err)
	}
	runs := 0
	mustUpdate(t, db, func(tx kv.Tx) error {
		if runs++; runs > 1 {
			_, err := readPair(tx)
			return err
		}
		return overtaken(tx, 3)
	})
	if runs != 2 {
		t.Errorf("a closure whose reads were overtaken ran %d times", runs)
	}
	testPairs(t, db)
}

// testPairs lets writers and readers of the pair loose on each other.
func testPairs(t testing.TB, db kv.DB) {
	const writers, readers = 4, 4
	n := rounds(100)
	g, ctx := errgroup.WithContext(context.Background())
	for range writers {
		g.Go(func() error {
			for range n {
				err := db.Update(ctx, func(tx kv.Tx) error {
					v, err := readPair(tx)
					tx.Put([]byte("left"), bytesOf(v+1))
					tx.Put([]byte("right"), bytesOf(v+1))
					return err
				})
				if err != nil && !errors.Is(err, kv.ErrConflict) {
					return err
				}
			}
			return nil
		})
	}
	for range readers {
		g.Go(func() error {
			for range n {
				if err := db.View(ctx, func(r kv.Reader) error { _, err := readPair(r); return err }); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// testWriteSkew: two closures each read both of two keys and write one of
// them, only while the other is unset. Both may never succeed.
func testWriteSkew(t testing.TB, f Factory) {
	for _, absent := range []bool{true, false} {
		db := f.database(t)
		for round := range rounds(150) {
			left, right := fmt.Sprintf("l%d", round), fmt.Sprintf("r%d", round)
			if !absent {
				put(t, db, left, "0", right, "0")
			}
			if n := skewRound(t, db, left, right); n != 1 {
				t.Fatalf("round %d, absent %v: %d of two succeeded", round, absent, n)
			}
		}
	}
}

func skewRound(t testing.TB, db kv.DB, left, right string) (succeeded int) {
	taken := errors.New("taken")
	free := func(it kv.Item) bool { return it.Version == 0 || string(it.Value) == "0" }
	m := newMeeting()
	try := func(who int, mine string) func() error {
		return func() error {
			return db.Update(context.Background(), func(tx kv.Tx) error {
				items, err := tx.GetMany([][]byte{[]byte(left), []byte(right)})
				m.arrive(who)
				if err != nil {
					return err
				}
				if !free(items[0]) || !free(items[1]) {
					return taken
				}
				tx.Put([]byte(mine), []byte("1"))
				return nil
			})
		}
	}
	for _, err := range together(try(0, left), try(1, right)) {
		if err == nil {
			succeeded++
		} else if !errors.Is(err, taken) {
			t.Errorf("skew: %v", err)
		}
	}
	return succeeded
}

// testLostUpdate: every acknowledged increment is in the counter, of two that
// overlap and of many that may.
func testLostUpdate(t testing.TB, f Factory) {
	db := f.database(t)
	var acknowledged atomic.Uint64
	increase := func(arrive func()) error {
		err := db.Update(context.Background(), func(tx kv.Tx) error {
			it, err := tx.Get([]byte("counter"))
			arrive()
			tx.Put([]byte("counter"), bytesOf(number(it.Value)+1))
			return err
		})
		switch {
		case err == nil:
			acknowledged.Add(1)
		case errors.Is(err, kv.ErrConflict):
			return nil
		}
		return err
	}
	for range rounds(50) {
		m := newMeeting()
		results := together(
			func() error { return increase(func() { m.arrive(0) }) },
			func() error { return increase(func() { m.arrive(1) }) },
		)
		if err := errors.Join(results[:]...); err != nil {
			t.Fatal(err)
		}
	}
	const workers = 8
	var g errgroup.Group
	for range workers {
		g.Go(func() error {
			for range rounds(30) {
				if err := increase(func() {}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if v, _ := get(t, db, "counter"); number([]byte(v)) != acknowledged.Load() {
		t.Fatalf("%d increments were acknowledged, the counter says %d", acknowledged.Load(), number([]byte(v)))
	}
}
