package kvtest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"
	"golang.org/x/sync/errgroup"

	"github.com/linli-project/linli/pkg/kv"
)

// rounds is n in an ordinary run and a hundred times that nightly.
func rounds(n int) int {
	if os.Getenv("LINLI_NIGHTLY") != "" {
		return 100 * n
	}
	return n
}

func number(b []byte) uint64 {
	if len(b) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

func bytesOf(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// testSnapshot: writers keep two keys equal; no closure ever sees them differ,
// not even one that will be run again.
func testSnapshot(t *testing.T, f Factory) {
	db := f.database(t)
	const writers, readers = 4, 4
	n := rounds(400)
	g, ctx := errgroup.WithContext(context.Background())
	pair := func(r kv.Reader) (uint64, error) {
		a, err := r.Get([]byte("left"))
		if err != nil {
			return 0, err
		}
		b, err := r.Get([]byte("right"))
		if err != nil {
			return 0, err
		}
		if number(a.Value) != number(b.Value) {
			return 0, fmt.Errorf("saw a state that never was: %d and %d", number(a.Value), number(b.Value))
		}
		return number(a.Value), nil
	}
	for range writers {
		g.Go(func() error {
			for range n {
				err := db.Update(ctx, func(tx kv.Tx) error {
					v, err := pair(tx)
					if err != nil {
						return err
					}
					tx.Put([]byte("left"), bytesOf(v+1))
					tx.Put([]byte("right"), bytesOf(v+1))
					return nil
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
				if err := db.View(ctx, func(r kv.Reader) error { _, err := pair(r); return err }); err != nil {
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
func testWriteSkew(t *testing.T, f Factory) {
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

func skewRound(t *testing.T, db kv.DB, left, right string) (succeeded int) {
	taken := errors.New("taken")
	free := func(it kv.Item) bool { return it.Version == 0 || string(it.Value) == "0" }
	results := make([]error, 2)
	var start, done sync.WaitGroup
	start.Add(1)
	for i, mine := range []string{left, right} {
		done.Add(1)
		go func() {
			defer done.Done()
			start.Wait()
			results[i] = db.Update(context.Background(), func(tx kv.Tx) error {
				items, err := tx.GetMany([][]byte{[]byte(left), []byte(right)})
				if err != nil {
					return err
				}
				if !free(items[0]) || !free(items[1]) {
					return taken
				}
				tx.Put([]byte(mine), []byte("1"))
				return nil
			})
		}()
	}
	start.Done()
	done.Wait()
	for _, err := range results {
		if err == nil {
			succeeded++
		} else if !errors.Is(err, taken) {
			t.Errorf("skew: %v", err)
		}
	}
	return succeeded
}

// testLostUpdate: every acknowledged increment is in the counter.
func testLostUpdate(t *testing.T, f Factory) {
	db := f.database(t)
	const workers = 8
	n := rounds(60)
	var mu sync.Mutex
	acknowledged := uint64(0)
	g, ctx := errgroup.WithContext(context.Background())
	for range workers {
		g.Go(func() error {
			for range n {
				err := db.Update(ctx, func(tx kv.Tx) error {
					it, err := tx.Get([]byte("counter"))
					if err != nil {
						return err
					}
					tx.Put([]byte("counter"), bytesOf(number(it.Value)+1))
					return nil
				})
				switch {
				case err == nil:
					mu.Lock()
					acknowledged++
					mu.Unlock()
				case !errors.Is(err, kv.ErrConflict):
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if v, _ := get(t, db, "counter"); number([]byte(v)) != acknowledged {
		t.Fatalf("%d increments were acknowledged, the counter says %d", acknowledged, number([]byte(v)))
	}
}

// registerInput is one operation on a register for the linearizability check.
type registerInput struct {
	key   int
	write bool
	value uint64
}

func registerModel() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			byKey := map[int][]porcupine.Operation{}
			for _, op := range history {
				k := op.Input.(registerInput).key
				byKey[k] = append(byKey[k], op)
			}
			var out [][]porcupine.Operation
			for _, ops := range byKey {
				out = append(out, ops)
			}
			return out
		},
		Init: func() any { return uint64(0) },
		Step: func(state, input, output any) (bool, any) {
			in := input.(registerInput)
			if in.write {
				return true, in.value
			}
			return output.(uint64) == state.(uint64), state
		},
	}
}

// testLinearizable records what concurrent clients saw of a few registers and
// asks porcupine whether one order explains it.
func testLinearizable(t *testing.T, f Factory) {
	db := f.database(t)
	const clients, registers = 6, 5
	var mu sync.Mutex
	var history []porcupine.Operation
	var tick int64
	now := func() int64 { mu.Lock(); defer mu.Unlock(); tick++; return tick }
	g, ctx := errgroup.WithContext(context.Background())
	for c := range clients {
		random := rand.New(rand.NewPCG(uint64(c), 7))
		g.Go(func() error {
			for i := range rounds(150) {
				in := registerInput{key: random.IntN(registers), write: random.IntN(2) == 0, value: uint64(c)<<32 | uint64(i+1)}
				k := fmt.Appendf(nil, "register %d", in.key)
				var out uint64
				began := now()
				err := db.Update(ctx, func(tx kv.Tx) error {
					if in.write {
						tx.Put(k, bytesOf(in.value))
						return nil
					}
					it, err := tx.Get(k)
					out = number(it.Value)
					return err
				})
				if err != nil {
					return err
				}
				op := porcupine.Operation{ClientId: c, Input: in, Call: began, Output: out, Return: now()}
				mu.Lock()
				history = append(history, op)
				mu.Unlock()
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if !porcupine.CheckOperations(registerModel(), history) {
		t.Fatalf("no order explains what %d operations saw", len(history))
	}
}
