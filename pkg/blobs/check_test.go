package blobs_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob/memblob"

	"github.com/linli-project/linli/pkg/blobs"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
)

func TestChecker_FindsWhatIsMissingOrChanged(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"a file that a row names is not there":                  os.Remove,
		"a file is not what it was when it was stored":          func(path string) error { return flip(path) },
		"a file is not what it was when it was stored, cut off": func(path string) error { return os.Truncate(path, 10) },
	} {
		h := inFolder(t)
		address := h.keep(t, "a", []byte("content"))
		for path := range h.files(t) {
			if err := damage(path); err != nil {
				t.Fatal(err)
			}
		}
		want, _, _ := strings.Cut(name, ",")
		if p := h.problems(t); len(p) != 1 || !strings.HasSuffix(p[0], want) {
			t.Errorf("%s: %v", name, p)
		}
		if _, err := h.Read(t.Context(), address); err == nil {
			t.Errorf("%s: read", name)
		}
	}
	h := inFolder(t)
	h.keep(t, "a", []byte("content"))
	err := h.store.Update(t.Context(), func(tx *store.Tx) error {
		row, _, err := h.notes.Get(tx, scope.All(), key.Key(nil).String("a"))
		if err != nil {
			return err
		}
		return h.notes.Delete(tx, row)
	})
	if p := h.problems(t); err != nil || len(p) != 1 {
		t.Errorf("a file that is counted and not named: %v, %v", p, err)
	}
}

// TestRead_TwoFilesChangedPlaces: a file opens for its own address only.
func TestRead_TwoFilesChangedPlaces(t *testing.T) {
	h := inFolder(t)
	a, b := h.keep(t, "a", []byte("content A")), h.keep(t, "b", []byte("content B"))
	names := map[string]string{}
	err := h.store.View(t.Context(), func(r kv.Reader) error {
		rows, err := r.Scan(kv.Range{From: key.New(910), To: key.New(910).End(), Limit: 10})
		if len(rows) != 2 {
			t.Errorf("%d blobs", len(rows))
		}
		return err
	})
	for path, content := range h.files(t) {
		names[path] = content
	}
	if err != nil || a == b || len(names) != 2 {
		t.Fatal(err, names)
	}
	var paths, contents []string
	for path, content := range names {
		paths, contents = append(paths, path), append(contents, content)
	}
	for i, path := range paths {
		if err := os.WriteFile(path, []byte(contents[1-i]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, address := range []string{a, b} {
		if content, err := h.Read(t.Context(), address); !errors.Is(err, kv.ErrCorrupt) {
			t.Errorf("read %q, %v", content, err)
		}
	}
}

func flip(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	content[len(content)/2] ^= 1
	return os.WriteFile(path, content, 0o600)
}

// TestBlobs_InAnObjectStore: the same over another driver of the library.
func TestBlobs_InAnObjectStore(t *testing.T) {
	b := memblob.OpenBucket(nil)
	h := open(t, "requests", blobs.NewBucket(b), "")
	address := h.keep(t, "a", []byte(canary))
	if content, err := h.Read(t.Context(), address); err != nil || string(content) != canary {
		t.Errorf("%q, %v", content, err)
	}
	if p := h.problems(t); len(p) > 0 {
		t.Error(p)
	}
	h.drop(t, "a")
	h.wall.advance(blobs.Grace + time.Minute)
	if n := h.collected(t); n != 1 {
		t.Errorf("deleted %d", n)
	}
}
