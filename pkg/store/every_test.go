package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

func openOn(t testing.TB, e kv.Engine) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Service: "things", DB: kv.New(e, kv.Options{}), Master: seal.MasterKey{1},
		Civil: clock.Wall(), Wall: clock.Wall(), IDs: ids.New, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDo_EveryOperationFails: row, event, audit line and remembered answer are
// there together or not at all, whichever operation of the engine fails.
func TestDo_EveryOperationFails(t *testing.T) {
	n := kvtest.EveryOperation(t, func() kv.Engine { return memkv.New() }, func(t testing.TB, e kv.Engine) func() error {
		s := openOn(t, e)
		if _, err := increase(caller("p", "/m", "before"), s, 1); err != nil {
			t.Fatal(err)
		}
		return func() error { _, err := increase(caller("p", "/m", "k"), s, 1); return err }
	})
	if n < 6 {
		t.Errorf("%d operations failed", n)
	}
}

// badDay has callers increase a counter through an engine that loses answers
// and crashes. Each asks again, under the key that it is given, until it is
// answered. It answers how many increases were wanted, how many there are, and
// how many events and audit lines.
func badDay(t *testing.T, seed uint64, key func(who, n int) string) (wanted, counted, announced, audited int) {
	t.Helper()
	const callers, each = 5, 12
	engine := memkv.New()
	synctest.Test(t, func(t *testing.T) {
		openOn(t, engine) // its data key is made on a good day
		simulation := kvtest.NewSimulation(engine, seed, kvtest.RoughOdds())
		ctx, stop := context.WithCancel(t.Context())
		s := openRough(t, simulation)
		var crashing, calling sync.WaitGroup
		crashing.Go(func() { simulation.CrashNowAndThen(ctx, 2*time.Second, 100*time.Millisecond) })
		for who := range callers {
			calling.Go(func() {
				for n := range each {
					untilAnswered(t, s, key(who, n))
				}
			})
		}
		calling.Wait()
		stop()
		crashing.Wait()
	})
	f := fixture{Store: openOn(t, engine)}
	f.view(t, func(r kv.Reader) error {
		it, err := r.Get(counterKey())
		counted = len(it.Value)
		if err != nil {
			return err
		}
		events, err := store.Pending(r, 10_000)
		if err != nil {
			return err
		}
		lines, err := store.AuditRows(r, 10_000)
		announced, audited = len(events), len(lines)
		return err
	})
	return callers * each, counted, announced, audited
}

// openRough opens the store once the engine lets it.
func openRough(t *testing.T, e kv.Engine) *store.Store {
	t.Helper()
	for {
		s, err := store.Open(t.Context(), store.Config{Service: "things", DB: kv.New(e, kv.Options{}), Master: seal.MasterKey{1},
			Civil: clock.Wall(), Wall: clock.Wall(), IDs: ids.New, Log: slog.New(slog.DiscardHandler)})
		if err == nil {
			return s
		}
	}
}

func untilAnswered(t *testing.T, s *store.Store, key string) {
	for {
		_, err := increase(caller("p", "/m", key), s, 1)
		switch {
		case err == nil:
			return
		case errors.Is(err, kv.ErrUnavailable), errors.Is(err, kv.ErrUnknownOutcome), errors.Is(err, kv.ErrConflict):
		default:
			t.Errorf("an answer that tells nobody to ask again: %v", err)
			return
		}
	}
}

// TestDo_OnABadDay: with an idempotency key every call has its effect once, with
// one event and one audit line, whatever the engine does meanwhile.
func TestDo_OnABadDay(t *testing.T) {
	for seed := range uint64(10) {
		wanted, counted, announced, audited := badDay(t, seed, func(who, n int) string { return fmt.Sprintf("%d-%d", who, n) })
		if counted != wanted || announced != wanted || audited != wanted {
			t.Errorf("seed %d: of %d calls there are %d effects, %d events, %d audit lines", seed, wanted, counted, announced, audited)
		}
	}
}

// TestDo_OnABadDayWithoutKeys is the control: who asks again without a key has
// the effect twice, so the days are bad enough. One day loses an answer only by
// chance (nine in ten do), so the days go on until one has.
func TestDo_OnABadDayWithoutKeys(t *testing.T) {
	const days = 20
	for seed := range uint64(days) {
		wanted, counted, announced, audited := badDay(t, seed, func(int, int) string { return "" })
		if announced != counted || audited != counted {
			t.Errorf("seed %d: there are %d effects, %d events, %d audit lines", seed, counted, announced, audited)
		}
		if counted > wanted {
			return
		}
	}
	t.Errorf("on %d days no call had its effect twice", days)
}
