package table_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
)

// forest is a random tree of organizations with rows in it. Ids are prefixes
// of each other ("1", "11", "112"), which is where a careless prefix test leaks.
type forest struct {
	db     kv.DB
	things *table.Table[*row]
	paths  []string
	rows   map[string]*row
}

func growForest(rt *rapid.T) forest {
	f := forest{db: newDB(), things: newTable(), paths: []string{"/"}, rows: map[string]*row{}}
	for range rapid.IntRange(1, 12).Draw(rt, "organizations") {
		parent := rapid.SampledFrom(f.paths).Draw(rt, "parent")
		id := strings.Repeat("1", rapid.IntRange(1, 3).Draw(rt, "ones")) + rapid.SampledFrom([]string{"", "2"}).Draw(rt, "end")
		if p := parent + id + "/"; !slices.Contains(f.paths, p) {
			f.paths = append(f.paths, p)
		}
	}
	for i := range rapid.IntRange(1, 10).Draw(rt, "rows") {
		r := &row{
			Id:           strconv.Itoa(i),
			HomePath:     rapid.SampledFrom(f.paths).Draw(rt, "path"),
			ReportedPath: rapid.SampledFrom([]string{"", "p", "pp", "q"}).Draw(rt, "owner"),
			ReportInId:   fmt.Sprintf("u%d", i),
		}
		f.rows[r.GetId()] = r
	}
	err := f.db.Update(context.Background(), func(tx kv.Tx) error {
		for _, r := range f.rows {
			if _, err := f.things.Insert(tx, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		rt.Fatal(err)
	}
	return f
}

// allowed answers, segment by segment and without a prefix test, what a scope
// may see.
func (f forest) allowed(s scope.Scope) []string {
	var ids []string
	for id, r := range f.rows {
		inside := slices.ContainsFunc(s.Paths, func(p scope.Path) bool {
			grant, place := segments(string(p)), segments(r.GetHomePath())
			return len(grant) <= len(place) && slices.Equal(grant, place[:len(grant)])
		})
		if inside || s.Person != "" && r.GetReportedPath() == s.Person {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func segments(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// TestScope_LeaksNothingOfAnyTree reads random trees through random scopes in
// every way there is: each answers exactly what the scope allows.
func TestScope_LeaksNothingOfAnyTree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := growForest(rt)
		for range 5 {
			s := scope.Scope{Person: rapid.SampledFrom([]string{"", "p", "pp", "stranger"}).Draw(rt, "person")}
			for range rapid.IntRange(0, 3).Draw(rt, "grants") {
				s.Paths = append(s.Paths, scope.Path(rapid.SampledFrom(f.paths).Draw(rt, "grant")))
			}
			want := f.allowed(s)
			err := f.db.View(context.Background(), func(r kv.Reader) error {
				for way, read := range f.ways() {
					got, err := read(r, s)
					slices.Sort(got)
					if err != nil {
						return err
					}
					if !slices.Equal(got, want) {
						return fmt.Errorf("%s through %+v: got %v, want %v", way, s, got, want)
					}
				}
				return nil
			})
			if err != nil {
				rt.Fatal(err)
			}
		}
	})
}

type way func(kv.Reader, scope.Scope) ([]string, error)

// ways are all reads of a table, each answering the ids it was given.
func (f forest) ways() map[string]way {
	ids := slices.Sorted(maps.Keys(f.rows))
	one := func(got table.Row[*row], ok bool) []string {
		if !ok {
			return nil
		}
		return []string{got.Value.GetId()}
	}
	ways := map[string]way{
		"Get": func(r kv.Reader, s scope.Scope) (out []string, err error) {
			for _, id := range ids {
				got, ok, err := f.things.Get(r, s, idOf(id))
				if err != nil {
					return nil, err
				}
				out = append(out, one(got, ok)...)
			}
			return out, nil
		},
		"By": func(r kv.Reader, s scope.Scope) (out []string, err error) {
			for _, id := range ids {
				got, ok, err := f.things.By(r, s, "unique", idOf("u"+id))
				if err != nil {
					return nil, err
				}
				out = append(out, one(got, ok)...)
			}
			return out, nil
		},
		"GetMany": func(r kv.Reader, s scope.Scope) ([]string, error) {
			var keys []key.Key
			for _, id := range ids {
				keys = append(keys, idOf(id))
			}
			rows, err := f.things.GetMany(r, s, keys)
			return idsOf(rows), err
		},
	}
	for _, index := range []string{"", "home", "unique"} {
		for _, reverse := range []bool{false, true} {
			q := table.Query{Index: index, Limit: 2, Reverse: reverse}
			ways[fmt.Sprintf("List %q, reverse %v", index, reverse)] = func(r kv.Reader, s scope.Scope) ([]string, error) {
				return f.all(r, s, q)
			}
		}
	}
	return ways
}

func (f forest) all(r kv.Reader, s scope.Scope, q table.Query) (out []string, err error) {
	for {
		page, err := f.things.List(r, s, q)
		if err != nil {
			return nil, err
		}
		out = append(out, idsOf(page.Rows)...)
		if page.Last == nil {
			return out, nil
		}
		q.After = page.Last
	}
}

func idsOf(rows []table.Row[*row]) (ids []string) {
	for _, r := range rows {
		ids = append(ids, r.Value.GetId())
	}
	return ids
}
