package kvtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/memkv"
)

// The controls are engines that break the contract. A suite that does not
// catch them proves nothing.

// unchecked applies commits without validating them.
type unchecked struct{ kv.Engine }

func (u unchecked) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	r.Checks = nil
	return u.Engine.Commit(ctx, r)
}

// live reads each key from the present state instead of one snapshot.
type live struct{ kv.Engine }

func (l live) Snapshot(context.Context) (kv.Snapshot, error) { return liveSnapshot{l.Engine}, nil }

type liveSnapshot struct{ e kv.Engine }

func (l liveSnapshot) Read(ctx context.Context, keys [][]byte) ([]kv.Item, error) {
	s, err := l.e.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	return s.Read(ctx, keys)
}

func (l liveSnapshot) Scan(ctx context.Context, r kv.Range) ([]kv.Item, error) {
	s, err := l.e.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	return s.Scan(ctx, r)
}

func (l liveSnapshot) Close() error { return nil }

func TestControl_WriteSkewIsCaught(t *testing.T) {
	db := kv.New(unchecked{memkv.New()}, kv.Options{})
	for round := range 5000 {
		if skewRound(t, db, fmt.Sprintf("l%d", round), fmt.Sprintf("r%d", round)) == 2 {
			return
		}
	}
	t.Fatal("an engine without checks went through 5,000 rounds unnoticed")
}

func TestControl_LiveReadsAreCaught(t *testing.T) {
	db := kv.New(live{memkv.New()}, kv.Options{})
	torn := errors.New("torn")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		for n := uint64(0); gctx.Err() == nil; n++ {
			err := db.Update(context.Background(), func(tx kv.Tx) error {
				tx.Put([]byte("left"), bytesOf(n))
				tx.Put([]byte("right"), bytesOf(n))
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	g.Go(func() error {
		for range 2_000_000 {
			err := db.View(context.Background(), func(r kv.Reader) error {
				a, err := r.Get([]byte("left"))
				if err != nil {
					return err
				}
				b, err := r.Get([]byte("right"))
				if err == nil && number(a.Value) != number(b.Value) {
					return torn
				}
				return err
			})
			if err != nil {
				stop()
				return err
			}
		}
		return nil
	})
	if err := g.Wait(); !errors.Is(err, torn) {
		t.Fatalf("an engine without snapshots went unnoticed: %v", err)
	}
}

func TestRerun_RunsEachClosureTwiceAndKeepsOne(t *testing.T) {
	db := Rerun(kv.New(memkv.New(), kv.Options{}))
	runs := 0
	mustUpdate(t, db, func(tx kv.Tx) error {
		runs++
		it, err := tx.Get([]byte("a"))
		if it.Version != 0 {
			t.Error("the first run left something")
		}
		tx.Put([]byte("a"), bytesOf(uint64(runs)))
		return err
	})
	if v, _ := get(t, db, "a"); runs != 2 || number([]byte(v)) != 2 {
		t.Errorf("%d runs, the value is of run %d", runs, number([]byte(v)))
	}
}
