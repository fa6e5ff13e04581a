package boltkv_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
)

// What is lent is what is read: absent keys between and behind the others too,
// and in an Update what it wrote itself.
func TestLend_ShowsWhatGetManyReads(t *testing.T) {
	engine, err := boltkv.Open(filepath.Join(t.TempDir(), "rows.db"), boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db := kv.New(engine, kv.Options{})
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	keys := [][]byte{[]byte("c"), []byte("absent"), []byte("a"), []byte("z"), []byte("a"), []byte("b")}
	same := func(r kv.Reader) error {
		want, err := r.GetMany(keys)
		if err != nil {
			return err
		}
		i := 0
		err = kv.Lend(r, keys, func(it kv.Item) error {
			if w := want[i]; !bytes.Equal(it.Key, w.Key) || it.Version != w.Version || !bytes.Equal(it.Value, w.Value) {
				t.Errorf("lent %v, read %v", it, w)
			}
			i++
			return nil
		})
		if i != len(keys) {
			t.Errorf("%d of %d keys were shown", i, len(keys))
		}
		return err
	}
	err = db.Update(t.Context(), func(tx kv.Tx) error {
		for _, k := range []string{"a", "b", "c"} {
			tx.Put([]byte(k), bytes.Repeat([]byte(k), 3000))
		}
		return same(tx)
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("seen enough")
	var closed kv.Reader
	err = db.View(t.Context(), func(r kv.Reader) error {
		closed = r
		if err := kv.Lend(r, keys, func(kv.Item) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("an error of see: %v", err)
		}
		return same(r)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := kv.Lend(closed, keys, func(kv.Item) error { return nil }); err == nil {
		t.Error("lent after the closure returned")
	}
}
