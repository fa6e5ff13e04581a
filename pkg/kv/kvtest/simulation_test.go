package kvtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/memkv"
)

// longestUpdate is more than any Update may take on a bad day: sixteen tries,
// their delays and pauses, and turns at a key behind five others.
const longestUpdate = 30 * time.Second

// simulatedDay lives through a seeded day of crashes with clients of a few
// registers, and answers whether one order explains what they saw.
func simulatedDay(t *testing.T, seed uint64, engine kv.Engine) (result porcupine.CheckResult, seen int) {
	t.Helper()
	var r *recorder
	synctest.Test(t, func(t *testing.T) {
		s := NewSimulation(engine, seed, RoughOdds())
		r = &recorder{db: kv.New(s, kv.Options{})}
		ctx, stop := context.WithCancel(t.Context())
		var crashing, clients sync.WaitGroup
		crashing.Go(func() { s.CrashNowAndThen(ctx, 2*time.Second, 100*time.Millisecond) })
		for c := range 6 {
			clients.Go(func() {
				random := rand.New(rand.NewPCG(seed, uint64(c)))
				for i := range 40 {
					in := registerInput{key: random.IntN(registers), op: operation(random.IntN(int(operations))), value: uint64(c)<<32 | uint64(i+1)}
					began := time.Now()
					if err := r.run(c, in); err != nil {
						t.Errorf("seed %d: %v", seed, err)
					}
					if took := time.Since(began); took > longestUpdate {
						t.Errorf("seed %d: an operation took %s", seed, took)
					}
				}
			})
		}
		clients.Wait()
		stop()
		crashing.Wait()
	})
	return porcupine.CheckOperationsTimeout(registerModel(), r.history, patience), len(r.history)
}

// TestSimulation_TransactionLayer: whatever the engine does on a bad day, what
// the layer answers is explained by one order.
func TestSimulation_TransactionLayer(t *testing.T) {
	total := 0
	for seed := range rounds(20) {
		result, n := simulatedDay(t, uint64(seed), memkv.New())
		if total += n; result != porcupine.Ok {
			t.Fatalf("seed %d: an order that explains what %d operations saw: %s", seed, n, result)
		}
	}
	t.Logf("%d operations explained", total)
}

// TestSimulation_Controls: engines that are wrong on such days only are caught.
func TestSimulation_Controls(t *testing.T) {
	for name, broken := range map[string]func() kv.Engine{
		"loses its last commits in a crash": func() kv.Engine { return &forgetsInCrash{Engine: memkv.New()} },
		"ignores checks":                    func() kv.Engine { return unchecked{memkv.New()} },
	} {
		caught := false
		for seed := uint64(0); seed < 20 && !caught; seed++ {
			result, _ := simulatedDay(t, seed, broken())
			caught = result == porcupine.Illegal
		}
		if !caught {
			t.Errorf("an engine that %s went unnoticed on twenty days", name)
		}
	}
}

// forgetsInCrash keeps what was written lately in memory only: it writes the
// last three commits back when it crashes.
type forgetsInCrash struct {
	kv.Engine
	mu     sync.Mutex
	lately []kv.CommitRequest // what undoes a commit, the newest last
}

func (f *forgetsInCrash) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	undo, err := f.undo(ctx, r)
	if err != nil {
		return 0, err
	}
	v, err := f.Engine.Commit(ctx, r)
	if err == nil {
		f.lately = append(f.lately, undo)[max(0, len(f.lately)-2):]
	}
	return v, err
}

func (f *forgetsInCrash) undo(ctx context.Context, r kv.CommitRequest) (undo kv.CommitRequest, err error) {
	s, err := f.Snapshot(ctx)
	if err != nil {
		return undo, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, w := range r.Writes {
		items, err := s.Read(ctx, [][]byte{w.Key})
		if err != nil {
			return undo, err
		}
		undo.Writes = append(undo.Writes, kv.Write{Key: w.Key, Value: items[0].Value, Delete: items[0].Version == 0})
	}
	return undo, nil
}

func (f *forgetsInCrash) Crash() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := len(f.lately) - 1; i >= 0; i-- {
		_, _ = f.Engine.Commit(context.Background(), f.lately[i]) // memory: it takes it
	}
	f.lately = nil
}

// told tells of its commits.
type told struct {
	kv.Engine
	committed chan struct{}
}

func (e told) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	defer func() { e.committed <- struct{}{} }()
	return e.Engine.Commit(ctx, r)
}

// TestSimulation_SaysWhatItDid: a commit whose answer is lost is there, one
// that vanished is not, and a crash hides the answer of what is under way.
func TestSimulation_SaysWhatItDid(t *testing.T) {
	write := kv.CommitRequest{Writes: []kv.Write{{Key: []byte("a"), Value: []byte("1")}}}
	for name, c := range map[string]struct {
		odds  Odds
		there bool
		err   error
	}{
		"lost":        {Odds{Lost: 1}, true, kv.ErrUnknownOutcome},
		"vanished":    {Odds{Vanished: 1}, false, kv.ErrUnknownOutcome},
		"unavailable": {Odds{Unavailable: 1}, false, kv.ErrUnavailable},
		"no conflict": {Odds{Conflict: 1}, true, nil}, // it checks nothing
	} {
		e := memkv.New()
		if _, err := NewSimulation(e, 1, c.odds).Commit(t.Context(), write); !errors.Is(err, c.err) {
			t.Errorf("%s: %v", name, err)
		}
		if _, there := get(t, kv.New(e, kv.Options{}), "a"); there != c.there {
			t.Errorf("%s: it is there: %v", name, there)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		e := told{memkv.New(), make(chan struct{}, 1)}
		s := NewSimulation(e, 1, Odds{Delay: time.Second})
		answer := make(chan error, 1)
		go func() { _, err := s.Commit(t.Context(), write); answer <- err }()
		<-e.committed
		s.Crash()
		if err := <-answer; !errors.Is(err, kv.ErrUnknownOutcome) {
			t.Errorf("a commit in a crash: %v", err)
		}
		if _, err := s.Snapshot(t.Context()); !errors.Is(err, kv.ErrUnavailable) {
			t.Errorf("after a crash: %v", err)
		}
		s.Restart()
		if _, err := s.Snapshot(t.Context()); err != nil {
			t.Errorf("after a restart: %v", err)
		}
	})
}
