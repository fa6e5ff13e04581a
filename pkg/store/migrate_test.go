package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/store"
)

const oldRows = 25

func oldRow(n int) key.Key { return key.New(store.FirstServiceTable).Uint(uint64(n)) }

// olderStore holds rows as an older linli wrote them: "old 7".
func olderStore(t *testing.T, rerun bool) fixture {
	t.Helper()
	f := newFixture(t, rerun)
	err := f.Update(t.Context(), func(tx *store.Tx) error {
		for n := range oldRows {
			tx.Put(oldRow(n), fmt.Appendf(nil, "old %d", n))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// rewrite is a migration that writes rows in another way, ten in a slice. A row
// that is not what it was is an error: nothing is migrated twice.
func rewrite(number uint64, from, to string) store.Migration {
	return store.Migration{Number: number, What: "rows say " + to, Slice: func(tx *store.Tx, at []byte) ([]byte, error) {
		all := key.New(store.FirstServiceTable)
		if at == nil {
			at = all
		}
		items, err := tx.Scan(kv.Range{From: at, To: all.End(), Limit: 10})
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			rest, ok := bytes.CutPrefix(it.Value, []byte(from))
			if !ok {
				return nil, fmt.Errorf("row says %q", it.Value)
			}
			tx.Put(it.Key, append([]byte(to), rest...))
		}
		if len(items) < 10 {
			return nil, nil
		}
		return append(items[9].Key, 0), nil
	}}
}

func (f fixture) wantRows(t *testing.T, word string) {
	t.Helper()
	f.view(t, func(r kv.Reader) error {
		for n := range oldRows {
			it, err := r.Get(oldRow(n))
			if want := fmt.Sprintf("%s %d", word, n); err != nil || string(it.Value) != want {
				t.Errorf("row %d says %q, not %q (%v)", n, it.Value, want, err)
			}
		}
		return nil
	})
}

func TestMigrate_DoesEachOnceAndInOrder(t *testing.T) {
	f := olderStore(t, true)
	all := []store.Migration{rewrite(1, "old", "middle"), rewrite(2, "middle", "new")}
	if err := f.CheckFormat(t.Context(), all); !errors.Is(err, store.ErrOlder) {
		t.Errorf("before: %v", err)
	}
	for i, want := range []int{2, 0} {
		if n, err := f.Migrate(t.Context(), all); err != nil || n != want {
			t.Fatalf("time %d: %d migrations, %v", i, n, err)
		}
		f.wantRows(t, "new")
	}
	if err := f.CheckFormat(t.Context(), all); err != nil {
		t.Errorf("after: %v", err)
	}
	all = append(all, rewrite(3, "new", "newest"))
	if n, err := f.Migrate(t.Context(), all); err != nil || n != 1 {
		t.Errorf("one more: %d, %v", n, err)
	}
	f.wantRows(t, "newest")
}

// TestMigrate_GoesOnWhereItWasBrokenOff fails before every one of its commits
// in turn: rows are rewritten once each, whatever was broken off.
func TestMigrate_GoesOnWhereItWasBrokenOff(t *testing.T) {
	f := olderStore(t, false)
	all := []store.Migration{rewrite(1, "old", "middle"), rewrite(2, "middle", "new")}
	stops := 0
	for again := true; again; stops++ {
		ctx, stop := context.WithCancel(t.Context())
		stoppable := make([]store.Migration, len(all))
		for i, m := range all {
			slice, slices := m.Slice, 0
			m.Slice = func(tx *store.Tx, at []byte) ([]byte, error) {
				if slices++; slices > 1 {
					stop() // the second slice of a start does not reach its commit
				}
				return slice(tx, at)
			}
			stoppable[i] = m
		}
		_, err := f.Migrate(ctx, stoppable)
		again = errors.Is(err, context.Canceled)
		stop()
		if err != nil && !again {
			t.Fatal(err)
		}
	}
	if stops < 3 {
		t.Errorf("it was broken off %d times only", stops)
	}
	f.wantRows(t, "new")
}

func TestMigrate_AFailureLeavesTheRestAsItWas(t *testing.T) {
	f := olderStore(t, true)
	broken := []store.Migration{rewrite(1, "old", "middle"), rewrite(2, "something else", "new")}
	if n, err := f.Migrate(t.Context(), broken); err == nil || n != 1 {
		t.Errorf("%d migrations, %v", n, err)
	}
	f.wantRows(t, "middle")
	if n, err := f.Migrate(t.Context(), []store.Migration{broken[0], rewrite(2, "middle", "new")}); err != nil || n != 1 {
		t.Errorf("mended: %d, %v", n, err)
	}
	f.wantRows(t, "new")
}

func TestMigrate_RefusesWhatANewerLinliWrote(t *testing.T) {
	f := olderStore(t, true)
	all := []store.Migration{rewrite(1, "old", "middle"), rewrite(2, "middle", "new")}
	if _, err := f.Migrate(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Migrate(t.Context(), all[:1]); !errors.Is(err, store.ErrNewer) {
		t.Errorf("a folder of format 2 with a linli of format 1: %v", err)
	}
	if err := f.CheckFormat(t.Context(), nil); !errors.Is(err, store.ErrNewer) {
		t.Errorf("a check: %v", err)
	}
	f.wantRows(t, "new")
	if _, err := f.Migrate(t.Context(), []store.Migration{rewrite(2, "a", "b")}); err == nil {
		t.Error("a list that begins with number 2 was taken")
	}
}

func TestMigrate_ANewStoreStandsAtTheLast(t *testing.T) {
	f := newFixture(t, true)
	all := []store.Migration{rewrite(1, "old", "middle"), rewrite(2, "middle", "new")}
	if n, err := f.Migrate(t.Context(), all); err != nil || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
	if err := f.CheckFormat(t.Context(), all); err != nil {
		t.Error(err)
	}
	if n, err := f.Migrate(t.Context(), nil); !errors.Is(err, store.ErrNewer) {
		t.Errorf("%d, %v", n, err)
	}
}
