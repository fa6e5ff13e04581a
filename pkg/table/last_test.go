package table_test

import (
	"slices"
	"testing"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
)

// TestLast_IsWhereListEnds: a range can be cut without reading its rows.
func TestLast_IsWhereListEnds(t *testing.T) {
	db, things := withRows(t, 5)
	for limit := 1; limit < 12; limit++ {
		err := db.View(t.Context(), func(r kv.Reader) error {
			for q, more := (table.Query{Limit: limit}), true; more; {
				page, err := things.List(r, scope.All(), q)
				if err != nil {
					return err
				}
				last, err := things.Last(r, q)
				if err != nil || !slices.Equal(last, page.Last) {
					t.Fatalf("limit %d after %q: %q, a list ends at %q, %v", limit, q.After, last, page.Last, err)
				}
				q.After, more = last, last != nil
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
