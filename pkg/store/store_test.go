package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// wall is a clock that a test moves.
type wall struct {
	mu sync.Mutex
	at time.Time
}

func (w *wall) Now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.at }

func (w *wall) add(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.at = w.at.Add(d) }

type fixture struct {
	*store.Store
	wall   *wall
	engine *memkv.Engine
	faults *kvtest.Faults
}

// newFixture opens a store that is checked at the test's end.
func newFixture(t *testing.T, rerun bool) fixture {
	t.Helper()
	f := openFixture(t, rerun)
	t.Cleanup(func() {
		report, err := f.Check(context.Background(), counterTable{})
		if err != nil || len(report.Problems) > 0 {
			t.Errorf("check: %v %v", report.Problems, err)
		}
	})
	return f
}

func openFixture(t *testing.T, rerun bool) fixture {
	t.Helper()
	f := fixture{wall: &wall{at: time.Date(2026, 1, 5, 23, 0, 0, 0, time.UTC)}, engine: memkv.New()}
	f.faults = kvtest.NewFaults(f.engine)
	var db kv.DB = kv.New(f.faults, kv.Options{})
	if rerun {
		db = kvtest.Rerun(db)
	}
	var err error
	f.Store, err = store.Open(t.Context(), store.Config{
		Service: "things", DB: db, Master: seal.MasterKey{1}, Civil: clock.Func(f.wall.Now), Wall: f.wall,
		IDs: ids.New, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// caller is a context of a mutating call.
func caller(person, method, idempotencyKey string) context.Context {
	return access.NewContext(context.Background(), access.Call{
		Caller: access.Caller{Person: person, Grants: []access.Grant{{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: "/1/"}}},
		Method: method, Rule: &typev1.Access{Mutates: true}, ID: "call_1", IdempotencyKey: idempotencyKey,
	})
}

// counterTable is the counter's table as a check sees it.
type counterTable struct{}

func (counterTable) Name() string { return "counter" }

func (counterTable) Numbers() []uint16 { return []uint16{store.FirstServiceTable} }

func (counterTable) Check(func(func(kv.Reader) error) error) (table.Report, error) {
	return table.Report{}, nil
}

func counterKey() []byte { return key.New(store.FirstServiceTable).String("counter") }

// increase is a method: it counts, announces and answers the count.
func increase(ctx context.Context, s *store.Store, by int64) (*wrapperspb.Int64Value, error) {
	return store.Do(ctx, s, wrapperspb.Int64(by), func(tx *store.Tx) (*wrapperspb.Int64Value, error) {
		it, err := tx.Get(counterKey())
		if err != nil {
			return nil, err
		}
		n := int64(len(it.Value)) + by
		tx.Put(counterKey(), bytes.Repeat([]byte("x"), int(n)))
		tx.Audit(store.Record{Rows: []string{"counter"}})
		err = tx.Emit(store.Event{Name: "thing.counted", EntityID: "counter", Revision: uint64(n), Data: wrapperspb.Int64(n)})
		return wrapperspb.Int64(n), err
	})
}

func (f fixture) view(t *testing.T, fn func(kv.Reader) error) {
	t.Helper()
	if err := f.View(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func (f fixture) pending(t *testing.T) (events []*typev1.EventRow) {
	t.Helper()
	f.view(t, func(r kv.Reader) (err error) { events, err = store.Pending(r, 100); return err })
	return events
}

func (f fixture) audit(t *testing.T) (rows []*typev1.AuditRow) {
	t.Helper()
	f.view(t, func(r kv.Reader) (err error) { rows, err = store.AuditRows(r, 100); return err })
	return rows
}

func reason(err error) string {
	var r *rule.Error
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

func TestDo_WritesEventAuditAndReplyInOneCommit(t *testing.T) {
	f := newFixture(t, true)
	got, err := increase(caller("p", "/m", "k1"), f.Store, 2)
	if err != nil || got.GetValue() != 2 {
		t.Fatal(got, err)
	}
	events := f.pending(t)
	if len(events) != 1 || events[0].GetType() != "linli.things.thing.counted.v1" || events[0].GetSubject() != "linli.things.thing.counted" ||
		events[0].GetRevision() != 2 || !events[0].GetTime().AsTime().Equal(f.wall.Now()) {
		t.Errorf("events: %v", events)
	}
	audit := f.audit(t)
	if len(audit) != 1 || audit[0].GetPerson() != "p" || audit[0].GetRole() != "committee_staff" || audit[0].GetOrganizationPath() != "/1/" ||
		audit[0].GetMethod() != "/m" || audit[0].GetOutcome() != "done" || len(audit[0].GetRequestDigest()) != 32 {
		t.Errorf("audit: %v", audit)
	}
	select {
	case <-f.Emitted():
	default:
		t.Error("nobody was told of the event")
	}
}

func TestDo_RefusedLeavesNothing(t *testing.T) {
	f := newFixture(t, true)
	no := rule.New(rule.Precondition, "WRONG_STATE", "")
	_, err := store.Do(caller("p", "/m", "k"), f.Store, wrapperspb.Int64(1), func(tx *store.Tx) (*wrapperspb.Int64Value, error) {
		tx.Put(counterKey(), []byte("x"))
		if err := tx.Emit(store.Event{Name: "thing.counted", EntityID: "c", Data: wrapperspb.Int64(1)}); err != nil {
			return nil, err
		}
		return nil, no
	})
	if !errors.Is(err, no) || len(f.pending(t)) != 0 || len(f.audit(t)) != 0 {
		t.Errorf("%v, %d events, %d audit lines", err, len(f.pending(t)), len(f.audit(t)))
	}
}

func TestDo_RepeatedAnswersTheFirstReply(t *testing.T) {
	f := newFixture(t, true)
	do := func(person, method, k string, by int64) (int64, error) {
		got, err := increase(caller(person, method, k), f.Store, by)
		return got.GetValue(), err
	}
	for i := range 3 {
		if n, err := do("p", "/m", "k", 2); err != nil || n != 2 {
			t.Fatalf("time %d: %d, %v", i, n, err)
		}
		f.wall.add(8 * time.Hour) // past midnight, yesterday's day still counts
	}
	if n := len(f.audit(t)); n != 1 || len(f.pending(t)) != 1 {
		t.Errorf("%d audit lines, %d events of one effect", n, len(f.pending(t)))
	}
	if _, err := do("p", "/m", "k", 3); reason(err) != "IDEMPOTENCY_KEY_REUSED" {
		t.Errorf("another payload: %v", err)
	}
	if n, err := do("q", "/m", "k", 2); err != nil || n != 4 {
		t.Errorf("another caller: %d, %v", n, err)
	}
	if n, err := do("p", "/other", "k", 2); err != nil || n != 6 {
		t.Errorf("another method: %d, %v", n, err)
	}
	for _, bad := range []string{"a b", "schlüssel", string(bytes.Repeat([]byte("k"), 129))} {
		if _, err := do("p", "/m", bad, 1); reason(err) != "BAD_IDEMPOTENCY_KEY" {
			t.Errorf("key %q: %v", bad, err)
		}
	}
}

func TestDo_TwoAtOnceHaveOneEffect(t *testing.T) {
	f := newFixture(t, false)
	const callers = 20
	results := make([]int64, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Add(1)
		go func() {
			defer all.Done()
			got, err := increase(caller("p", "/m", "k"), f.Store, 1)
			if err != nil {
				t.Error(err)
			}
			results[i] = got.GetValue()
		}()
	}
	all.Wait()
	for i, n := range results {
		if n != 1 {
			t.Errorf("caller %d was answered %d", i, n)
		}
	}
	if n := len(f.pending(t)); n != 1 {
		t.Errorf("%d events of one effect", n)
	}
}

func TestDo_ALostAnswerIsLookedUp(t *testing.T) {
	f := newFixture(t, false)
	// snapshot, look-up of the key, counter, commit
	f.faults.FailAt(4, true)
	got, err := increase(caller("p", "/m", "k"), f.Store, 2)
	if err != nil || got.GetValue() != 2 {
		t.Fatalf("the commit happened, and the answer is %v, %v", got, err)
	}
	f.faults.FailAt(3, true) // without a key: snapshot, counter, commit
	if _, err := increase(caller("p", "/m", ""), f.Store, 1); !errors.Is(err, kv.ErrUnknownOutcome) {
		t.Errorf("without a key: %v", err)
	}
}

func TestRemembered_HoldsNothingInPlain(t *testing.T) {
	f := newFixture(t, true)
	secret := "430198197207155484"
	_, err := store.Do(caller("p", "/m", "k"), f.Store, wrapperspb.String(secret), func(*store.Tx) (*wrapperspb.StringValue, error) {
		return wrapperspb.String(secret), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var dump bytes.Buffer
	if err := f.engine.Backup(t.Context(), &dump); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(dump.Bytes(), fmt.Appendf(nil, "%x", secret)) {
		t.Error("the store holds the reply in plain")
	}
}

func TestEmit_ARerunWritesTheSame(t *testing.T) {
	f := newFixture(t, false)
	var seen []string
	err := f.Update(t.Context(), func(tx *store.Tx) error {
		if err := tx.Emit(store.Event{Name: "thing.made", EntityID: "a", Revision: 1, Data: wrapperspb.Int64(1)}); err != nil {
			return err
		}
		seen = append(seen, "run")
		if len(seen) == 1 {
			return kv.ErrConflict // the closure lost a race: run it again
		}
		return nil
	})
	if err != nil || len(seen) != 2 || len(f.pending(t)) != 1 {
		t.Errorf("%v after %d runs: %d events", err, len(seen), len(f.pending(t)))
	}
}

func TestApplied_OnceForEachConsumer(t *testing.T) {
	f := newFixture(t, true)
	if _, err := increase(caller("p", "/m", ""), f.Store, 1); err != nil {
		t.Fatal(err)
	}
	e := f.pending(t)[0]
	for i, want := range []bool{false, true, true} {
		var already bool
		if err := f.Update(t.Context(), func(tx *store.Tx) (err error) { already, err = tx.Applied("c", e); return err }); err != nil {
			t.Fatal(err)
		}
		if already != want {
			t.Errorf("time %d: already %v", i, already)
		}
	}
}

func TestSweep_RemovesWhatIsPastItsTime(t *testing.T) {
	f := newFixture(t, true)
	if _, err := increase(caller("p", "/m", "k"), f.Store, 1); err != nil {
		t.Fatal(err)
	}
	events := f.pending(t)
	if err := f.MoveToSent(t.Context(), events, store.StreamMark{}); err != nil {
		t.Fatal(err)
	}
	if err := f.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.Applied("c", events[0]); return err }); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		days, removed int
	}{{0, 0}, {2, 0}, {1, 1}, {27, 0}, {1, 1}, {9, 0}, {1, 1}, {9, 0}} {
		f.wall.add(time.Duration(step.days) * 24 * time.Hour)
		if n, err := f.Sweep(t.Context()); err != nil || n != step.removed {
			t.Errorf("%s: %d rows removed, want %d, %v", f.wall.Now().Format(time.DateOnly), n, step.removed, err)
		}
	}
	if len(f.audit(t)) != 1 {
		t.Error("the audit was swept")
	}
}

func TestOpen_KeepsItsDataKey(t *testing.T) {
	db := kv.New(memkv.New(), kv.Options{})
	open := func(m seal.MasterKey) (*store.Store, error) {
		return store.Open(t.Context(), store.Config{Service: "things", DB: db, Master: m, Civil: clock.Wall(), Wall: clock.Wall(), IDs: ids.New})
	}
	first, err := open(seal.MasterKey{1})
	if err != nil {
		t.Fatal(err)
	}
	sealed := first.Keyring().Seal([]byte("secret"), "a")
	second, err := open(seal.MasterKey{1})
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := second.Keyring().Open(sealed, "a"); err != nil || string(plain) != "secret" {
		t.Errorf("%q, %v", plain, err)
	}
	if _, err := open(seal.MasterKey{2}); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("another master key: %v", err)
	}
}
