package table_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
)

// TestReplace_WritesTheDifferenceOfAnyTwoRows compares the number of writes
// with what two random rows have not in common.
func TestReplace_WritesTheDifferenceOfAnyTwoRows(t *testing.T) {
	anyRow := rapid.Custom(func(rt *rapid.T) *row {
		return &row{
			Id:         "a",
			HomePath:   rapid.SampledFrom([]string{"/1/", "/2/", "/3/"}).Draw(rt, "home"),
			ReportInId: rapid.SampledFrom([]string{"", "u", "v"}).Draw(rt, "unique"),
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		engine := &counting{Engine: memkv.New()}
		db, things := kv.New(engine, kv.Options{}), newTable()
		a, b := anyRow.Draw(rt, "before"), anyRow.Draw(rt, "after")
		var at table.Row[*row]
		steps := []func(kv.Tx) error{
			func(tx kv.Tx) (err error) { at, err = things.Insert(tx, a); return err },
			func(tx kv.Tx) (err error) { at, err = things.Replace(tx, at, b); return err },
		}
		for _, step := range steps {
			if err := db.Update(context.Background(), step); err != nil {
				rt.Fatal(err)
			}
		}
		want := 1
		if a.GetHomePath() != b.GetHomePath() {
			want += 2
		}
		if a.GetReportInId() != b.GetReportInId() {
			want += min(1, len(a.GetReportInId())) + min(1, len(b.GetReportInId()))
		}
		if engine.writes != want {
			rt.Fatalf("%v → %v: %d writes, want %d", a, b, engine.writes, want)
		}
	})
}

// TestReplace_OfARowChangedInPlace: a caller that forgot to clone loses
// nothing but the comparison it might have made.
func TestReplace_OfARowChangedInPlace(t *testing.T) {
	db, things := newDB(), newTable()
	err := update(t, db, func(tx kv.Tx) error {
		_, err := things.Insert(tx, &row{Id: "a", HomePath: "/1/", ReportInId: "u"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = update(t, db, func(tx kv.Tx) error {
		old, _, err := things.Get(tx, scope.All(), idOf("a"))
		if err != nil {
			return err
		}
		old.Value.HomePath, old.Value.ReportInId = "/2/", "v"
		_, err = things.Replace(tx, old, old.Value)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := check(t, db, things); len(r.Problems) > 0 {
		t.Errorf("after a change in place: %v", r.Problems)
	}
	err = update(t, db, func(tx kv.Tx) error {
		old, _, err := things.Get(tx, scope.All(), idOf("a"))
		if err != nil {
			return err
		}
		old.Value.HomePath, old.Value.ReportInId = "/3/", ""
		return things.Delete(tx, old)
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := check(t, db, things); len(r.Problems) > 0 || r.Tables["thing"] != 0 {
		t.Errorf("after a deletion: %+v", r)
	}
}

func TestDelete_RefusesAStaleRow(t *testing.T) {
	db, things := newDB(), newTable()
	err := update(t, db, func(tx kv.Tx) error {
		first, err := things.Insert(tx, &row{Id: "a"})
		if err != nil {
			return err
		}
		second, err := things.Replace(tx, first, &row{Id: "a", HomePath: "/1/"})
		if err != nil {
			return err
		}
		if err := things.Delete(tx, first); reason(err) != "STALE_ETAG" {
			return fmt.Errorf("the first revision was deleted: %w", err)
		}
		if _, err := things.Replace(tx, second, &row{Id: "b"}); err == nil || reason(err) != "" {
			return fmt.Errorf("a row changed its key: %w", err)
		}
		if err := things.Delete(tx, second); err != nil {
			return err
		}
		if err := things.Delete(tx, second); reason(err) != "NOT_FOUND" {
			return fmt.Errorf("deleted twice: %w", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestUnique_ConflictsAreNamed: the error says which index, and comes from two
// that race as well as from one that is late.
func TestUnique_ConflictsAreNamed(t *testing.T) {
	db, things := kv.New(memkv.New(), kv.Options{}), newTable()
	const racers = 8
	errs := make([]error, racers)
	var all sync.WaitGroup
	for i := range racers {
		all.Go(func() {
			errs[i] = db.Update(context.Background(), func(tx kv.Tx) error {
				_, err := things.Insert(tx, &row{Id: fmt.Sprint(i), ReportInId: "u"})
				return err
			})
		})
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		var r *rule.Error
		switch {
		case err == nil:
			won++
		case !errors.As(err, &r) || r.Kind != rule.Exists || r.Reason != "ALREADY_EXISTS" ||
			!slices.Equal(r.Params, []string{"entity", "thing", "index", "unique"}):
			t.Errorf("lost by %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d have the unique key", won)
	}
	err := update(t, db, func(tx kv.Tx) error {
		_, err := things.Insert(tx, &row{Id: "x"})
		if err == nil {
			_, err = things.Insert(tx, &row{Id: "x"})
		}
		return err
	})
	var r *rule.Error
	if !errors.As(err, &r) || !slices.Equal(r.Params, []string{"entity", "thing"}) {
		t.Errorf("the row's own key: %v", err)
	}
}

// TestUnique_KeyPassesOnInOneTransaction: what one row lets go, another takes.
func TestUnique_KeyPassesOnInOneTransaction(t *testing.T) {
	db, things := newDB(), newTable()
	err := update(t, db, func(tx kv.Tx) error {
		a, err := things.Insert(tx, &row{Id: "a", ReportInId: "u"})
		if err != nil {
			return err
		}
		b, err := things.Insert(tx, &row{Id: "b"})
		if err != nil {
			return err
		}
		if _, err := things.Replace(tx, b, &row{Id: "b", ReportInId: "u"}); reason(err) != "ALREADY_EXISTS" {
			return fmt.Errorf("taken from its owner: %w", err)
		}
		if _, err = things.Replace(tx, a, &row{Id: "a"}); err != nil {
			return err
		}
		_, err = things.Replace(tx, b, &row{Id: "b", ReportInId: "u"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := check(t, db, things); len(r.Problems) > 0 {
		t.Error(r.Problems)
	}
	err = db.View(t.Context(), func(r kv.Reader) error {
		got, ok, err := things.By(r, scope.All(), "unique", idOf("u"))
		if !ok || got.Value.GetId() != "b" {
			t.Errorf("u leads to %v", got.Value)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestIndex_MayNameAKeyTwice: a row that lists the same thing twice stands
// once under it.
func TestIndex_MayNameAKeyTwice(t *testing.T) {
	things := table.New(table.Spec[*row]{
		Number: 20, Name: "thing", Key: func(r *row) key.Key { return idOf(r.GetId()) },
		Indexes: []table.Index[*row]{
			{Number: 21, Name: "twice", Unique: true, Keys: func(r *row) []key.Key {
				return []key.Key{idOf(r.GetHomePath()), idOf(r.GetResidencePath())}
			}},
		},
	})
	db := newDB()
	err := update(t, db, func(tx kv.Tx) error {
		at, err := things.Insert(tx, &row{Id: "a", HomePath: "x", ResidencePath: "x"})
		if err == nil {
			at, err = things.Replace(tx, at, &row{Id: "a", HomePath: "x", ResidencePath: "y"})
		}
		if err == nil {
			_, err = things.Replace(tx, at, &row{Id: "a", HomePath: "y", ResidencePath: "y"})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := check(t, db, things); len(r.Problems) > 0 {
		t.Error(r.Problems)
	}
}

func TestRows_AreWrittenTheSameEachTime(t *testing.T) {
	dump := func() string {
		engine := memkv.New()
		db, things := kv.New(engine, kv.Options{}), newTable()
		if err := update(t, db, func(tx kv.Tx) error {
			_, err := things.Insert(tx, &row{Id: "a", HomePath: "/1/", ReportInId: "u", Kind: 2})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		var out string
		if err := db.View(t.Context(), func(r kv.Reader) error {
			items, err := r.Scan(kv.Range{})
			for _, it := range items {
				out += fmt.Sprintf("%x %x\n", it.Key, it.Value)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if a, b := dump(), dump(); a != b {
		t.Errorf("two stores with the same row differ:\n%s\n%s", a, b)
	}
}

func TestNew_PanicsOnAWrongDeclaration(t *testing.T) {
	id := func(r *row) key.Key { return idOf(r.GetId()) }
	keys := func(*row) []key.Key { return nil }
	for name, spec := range map[string]table.Spec[*row]{
		"no number":          {Name: "a", Key: id},
		"no name":            {Number: 20, Key: id},
		"no key":             {Number: 20, Name: "a"},
		"index on the table": {Number: 20, Name: "a", Key: id, Indexes: []table.Index[*row]{{Number: 20, Name: "i", Keys: keys}}},
		"index without keys": {Number: 20, Name: "a", Key: id, Indexes: []table.Index[*row]{{Number: 21, Name: "i"}}},
		"nameless index":     {Number: 20, Name: "a", Key: id, Indexes: []table.Index[*row]{{Number: 21, Keys: keys}}},
		"one name twice": {Number: 20, Name: "a", Key: id, Indexes: []table.Index[*row]{
			{Number: 21, Name: "i", Keys: keys}, {Number: 22, Name: "i", Keys: keys},
		}},
	} {
		if !panics(func() { table.New(spec) }) {
			t.Errorf("%s was taken", name)
		}
	}
	db, things := newDB(), newTable()
	for name, fn := range map[string]func(kv.Reader){
		"an index that is not":       func(r kv.Reader) { _, _, _ = things.By(r, scope.All(), "none", nil) },
		"one row of a plain index":   func(r kv.Reader) { _, _, _ = things.By(r, scope.All(), "home", nil) },
		"a list by what is no index": func(r kv.Reader) { _, _ = things.List(r, scope.All(), table.Query{Index: "none", Limit: 1}) },
	} {
		if !panics(func() { _ = db.View(context.Background(), func(r kv.Reader) error { fn(r); return nil }) }) {
			t.Errorf("%s was answered", name)
		}
	}
}

func panics(fn func()) (did bool) {
	defer func() { did = recover() != nil }()
	fn()
	return false
}

func TestRow_WithoutARevisionIsCorrupt(t *testing.T) {
	db, things := kvtest.Rerun(kv.New(memkv.New(), kv.Options{})), newTable()
	for name, value := range map[string][]byte{"zero": {0}, "empty": {}, "endless": {0x80, 0x80}} {
		if err := update(t, db, func(tx kv.Tx) error { tx.Put(key.New(20).String("a"), value); return nil }); err != nil {
			t.Fatal(err)
		}
		err := db.View(t.Context(), func(r kv.Reader) error {
			_, _, err := things.Get(r, scope.All(), idOf("a"))
			return err
		})
		if !errors.Is(err, kv.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
