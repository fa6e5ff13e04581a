package store_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

const why = "上门核实王阿姨家的情况"

// reveal is a method that opens something; said is its error's reason.
func (f fixture) reveal(person string) (said string) {
	ctx := access.NewContext(context.Background(), access.Call{
		Caller: access.Caller{Person: person}, Method: "/reveal", Rule: &typev1.Access{Mutates: true}, ID: "call_1",
	})
	err := f.Update(ctx, func(tx *store.Tx) error { return tx.Reveal(store.Record{Rows: []string{"req_1"}, Reason: why}) })
	var refused *rule.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refused):
		return refused.Reason
	}
	return err.Error()
}

// TestReveal_IsLimitedByPersonAndHour: within any sixty minutes, and not in each
// hour of the clock.
func TestReveal_IsLimitedByPersonAndHour(t *testing.T) {
	f := newFixture(t, true)
	for n := range store.DefaultReveals {
		if said := f.reveal("per_1"); said != "" {
			t.Fatalf("reading %d: %s", n+1, said)
		}
	}
	if said := f.reveal("per_1"); said != "REVEAL_LIMIT" {
		t.Errorf("one more: %q", said)
	}
	if said := f.reveal("per_2"); said != "" {
		t.Errorf("somebody else: %s", said)
	}
	if got := len(f.audit(t)); got != store.DefaultReveals+1 {
		t.Errorf("%d lines of %d readings", got, store.DefaultReveals+1)
	}
	f.wall.add(f.wall.Now().Truncate(time.Hour).Add(time.Hour + time.Minute).Sub(f.wall.Now()))
	if said := f.reveal("per_1"); said != "" {
		t.Errorf("a minute into the next hour one has left them: %s", said)
	}
	if said := f.reveal("per_1"); said != "REVEAL_LIMIT" {
		t.Errorf("a minute into the next hour, another: %q", said)
	}
	f.wall.add(30 * time.Minute)
	opened := 0
	for f.reveal("per_1") == "" {
		opened++
	}
	if opened < store.DefaultReveals/2-2 || opened > store.DefaultReveals/2+2 {
		t.Errorf("half an hour on: %d more", opened)
	}
	f.wall.add(72 * time.Hour)
	if n, err := f.Sweep(t.Context()); err != nil || n < 3 {
		t.Errorf("swept %d, %v", n, err)
	}
}

// TestReasons_LieSealedBesideTheirLines: the store holds no reason in plain, its
// line stays as it was written while the key that seals it changes, and one that
// was put in another's place is found.
func TestReasons_LieSealedBesideTheirLines(t *testing.T) {
	f := newFixture(t, true)
	f.reveal("per_1")
	f.reveal("per_2")
	before := f.everything(t)
	for k, v := range before {
		if bytes.Contains(v, []byte("王阿姨")) {
			t.Errorf("%x holds the reason in plain", k)
		}
	}
	rotateData(t, f.Store, seal.SM)
	f.wall.add(time.Hour)
	reseal(t, f.Store)
	if !reseal(t, f.Store) {
		t.Fatal("the old key did not go")
	}
	lines := f.audit(t)
	f.view(t, func(r kv.Reader) error { return f.OpenReasons(r, lines) })
	if lines[0].GetReason() != why || lines[1].GetReason() != why || bytes.Equal(lines[0].GetReasonDigest(), lines[1].GetReasonDigest()) {
		t.Errorf("opened: %v", lines)
	}
	after := f.everything(t)
	for k, v := range before {
		if table, _, err := key.Table([]byte(k)); err == nil && table == 4 && !bytes.Equal(v, after[k]) {
			t.Error("an audit line changed")
		}
	}
	f.swapReasons(t, lines[0].GetId(), lines[1].GetId())
	err := f.View(t.Context(), func(r kv.Reader) error { return f.OpenReasons(r, f.audit(t)) })
	if !errors.Is(err, kv.ErrCorrupt) {
		t.Errorf("reasons that changed places: %v", err)
	}
}

// TestReasons_GoWithTheirLines: what lies beside a line is kept as long as it.
func TestReasons_GoWithTheirLines(t *testing.T) {
	f := newFixture(t, true)
	f.reveal("per_1")
	f.sequence(t, 1)
	f.write(t, 255)
	f.sequence(t, 255)
	reasons := func() (n int) {
		for k := range f.everything(t) {
			if bytes.HasPrefix([]byte(k), key.New(8).String("reasons")) {
				n++
			}
		}
		return n
	}
	if n := reasons(); n != 1 {
		t.Fatalf("%d reasons", n)
	}
	f.wall.add(181 * 24 * time.Hour)
	if n, err := f.RemoveOldAudit(t.Context(), 180); err != nil || n != 256 {
		t.Fatalf("removed %d, %v", n, err)
	}
	if n := reasons(); n != 0 {
		t.Errorf("%d reasons of lines that are gone", n)
	}
}

// everything answers what the store holds.
func (f fixture) everything(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	f.view(t, func(r kv.Reader) error {
		items, err := r.Scan(kv.Range{Limit: 1000})
		for _, it := range items {
			out[string(it.Key)] = slices.Clone(it.Value)
		}
		return err
	})
	return out
}

func (f fixture) swapReasons(t *testing.T, a, b string) {
	t.Helper()
	at := func(line string) []byte { return key.New(8).String("reasons").String(line) }
	err := f.DB().Update(t.Context(), func(tx kv.Tx) error {
		items, err := tx.GetMany([][]byte{at(a), at(b)})
		if err != nil {
			return err
		}
		tx.Put(at(a), items[1].Value)
		tx.Put(at(b), items[0].Value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var _ table.Sealer = contacts()
