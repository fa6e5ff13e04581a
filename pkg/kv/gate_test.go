package kv_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/memkv"
)

func put(ctx context.Context, d *kv.Database, k, v string) error {
	return d.Update(ctx, func(tx kv.Tx) error { tx.Put([]byte(k), []byte(v)); return nil })
}

// slow is an engine whose commits wait until they are let go.
type slow struct {
	kv.Engine
	begun, let chan struct{}
}

func (s slow) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	s.begun <- struct{}{}
	<-s.let
	return s.Engine.Commit(ctx, r)
}

func TestHold_WaitsForWhatIsUnderWayAndLetsTheRestWait(t *testing.T) {
	engine := slow{memkv.New(), make(chan struct{}), make(chan struct{})}
	d := kv.New(engine, kv.Options{})
	first := make(chan error, 1)
	go func() { first <- put(t.Context(), d, "a", "1") }()
	<-engine.begun

	held := make(chan func(), 1)
	go func() {
		release, err := d.Hold(t.Context())
		for errors.Is(err, kv.ErrUnavailable) { // the one below was first
			release, err = d.Hold(t.Context())
		}
		if err != nil {
			t.Error(err)
		}
		held <- release
	}()
	// The hold has shut the gate once a second hold is refused.
	for {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := d.Hold(ctx); errors.Is(err, kv.ErrUnavailable) {
			break
		}
	}
	select {
	case <-held:
		t.Fatal("held while a commit was under way")
	default:
	}
	engine.let <- struct{}{}
	release := <-held
	if err := <-first; err != nil {
		t.Fatal(err)
	}

	second := make(chan error, 1)
	go func() { second <- put(t.Context(), d, "b", "2") }()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := put(over, d, "c", "3"); !errors.Is(err, context.Canceled) {
		t.Errorf("who cannot wait: %v", err)
	}
	// Reads go on, and see neither.
	err := d.View(t.Context(), func(r kv.Reader) error {
		items, err := r.Scan(kv.Range{})
		if len(items) != 1 {
			t.Errorf("%d rows", len(items))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-second:
		t.Fatalf("a commit went through a shut gate: %v", err)
	default:
	}
	release()
	release()
	<-engine.begun
	engine.let <- struct{}{}
	if err := <-second; err != nil {
		t.Errorf("who waited: %v", err)
	}
}

// TestHold_StatesOfSeveralDatabasesAreOnePoint: each writer writes into one
// database, and when that is acknowledged into the next. What is read under a
// hold of both never has the second without the first. The control reads
// without a hold, and sees it sooner or later.
func TestHold_StatesOfSeveralDatabasesAreOnePoint(t *testing.T) {
	const writers, rounds = 8, 400
	for _, hold := range []bool{true, false} {
		a, b := kv.New(memkv.New(), kv.Options{}), kv.New(memkv.New(), kv.Options{})
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					k := fmt.Sprintf("%d/%08d", w, n)
					if put(ctx, a, k, "x") != nil || put(ctx, b, k, "x") != nil {
						return
					}
				}
			})
		}
		torn := 0
		for n := 0; n < rounds || !hold && torn == 0 && n < 1000*rounds; n++ {
			torn += tornPairs(t, a, b, hold)
		}
		stop()
		all.Wait()
		if hold && torn > 0 {
			t.Errorf("%d rows of the second database without those of the first", torn)
		}
		if !hold && torn == 0 {
			t.Error("the control saw nothing: this test would not find a missing hold")
		}
	}
}

// tornPairs counts rows of b that are not in a, the newest of each writer.
func tornPairs(t *testing.T, a, b *kv.Database, hold bool) (torn int) {
	t.Helper()
	if hold {
		for _, d := range []*kv.Database{a, b} {
			release, err := d.Hold(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer release()
		}
	}
	err := a.View(t.Context(), func(ra kv.Reader) error {
		return b.View(t.Context(), func(rb kv.Reader) error {
			for w := range 8 {
				newest, err := rb.Scan(kv.Range{From: fmt.Appendf(nil, "%d/", w), To: fmt.Appendf(nil, "%d0", w), Limit: 1, Reverse: true})
				if err != nil || len(newest) == 0 {
					return err
				}
				it, err := ra.Get(newest[0].Key)
				if err != nil {
					return err
				}
				if it.Version == 0 {
					torn++
				}
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return torn
}
