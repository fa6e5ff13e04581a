package store_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// contacts is a table with a sealed value.
func contacts() *table.Table[*registryv1.ContactRow] {
	return table.New(table.Spec[*registryv1.ContactRow]{
		Number: store.FirstServiceTable + 1, Name: "contact",
		Key: func(r *registryv1.ContactRow) key.Key { return key.Key(nil).String(r.GetPerson()) },
		Sealed: func(r *registryv1.ContactRow) []seal.Slot {
			return []seal.Slot{seal.Field(&r.SealedEmail, "contact", r.GetPerson())}
		},
	})
}

func mailOf(n int) string { return fmt.Sprintf("neighbour%d@example.org", n) }

func addContacts(t testing.TB, s *store.Store, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		person := fmt.Sprint("p", n)
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			_, err := contacts().Insert(tx, &registryv1.ContactRow{
				Person: person, SealedEmail: s.Keyring().Seal([]byte(mailOf(n)), "contact", person),
			})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// versions reads every contact and answers under which keys they lie.
func versions(t testing.TB, s *store.Store, n int) (under map[uint32]int) {
	t.Helper()
	under = map[uint32]int{}
	err := s.View(t.Context(), func(r kv.Reader) error {
		for i := range n {
			person := fmt.Sprint("p", i)
			row, ok, err := contacts().Get(r, scope.All(), key.Key(nil).String(person))
			if err != nil || !ok {
				return fmt.Errorf("contact %d: %v, %w", i, ok, err)
			}
			plain, err := s.Keyring().Open(row.Value.GetSealedEmail(), "contact", person)
			if err != nil || string(plain) != mailOf(i) || row.Revision != 1 {
				return fmt.Errorf("contact %d: %q at revision %d, %w", i, plain, row.Revision, err)
			}
			under[seal.Version(row.Value.GetSealedEmail())]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return under
}

func rotateData(t testing.TB, s *store.Store, p seal.Profile) {
	t.Helper()
	err := s.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.RotateData(t.Context(), p); return err })
	if err = errors.Join(err, s.AfterKeys(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func reseal(t testing.TB, s *store.Store) (done bool) {
	t.Helper()
	done, err := s.Reseal(t.Context(), []table.Checker{contacts()})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// TestRotateData_MovesEveryValueAndRetiresTheOldKey goes through a change of the
// data key, to the other profile: nothing is unreadable at any time, revisions
// and keyed hashes stay, and the old key goes once no call can still use it.
func TestRotateData_MovesEveryValueAndRetiresTheOldKey(t *testing.T) {
	f := openFixture(t, true)
	const n = 250 // several slices
	addContacts(t, f.Store, 0, n)
	hash := f.Keyring().Blind("id number", "430198197207155484")
	box := f.Keyring().Box("page token")
	before := box.Seal([]byte("token"))

	rotateData(t, f.Store, seal.SM)
	select {
	case <-f.KeysChanged():
	default:
		t.Error("nobody was told")
	}
	addContacts(t, f.Store, n, n+10)
	if got := versions(t, f.Store, n+10); got[1] != n || got[2] != 10 {
		t.Fatalf("after the new key: %v", got)
	}
	if plain, err := box.Open(before); err != nil || string(plain) != "token" {
		t.Errorf("what the box sealed before: %q, %v", plain, err)
	}
	if reseal(t, f.Store) {
		t.Error("the old key went while a call could still use it")
	}
	if got := versions(t, f.Store, n+10); got[2] != n+10 {
		t.Fatalf("after a pass: %v", got)
	}
	f.wall.add(time.Hour)
	if !reseal(t, f.Store) {
		t.Error("the old key did not go")
	}
	if got := f.Keys().GetDataKeys(); len(got) != 1 || got[0].GetVersion() != 2 || seal.Profile(got[0].GetProfile()) != seal.SM {
		t.Errorf("keys: %v", got)
	}
	if versions(t, f.Store, n+10)[2] != n+10 || !bytes.Equal(hash, f.Keyring().Blind("id number", "430198197207155484")) {
		t.Error("values or hashes changed")
	}
	if _, err := box.Open(before); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("the old key still opens: %v", err)
	}
	audit := f.audit(t)
	if last := audit[len(audit)-1]; last.GetOutcome() != "retired" || !slices.Equal(last.GetRows(), []string{"data key 1"}) {
		t.Errorf("audit: %v", last)
	}
}

// TestReseal_ALateValueKeepsTheOldKey: a call that had sealed under the old key
// stores its value after the pass has gone by.
func TestReseal_ALateValueKeepsTheOldKey(t *testing.T) {
	f := openFixture(t, false)
	addContacts(t, f.Store, 0, 3)
	late := f.Keyring().Seal([]byte(mailOf(3)), "contact", "p3")
	rotateData(t, f.Store, 0)
	reseal(t, f.Store)
	err := f.Update(t.Context(), func(tx *store.Tx) error {
		_, err := contacts().Insert(tx, &registryv1.ContactRow{Person: "p3", SealedEmail: late})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	f.wall.add(time.Hour)
	if reseal(t, f.Store) {
		t.Error("the old key went in the pass that found a value under it")
	}
	if !reseal(t, f.Store) || versions(t, f.Store, 4)[2] != 4 {
		t.Error("the next pass did not end it")
	}
}

// TestReseal_WhatIsKeptKeepsItsKey: a remembered reply lies under the old key
// until it is swept, and can be asked for until then.
func TestReseal_WhatIsKeptKeepsItsKey(t *testing.T) {
	f := openFixture(t, false)
	addContacts(t, f.Store, 0, 1)
	if _, err := increase(caller("p", "/m", "k"), f.Store, 1); err != nil {
		t.Fatal(err)
	}
	rotateData(t, f.Store, 0)
	f.wall.add(time.Hour)
	reseal(t, f.Store)
	if reseal(t, f.Store) {
		t.Fatal("the key of a remembered reply went")
	}
	if again, err := increase(caller("p", "/m", "k"), f.Store, 1); err != nil || again.GetValue() != 1 {
		t.Errorf("asked again: %v, %v", again, err)
	}
	if pass, err := f.Resealing(t.Context()); err != nil || pass.GetKept() != 1 || pass.GetKeptVersion() != 1 {
		t.Errorf("%v, %v", pass, err)
	}
	f.wall.add(100 * time.Hour)
	if _, err := f.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !reseal(t, f.Store) {
		t.Error("the key stayed for nothing")
	}
}

func TestRotateData_RefusesMoreKeysThanTheRowsCanFollow(t *testing.T) {
	f := openFixture(t, false)
	for range 7 {
		rotateData(t, f.Store, 0)
	}
	err := f.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.RotateData(t.Context(), 0); return err })
	var refused *rule.Error
	if !errors.As(err, &refused) || refused.Reason != "RESEALING" {
		t.Errorf("%v", err)
	}
}

// TestRotateMaster_OpensWithTheNewKeyAlone, also what a store of before had.
func TestRotateMaster_OpensWithTheNewKeyAlone(t *testing.T) {
	file := seal.MasterFile(t.TempDir() + "/master.key")
	old, err := file.Add(seal.AES)
	if err != nil {
		t.Fatal(err)
	}
	engine := memkv.New()
	open := func() (*store.Store, error) {
		return store.Open(t.Context(), store.Config{Service: "things", DB: kv.New(engine, kv.Options{}), Master: file,
			Civil: clock.Wall(), Wall: clock.Wall(), IDs: ids.New, Log: slog.New(slog.DiscardHandler)})
	}
	s, err := open()
	if err != nil {
		t.Fatal(err)
	}
	addContacts(t, s, 0, 5)
	rotateData(t, s, 0)
	next, err := file.Add(seal.SM)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.MasterKeys(); !slices.Equal(got, []string{old}) {
		t.Errorf("before: %v", got)
	}
	for range 2 { // the second finds nothing to do
		err := s.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.RotateMaster(t.Context()); return err })
		if err := errors.Join(err, s.AfterKeys(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.MasterKeys(); !slices.Equal(got, []string{next}) {
		t.Errorf("after: %v", got)
	}
	if err := file.Remove(old); err != nil {
		t.Fatal(err)
	}
	if s, err = open(); err != nil {
		t.Fatal(err)
	}
	if got := versions(t, s, 5); got[1] != 5 {
		t.Errorf("%v", got)
	}
}

// TestRotateMaster_WithoutItsKeyChangesNothing: the file lost the key that wraps.
func TestRotateMaster_WithoutItsKeyChangesNothing(t *testing.T) {
	file := seal.MasterFile(t.TempDir() + "/master.key")
	if _, err := file.Add(seal.AES); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Config{Service: "things", DB: kv.New(memkv.New(), kv.Options{}), Master: file,
		Civil: clock.Wall(), Wall: clock.Wall(), IDs: ids.New, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	before := s.MasterKeys()
	if _, err := file.Add(seal.AES); err != nil {
		t.Fatal(err)
	}
	if err := file.Remove(before[0]); err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.RotateMaster(t.Context()); return err })
	var refused *rule.Error
	if !errors.As(err, &refused) || refused.Reason != "MASTER_KEY_UNAVAILABLE" || !slices.Equal(before, s.MasterKeys()) {
		t.Errorf("%v, %v", err, s.MasterKeys())
	}
}

// TestRotateData_EveryOperationFails: a new data key is made wholly or not at
// all, and once for one idempotency key, whichever operation of the engine fails.
func TestRotateData_EveryOperationFails(t *testing.T) {
	n := kvtest.EveryOperation(t, func() kv.Engine { return memkv.New() }, func(t testing.TB, e kv.Engine) func() error {
		s := openOn(t, e)
		addContacts(t, s, 0, 5)
		return func() error {
			_, err := store.Do(caller("p", "/m", "k"), s, wrapperspb.Int64(0), func(tx *store.Tx) (*wrapperspb.Int64Value, error) {
				_, err := tx.RotateData(t.Context(), 0)
				return wrapperspb.Int64(0), err
			})
			return err
		}
	})
	if n < 4 {
		t.Errorf("%d operations failed", n)
	}
}

// TestOpen_AStoreOfBeforeVersions has the first release's one data key: its
// values and hashes stay what they are, and it can be moved on.
func TestOpen_AStoreOfBeforeVersions(t *testing.T) {
	f := openFixture(t, false)
	first, err := hex.DecodeString(firstWrapped)
	if err != nil {
		t.Fatal(err)
	}
	err = f.DB().Update(t.Context(), func(tx kv.Tx) error { tx.Put(key.New(8).String("data key"), first); return nil })
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Config{Service: "things", DB: f.DB(), Master: seal.MasterKey{1, 2, 3}, Civil: f.wall,
		Wall: f.wall, IDs: ids.New, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%x", s.Keyring().Blind("id number", "430198197207155484")); got != firstBlind {
		t.Errorf("blind index: %s", got)
	}
	rotateData(t, s, 0)
	f.wall.add(time.Hour)
	if !reseal(t, s) || len(s.Keys().GetDataKeys()) != 1 {
		t.Error("its first key did not go")
	}
	if got := fmt.Sprintf("%x", s.Keyring().Blind("id number", "430198197207155484")); got != firstBlind {
		t.Errorf("blind index after its data key went: %s", got)
	}
}

// What a build of the first release made with master key {1, 2, 3}.
const (
	firstWrapped = "014b6b7fcc39c08c94d8694cb4f4c24ae204c9a3c54b1a313c28e2fe3fb96cc2ca9c05a7bc2d4f65cc9ba0a7d12d63951237c5abd779a6d72d26971f4a"
	firstBlind   = "12ba3e1b4e4efbf89635d0041174372a"
)
