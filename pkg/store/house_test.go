package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/store"
)

func (f fixture) emit(t *testing.T, entity string, n int) {
	t.Helper()
	err := f.Update(t.Context(), func(tx *store.Tx) error {
		for i := range n {
			if err := tx.Emit(store.Event{Name: "thing.made", EntityID: entity, Revision: uint64(i + 1), Data: wrapperspb.Int64(1)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (f fixture) pendingUpTo(t *testing.T, limit int) (entities []string) {
	t.Helper()
	f.view(t, func(r kv.Reader) error {
		events, err := store.Pending(r, limit)
		for _, e := range events {
			entities = append(entities, e.GetEntityId())
		}
		return err
	})
	return entities
}

// TestPending_IsFairAndWhole: a shard with a long queue does not keep the
// others waiting, and what room they leave is used.
func TestPending_IsFairAndWhole(t *testing.T) {
	f := newFixture(t, false)
	for range 3 {
		f.emit(t, "busy", 100)
		f.wall.add(time.Second)
	}
	var others []string
	for i := range 20 { // enough to be in every shard
		others = append(others, fmt.Sprint("quiet", i))
		f.emit(t, others[i], 1)
	}
	got := f.pendingUpTo(t, 100)
	missing := slices.DeleteFunc(slices.Clone(others), func(o string) bool { return slices.Contains(got, o) })
	// Those that share the shard of the busy one wait behind it.
	if len(got) != 100 || len(missing) > 14 {
		t.Errorf("%d events; %d of %d quiet ones wait", len(got), len(missing), len(others))
	}
	for _, limit := range []int{1, 2, 3, 5, 319, 320, 1000} {
		got := f.pendingUpTo(t, limit)
		if want := min(limit, 320); len(got) != want {
			t.Errorf("limit %d: %d events", limit, len(got))
		}
	}
	// All are found by taking what is in front and filing it, in order by entity.
	seen := map[string]int{}
	last := map[string]time.Time{}
	for {
		var events []*typev1.EventRow
		f.view(t, func(r kv.Reader) (err error) { events, err = store.Pending(r, 64); return err })
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			seen[e.GetId()]++
			if e.GetTime().AsTime().Before(last[e.GetEntityId()]) {
				t.Fatalf("%s goes back in time", e.GetEntityId())
			}
			last[e.GetEntityId()] = e.GetTime().AsTime()
		}
		if err := f.MoveToSent(t.Context(), events, store.StreamMark{}); err != nil {
			t.Fatal(err)
		}
		if err := f.MoveToSent(t.Context(), events, store.StreamMark{}); err != nil { // another relay was as fast
			t.Fatal(err)
		}
	}
	if len(seen) != 320 {
		t.Errorf("%d events of 320", len(seen))
	}
}

func TestEmit_RefusesWhatNobodyCouldPublish(t *testing.T) {
	f := newFixture(t, false)
	data := wrapperspb.Int64(1)
	for name, e := range map[string]store.Event{
		"no name":      {EntityID: "a", Data: data},
		"no happening": {Name: "thing", EntityID: "a", Data: data},
		"empty halves": {Name: ".", EntityID: "a", Data: data},
		"three parts":  {Name: "a.b.c", EntityID: "a", Data: data},
		"a wildcard":   {Name: "thing.*", EntityID: "a", Data: data},
		"a space":      {Name: "thing.was made", EntityID: "a", Data: data},
		"no data":      {Name: "thing.made", EntityID: "a"},
		"no entity":    {Name: "thing.made", Data: data},
	} {
		if err := f.Update(t.Context(), func(tx *store.Tx) error { return tx.Emit(e) }); err == nil {
			t.Errorf("%s was announced", name)
		}
	}
	if n := len(f.pending(t)); n != 0 {
		t.Errorf("%d events", n)
	}
}

func TestAudit_OfAJobThatSaysSomething(t *testing.T) {
	f := newFixture(t, true)
	for _, r := range []store.Record{{Reason: "clean-up"}, {Rows: []string{"a"}}, {Outcome: "revealed"}} {
		if err := f.Update(t.Context(), func(tx *store.Tx) error { tx.Audit(r); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Update(t.Context(), func(*store.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	rows := f.audit(t)
	if len(rows) != 3 {
		t.Fatalf("%d lines of three that said something", len(rows))
	}
	for _, r := range rows {
		if r.GetPerson() != "house/things" {
			t.Errorf("by %q", r.GetPerson())
		}
	}
}

func TestUnpark_TakesOut(t *testing.T) {
	f := newFixture(t, true)
	f.emit(t, "a", 1)
	e := f.pending(t)[0]
	if err := f.Park(t.Context(), &typev1.ParkedRow{Event: e, Consumer: "c", Tries: 1, Error: "no"}); err != nil {
		t.Fatal(err)
	}
	take := func(consumer string) (ok bool) {
		err := f.Update(t.Context(), func(tx *store.Tx) (err error) {
			var row *typev1.ParkedRow
			if row, ok, err = tx.Unpark(consumer, e.GetId()); ok && !proto.Equal(row.GetEvent(), e) {
				t.Errorf("another event: %v", row)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if take("d") || !take("c") || take("c") {
		t.Error("not once, or another consumer's")
	}
}

// TestSweep_ManyConsumersAndSlices: also the marks of a consumer that is no
// more, and more rows than one slice.
func TestSweep_ManyConsumersAndSlices(t *testing.T) {
	f := newFixture(t, false)
	const marks = 1100
	for from := 0; from < marks; from += 100 {
		err := f.Update(t.Context(), func(tx *store.Tx) error {
			for i := range 100 {
				e := &typev1.EventRow{Id: fmt.Sprint(from + i), Time: timestamppb.New(f.wall.Now())}
				if _, err := tx.Applied("consumer", e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	young := &typev1.EventRow{Id: "young", Time: timestamppb.New(f.wall.Now().AddDate(0, 0, 20))}
	err := f.Update(t.Context(), func(tx *store.Tx) error {
		for _, consumer := range []string{"consumer", "consumer-2", "a"} {
			if _, err := tx.Applied(consumer, young); err != nil {
				return err
			}
		}
		_, err := tx.Applied("z", &typev1.EventRow{Id: "old", Time: timestamppb.New(f.wall.Now())})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	f.wall.add(41 * 24 * time.Hour)
	if n, err := f.Sweep(t.Context()); err != nil || n != marks+1 {
		t.Errorf("%d marks removed, %v", n, err)
	}
	report, err := f.Check(t.Context(), counterTable{})
	if err != nil || report.Tables["inbox"] != 3 {
		t.Errorf("%d marks left, %v", report.Tables["inbox"], err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := f.Sweep(stopped); err == nil {
		t.Error("swept in a context that was over")
	}
}

// TestCheck_FindsWhatIsWrongWithTheHouse breaks each kind of the house's rows.
func TestCheck_FindsWhatIsWrongWithTheHouse(t *testing.T) {
	for name, breakIt := range map[string]struct {
		table uint16
		want  string
		with  func(tx kv.Tx, it kv.Item)
	}{
		"event that does not decode": {1, "outbox pending", func(tx kv.Tx, it kv.Item) { tx.Put(it.Key, []byte{0xFF}) }},
		"event in another shard":     {1, "outbox pending", move(func(k []byte) { k[9] ^= 1 })},
		"event at another time":      {2, "outbox sent", move(func(k []byte) { k[20] ^= 1 })},
		"mark without a day":         {3, "inbox", func(tx kv.Tx, _ kv.Item) { tx.Put(key.New(3).String("c").String("today").String("e"), []byte{1}) }},
		"mark of two parts":          {3, "inbox", func(tx kv.Tx, _ kv.Item) { tx.Put(key.New(3).String("c").String("2026-01-05"), []byte{1}) }},
		"mark of four parts": {3, "inbox", func(tx kv.Tx, _ kv.Item) {
			tx.Put(key.New(3).String("c").String("2026-01-05").String("e").String("f"), []byte{1})
		}},
		"audit line that is another's": {4, "audit", move(func(k []byte) { k[4] ^= 1 })},
		"audit line without an id":     {4, "audit", func(tx kv.Tx, it kv.Item) { tx.Put(it.Key, nil) }},
		"reply of no day":              {5, "remembered replies", move(func(k []byte) { k[2] = 'x' })},
		"reply that does not open":     {5, "remembered replies", flipLast},
		"parked under another name":    {7, "parked events", move(func(k []byte) { k[2] ^= 1 })},
		"rows nobody declared":         {4, "table 99 holds rows", func(tx kv.Tx, _ kv.Item) { tx.Put(key.New(99).String("a"), nil) }},
		"leases are not declared yet":  {4, "table 6 holds rows", func(tx kv.Tx, _ kv.Item) { tx.Put(key.New(6), nil) }},
		"a key of one byte":            {4, "too short", func(tx kv.Tx, _ kv.Item) { tx.Put([]byte{0}, nil) }},
		"the last table number":        {4, "table 65535", func(tx kv.Tx, _ kv.Item) { tx.Put(key.New(65535), nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			f := brokenLater(t)
			err := f.DB().Update(t.Context(), func(tx kv.Tx) error {
				items, err := tx.Scan(kv.Range{From: key.New(breakIt.table), To: key.New(breakIt.table).End(), Limit: 1})
				if err != nil || len(items) == 0 {
					return fmt.Errorf("nothing to break: %w", err)
				}
				breakIt.with(tx, items[0])
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			report, err := f.Check(t.Context(), counterTable{})
			if err != nil || len(report.Problems) != 1 || !strings.Contains(report.Problems[0], breakIt.want) {
				t.Errorf("%q, %v", report.Problems, err)
			}
		})
	}
}

func move(change func(k []byte)) func(kv.Tx, kv.Item) {
	return func(tx kv.Tx, it kv.Item) {
		k := slices.Clone(it.Key)
		change(k)
		tx.Delete(it.Key)
		tx.Put(k, it.Value)
	}
}

func flipLast(tx kv.Tx, it kv.Item) {
	it.Value[len(it.Value)-1] ^= 1
	tx.Put(it.Key, it.Value)
}

// brokenLater is a store with a row of every kind, whose end is not checked.
func brokenLater(t *testing.T) fixture {
	t.Helper()
	f := openFixture(t, false)
	for i := range 2 {
		if _, err := increase(caller("p", "/m", fmt.Sprint("k", i)), f.Store, 1); err != nil {
			t.Fatal(err)
		}
	}
	first := f.pending(t)[:1]
	if err := f.MoveToSent(t.Context(), first, store.StreamMark{}); err != nil {
		t.Fatal(err)
	}
	if err := f.Park(t.Context(), &typev1.ParkedRow{Event: first[0], Consumer: "c"}); err != nil {
		t.Fatal(err)
	}
	err := f.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.Applied("c", first[0]); return err })
	if err != nil {
		t.Fatal(err)
	}
	if report, err := f.Check(t.Context(), counterTable{}); err != nil || len(report.Problems) > 0 {
		t.Fatalf("whole: %v, %v", report.Problems, err)
	}
	return f
}
