package table_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
)

// The tests use a member copy as their row: home path is who may see it,
// residence a plain index, report-in id a unique one, "owner" a person.
type row = typev1.MemberCopyRow

func newTable() *table.Table[*row] {
	return table.New(table.Spec[*row]{
		Number: 20, Name: "thing",
		Key:    func(r *row) key.Key { return idOf(r.GetId()) },
		Paths:  func(r *row) []scope.Path { return []scope.Path{scope.Path(r.GetHomePath())} },
		Owners: func(r *row) []string { return []string{r.GetReportedPath()} },
		Indexes: []table.Index[*row]{
			{Number: 21, Name: "home", Keys: func(r *row) []key.Key { return []key.Key{key.Key(nil).String(r.GetHomePath())} }},
			{Number: 22, Name: "unique", Unique: true, Keys: func(r *row) []key.Key {
				if r.GetReportInId() == "" {
					return nil
				}
				return []key.Key{idOf(r.GetReportInId())}
			}},
		},
	})
}

func idOf(id string) key.Key { return key.Key(nil).String(id) }

func newDB() kv.DB { return kvtest.Rerun(kv.New(memkv.New(), kv.Options{})) }

func update(t testing.TB, db kv.DB, fn func(kv.Tx) error) error {
	t.Helper()
	return db.Update(context.Background(), fn)
}

func reason(err error) string {
	var r *rule.Error
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

func TestInsert_RefusesATakenKey(t *testing.T) {
	db, things := newDB(), newTable()
	insert := func(r *row) error {
		return update(t, db, func(tx kv.Tx) error { _, err := things.Insert(tx, r); return err })
	}
	if err := insert(&row{Id: "a", ReportInId: "u"}); err != nil {
		t.Fatal(err)
	}
	if err := insert(&row{Id: "a"}); reason(err) != "ALREADY_EXISTS" {
		t.Errorf("the same key: %v", err)
	}
	if err := insert(&row{Id: "b", ReportInId: "u"}); reason(err) != "ALREADY_EXISTS" {
		t.Errorf("the same unique key: %v", err)
	}
}

func TestReplace_CountsRevisionsAndRefusesAStaleRow(t *testing.T) {
	db, things := newDB(), newTable()
	var first table.Row[*row]
	err := update(t, db, func(tx kv.Tx) (err error) { first, err = things.Insert(tx, &row{Id: "a", HomePath: "/1/"}); return err })
	if err != nil || first.Etag() != "1" {
		t.Fatal(first.Etag(), err)
	}
	change := func(old table.Row[*row]) (next table.Row[*row], err error) {
		err = update(t, db, func(tx kv.Tx) (err error) {
			v := proto.CloneOf(old.Value)
			v.HomePath = "/2/"
			next, err = things.Replace(tx, old, v)
			return err
		})
		return next, err
	}
	second, err := change(first)
	if err != nil || second.Revision != 2 {
		t.Fatal(second.Revision, err)
	}
	if _, err := change(first); reason(err) != "STALE_ETAG" {
		t.Errorf("a stale row: %v", err)
	}
	if err := second.Match("1"); reason(err) != "STALE_ETAG" {
		t.Errorf("a stale etag: %v", err)
	}
	if second.Match("") != nil || second.Match("2") != nil {
		t.Error("the current etag, or none, is refused")
	}
}

// counting counts the keys that one commit writes.
type counting struct {
	kv.Engine
	writes int
}

func (c *counting) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	c.writes = len(r.Writes)
	return c.Engine.Commit(ctx, r)
}

func TestReplace_WritesExactlyTheDifference(t *testing.T) {
	engine := &counting{Engine: memkv.New()}
	db, things := kv.New(engine, kv.Options{}), newTable()
	var at table.Row[*row]
	for _, step := range []struct {
		next *row
		want int
	}{
		{&row{Id: "a", HomePath: "/1/", ReportInId: "u"}, 3}, // row and two entries
		{&row{Id: "a", HomePath: "/1/", ReportInId: "u", Kind: 1}, 1},
		{&row{Id: "a", HomePath: "/2/", ReportInId: "u"}, 3}, // row, entry moved
		{&row{Id: "a", HomePath: "/2/"}, 2},                  // row, unique entry gone
	} {
		err := update(t, db, func(tx kv.Tx) (err error) {
			if at.Revision == 0 {
				at, err = things.Insert(tx, step.next)
			} else {
				at, err = things.Replace(tx, at, step.next)
			}
			return err
		})
		if err != nil || engine.writes != step.want {
			t.Errorf("%v: %d writes, want %d, %v", step.next, engine.writes, step.want, err)
		}
	}
}

func TestCheck_FindsWhatIsBroken(t *testing.T) {
	things := newTable()
	for name, breakIt := range map[string]func(kv.Tx){
		"an entry without a row": func(tx kv.Tx) { tx.Delete(key.New(20).String("a")) },
		"a row without an entry": func(tx kv.Tx) { tx.Delete(key.New(22).String("u")) },
		"an entry to another row": func(tx kv.Tx) {
			tx.Put(key.New(22).String("u"), key.Key(nil).String("b"))
		},
		"a row that does not decode": func(tx kv.Tx) { tx.Put(key.New(20).String("b"), []byte{1, 0xFF}) },
		"a row under another key": func(tx kv.Tx) {
			tx.Put(key.New(20).String("c"), append([]byte{1}, mustMarshal(t, &row{Id: "d"})...))
		},
	} {
		db := newDB()
		err := update(t, db, func(tx kv.Tx) error {
			_, err := things.Insert(tx, &row{Id: "a", HomePath: "/1/", ReportInId: "u"})
			if err == nil {
				_, err = things.Insert(tx, &row{Id: "b", HomePath: "/1/"})
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if r := check(t, db, things); len(r.Problems) != 0 || r.Tables["thing"] != 2 {
			t.Fatalf("whole: %+v", r)
		}
		if err := update(t, db, func(tx kv.Tx) error { breakIt(tx); return nil }); err != nil {
			t.Fatal(err)
		}
		if r := check(t, db, things); len(r.Problems) == 0 {
			t.Errorf("%s was not found", name)
		}
	}
}

func mustMarshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func check(t testing.TB, db kv.DB, things *table.Table[*row]) table.Report {
	t.Helper()
	r, err := things.Check(func(fn func(kv.Reader) error) error { return db.View(context.Background(), fn) })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestTable_AgainstAMap runs random changes beside a map of rows; after each
// the checks are clean and every list is the model's.
func TestTable_AgainstAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		db, things := newDB(), newTable()
		model := map[string]*row{}
		for range rapid.IntRange(1, 15).Draw(rt, "changes") {
			next := &row{
				Id:         rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "id"),
				HomePath:   rapid.SampledFrom([]string{"/1/", "/1/2/", "/12/"}).Draw(rt, "home"),
				ReportInId: rapid.SampledFrom([]string{"", "u", "v"}).Draw(rt, "unique"),
			}
			remove := rapid.Bool().Draw(rt, "remove")
			taken := slices.ContainsFunc(slices.Collect(maps.Values(model)), func(o *row) bool {
				return o.GetId() != next.GetId() && next.GetReportInId() != "" && o.GetReportInId() == next.GetReportInId()
			})
			err := db.Update(context.Background(), func(tx kv.Tx) error {
				old, ok, err := things.Get(tx, scope.All(), idOf(next.GetId()))
				switch {
				case err != nil:
					return err
				case ok && remove:
					return things.Delete(tx, old)
				case remove:
					return nil
				case ok:
					_, err = things.Replace(tx, old, next)
				default:
					_, err = things.Insert(tx, next)
				}
				return err
			})
			switch {
			case !remove && taken:
				if reason(err) != "ALREADY_EXISTS" {
					rt.Fatalf("a taken unique key: %v", err)
				}
			case err != nil:
				rt.Fatal(err)
			case remove:
				delete(model, next.GetId())
			default:
				model[next.GetId()] = next
			}
			if r := check(t, db, things); len(r.Problems) > 0 || r.Tables["thing"] != len(model) {
				rt.Fatalf("after a change: %+v, model has %d", r, len(model))
			}
			compareList(rt, db, things, model)
		}
	})
}

// compareList reads "everything below /1/" page by page, forwards and back.
func compareList(rt *rapid.T, db kv.DB, things *table.Table[*row], model map[string]*row) {
	var want []string
	for _, r := range model {
		if scope.Path("/1/").Contains(scope.Path(r.GetHomePath())) {
			want = append(want, r.GetHomePath()+"\x00"+r.GetId())
		}
	}
	slices.Sort(want)
	for _, reverse := range []bool{false, true} {
		var got []string
		err := db.View(context.Background(), func(r kv.Reader) error {
			q := table.Query{Index: "home", Prefix: key.Key(nil).Prefix("/1/"), Limit: 1, Reverse: reverse}
			for {
				page, err := things.List(r, scope.Scope{Paths: []scope.Path{"/1/"}}, q)
				if err != nil {
					return err
				}
				for _, row := range page.Rows {
					got = append(got, row.Value.GetHomePath()+"\x00"+row.Value.GetId())
				}
				if page.Last == nil {
					return nil
				}
				q.After = page.Last
			}
		})
		if err != nil {
			rt.Fatal(err)
		}
		if reverse {
			slices.Reverse(got)
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("reverse %v: got %q, want %q", reverse, got, want)
		}
	}
}

// TestScope_LeaksNothing reads random rows through random scopes.
func TestScope_LeaksNothing(t *testing.T) {
	things := newTable()
	paths := []string{"/1/", "/1/2/", "/1/2/3/", "/12/", "/1/22/", "/2/"}
	rapid.Check(t, func(rt *rapid.T) {
		db := newDB()
		path := rapid.SampledFrom(paths).Draw(rt, "path")
		owner := rapid.SampledFrom([]string{"", "p", "q"}).Draw(rt, "owner")
		if err := db.Update(context.Background(), func(tx kv.Tx) error {
			_, err := things.Insert(tx, &row{Id: "a", HomePath: path, ReportedPath: owner, ReportInId: "u"})
			return err
		}); err != nil {
			rt.Fatal(err)
		}
		grant := rapid.SampledFrom(paths).Draw(rt, "grant")
		s := scope.Scope{Paths: []scope.Path{scope.Path(grant)}, Person: rapid.SampledFrom([]string{"", "p"}).Draw(rt, "person")}
		inside := len(path) >= len(grant) && path[:len(grant)] == grant
		want := inside || (owner != "" && owner == s.Person)
		err := db.View(context.Background(), func(r kv.Reader) error {
			_, byKey, err := things.Get(r, s, idOf("a"))
			if err != nil {
				return err
			}
			_, byIndex, err := things.By(r, s, "unique", idOf("u"))
			if err != nil {
				return err
			}
			list, err := things.List(r, s, table.Query{Limit: 10})
			if byKey != want || byIndex != want || (len(list.Rows) == 1) != want {
				return fmt.Errorf("path %s, owner %q, scope %+v: %v %v %d, want %v", path, owner, s, byKey, byIndex, len(list.Rows), want)
			}
			return err
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}
