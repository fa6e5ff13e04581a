package kvtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/linli-project/linli/pkg/kv"
)

// Odds are how often a simulated engine does what a real one does seldom, each
// from 0 to 1.
type Odds struct {
	// Conflict: somebody else was faster, on one of the keys that are checked.
	Conflict float64
	// Lost: the commit happens, and its answer is lost.
	Lost float64
	// Vanished: the commit does not happen, and nobody knows.
	Vanished float64
	// Unavailable: the operation is refused.
	Unavailable float64
	// Delay is the longest that an operation takes before, and again after, it
	// happens.
	Delay time.Duration
}

// RoughOdds are a bad day.
func RoughOdds() Odds {
	return Odds{Conflict: 0.05, Lost: 0.02, Vanished: 0.02, Unavailable: 0.02, Delay: 20 * time.Millisecond}
}

// Simulation wraps an engine with seeded conflicts, delays and crashes. It is
// meant for tests under testing/synctest, where delays cost nothing, and is
// safe for concurrent use.
type Simulation struct {
	kv.Engine
	odds Odds

	mu     sync.Mutex
	random *rand.Rand
	down   bool
	crash  int // how many there were
}

// NewSimulation wraps an engine. The same seed gives the same chances.
func NewSimulation(e kv.Engine, seed uint64, odds Odds) *Simulation {
	return &Simulation{Engine: e, odds: odds, random: rand.New(rand.NewPCG(seed, 13))}
}

// Crash takes the engine down: what comes is refused, and the answer of a
// commit that is under way is lost. An engine that has a method Crash is told.
func (s *Simulation) Crash() {
	s.mu.Lock()
	s.down, s.crash = true, s.crash+1
	s.mu.Unlock()
	if e, ok := s.Engine.(interface{ Crash() }); ok {
		e.Crash()
	}
}

// Restart brings it up again with what it held.
func (s *Simulation) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = false
}

// CrashNowAndThen crashes after at most up and restarts after at most down,
// again and again until the context ends; then it is up.
func (s *Simulation) CrashNowAndThen(ctx context.Context, up, down time.Duration) {
	defer s.Restart()
	for {
		for _, next := range []struct {
			within time.Duration
			do     func()
		}{{up, s.Crash}, {down, s.Restart}} {
			select {
			case <-time.After(time.Duration(s.pick(int(next.within)))):
				next.do()
			case <-ctx.Done():
				return
			}
		}
	}
}

func (s *Simulation) happens(odds float64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.Float64() < odds
}

func (s *Simulation) pick(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(n)
}

// wait takes some time, or until the context ends.
func (s *Simulation) wait(ctx context.Context) error {
	if s.odds.Delay == 0 {
		return ctx.Err()
	}
	t := time.NewTimer(time.Duration(s.pick(int(s.odds.Delay))))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin is what precedes every operation; it answers how many crashes there
// were.
func (s *Simulation) begin(ctx context.Context) (crashes int, err error) {
	if err := s.wait(ctx); err != nil {
		return 0, err
	}
	refused := s.happens(s.odds.Unavailable)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down || refused {
		return 0, fmt.Errorf("%w: simulated", kv.ErrUnavailable)
	}
	return s.crash, nil
}

func (s *Simulation) crashedSince(crashes int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.crash != crashes
}

// Snapshot opens a view late, or not.
func (s *Simulation) Snapshot(ctx context.Context) (kv.Snapshot, error) {
	crashes, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	inner, err := s.Engine.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return simulatedSnapshot{inner, s, crashes}, nil
}

// Commit happens late, not at all, or unheard.
func (s *Simulation) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	crashes, err := s.begin(ctx)
	switch {
	case err != nil:
		return 0, err
	case len(r.Checks) > 0 && s.happens(s.odds.Conflict):
		return 0, &kv.ConflictError{Key: r.Checks[s.pick(len(r.Checks))].Key}
	case s.happens(s.odds.Vanished):
		return 0, fmt.Errorf("%w: simulated", kv.ErrUnknownOutcome)
	}
	v, err := s.Engine.Commit(ctx, r)
	if err != nil {
		return 0, err
	}
	if s.wait(ctx) != nil || s.happens(s.odds.Lost) || s.crashedSince(crashes) {
		return 0, fmt.Errorf("%w: simulated", kv.ErrUnknownOutcome)
	}
	return v, nil
}

// simulatedSnapshot ends with the engine it is of.
type simulatedSnapshot struct {
	kv.Snapshot
	s       *Simulation
	crashes int
}

func (s simulatedSnapshot) begin(ctx context.Context) error {
	if _, err := s.s.begin(ctx); err != nil {
		return err
	}
	if s.s.crashedSince(s.crashes) {
		return fmt.Errorf("%w: simulated", kv.ErrUnavailable)
	}
	return nil
}

func (s simulatedSnapshot) Read(ctx context.Context, keys [][]byte) ([]kv.Item, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	return s.Snapshot.Read(ctx, keys)
}

func (s simulatedSnapshot) Scan(ctx context.Context, r kv.Range) ([]kv.Item, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	return s.Snapshot.Scan(ctx, r)
}
