package table_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
)

// withRows has rows a1, a2 … at /1/ and b1, b2 … at /2/.
func withRows(t *testing.T, n int) (kv.DB, *table.Table[*row]) {
	t.Helper()
	db, things := newDB(), newTable()
	err := update(t, db, func(tx kv.Tx) error {
		for i := range n {
			for at, name := range map[string]string{"/1/": "a", "/2/": "b"} {
				if _, err := things.Insert(tx, &row{Id: fmt.Sprint(name, i), HomePath: at}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return db, things
}

// TestPage_TokenIsOfItsRange: even when a service forgets to name its filter, a
// token does not open another prefix, index or direction.
func TestPage_TokenIsOfItsRange(t *testing.T) {
	db, things := withRows(t, 5)
	pager := newPager(t)
	page := func(p *table.Pager, token string, q table.Query) (ids []string, next string, err error) {
		err = db.View(t.Context(), func(r kv.Reader) error {
			rows, n, err := table.Page(p, things, r, table.PageCall{Method: "/List", Scope: scope.All(), Size: 2, Token: token}, q)
			ids, next = idsOf(rows), n
			return err
		})
		return ids, next, err
	}
	at := func(path string) table.Query { return table.Query{Index: "home", Prefix: idOf(path)} }
	ids, token, err := page(pager, "", at("/2/"))
	if err != nil || !slices.Equal(ids, []string{"b0", "b1"}) {
		t.Fatal(ids, err)
	}
	if ids, _, err := page(pager, token, at("/2/")); err != nil || !slices.Equal(ids, []string{"b2", "b3"}) {
		t.Fatal(ids, err)
	}
	for name, q := range map[string]table.Query{
		"prefix":    at("/1/"),
		"index":     {Prefix: idOf("/2/")},
		"direction": {Index: "home", Prefix: idOf("/2/"), Reverse: true},
		"no prefix": {Index: "home"},
	} {
		if ids, _, err := page(pager, token, q); reason(err) != "BAD_PAGE_TOKEN" {
			t.Errorf("another %s: %v, %v", name, ids, err)
		}
	}
	if _, _, err := page(newPager(t), token, at("/2/")); reason(err) != "BAD_PAGE_TOKEN" {
		t.Errorf("another service's keyring: %v", err)
	}
}

// TestList_StaysInItsRange: an After from elsewhere does not lead out of it.
func TestList_StaysInItsRange(t *testing.T) {
	db, things := withRows(t, 3)
	as, bs := []string{"a0", "a1", "a2"}, []string{"b0", "b1", "b2"}
	for _, step := range []struct {
		prefix, after key.Key
		reverse       bool
		want          []string
	}{
		{idOf("/2/"), nil, false, bs},
		{idOf("/2/"), idOf("/1/"), false, bs},                        // before the range: from its start
		{idOf("/2/"), idOf("/1/").Prefix("a0"), false, bs},           //
		{idOf("/2/"), idOf("/3/"), false, nil},                       // behind it: nothing left
		{idOf("/1/"), idOf("/3/"), true, []string{"a2", "a1", "a0"}}, // backwards: from its end
		{idOf("/2/"), idOf("/1/"), true, nil},                        //
		{idOf("/1/"), idOf("/1/"), false, as},                        //
		{idOf("/2/"), idOf("/2/").String("b1"), false, bs[1:]},       // inside; without its length a key sorts before the entry
		{idOf("/2/"), idOf("/2/").String("b1"), true, bs[:1]},        //
	} {
		err := db.View(t.Context(), func(r kv.Reader) error {
			q := table.Query{Index: "home", Prefix: step.prefix, After: step.after, Limit: 10, Reverse: step.reverse}
			page, err := things.List(r, scope.All(), q)
			if got := idsOf(page.Rows); err != nil || !slices.Equal(got, step.want) {
				t.Errorf("%q after %q, reverse %v: %v, want %v, %v", step.prefix, step.after, step.reverse, got, step.want, err)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := db.View(t.Context(), func(r kv.Reader) error {
		for _, limit := range []int{0, -1} {
			if _, err := things.List(r, scope.All(), table.Query{Limit: limit}); err == nil {
				t.Errorf("a page of %d", limit)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestReport_IsBounded(t *testing.T) {
	var all table.Report
	for range 3 {
		var one table.Report
		for i := range 250 {
			one.Problem(fmt.Sprint("problem ", i))
		}
		one.Count("thing", 250)
		if n := len(one.Problems); n != 101 || one.Problems[100] != "and 150 more" {
			t.Fatalf("%d lines, the last %q", n, one.Problems[n-1])
		}
		all.Merge(one)
	}
	if n := len(all.Problems); n != 101 || all.Problems[100] != "and 650 more" || all.Tables["thing"] != 750 {
		t.Errorf("%d lines, the last %q, %d rows", n, all.Problems[n-1], all.Tables["thing"])
	}
	var few table.Report
	few.Merge(table.Report{Problems: []string{"a"}})
	if !slices.Equal(few.Problems, []string{"a"}) {
		t.Errorf("%v", few.Problems)
	}
}

// TestCheck_OfMoreThanAPage: what is broken behind the first page is found, in
// rows and in indexes.
func TestCheck_OfMoreThanAPage(t *testing.T) {
	db, things := newDB(), newTable()
	const rows = 1200
	for from := 0; from < rows; from += 200 {
		err := update(t, db, func(tx kv.Tx) error {
			for i := range 200 {
				if _, err := things.Insert(tx, &row{Id: fmt.Sprintf("%05d", from+i), HomePath: "/1/"}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if r := check(t, db, things); len(r.Problems) > 0 || r.Tables["thing"] != rows {
		t.Fatalf("whole: %+v", r)
	}
	err := update(t, db, func(tx kv.Tx) error {
		tx.Delete(key.New(20).String("01100"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r := check(t, db, things)
	if !slices.Equal(r.Problems, []string{"thing: index home leads to no row"}) || r.Tables["thing"] != rows-1 {
		t.Errorf("%+v", r)
	}
}

// TestCheck_TellsBothSides: a unique key that leads to the wrong row is wrong
// for the row that lost it and for the row that did not ask for it.
func TestCheck_TellsBothSides(t *testing.T) {
	db, things := newDB(), newTable()
	err := update(t, db, func(tx kv.Tx) error {
		_, err := things.Insert(tx, &row{Id: "a", ReportInId: "u"})
		if err == nil {
			_, err = things.Insert(tx, &row{Id: "b"})
		}
		tx.Put(key.New(22).String("u"), idOf("b"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"thing: a row lacks its index entry", "thing: index unique leads to a row that is not under it"}
	if r := check(t, db, things); !slices.Equal(r.Problems, want) {
		t.Errorf("%q", r.Problems)
	}
}

func TestMarks_OnceEach(t *testing.T) {
	db, marks := newDB(), table.NewMarks(30, "mark")
	set := func(id string) (first bool) {
		err := update(t, db, func(tx kv.Tx) (err error) { first, err = marks.Set(tx, idOf(id)); return err })
		if err != nil {
			t.Fatal(err)
		}
		return first
	}
	if !set("a") || set("a") || !set("b") {
		t.Error("a mark is not set once")
	}
	look := func() table.Report {
		r, err := marks.Check(func(fn func(kv.Reader) error) error { return db.View(t.Context(), fn) })
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := look(); r.Tables["mark"] != 2 || len(r.Problems) > 0 {
		t.Errorf("%+v", r)
	}
	if err := update(t, db, func(tx kv.Tx) error { tx.Put(key.New(30).String("c"), []byte("x")); return nil }); err != nil {
		t.Fatal(err)
	}
	if r := look(); len(r.Problems) != 1 {
		t.Errorf("%+v", r)
	}
}
