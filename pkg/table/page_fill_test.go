package table_test

import (
	"context"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
)

// A list in which only some rows are the caller's, by scope and by a rule of its
// own: every page but the last is full, the last has no token, and all pages
// together are those rows.
func TestPage_IsFullWhateverLiesBetween(t *testing.T) {
	pager := newPager(t)
	rapid.Check(t, func(t *rapid.T) {
		db, things := newDB(), newTable()
		rows := rapid.SliceOfN(rapid.IntRange(0, 2), 0, 60).Draw(t, "rows") // 0 ours, 1 others', 2 ours and not kept
		var want []string
		if err := db.Update(context.Background(), func(tx kv.Tx) error {
			want = nil
			for i, kind := range rows {
				r := &row{Id: fmt.Sprintf("%03d", i), HomePath: []string{"/1/", "/2/", "/1/not/"}[kind]}
				if kind == 0 {
					want = append(want, r.GetId())
				}
				if _, err := things.Insert(tx, r); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		c := table.PageCall{Method: "/List", Scope: scope.Scope{Paths: []scope.Path{"/1/"}}, Size: rapid.Int32Range(1, 20).Draw(t, "size"), Mixed: rapid.Bool().Draw(t, "mixed")}
		keep := table.Keep(func(r *row) bool { return r.GetHomePath() == "/1/" })
		var got []string
		for {
			var page []table.Row[*row]
			err := db.View(context.Background(), func(r kv.Reader) (err error) {
				page, c.Token, err = table.PageOf(pager, things, r, c, table.Query{}, keep)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page {
				got = append(got, r.Value.GetId())
			}
			if c.Token == "" {
				break
			}
			if len(page) != int(c.Size) {
				t.Fatalf("a page of %d with more to come, asked for %d", len(page), c.Size)
			}
			if len(got) == len(want) {
				t.Fatal("a token that leads to nothing")
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}
