package kvtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"golang.org/x/sync/errgroup"

	"github.com/linli-project/linli/pkg/kv"
)

const registers = 5

// operation is what a client does with a register.
type operation int

const (
	read operation = iota
	write
	add        // a read and a write in one closure
	operations // how many kinds there are
)

type registerInput struct {
	key   int
	op    operation
	value uint64
}

func registerModel() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			byKey := make([][]porcupine.Operation, registers)
			for _, op := range history {
				k := op.Input.(registerInput).key
				byKey[k] = append(byKey[k], op)
			}
			return byKey
		},
		Init: func() any { return uint64(0) },
		Step: func(state, input, output any) (bool, any) {
			in, before := input.(registerInput), state.(uint64)
			switch in.op {
			case read:
				return output.(uint64) == before, before
			case add:
				return output.(uint64) == before, before + in.value
			default:
				return true, in.value
			}
		},
	}
}

// recorder runs operations and keeps what they saw. Its time is a counter: what
// returned before another was called has the smaller number.
type recorder struct {
	db      kv.DB
	tick    atomic.Int64
	mu      sync.Mutex
	history []porcupine.Operation
}

// patience is how long porcupine may search for an order. A history of this
// size takes it milliseconds.
const patience = time.Minute

// testLinearizable records what concurrent clients saw of a few registers and
// asks porcupine whether one order explains it. Now and then an operation
// fails, or takes effect and loses its answer.
func testLinearizable(t testing.TB, f Factory) {
	for round := range rounds(1) {
		testRegisters(t, f, uint64(round))
	}
}

func testRegisters(t testing.TB, f Factory, seed uint64) {
	faulty := NewFaults(f.Open(t))
	r := recorder{db: kv.New(faulty, kv.Options{})}
	const clients = 6
	var g errgroup.Group
	for c := range clients {
		g.Go(func() error {
			random := rand.New(rand.NewPCG(uint64(c), seed))
			for i := range 150 {
				if c == 0 && i%10 == 0 {
					faulty.FailAt(1+random.Int64N(20), true)
				}
				in := registerInput{key: random.IntN(registers), op: operation(random.IntN(int(operations))), value: uint64(c)<<32 | uint64(i+1)}
				if err := r.run(c, in); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := errors.Join(g.Wait(), r.db.Close()); err != nil {
		t.Fatal(err)
	}
	if result := porcupine.CheckOperationsTimeout(registerModel(), r.history, patience); result != porcupine.Ok {
		t.Fatalf("an order that explains what %d operations saw: %s", len(r.history), result)
	}
}

// run runs one operation. One that surely had no effect is not kept; one whose
// answer was lost is a write that may come at any time, or as good as never.
func (r *recorder) run(client int, in registerInput) error {
	op := porcupine.Operation{ClientId: client, Call: r.tick.Add(1)}
	out, err := r.do(in)
	op.Return = r.tick.Add(1)
	switch {
	case errors.Is(err, kv.ErrUnknownOutcome):
		op.Return = math.MaxInt64
		in = registerInput{key: in.key, op: write, value: out + in.value}
	case errors.Is(err, kv.ErrConflict), errors.Is(err, kv.ErrUnavailable), errors.Is(err, ErrInjected):
		return nil
	case err != nil:
		return err
	}
	op.Input, op.Output = in, out
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, op)
	return nil
}

func (r *recorder) do(in registerInput) (out uint64, err error) {
	k := fmt.Appendf(nil, "register %d", in.key)
	if in.op == read {
		err := r.db.View(context.Background(), func(reader kv.Reader) error {
			it, err := reader.Get(k)
			out = number(it.Value)
			return err
		})
		return out, err
	}
	err = r.db.Update(context.Background(), func(tx kv.Tx) error {
		value := in.value
		if in.op == add {
			it, err := tx.Get(k)
			if err != nil {
				return err
			}
			out = number(it.Value)
			value += out
		}
		tx.Put(k, bytesOf(value))
		return nil
	})
	return out, err
}
