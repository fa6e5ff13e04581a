package boltkv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
)

func open(t testing.TB, path string) *boltkv.Engine {
	t.Helper()
	e, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestContract(t *testing.T) {
	paths := map[kv.Engine]string{}
	openAt := func(t testing.TB, path string) kv.Engine {
		e := open(t, path)
		paths[e] = path
		return e
	}
	kvtest.Run(t, kvtest.Factory{
		Open: func(t testing.TB) kv.Engine {
			folder, err := os.MkdirTemp(t.TempDir(), "engine")
			if err != nil {
				t.Fatal(err)
			}
			return openAt(t, filepath.Join(folder, "kv.db"))
		},
		Reopen: func(t testing.TB, e kv.Engine) kv.Engine {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			return openAt(t, paths[e])
		},
	})
}

func TestOpen_RefusesALockedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kv.db")
	e := open(t, path)
	if _, err := boltkv.Open(path, boltkv.Options{}); !errors.Is(err, boltkv.ErrLocked) {
		t.Errorf("a second open: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Close(); err != nil {
		t.Errorf("after the first is closed: %v", err)
	}
}

// filled makes a closed file of n rows and answers its bytes.
func filled(t testing.TB, n int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "filled.db")
	db := kv.New(open(t, path), kv.Options{})
	for i := 0; i < n; i += 100 {
		err := db.Update(context.Background(), func(tx kv.Tx) error {
			for j := i; j < min(i+100, n); j++ {
				tx.Put(rowKey(j), rowValue(j))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func rowKey(i int) []byte   { return fmt.Appendf(nil, "row %06d", i) }
func rowValue(i int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%06d ", i), 40) }

func TestOpen_RefusesATornFile(t *testing.T) {
	content := filled(t, 2000)
	// bbolt grows its file ahead of need; what counts is where pages end.
	used := len(bytes.TrimRight(content, "\x00"))
	for _, percent := range []int{0, 1, 30, 70, 95} {
		path := filepath.Join(t.TempDir(), "torn.db")
		if err := os.WriteFile(path, content[:max(1, used*percent/100)], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := boltkv.Open(path, boltkv.Options{}); !errors.Is(err, kv.ErrCorrupt) {
			t.Errorf("torn at %d %%: %v", percent, err)
		}
	}
}

func TestOpen_RefusesAFileThatIsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "letter.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("not a database\n"), 2000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := boltkv.Open(path, boltkv.Options{}); !errors.Is(err, kv.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}

// TestFlippedBits: whatever bit of the file turns, a read answers the value
// that was written, or an error, never another value and never a crash. A key
// can vanish when a page's pointer turns; Check is what finds that.
func TestFlippedBits(t *testing.T) {
	content := filled(t, 500)
	used := len(bytes.TrimRight(content, "\x00"))
	random := rand.New(rand.NewPCG(11, 13))
	found := 0
	for round := range 100 {
		broken := bytes.Clone(content)
		broken[random.IntN(used)] ^= 1 << random.IntN(8)
		path := filepath.Join(t.TempDir(), "flipped.db")
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		e, err := boltkv.Open(path, boltkv.Options{})
		if err != nil {
			found++
			continue
		}
		db := kv.New(e, kv.Options{})
		err = db.View(context.Background(), func(r kv.Reader) error {
			for i := range 500 {
				it, err := r.Get(rowKey(i))
				if err != nil {
					return err
				}
				if it.Version != 0 && !bytes.Equal(it.Value, rowValue(i)) {
					t.Fatalf("round %d: row %d has a wrong value, and no error", round, i)
				}
			}
			return nil
		})
		if err != nil {
			found++
			if !errors.Is(err, kv.ErrCorrupt) {
				t.Errorf("round %d: %v", round, err)
			}
		}
		if err := db.Close(); err != nil {
			t.Errorf("round %d: close: %v", round, err)
		}
	}
	if found == 0 {
		t.Error("100 flipped bits and none was found: the test flips nothing")
	}
}

func TestBackup_OpensAndHoldsTheSame(t *testing.T) {
	db := kv.New(open(t, filepath.Join(t.TempDir(), "kv.db")), kv.Options{})
	defer func() { _ = db.Close() }()
	err := db.Update(context.Background(), func(tx kv.Tx) error { tx.Put(rowKey(1), rowValue(1)); return nil })
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "backup.db")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Backup(context.Background(), f), f.Close()); err != nil {
		t.Fatal(err)
	}
	copied := kv.New(open(t, path), kv.Options{})
	defer func() { _ = copied.Close() }()
	if err := copied.Check(context.Background()); err != nil {
		t.Error(err)
	}
	err = copied.View(context.Background(), func(r kv.Reader) error {
		it, err := r.Get(rowKey(1))
		if !bytes.Equal(it.Value, rowValue(1)) {
			t.Errorf("the copy holds %q", it.Value)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
