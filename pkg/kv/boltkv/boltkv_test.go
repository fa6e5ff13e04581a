package boltkv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

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

func newPath(t testing.TB) string {
	t.Helper()
	folder, err := os.MkdirTemp(t.TempDir(), "engine")
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(folder, "kv.db")
}

// suite opens engines on files and knows which file is whose.
type suite struct{ paths map[kv.Engine]string }

func (s suite) open(t testing.TB, path string) kv.Engine {
	e := open(t, path)
	s.paths[e] = path
	return e
}

func (s suite) closed(t testing.TB, e kv.Engine) (path string) {
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return s.paths[e]
}

func (s suite) reopen(t testing.TB, e kv.Engine) kv.Engine { return s.open(t, s.closed(t, e)) }

// damage changes the value that the suite names in every page that holds it.
func (s suite) damage(t testing.TB, e kv.Engine, _ []byte) kv.Engine {
	path := s.closed(t, e)
	content := contentOf(t, path)
	value := []byte("a value that will be changed")
	places := 0
	for at := 0; ; {
		i := bytes.Index(content[at:], value)
		if i < 0 {
			break
		}
		content[at+i] ^= 0x20
		at += i + len(value)
		places++
	}
	if places == 0 {
		t.Fatal("the value is not in the file")
	}
	write(t, path, content)
	return s.open(t, path)
}

func (s suite) restore(t testing.TB, r io.Reader) kv.Engine {
	copied, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	path := newPath(t)
	write(t, path, copied)
	return s.open(t, path)
}

func contentOf(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestContract(t *testing.T) {
	s := suite{paths: map[kv.Engine]string{}}
	kvtest.Run(t, kvtest.Factory{
		Open:    func(t testing.TB) kv.Engine { return s.open(t, newPath(t)) },
		Reopen:  s.reopen,
		Place:   newPath,
		At:      func(t testing.TB, path string) kv.Engine { return open(t, path) },
		Damage:  s.damage,
		Restore: s.restore,
	})
}

func TestOpen_MakesAFileForItsOwnerOnly(t *testing.T) {
	path := newPath(t)
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestOpen_RefusesALockedFile(t *testing.T) {
	path := newPath(t)
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

// TestOpen_RefusesWhatItMayNotWrite opens as another user where the test runs
// as one who may do everything.
func TestOpen_RefusesWhatItMayNotWrite(t *testing.T) {
	path := newPath(t)
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and it ends with the goroutine, other user and all
		const nobody = 65534
		_, _ = unix.SetfsuidRetUid(nobody)
		_, err := boltkv.Open(path, boltkv.Options{})
		result <- err
	}()
	if err := <-result; !boltkv.IsPermission(err) {
		t.Errorf("got %v", err)
	}
	if _, err := boltkv.Open(filepath.Join(t.TempDir(), "no", "folder"), boltkv.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
}

// filled makes a closed file of n rows, most of them written twice, and cuts it
// where its pages end: bbolt grows a file ahead of need.
func filled(t testing.TB, n int) (content []byte) {
	t.Helper()
	path := newPath(t)
	db := kv.New(open(t, path), kv.Options{})
	for _, from := range []int{n / 3, 0} {
		for i := from; i < n; i += 100 {
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
	}
	var copied bytes.Buffer
	if err := errors.Join(db.Backup(context.Background(), &copied), db.Close()); err != nil {
		t.Fatal(err)
	}
	return copied.Bytes()
}

func rowKey(i int) []byte   { return fmt.Appendf(nil, "row %06d", i) }
func rowValue(i int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%06d ", i), 40) }

func TestOpen_RefusesATornFile(t *testing.T) {
	content := filled(t, 2000)
	for _, percent := range []int{0, 1, 30, 70, 95} {
		path := newPath(t)
		write(t, path, content[:max(1, len(content)*percent/100)])
		_, err := boltkv.Open(path, boltkv.Options{})
		if !errors.Is(err, kv.ErrCorrupt) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("torn at %d %%: %v", percent, err)
		}
	}
	path := newPath(t)
	write(t, path, content)
	if err := open(t, path).Close(); err != nil {
		t.Errorf("the whole file: %v", err)
	}
}

func TestOpen_RefusesWhatIsNotOurs(t *testing.T) {
	foreign := newPath(t)
	db, err := bolt.Open(foreign, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	whole := filled(t, 10)
	second := bytes.Clone(whole)
	second[os.Getpagesize()+40] ^= 1 // in the second meta page
	for name, content := range map[string][]byte{
		"a letter":                 bytes.Repeat([]byte("not a database\n"), 2000),
		"another's database":       contentOf(t, foreign),
		"a file of zeros":          make([]byte, 1<<16),
		"a head with half damaged": second,
	} {
		path := newPath(t)
		write(t, path, content)
		if _, err := boltkv.Open(path, boltkv.Options{}); !errors.Is(err, kv.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(contentOf(t, path), content) {
			t.Errorf("%s: was written to", name)
		}
	}
}

// TestOpen_FinishesAFileThatWasJustMade: a start that died between making the
// file and its bucket leaves an empty database.
func TestOpen_FinishesAFileThatWasJustMade(t *testing.T) {
	path := newPath(t)
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Close(); err != nil {
		t.Error(err)
	}
}

func TestCheck_RunsBesideWriters(t *testing.T) {
	path := newPath(t)
	write(t, path, filled(t, 500))
	db := kv.New(open(t, path), kv.Options{})
	ctx, stop := context.WithCancel(t.Context())
	wrote := make(chan error, 1)
	go func() {
		for i := 0; ctx.Err() == nil; i++ {
			err := db.Update(context.Background(), func(tx kv.Tx) error { tx.Put(rowKey(i%700), rowValue(i)); return nil })
			if err != nil {
				wrote <- err
				return
			}
		}
		wrote <- nil
	}()
	for range 20 {
		if err := db.Check(t.Context()); err != nil {
			t.Error(err)
			break
		}
	}
	stop()
	if err := errors.Join(<-wrote, db.Close()); err != nil {
		t.Error(err)
	}
}
