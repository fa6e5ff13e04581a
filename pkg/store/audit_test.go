package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

// withoutAudit is an engine on which no line of the audit can be written.
type withoutAudit struct{ kv.Engine }

var errNoAudit = errors.New("the audit cannot be written")

func (e withoutAudit) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	for _, w := range r.Writes {
		if bytes.HasPrefix(w.Key, key.New(4)) {
			return 0, errNoAudit
		}
	}
	return e.Engine.Commit(ctx, r)
}

func TestAudit_WhatCannotBeRecordedDoesNotHappen(t *testing.T) {
	engine := memkv.New()
	s := openOn(t, withoutAudit{engine})
	if _, err := increase(caller("p", "/m", "k"), s, 1); !errors.Is(err, errNoAudit) {
		t.Fatalf("increased without a line: %v", err)
	}
	err := s.View(t.Context(), func(r kv.Reader) error {
		items, err := r.Scan(kv.Range{})
		if len(items) != 1 { // the data key
			t.Errorf("%d rows are there", len(items))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := increase(caller("p", "/m", "k"), openOn(t, engine), 1); err != nil {
		t.Errorf("the same call when lines can be written: %v", err)
	}
}

func TestAudit_SaysWhoFromWhereAndWhat(t *testing.T) {
	f := newFixture(t, true)
	call := access.Call{
		Caller: access.Caller{Person: "per_1", Account: "acc_1", Session: "ses_1", Chosen: 2, Grants: []access.Grant{
			{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: "/1/"}, {Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: "/2/"}}},
		Method: "/m", Rule: &typev1.Access{Mutates: true}, ID: "call_1", Address: "203.0.113.7",
	}
	for range 2 {
		if _, err := increase(access.NewContext(t.Context(), call), f.Store, 1); err != nil {
			t.Fatal(err)
		}
	}
	rows := f.audit(t)
	if len(rows) != 2 {
		t.Fatalf("%d lines", len(rows))
	}
	slices.SortFunc(rows, func(a, b *typev1.AuditRow) int { return len(a.GetBeforeDigest()) - len(b.GetBeforeDigest()) })
	first, second := rows[0], rows[1]
	if first.GetAccount() != "acc_1" || first.GetSession() != "ses_1" || first.GetOrganizationPath() != "/2/" || first.GetOutcome() != "done" {
		t.Errorf("%v", first)
	}
	if f.AuditAddress(first) != "203.0.113.7" || !bytes.Equal(first.GetAddressHash(), f.AddressHash("203.0.113.7")) {
		t.Errorf("from %q", f.AuditAddress(first))
	}
	if text, _ := proto.Marshal(first); bytes.Contains(text, []byte("203.0.113.7")) {
		t.Error("the address lies open")
	}
	// One commit leaves what the next one finds.
	if bytes.Equal(first.GetAfterDigest(), first.GetBeforeDigest()) || len(first.GetAfterDigest()) != 32 {
		t.Errorf("digests %x, %x", first.GetBeforeDigest(), first.GetAfterDigest())
	}
	chained := bytes.Equal(first.GetAfterDigest(), second.GetBeforeDigest()) || bytes.Equal(second.GetAfterDigest(), first.GetBeforeDigest())
	if !chained || bytes.Equal(first.GetAfterDigest(), second.GetAfterDigest()) {
		t.Errorf("the digests of two commits to one row: %x → %x, %x → %x",
			first.GetBeforeDigest(), first.GetAfterDigest(), second.GetBeforeDigest(), second.GetAfterDigest())
	}
}

// TestAudit_OfASignIn: nobody called, and the line says who it turned out to be.
func TestAudit_OfASignIn(t *testing.T) {
	f := newFixture(t, true)
	nobody := access.NewContext(t.Context(), access.Call{Method: "/m", Rule: &typev1.Access{Mutates: true, Open: true}, ID: "call_1"})
	for _, r := range []store.Record{{Person: "per_1", Account: "acc_1", Session: "ses_1", Outcome: "signed in"}, {Outcome: "failed"}} {
		if err := f.Update(nobody, func(tx *store.Tx) error { tx.Audit(r); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Update(caller("per_2", "/m", ""), func(tx *store.Tx) error { tx.Audit(store.Record{Person: "per_1"}); return nil }); err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for _, row := range f.audit(t) {
		said[row.GetOutcome()] = row.GetPerson() + row.GetAccount() + row.GetSession()
	}
	if said["signed in"] != "per_1acc_1ses_1" || said["failed"] != "" || said["done"] != "per_2" {
		t.Errorf("%v", said)
	}
}

func TestAudit_RefusesALineAboutTooMany(t *testing.T) {
	f := newFixture(t, false)
	about := func(n int) error {
		return f.Update(t.Context(), func(tx *store.Tx) error {
			r := store.Record{Outcome: "exported"}
			for i := range n {
				r.Subjects = append(r.Subjects, fmt.Sprint("mem_", i))
			}
			tx.Audit(r)
			return nil
		})
	}
	for range 3 { // together more than one commit of the log can write
		if err := about(store.MostSubjects); err != nil {
			t.Fatal(err)
		}
	}
	if err := about(store.MostSubjects + 1); !errors.Is(err, kv.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	f.sequence(t, 3)
	f.sound(t, 0, 3)
	f.view(t, func(r kv.Reader) error {
		lines, _, err := store.Readings(r, "mem_7", 0, 10)
		if len(lines) != 3 {
			t.Errorf("%d readings", len(lines))
		}
		return err
	})
}

func refusal(person, reason string) access.Refusal {
	return access.Refusal{Call: access.Call{Caller: access.Caller{Person: person}, Method: "/m", ID: "call_1"}, Reason: reason, Row: "r"}
}

func TestRefusals_AreLinesAndAFloodIsANumber(t *testing.T) {
	f := newFixture(t, true)
	r := store.NewRefusals(f.Store)
	for range 5000 {
		r.Refused(refusal("", "UNAUTHENTICATED"))
	}
	for range 3 {
		r.Refused(refusal("per_1", "ROLE_NOT_ALLOWED"))
	}
	flush := func() (each map[string]int, counted uint64) {
		t.Helper()
		f.wall.add(time.Second)
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		each = map[string]int{}
		f.view(t, func(kr kv.Reader) error {
			rows, err := store.AuditRows(kr, 1000)
			for _, row := range rows {
				if row.GetOutcome() != "refused" {
					t.Errorf("outcome %q", row.GetOutcome())
				}
				if counted += row.GetCount(); row.GetCount() == 0 {
					each[row.GetPerson()+" "+row.GetRefusal()]++
				}
			}
			return err
		})
		return each, counted
	}
	each, counted := flush()
	if each[" UNAUTHENTICATED"] != 100 || each["per_1 ROLE_NOT_ALLOWED"] != 3 || counted != 4900 {
		t.Errorf("%v and %d", each, counted)
	}
	for range 10 { // the flood goes on: a line and a number a second
		for range 1000 {
			r.Refused(refusal("", "UNAUTHENTICATED"))
		}
		each, counted = flush()
	}
	if lines := each[" UNAUTHENTICATED"]; lines != 110 || counted != 4900+10_000-10 {
		t.Errorf("%d lines and %d", lines, counted)
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestRefusals_RunWritesWhatIsLeft also when it is stopped at once.
func TestRefusals_RunWritesWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(t.Context(), store.Config{Service: "things", DB: kv.New(memkv.New(), kv.Options{}), Master: seal.MasterKey{1},
			Civil: clock.Wall(), Wall: clock.Wall(), IDs: ids.New, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		r := store.NewRefusals(s)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		r.Refused(refusal("per_1", "A"))
		synctest.Wait()
		r.Refused(refusal("per_1", "B"))
		synctest.Wait()
		lines := func() (n int) {
			err := s.View(context.Background(), func(kr kv.Reader) error {
				rows, err := store.AuditRows(kr, 10)
				n = len(rows)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := lines(); n != 1 {
			t.Errorf("%d lines within a second", n)
		}
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if n := lines(); n != 2 {
			t.Errorf("%d lines at the end", n)
		}
	})
}
