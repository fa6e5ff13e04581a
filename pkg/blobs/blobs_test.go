package blobs_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/blobs"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

const canary = "CANARY-王小明-430198197207155484"

// wall is a clock that the test moves; it begins where the machine's stands,
// since files lie there since then.
type wall struct {
	mu  sync.Mutex
	now time.Time
}

func (w *wall) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *wall) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// house is a service that keeps notes, each naming a file.
type house struct {
	*blobs.Blobs
	store  *store.Store
	notes  *table.Table[*typev1.BlobRow] // address under a name of its own
	wall   *wall
	folder string
}

func open(t *testing.T, service string, bucket *blobs.Bucket, folder string) house {
	t.Helper()
	h := house{wall: &wall{now: time.Now()}, folder: folder, notes: table.New(table.Spec[*typev1.BlobRow]{
		Number: 900, Name: "note", Key: func(r *typev1.BlobRow) key.Key { return key.Key(nil).String(r.GetName()) },
		Indexes: []table.Index[*typev1.BlobRow]{{Number: 901, Name: "blob", Keys: func(r *typev1.BlobRow) []key.Key {
			return []key.Key{key.Key(nil).String(r.GetAddress())}
		}}},
	})}
	var err error
	h.store, err = store.Open(t.Context(), store.Config{Service: service, DB: kvtest.Rerun(kv.New(memkv.New(), kv.Options{})), Master: seal.MasterKey{7},
		Civil: h.wall, Wall: h.wall, IDs: ids.New, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.store.Close(); err != nil {
			t.Error(err)
		}
	})
	h.Blobs = blobs.New(blobs.Config{Bucket: bucket, Store: h.store, Table: 910, IndexByName: 911, IndexByReleased: 912, Log: slog.New(slog.DiscardHandler),
		Named: func(r kv.Reader, address string) (int, error) { return blobs.CountNamed(r, h.notes, "blob", address) }})
	return h
}

func inFolder(t *testing.T) house {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "blobs")
	bucket, err := blobs.OpenFolder(folder)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, "requests", bucket, folder)
}

// keep has a note name content, and answers its address.
func (h house) keep(t *testing.T, note string, content []byte) string {
	t.Helper()
	address, err := h.tryKeep(t.Context(), note, content)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func (h house) tryKeep(ctx context.Context, note string, content []byte) (address string, err error) {
	err = h.With(ctx, [][]byte{content}, func(all []*blobs.Staged) error {
		address = all[0].Address
		return h.store.Update(ctx, func(tx *store.Tx) error {
			if err := h.KeepAll(tx, all); err != nil {
				return err
			}
			_, err := h.notes.Insert(tx, &typev1.BlobRow{Name: note, Address: address})
			return err
		})
	})
	return address, err
}

func (h house) drop(t *testing.T, note string) {
	t.Helper()
	err := h.store.Update(t.Context(), func(tx *store.Tx) error {
		row, ok, err := h.notes.Get(tx, scope.All(), key.Key(nil).String(note))
		if err != nil || !ok {
			return errors.Join(err, errors.New("no such note"))
		}
		if err := h.notes.Delete(tx, row); err != nil {
			return err
		}
		return h.ReleaseAll(tx, row.Value.GetAddress())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// files are those that lie in the folder, by their names.
func (h house) files(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(h.folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		out[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (h house) problems(t *testing.T) []string {
	t.Helper()
	report, err := h.store.Check(t.Context(), h.notes, h.Checker())
	if err != nil {
		t.Fatal(err)
	}
	return report.Problems
}

// collected collects, and answers how many files went.
func (h house) collected(t *testing.T) int {
	t.Helper()
	n, err := h.Collect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestBlobs_AreSealedUnderWhatIsStored(t *testing.T) {
	h := inFolder(t)
	content := bytes.Repeat([]byte(canary), 1000)
	address := h.keep(t, "a", content)
	for path, stored := range h.files(t) {
		sum := sha256.Sum256([]byte(stored))
		if filepath.Base(path) != hex.EncodeToString(sum[:]) {
			t.Errorf("%s is not the SHA-256 of what is stored, as a backup expects", path)
		}
		if strings.Contains(stored, "CANARY") || strings.Contains(path, address) {
			t.Errorf("%s tells what it holds", path)
		}
	}
	plain := sha256.Sum256(content)
	if strings.Contains(address, hex.EncodeToString(plain[:])) {
		t.Error("whoever has a file can tell its address")
	}
	read, err := h.Read(t.Context(), address)
	if err != nil || !bytes.Equal(read, content) {
		t.Errorf("read %d bytes, %v", len(read), err)
	}
	if _, err := h.Read(t.Context(), "another"); !errors.Is(err, blobs.ErrMissing) {
		t.Errorf("an address that nobody gave: %v", err)
	}
	if p := h.problems(t); len(p) > 0 {
		t.Error(p)
	}
}

func TestBlobs_EqualContentIsStoredOnceAService(t *testing.T) {
	h := inFolder(t)
	if one, two := h.keep(t, "a", []byte("same")), h.keep(t, "b", []byte("same")); one != two {
		t.Errorf("%s and %s", one, two)
	}
	if n := len(h.files(t)); n != 1 {
		t.Errorf("%d files", n)
	}
	bucket, err := blobs.OpenFolder(h.folder)
	if err != nil {
		t.Fatal(err)
	}
	other := open(t, "projects", bucket, h.folder)
	if a := other.keep(t, "a", []byte("same")); a == h.keep(t, "c", []byte("same")) {
		t.Error("two services have one address for one content")
	}
	if n := len(h.files(t)); n != 2 {
		t.Errorf("%d files of two services", n)
	}
	h.wall.advance(48 * time.Hour)
	if n := h.collected(t); n != 0 {
		t.Errorf("one service deleted %d files of another", n)
	}
}

func TestCollect_WhatNobodyNamesGoesAfterADay(t *testing.T) {
	h := inFolder(t)
	address := h.keep(t, "a", []byte("content"))
	h.keep(t, "b", []byte("content"))
	h.keep(t, "other", []byte("other content"))
	h.drop(t, "a")
	h.wall.advance(48 * time.Hour)
	if n := h.collected(t); n != 0 {
		t.Errorf("deleted %d files that are named", n)
	}
	h.drop(t, "b")
	h.wall.advance(blobs.Grace - time.Minute)
	if n := h.collected(t); n != 0 {
		t.Errorf("deleted %d files before their day", n)
	}
	h.wall.advance(2 * time.Minute)
	if n := h.collected(t); n != 1 {
		t.Errorf("deleted %d files", n)
	}
	if _, err := h.Read(t.Context(), address); !errors.Is(err, blobs.ErrMissing) {
		t.Errorf("read what is deleted: %v", err)
	}
	if again := h.keep(t, "c", []byte("content")); again != address {
		t.Error("the same content has another address")
	}
	if p := h.problems(t); len(p) > 0 || len(h.files(t)) != 2 {
		t.Errorf("%v, %d files", p, len(h.files(t)))
	}
}

// TestCollect_AnUploadWithoutARow: what was broken off between the file and its
// row leaves a file, which goes, and one that was being written too.
func TestCollect_AnUploadWithoutARow(t *testing.T) {
	h := inFolder(t)
	broken := errors.New("the process ends here")
	err := h.With(t.Context(), [][]byte{[]byte("content")}, func([]*blobs.Staged) error { return broken })
	if !errors.Is(err, broken) || len(h.files(t)) != 1 {
		t.Fatalf("%v, %d files", err, len(h.files(t)))
	}
	part := filepath.Join(h.folder, "requests", "ab", "ab00.1f.tmp")
	if err := os.MkdirAll(filepath.Dir(part), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(part, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := h.collected(t); n != 0 {
		t.Errorf("deleted %d files at once", n)
	}
	h.wall.advance(blobs.Grace + time.Minute)
	if n := h.collected(t); n != 2 || len(h.files(t)) != 0 {
		t.Errorf("deleted %d files, %d are left", n, len(h.files(t)))
	}
}

// TestWith_CollectedMeanwhile: content that was there when it was staged, and is
// collected before the row is written, is stored again.
func TestWith_CollectedMeanwhile(t *testing.T) {
	h := inFolder(t)
	h.keep(t, "a", []byte("content"))
	h.drop(t, "a")
	tries := 0
	err := h.With(t.Context(), [][]byte{[]byte("content")}, func(all []*blobs.Staged) error {
		if tries++; tries == 1 {
			h.wall.advance(blobs.Grace + time.Minute)
			if n := h.collected(t); n != 1 {
				t.Errorf("deleted %d files", n)
			}
		}
		return h.store.Update(t.Context(), func(tx *store.Tx) error {
			if err := h.KeepAll(tx, all); err != nil {
				return err
			}
			_, err := h.notes.Insert(tx, &typev1.BlobRow{Name: "b", Address: all[0].Address})
			return err
		})
	})
	if err != nil || tries != 2 {
		t.Errorf("%v after %d tries", err, tries)
	}
	if p := h.problems(t); len(p) > 0 || len(h.files(t)) != 1 {
		t.Errorf("%v, %d files", p, len(h.files(t)))
	}
}

// TestBlobs_ManyAtOnce: the same content from many, while what was let go of the
// day before is collected: every note that was acknowledged can be read. The
// clock stands before the machine's, so that no file is as old as Grace.
func TestBlobs_ManyAtOnce(t *testing.T) {
	h := inFolder(t)
	h.wall.advance(-30 * 24 * time.Hour)
	for round := range 10 {
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				note := string(rune('a'+round)) + string(rune('a'+i))
				if _, err := h.tryKeep(t.Context(), note, []byte{byte(i % 3)}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Go(func() {
			if _, err := h.Collect(t.Context()); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		if p := h.problems(t); len(p) > 0 {
			t.Fatal(p)
		}
		for i := range 8 {
			h.drop(t, string(rune('a'+round))+string(rune('a'+i)))
		}
		h.wall.advance(blobs.Grace + time.Minute)
	}
}
