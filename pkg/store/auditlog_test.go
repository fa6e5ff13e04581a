package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/store"
)

// write leaves n audit lines, every third about a person.
func (f fixture) write(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		f.wall.add(time.Millisecond)
		err := f.Update(t.Context(), func(tx *store.Tx) error {
			r := store.Record{Rows: []string{fmt.Sprint("row", i)}}
			if i%3 == 0 {
				r.Subjects, r.Outcome = []string{"mem_1"}, "revealed"
			}
			tx.Audit(r)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (f fixture) sequence(t *testing.T, want int) {
	t.Helper()
	if n, err := f.SequenceAudit(t.Context()); err != nil || n != want {
		t.Fatalf("%d lines got their place, want %d: %v", n, want, err)
	}
}

func (f fixture) verify(t *testing.T, held ...store.HeldHead) store.AuditReport {
	t.Helper()
	r, err := f.VerifyAudit(context.Background(), held...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (f fixture) sound(t *testing.T, first, size uint64) store.AuditReport {
	t.Helper()
	r := f.verify(t)
	if len(r.Problems) > 0 || r.First != first || r.Size != size {
		t.Fatalf("lines %d to %d, want %d to %d: %q", r.First, r.Size, first, size, r.Problems)
	}
	return r
}

func TestSequenceAudit_GivesEachLineAPlaceForEver(t *testing.T) {
	f := newFixture(t, true)
	f.sound(t, 0, 0)
	f.sequence(t, 0)
	total := 0
	var before []string
	for _, n := range []int{1, 2, 199, 1, 200, 201, 455} {
		f.write(t, n)
		f.sequence(t, n)
		total += n
		f.sound(t, 0, uint64(total))
		var ids []string
		f.view(t, func(r kv.Reader) error {
			rows, err := store.AuditRows(r, 2000)
			for _, row := range rows {
				ids = append(ids, row.GetId())
			}
			return err
		})
		if len(ids) != total || strings.Join(ids[:len(before)], " ") != strings.Join(before, " ") {
			t.Fatalf("%d lines, or those before have other places", len(ids))
		}
		before = ids
	}
	f.sequence(t, 0)
}

// TestSequenceAudit_LineOfASlowCommit: its time is before those that have their
// place, and it comes after them all the same.
func TestSequenceAudit_LineOfASlowCommit(t *testing.T) {
	f := newFixture(t, false)
	slow := f.wall.Now()
	f.write(t, 3)
	f.sequence(t, 3)
	f.wall.add(slow.Sub(f.wall.Now()))
	f.write(t, 1)
	f.sequence(t, 1)
	f.sound(t, 0, 4)
}

func TestSequenceAudit_AnnouncesHeadsThatVerify(t *testing.T) {
	f := newFixture(t, false)
	f.write(t, 450)
	f.sequence(t, 450)
	events := f.pending(t)
	if len(events) != 1 || events[0].GetType() != "linli.things.audit_head.signed.v1" || events[0].GetRevision() != 450 {
		t.Fatalf("announced %v", events)
	}
	h, ok, err := f.AuditHead(t.Context())
	if err != nil || !ok || h.Size != 450 || h.Service != "things" {
		t.Fatalf("%+v, %v, %v", h, ok, err)
	}
	if _, root, err := f.AuditRoot(t.Context()); err != nil || !bytes.Equal(root, h.Root) {
		t.Errorf("the root of the head is %x, that of the lines %x", h.Root, root)
	}
	for name, change := range map[string]func(string) string{
		"size":         func(s string) string { return strings.Replace(s, "\n450\n", "\n451\n", 1) },
		"time":         func(s string) string { return strings.Replace(s, "time 20", "time 19", 1) },
		"service":      func(s string) string { return strings.Replace(s, "things", "thingz", 1) },
		"a line more":  func(s string) string { return strings.Replace(s, "\n\n", "\nmore\n\n", 1) },
		"no signature": func(s string) string { return s[:strings.Index(s, "—")] },
		"nothing":      func(string) string { return "" },
		"twice signed": func(s string) string { return s + s[strings.Index(s, "—"):] },
	} {
		if _, err := store.OpenAuditHead(change(h.Note), h.Verifier); err == nil {
			t.Errorf("%s: a changed head is taken", name)
		}
	}
}

func TestRemoveOldAudit_KeepsHalfAYearAndTheProof(t *testing.T) {
	f := newFixture(t, false)
	f.write(t, 100)
	f.sequence(t, 100)
	f.write(t, 500)
	f.sequence(t, 500)
	if _, err := f.RemoveOldAudit(t.Context(), store.LeastAuditDays-1); !errors.Is(err, store.ErrKeptTooShort) {
		t.Errorf("kept for 179 days: %v", err)
	}
	remove := func(days, want int) {
		t.Helper()
		if n, err := f.RemoveOldAudit(t.Context(), days); err != nil || n != want {
			t.Fatalf("removed %d, want %d: %v", n, want, err)
		}
	}
	f.wall.add(180*24*time.Hour - time.Second)
	remove(180, 0)
	f.write(t, 10)
	f.sequence(t, 10)
	f.wall.add(time.Minute)
	h, _, err := f.AuditHead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	remove(1095, 0)
	remove(180, 512) // whole blocks of 256; 88 old lines stay
	f.sound(t, 512, 612)
	if r := f.verify(t, store.HeldHead{Service: "things", Note: h.Note, Holder: "others"}); len(r.Problems) > 0 {
		t.Errorf("an earlier head: %q", r.Problems)
	}
	f.write(t, 300)
	f.sequence(t, 300)
	f.sound(t, 512, 912)
	f.wall.add(200 * 24 * time.Hour)
	remove(180, 256)
	f.sound(t, 768, 913)
	f.view(t, func(r kv.Reader) error {
		lines, next, err := store.Readings(r, "mem_1", 0, 1000)
		if len(lines) == 0 || lines[len(lines)-1].Index < 768 || next != 0 {
			t.Errorf("%d readings, on from %d", len(lines), next)
		}
		return err
	})
	if _, err := f.ProveLine(t.Context(), 5, 0); !errors.Is(err, store.ErrNoProof) {
		t.Errorf("a line that was removed: %v", err)
	}
	// What the log says of its beginning is signed.
	for _, it := range logRows(t, f) {
		if bytes.HasPrefix(it.Key, key.New(14)) {
			undo := apply(t, f, map[string][]byte{string(it.Key): nil})
			if r := f.verify(t); len(r.Problems) == 0 {
				t.Error("one line more removed at the beginning, and nobody sees")
			}
			apply(t, f, undo)
			break
		}
	}
}

func TestProofs_AreThoseOfTheRFC(t *testing.T) {
	f := newFixture(t, false)
	roots := map[uint64][]byte{}
	for _, n := range []int{1, 6, 120, 130, 255, 300} {
		f.write(t, n)
		f.sequence(t, n)
		h, _, err := f.AuditHead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		roots[h.Size] = h.Root
	}
	for size, root := range roots {
		for _, index := range []uint64{0, 1, 5, 126, 255, 256, 511, 700, size - 1} {
			p, err := f.ProveLine(t.Context(), index, size)
			if index >= size {
				if !errors.Is(err, store.ErrNoProof) {
					t.Errorf("line %d of %d: %v", index, size, err)
				}
				continue
			}
			if err == nil {
				err = proof.VerifyInclusion(rfc6962.DefaultHasher, index, size, p.Leaf, p.Path, root)
			}
			if err != nil {
				t.Errorf("line %d of %d: %v", index, size, err)
			}
		}
		for from, rootBefore := range roots {
			path, _, err := f.ProveGrowth(t.Context(), from, size)
			if from > size {
				if !errors.Is(err, store.ErrNoProof) {
					t.Errorf("from %d to %d: %v", from, size, err)
				}
				continue
			}
			if err == nil {
				err = proof.VerifyConsistency(rfc6962.DefaultHasher, from, size, path, rootBefore, root)
			}
			if err != nil {
				t.Errorf("from %d to %d: %v", from, size, err)
			}
		}
	}
	if _, _, err := f.ProveGrowth(t.Context(), 0, 1); !errors.Is(err, store.ErrNoProof) {
		t.Errorf("from nothing: %v", err)
	}
}

func TestKeepHead_TakesTheFirstKeyOnly(t *testing.T) {
	a, b, other := newFixture(t, false), newFixture(t, true), openFixture(t, false)
	tell := func(f fixture) *typev1.AuditHeadSigned {
		t.Helper()
		f.write(t, 2)
		f.sequence(t, 2)
		h, _, err := f.AuditHead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return &typev1.AuditHeadSigned{Service: "things", Verifier: h.Verifier, Note: h.Note}
	}
	keep := func(told *typev1.AuditHeadSigned) error {
		return b.Update(t.Context(), func(tx *store.Tx) error { return tx.KeepHead(told) })
	}
	first, second, foreign := tell(a), tell(a), tell(other)
	for _, told := range []*typev1.AuditHeadSigned{first, second, first, second} {
		if err := keep(told); err != nil {
			t.Fatal(err)
		}
	}
	held, err := b.HeldHeads(t.Context())
	if err != nil || len(held) != 1 || held[0].Note != second.GetNote() {
		t.Errorf("holds %v, %v", held, err)
	}
	if err := keep(foreign); reason(err) != "HEAD_NOT_SIGNED" {
		t.Errorf("a head with another key: %v", err)
	}
	if r := a.verify(t, held...); len(r.Problems) > 0 {
		t.Errorf("%q", r.Problems)
	}
}

func TestAuditLines_FiltersAndPages(t *testing.T) {
	f := newFixture(t, false)
	began := f.wall.Now()
	as := func(person, method, address string) context.Context {
		return access.NewContext(t.Context(), access.Call{Caller: access.Caller{Person: person, Account: "acc_1", Session: "ses_1"},
			Method: method, Rule: &typev1.Access{Mutates: true}, ID: "call_1", Address: address})
	}
	for i := range 50 {
		f.wall.add(time.Second)
		if _, err := increase(as(fmt.Sprint("per_", i%5), "/linli.things.v1.Things/Count", fmt.Sprint("10.0.0.", i%2)), f.Store, 1); err != nil {
			t.Fatal(err)
		}
	}
	f.sequence(t, 50)
	count := func(filter store.AuditFilter) (n int) {
		t.Helper()
		for before, last := uint64(0), uint64(1<<62); ; {
			var lines []store.IndexedLine
			f.view(t, func(r kv.Reader) (err error) { lines, before, err = store.AuditLines(r, filter, before, 7); return err })
			for _, l := range lines {
				if l.Index >= last {
					t.Fatal("not the newest first, or twice")
				}
				last = l.Index
			}
			if n += len(lines); before == 0 {
				return n
			}
		}
	}
	for name, c := range map[string]struct {
		filter store.AuditFilter
		want   int
	}{
		"all":         {store.AuditFilter{}, 50},
		"person":      {store.AuditFilter{Person: "per_3"}, 10},
		"row":         {store.AuditFilter{Row: "counter"}, 50},
		"no such row": {store.AuditFilter{Row: "count"}, 0},
		"method":      {store.AuditFilter{Method: "Count"}, 50},
		"no method":   {store.AuditFilter{Method: "ount"}, 0},
		"outcome":     {store.AuditFilter{Outcome: "revealed"}, 0},
		"address":     {store.AuditFilter{AddressHash: f.AddressHash("10.0.0.1")}, 25},
		"from":        {store.AuditFilter{From: began.Add(41 * time.Second)}, 10},
		"until":       {store.AuditFilter{Until: began.Add(41 * time.Second)}, 40},
		"between":     {store.AuditFilter{From: began.Add(11 * time.Second), Until: began.Add(21 * time.Second), Person: "per_0"}, 2},
	} {
		if got := count(c.filter); got != c.want {
			t.Errorf("%s: %d lines, want %d", name, got, c.want)
		}
	}
}
