package table_test

import (
	"context"
	"slices"
	"testing"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/table"
)

func newPager(t testing.TB) *table.Pager {
	t.Helper()
	k, _, err := seal.New(seal.MasterKey{1})
	if err != nil {
		t.Fatal(err)
	}
	return table.NewPager(k)
}

func TestPage_TokensFitTheirCallOnly(t *testing.T) {
	db, things, pager := newDB(), newTable(), newPager(t)
	if err := update(t, db, func(tx kv.Tx) error {
		for _, id := range []string{"a", "b", "c"} {
			if _, err := things.Insert(tx, &row{Id: id, HomePath: "/1/"}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	page := func(c table.PageCall) (ids []string, next string, err error) {
		err = db.View(context.Background(), func(r kv.Reader) error {
			rows, n, err := table.Page(pager, things, r, c, table.Query{})
			for _, row := range rows {
				ids = append(ids, row.Value.GetId())
			}
			next = n
			return err
		})
		return ids, next, err
	}
	call := table.PageCall{Method: "/List", Scope: scope.Scope{Paths: []scope.Path{"/1/"}}, Filter: []string{"open"}, Size: 2}
	ids, token, err := page(call)
	if err != nil || !slices.Equal(ids, []string{"a", "b"}) || token == "" {
		t.Fatal(ids, token, err)
	}
	call.Token = token
	if ids, next, err := page(call); err != nil || !slices.Equal(ids, []string{"c"}) || next != "" {
		t.Fatal(ids, next, err)
	}
	for name, change := range map[string]func(*table.PageCall){
		"method":  func(c *table.PageCall) { c.Method = "/Other" },
		"scope":   func(c *table.PageCall) { c.Scope.Paths = []scope.Path{"/"} },
		"person":  func(c *table.PageCall) { c.Person = "p" },
		"owner":   func(c *table.PageCall) { c.Scope.Person = "p" },
		"filter":  func(c *table.PageCall) { c.Filter = []string{"closed"} },
		"garbage": func(c *table.PageCall) { c.Token = "AAAA" },
		"changed": func(c *table.PageCall) { c.Token = c.Token[:len(c.Token)-2] + "AA" },
	} {
		other := call
		change(&other)
		if _, _, err := page(other); reason(err) != "BAD_PAGE_TOKEN" {
			t.Errorf("another %s: %v", name, err)
		}
	}
	for _, size := range []int32{-1, 201} {
		if _, _, err := page(table.PageCall{Size: size}); reason(err) != "INVALID_FIELD" {
			t.Errorf("size %d: %v", size, err)
		}
	}
}

func FuzzPageToken(f *testing.F) {
	db, things := newDB(), newTable()
	k, _, err := seal.New(seal.MasterKey{1})
	if err != nil {
		f.Fatal(err)
	}
	pager := table.NewPager(k)
	f.Add("AAAA")
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		err := db.View(context.Background(), func(r kv.Reader) error {
			_, _, err := table.Page(pager, things, r, table.PageCall{Token: token}, table.Query{})
			return err
		})
		if err != nil && reason(err) != "BAD_PAGE_TOKEN" {
			t.Fatal(err)
		}
	})
}
