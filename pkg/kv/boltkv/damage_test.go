package boltkv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/linli-project/linli/pkg/kv"
)

const damageRows = 500

func damageKey(i int) []byte { return fmt.Appendf(nil, "row %06d", i) }

func damageValue(i, generation int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%06d %d ", i, generation), 30)
}

// rowsAt makes a closed file whose rows were written in two generations, so
// that pages with old values lie free in it, and cuts it where its pages end.
func rowsAt(t *testing.T) (path string, size int64) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "rows.db")
	e, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	db := kv.New(e, kv.Options{})
	for generation := range 2 {
		for i := 0; i < damageRows; i += 100 {
			err := db.Update(t.Context(), func(tx kv.Tx) error {
				for j := i; j < i+100; j++ {
					tx.Put(damageKey(j), damageValue(j, generation))
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	err = e.db.View(func(tx *bolt.Tx) error { size = tx.Size(); return nil })
	if err := errors.Join(err, db.Close(), os.Truncate(path, size)); err != nil {
		t.Fatal(err)
	}
	return path, size
}

// finding is what became of one flipped bit.
type finding struct {
	refused bool  // by Open
	check   error // of Check
	read    error // of a read
	absent  int   // rows that are said not to be there
	old     int   // rows that have the value of their first generation
	wrong   int   // rows with a value that nobody wrote
}

func examine(t *testing.T, path string) (f finding) {
	t.Helper()
	e, err := Open(path, Options{})
	if err != nil {
		return finding{refused: true, check: err}
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	if f.check = e.Check(context.Background()); errors.Is(f.check, errUsedTwice) {
		return f // bbolt might follow the pointer round and round
	}
	s, err := e.snapshot(t.Context())
	if err != nil {
		f.read = err
		return f
	}
	defer func() { _ = s.Close() }()
	for i := range damageRows {
		items, err := s.Read(t.Context(), [][]byte{damageKey(i)})
		switch {
		case err != nil:
			f.read = err
		case items[0].Version == 0:
			f.absent++
		case bytes.Equal(items[0].Value, damageValue(i, 0)):
			f.old++
		case !bytes.Equal(items[0].Value, damageValue(i, 1)):
			f.wrong++
		}
	}
	if f.check == nil {
		// What our check lets pass bbolt's own must not complain of.
		for err := range s.tx.Check() {
			t.Errorf("bbolt's check: %v", err)
		}
	}
	return f
}

// TestFlippedBits: whatever bit of the file turns, a read answers a value that
// was written under that key, or an error, and never ends the process. A bit in
// the structure of a page may hide rows or bring old ones back; Check finds
// every such file.
func TestFlippedBits(t *testing.T) {
	path, size := rowsAt(t)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	flip := func(at int64, bit int) {
		b := make([]byte, 1)
		if _, err := file.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		b[0] ^= 1 << bit
		if _, err := file.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
	}
	rounds := 300
	if os.Getenv("LINLI_NIGHTLY") != "" {
		rounds = 10_000
	}
	random := rand.New(rand.NewPCG(11, 13))
	var found, harmless int
	for round := range rounds {
		at, bit := random.Int64N(size), random.IntN(8)
		if round%3 == 0 {
			// Most bytes are values. Every third flip is in the structure at the
			// beginning of a page.
			page := int64(os.Getpagesize())
			at = at/page*page + random.Int64N(600)
		}
		flip(at, bit)
		f := examine(t, path)
		flip(at, bit)
		switch {
		case f.wrong > 0:
			t.Fatalf("bit %d of byte %d: %d rows have a wrong value, and no error", bit, at, f.wrong)
		case f.read != nil && !errors.Is(f.read, kv.ErrCorrupt), f.check != nil && !errors.Is(f.check, kv.ErrCorrupt):
			t.Fatalf("bit %d of byte %d: read %v, check %v", bit, at, f.read, f.check)
		case f.check == nil && (f.read != nil || f.absent > 0 || f.old > 0):
			t.Fatalf("bit %d of byte %d: %+v, and Check found nothing", bit, at, f)
		case f.check == nil:
			harmless++
		default:
			found++
		}
	}
	t.Logf("%d flipped bits: %d found, %d harmless", rounds, found, harmless)
	if found < rounds/4 || harmless == 0 {
		t.Errorf("of %d flipped bits %d were found: the test does not flip what it should", rounds, found)
	}
	if f := examine(t, path); f != (finding{}) {
		t.Errorf("the file as it was: %+v", f)
	}
}

// TestFlippedBits_InTheHead: what stands before a meta in its page is under no
// checksum, and bbolt's own check ends in a panic on it.
func TestFlippedBits_InTheHead(t *testing.T) {
	path, _ := rowsAt(t)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for page := range int64(2) {
		for at := range int64(offCount) { // id and flags
			place, b := page*int64(os.Getpagesize())+at, make([]byte, 1)
			if _, err := file.ReadAt(b, place); err != nil {
				t.Fatal(err)
			}
			for bit := range 8 {
				if _, err := file.WriteAt([]byte{b[0] ^ 1<<bit}, place); err != nil {
					t.Fatal(err)
				}
				if f := examine(t, path); !errors.Is(f.check, kv.ErrCorrupt) {
					t.Errorf("bit %d of byte %d: %+v", bit, place, f)
				}
			}
			if _, err := file.WriteAt(b, place); err != nil {
				t.Fatal(err)
			}
		}
	}
	if f := examine(t, path); f != (finding{}) {
		t.Errorf("the file as it was: %+v", f)
	}
}

// TestTornUnderway cuts the file of an engine that is open. Everything fails as
// damage, nothing ends the process or hangs.
func TestTornUnderway(t *testing.T) {
	path, size := rowsAt(t)
	for _, percent := range []int64{70, 30, 0} {
		e, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size*percent/100); err != nil {
			t.Fatal(err)
		}
		db := kv.New(e, kv.Options{})
		err = db.View(t.Context(), func(r kv.Reader) error { _, err := r.Scan(kv.Range{}); return err })
		if !errors.Is(err, kv.ErrCorrupt) {
			t.Errorf("cut to %d %%: scan: %v", percent, err)
		}
		if err := db.Check(t.Context()); !errors.Is(err, kv.ErrCorrupt) {
			t.Errorf("cut to %d %%: check: %v", percent, err)
		}
		for i := range damageRows {
			err := db.Update(t.Context(), func(tx kv.Tx) error { tx.Put(damageKey(i), nil); return nil })
			if percent == 0 && err == nil {
				t.Errorf("cut to %d %%: a write was acknowledged", percent)
			}
		}
		if err := db.Close(); err != nil && !errors.Is(err, kv.ErrCorrupt) {
			t.Errorf("cut to %d %%: close: %v", percent, err)
		}
		// A new file in its place: the old one may still be locked.
		if err := errors.Join(os.Remove(path), os.WriteFile(path, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzParsePage(f *testing.F) {
	empty := make([]byte, pageHeader)
	empty[offFlags] = leafPage
	f.Add(empty)
	leaf := append(bytes.Clone(empty), 0, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 'k', 'v')
	leaf[offCount] = 1
	f.Add(leaf)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePage(b)
		if err != nil && !errors.Is(err, kv.ErrCorrupt) {
			t.Fatal(err)
		}
		for _, e := range p.elements {
			if err == nil && len(e.key) == 0 {
				t.Fatal("an element without a key")
			}
		}
	})
}
