package backup_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"go.uber.org/goleak"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/backup"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var master = seal.MasterKey{7}

func openStore(t *testing.T, folder, service string) *store.Store {
	t.Helper()
	engine, err := boltkv.Open(filepath.Join(folder, service+".db"), boltkv.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(context.Background(), store.Config{
		Service: service, DB: kv.New(engine, kv.Options{}), Master: master, Civil: clock.Wall(), Wall: clock.Wall(),
		IDs: ids.New, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func rowKey(s string) []byte { return key.New(store.FirstServiceTable).String(s) }

func put(ctx context.Context, s *store.Store, k string, value []byte) error {
	return s.Update(ctx, func(tx *store.Tx) error { tx.Put(rowKey(k), value); return nil })
}

// house is two processes of one store each.
type house struct {
	folder   string
	a, b     *store.Store
	identity *age.X25519Identity
	config   backup.TakeConfig
	services []*backup.Service
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{folder: t.TempDir()}
	h.a, h.b = openStore(t, h.folder, "a"), openStore(t, h.folder, "b")
	var err error
	if h.identity, err = age.GenerateX25519Identity(); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	civil := func() time.Time { return time.Date(2013, 9, 2, 0, 0, 0, 0, time.UTC) }
	one := backup.NewService(backup.Config{Stores: []*store.Store{h.a}, Civil: civil, Blobs: filepath.Join(h.folder, "blobs"), Log: log})
	two := backup.NewService(backup.Config{Stores: []*store.Store{h.b}, Civil: civil, Blobs: filepath.Join(h.folder, "blobs"), Log: log})
	none := backup.NewService(backup.Config{Log: log}) // a gateway
	h.services = []*backup.Service{one, two}
	h.config = backup.TakeConfig{
		ID: "bak_1", Services: []string{"a", "b"}, To: []age.Recipient{h.identity.Recipient()}, Program: "test", Time: civil(),
		Processes: []backup.Process{{Name: "one", Conn: one.Conn()}, {Name: "none", Conn: none.Conn()}, {Name: "two", Conn: two.Conn()}},
	}
	return h
}

func (h *house) take(t *testing.T) (*pb.BackupManifest, []byte) {
	t.Helper()
	var out bytes.Buffer
	m, err := backup.Take(t.Context(), h.config, &out)
	if err != nil {
		t.Fatal(err)
	}
	return m, out.Bytes()
}

func (h *house) unpack(t *testing.T, file []byte) (string, *pb.BackupManifest, error) {
	t.Helper()
	folder := t.TempDir()
	m, err := backup.Unpack(t.Context(), backup.UnpackConfig{
		With: []age.Identity{h.identity}, Folder: folder, Accept: func(*pb.BackupHead) error { return nil },
	}, bytes.NewReader(file))
	return folder, m, err
}

// dump is every row of a store.
func dump(t *testing.T, s *store.Store) string {
	t.Helper()
	var out strings.Builder
	err := s.View(t.Context(), func(r kv.Reader) error {
		return store.Walk(r, kv.Range{}, func(it kv.Item) error {
			fmt.Fprintf(&out, "%x %x\n", it.Key, it.Value)
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func blob(t *testing.T, folder string, content []byte) string {
	t.Helper()
	sum := sha256.Sum256(content)
	name := hex.EncodeToString(sum[:])
	at := filepath.Join(folder, "blobs", name[:2])
	if err := os.MkdirAll(at, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(at, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name[:2] + "/" + name
}

func TestUnpack_HoldsWhatWasThere(t *testing.T) {
	h := newHouse(t)
	for n := range 300 {
		if err := put(t.Context(), h.a, fmt.Sprint(n), bytes.Repeat([]byte{byte(n)}, (n%30)*10)); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 80 { // more than one commit takes
		if err := put(t.Context(), h.b, fmt.Sprint(n), bytes.Repeat([]byte{byte(n)}, 64<<10)); err != nil {
			t.Fatal(err)
		}
	}
	small, large := blob(t, h.folder, []byte("a picture")), blob(t, h.folder, bytes.Repeat([]byte("x"), 1200<<10))
	empty := blob(t, h.folder, nil)
	m, file := h.take(t)
	folder, read, err := h.unpack(t, file)
	if err != nil {
		t.Fatal(err)
	}
	if m.String() != read.String() || m.GetBlobs() != 3 || m.GetStores()[0].GetAuditRows() != 1 {
		t.Errorf("written %v\nread %v", m, read)
	}
	if read.GetHead().GetMasterKey() != master.Fingerprint() || !read.GetHead().GetCivilTime().AsTime().Equal(h.config.Time) {
		t.Errorf("head: %v", read.GetHead())
	}
	for i, from := range []*store.Store{h.a, h.b} {
		to := openStore(t, folder, from.Service())
		if dump(t, to) != dump(t, from) {
			t.Errorf("%s differs", from.Service())
		}
		lines, root, err := to.AuditRoot(t.Context())
		if end := read.GetStores()[i]; err != nil || lines != end.GetAuditRows() || !bytes.Equal(root, end.GetAuditRoot()) {
			t.Errorf("%s: %d lines, root %x, %v", from.Service(), lines, root, err)
		}
	}
	for _, name := range []string{small, large, empty} {
		was, _ := os.ReadFile(filepath.Join(h.folder, "blobs", name))
		if is, err := os.ReadFile(filepath.Join(folder, "blobs", name)); err != nil || !bytes.Equal(is, was) {
			t.Errorf("file %s: %v", name, err)
		}
	}
	if bytes.Contains(file, []byte("a picture")) {
		t.Error("the file holds something in plain")
	}
}

// TestTake_SaysWhoTookIt: the line is in the copy itself.
func TestTake_SaysWhoTookIt(t *testing.T) {
	h := newHouse(t)
	_, file := h.take(t)
	folder, _, err := h.unpack(t, file)
	if err != nil {
		t.Fatal(err)
	}
	var rows []*typev1.AuditRow
	err = openStore(t, folder, "b").View(t.Context(), func(r kv.Reader) (err error) {
		rows, err = store.AuditRows(r, 10)
		return err
	})
	if err != nil || len(rows) != 1 || rows[0].GetOutcome() != "backed up" || rows[0].GetRows()[0] != "bak_1" {
		t.Errorf("%v, %v", rows, err)
	}
}

// TestTake_IsOnePointUnderLoad: every writer writes into one process and, when
// that is acknowledged, into the other, back and forth. No write fails, and no
// backup holds one without what came before it. The control takes each process
// by itself, and is caught.
func TestTake_IsOnePointUnderLoad(t *testing.T) {
	for _, together := range []bool{true, false} {
		h := newHouse(t)
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for w := range 8 {
			all.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					s := []*store.Store{h.a, h.b}[n%2]
					if err := put(ctx, s, fmt.Sprintf("%d/%06d", w, n), []byte("x")); err != nil && ctx.Err() == nil {
						t.Errorf("a write failed: %v", err)
						return
					}
				}
			})
		}
		gaps := 0
		for round := 0; round < 8 || !together && gaps == 0 && round < 200; round++ {
			gaps += h.gaps(t, together)
		}
		stop()
		all.Wait()
		if together && gaps > 0 {
			t.Errorf("%d writes without what came before them", gaps)
		}
		if !together && gaps == 0 {
			t.Error("the control saw nothing: this test would not find a backup of two points")
		}
	}
}

// gaps takes a backup and counts the writes that are missing in it although a
// later one of the same writer is there.
func (h *house) gaps(t *testing.T, together bool) (gaps int) {
	t.Helper()
	newest, count := map[string]int{}, map[string]int{}
	look := func(file []byte, services ...string) {
		folder, _, err := h.unpack(t, file)
		if err != nil {
			t.Fatal(err)
		}
		for _, service := range services {
			err := openStore(t, folder, service).View(t.Context(), func(r kv.Reader) error {
				prefix := key.New(store.FirstServiceTable)
				return store.Walk(r, kv.Range{From: prefix, To: prefix.End()}, func(it kv.Item) error {
					name, _, err := key.TakeString(it.Key[len(prefix):])
					writer, text, _ := strings.Cut(name, "/")
					var n int
					_, _ = fmt.Sscanf(text, "%d", &n)
					newest[writer] = max(newest[writer], n)
					count[writer]++
					return err
				})
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if together {
		_, file := h.take(t)
		look(file, "a", "b")
	} else {
		for i, service := range []string{"a", "b"} {
			c := h.config
			c.Services, c.Processes = []string{service}, []backup.Process{h.config.Processes[2*i]}
			var out bytes.Buffer
			if _, err := backup.Take(t.Context(), c, &out); err != nil {
				t.Fatal(err)
			}
			look(out.Bytes(), service)
		}
	}
	for writer, n := range newest {
		gaps += n + 1 - count[writer]
	}
	return gaps
}

func TestUnpack_RefusesWhatWasCutOrChanged(t *testing.T) {
	h := newHouse(t)
	for n := range 300 {
		if err := put(t.Context(), h.a, fmt.Sprint(n), bytes.Repeat(fmt.Appendf(nil, "%d", n*n), 100)); err != nil {
			t.Fatal(err)
		}
	}
	blob(t, h.folder, []byte("a picture"))
	_, file := h.take(t)
	refused := func(what string, damaged []byte) {
		t.Helper()
		if _, _, err := h.unpack(t, damaged); err == nil {
			t.Errorf("%s: taken", what)
		} else if !errors.Is(err, backup.ErrDamaged) && !isWrongKey(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for at := 0; at < len(file); at += 1 + len(file)/60 {
		refused(fmt.Sprintf("cut to %d of %d bytes", at, len(file)), file[:at])
		changed := bytes.Clone(file)
		changed[at] ^= 0x10
		refused(fmt.Sprintf("byte %d changed", at), changed)
	}
	refused("the last byte cut", file[:len(file)-1])
	refused("a byte too much", append(bytes.Clone(file), 0))
	refused("twice", append(bytes.Clone(file), file...))
	if _, _, err := h.unpack(t, file); err != nil {
		t.Errorf("whole: %v", err)
	}
}

func isWrongKey(err error) bool {
	var none *age.NoIdentityMatchError
	return errors.As(err, &none)
}

func TestUnpack_NeedsTheRightKey(t *testing.T) {
	h := newHouse(t)
	_, file := h.take(t)
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	h.identity = other
	if _, _, err := h.unpack(t, file); !isWrongKey(err) {
		t.Errorf("another key: %v", err)
	}
}

func TestTake_NamesWhoIsMissingOrTwice(t *testing.T) {
	h := newHouse(t)
	all := h.config.Processes
	h.config.Hold = 100 * time.Millisecond // the second of one process waits for the first
	for want, processes := range map[string][]backup.Process{
		"nobody has b":       all[:2],
		"one and one both":   {all[0], all[0]},
		"one and again both": {all[0], {Name: "again", Conn: h.services[0].Conn()}, all[2]},
	} {
		h.config.Processes = processes
		_, err := backup.Take(t.Context(), h.config, &bytes.Buffer{})
		// The second hold of one process may come before its first answers.
		if err == nil || !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "BACKUP_UNDER_WAY") {
			t.Errorf("%q: %v", want, err)
		}
	}
	h.config.Processes = all
	h.take(t) // and nothing holds any more
}
