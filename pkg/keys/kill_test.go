package keys_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// childFolder names the folder in which a child of the test binary changes keys
// until it is killed.
const childFolder = "LINLI_KEYS_CHILD_FOLDER"

func TestMain(m *testing.M) {
	if folder := os.Getenv(childFolder); folder != "" {
		fmt.Fprintln(os.Stderr, turn(folder))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func masterOf(folder string) seal.MasterFile {
	return seal.MasterFile(filepath.Join(folder, "master.key"))
}

// fast is a clock on which every look takes seconds, so that old keys retire
// within a test, and no call lasts as long as one may.
func fast(from time.Time) clock.Clock {
	var looks atomic.Int64
	return clock.Func(func() time.Time { return from.Add(time.Duration(looks.Add(1)) * 20 * time.Second) })
}

// open opens the folder's store; its clock stands after all that happened there.
func open(ctx context.Context, folder string) (*store.Store, error) {
	engine, err := boltkv.Open(filepath.Join(folder, "things.db"), boltkv.Options{})
	if err != nil {
		return nil, err
	}
	var at time.Time
	text, err := os.ReadFile(filepath.Join(folder, "turns"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(folder, "turns"), append(text, 'x'), 0o600); err != nil {
		return nil, err
	}
	at = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(len(text), 0, 0)
	return store.Open(ctx, store.Config{Service: "things", DB: kv.New(engine, kv.Options{}), Master: masterOf(folder),
		Civil: clock.Wall(), Wall: fast(at), IDs: ids.New, Log: slog.New(slog.DiscardHandler)})
}

func contacts() *table.Table[*registryv1.ContactRow] {
	return table.New(table.Spec[*registryv1.ContactRow]{
		Number: store.FirstServiceTable, Name: "contact",
		Key: func(r *registryv1.ContactRow) key.Key { return key.Key(nil).String(r.GetPerson()) },
		Sealed: func(r *registryv1.ContactRow) []seal.Slot {
			return []seal.Slot{seal.Field(&r.SealedEmail, "contact", r.GetPerson())}
		},
	})
}

// turn writes rows and changes keys, all at once, until it is killed. It says
// each row that was acknowledged.
func turn(folder string) error {
	ctx := context.Background()
	s, err := open(ctx, folder)
	if err != nil {
		return err
	}
	failed := make(chan error, 4)
	go func() { failed <- write(ctx, s) }()
	go func() { failed <- rotate(ctx, s, folder) }()
	go func() {
		for {
			if _, err := s.Reseal(ctx, []table.Checker{contacts()}); err != nil && !errors.Is(err, kv.ErrUnavailable) {
				failed <- err
			}
		}
	}()
	return <-failed
}

func write(ctx context.Context, s *store.Store) error {
	for {
		person := ids.New("per")
		err := s.Update(ctx, func(tx *store.Tx) error {
			_, err := contacts().Insert(tx, &registryv1.ContactRow{
				Person: person, SealedEmail: s.Keyring().Seal([]byte(person), "contact", person),
			})
			return err
		})
		if err != nil {
			return err
		}
		fmt.Printf("%s %x\n", person, s.Keyring().Blind("person", person))
	}
}

// rotate changes the data key, then the master key, and takes the old one away.
func rotate(ctx context.Context, s *store.Store, folder string) error {
	profiles := []seal.Profile{seal.AES, seal.SM}
	for n := 0; ; n++ {
		if len(s.Keys().GetDataKeys()) < 4 {
			err := s.Update(ctx, func(tx *store.Tx) error { _, err := tx.RotateData(ctx, profiles[n%2]); return err })
			if err := errors.Join(err, s.AfterKeys(ctx)); err != nil {
				return err
			}
		}
		if _, err := masterOf(folder).Add(profiles[n%2]); err != nil {
			return err
		}
		err := s.Update(ctx, func(tx *store.Tx) error { _, err := tx.RotateMaster(ctx); return err })
		if err := errors.Join(err, s.AfterKeys(ctx)); err != nil {
			return err
		}
		held, err := masterOf(folder).IDs()
		if err != nil {
			return err
		}
		for _, id := range held[:len(held)-1] {
			if err := masterOf(folder).Remove(id); err != nil {
				return err
			}
		}
	}
}

// TestRotation_SurvivesKill kills a process that writes and changes keys, at any
// moment, many times over: everything acknowledged opens and is found by its
// hash, under the keys that are left.
func TestRotation_SurvivesKill(t *testing.T) {
	folder := t.TempDir()
	if _, err := masterOf(folder).Add(seal.AES); err != nil {
		t.Fatal(err)
	}
	acknowledged, newest := map[string]string{}, uint32(0)
	for range 12 {
		for person, hash := range killed(t, folder, time.Duration(50+rand.IntN(250))*time.Millisecond) {
			acknowledged[person] = hash
		}
		newest = allOpen(t, folder, acknowledged)
	}
	if len(acknowledged) < 100 || newest < 12 {
		t.Errorf("%d rows, data key %d: the turns did too little", len(acknowledged), newest)
	}
	t.Logf("%d rows, data key %d", len(acknowledged), newest)
}

// killed runs a child, kills it some time after its first row, and answers what
// it acknowledged.
func killed(t *testing.T, folder string, after time.Duration) map[string]string {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childFolder+"="+folder)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // killed; a line without its end was not said
		}
		person, hash, _ := strings.Cut(strings.TrimSpace(line), " ")
		if rows[person] = hash; len(rows) == 1 {
			time.AfterFunc(after, func() { _ = child.Process.Kill() })
		}
	}
	if state := child.Wait(); state == nil || child.ProcessState.ExitCode() == 1 {
		t.Fatalf("the child ended by itself: %v", state)
	}
	return rows
}

func allOpen(t *testing.T, folder string, rows map[string]string) (newest uint32) {
	t.Helper()
	s, err := open(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for person, hash := range rows {
		if got := fmt.Sprintf("%x", s.Keyring().Blind("person", person)); got != hash {
			t.Fatalf("hash %s, want %s", got, hash)
		}
		err := s.View(t.Context(), func(r kv.Reader) error {
			row, ok, err := contacts().Get(r, scope.All(), key.Key(nil).String(person))
			if err != nil || !ok {
				return fmt.Errorf("lost: %w", err)
			}
			plain, err := s.Keyring().Open(row.Value.GetSealedEmail(), "contact", person)
			if err == nil && string(plain) != person {
				err = fmt.Errorf("opens as %q", plain)
			}
			return err
		})
		if err != nil {
			t.Fatalf("%s, under keys %v: %v", person, s.Keys(), err)
		}
	}
	if _, err := s.Reseal(t.Context(), []table.Checker{contacts()}); err != nil {
		t.Fatal(err)
	}
	return seal.Newest(s.Keys())
}
