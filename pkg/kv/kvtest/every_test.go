package kvtest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/memkv"
)

// moved is done when its mark is there, and is safe to do twice.
func moved(t testing.TB, e kv.Engine, inOne bool) func() error {
	db := kv.New(e, kv.Options{})
	put(t, db, "aa from", "1")
	steps := []func(kv.Tx){
		func(tx kv.Tx) { tx.Delete([]byte("aa from")) },
		func(tx kv.Tx) { tx.Put([]byte("bb to"), []byte("1")) },
	}
	update := func(steps ...func(kv.Tx)) error {
		return db.Update(context.Background(), func(tx kv.Tx) error {
			if it, err := tx.Get([]byte("bb to")); err != nil || it.Version != 0 {
				return err
			}
			for _, step := range steps {
				step(tx)
			}
			return nil
		})
	}
	return func() error {
		var err error
		if inOne {
			err = update(steps...)
		} else {
			err = errors.Join(update(steps[0]), update(steps[1]))
		}
		if errors.Is(err, kv.ErrUnknownOutcome) {
			return nil // says so without having looked
		}
		return err
	}
}

func TestEveryOperation(t *testing.T) {
	open := func() kv.Engine { return memkv.New() }
	n := EveryOperation(t, open, func(t testing.TB, e kv.Engine) func() error { return moved(t, e, true) })
	if n != 6 { // snapshot, read, commit; twice
		t.Errorf("%d operations failed", n)
	}
	// The control does in two transactions what belongs into one.
	w := &witness{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		EveryOperation(w, open, func(t testing.TB, e kv.Engine) func() error { return moved(t, e, false) })
	}()
	<-done
	if !w.Failed() || !strings.Contains(w.failed[0], "6161 gone:1") {
		t.Errorf("half a move went unnoticed: %q", w.failed)
	}
}
