package store_test

import (
	"testing"
	"time"

	"github.com/linli-project/linli/pkg/store"
)

// TestStreamMark_Behind: what a stream lost is told from what grew too old.
func TestStreamMark_Behind(t *testing.T) {
	const kept = 30 * 24 * time.Hour
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	young, old := now.Add(-time.Hour), now.Add(-kept-time.Hour)
	before := store.StreamMark{Created: old, First: 5, Last: 9, FirstTime: young, LastTime: young, Messages: 5}
	aged := before
	aged.FirstTime = old
	agedOut := aged
	agedOut.LastTime = old
	for name, c := range map[string]struct {
		before, now store.StreamMark
		behind      bool
	}{
		"the same":                        {before, before, false},
		"more":                            {before, store.StreamMark{Created: old, First: 5, Last: 12, Messages: 8}, false},
		"made anew":                       {before, store.StreamMark{Created: now, First: 5, Last: 9, Messages: 5}, true},
		"without its end":                 {before, store.StreamMark{Created: old, First: 5, Last: 8, Messages: 4}, true},
		"a hole in it":                    {before, store.StreamMark{Created: old, First: 5, Last: 9, Messages: 4}, true},
		"without its beginning":           {before, store.StreamMark{Created: old, First: 7, Last: 9, Messages: 3}, true},
		"empty":                           {before, store.StreamMark{Created: old, First: 10, Last: 9}, true},
		"without a beginning that is old": {aged, store.StreamMark{Created: old, First: 7, Last: 9, Messages: 3}, false},
		"empty, with a young end":         {aged, store.StreamMark{Created: old, First: 10, Last: 9}, true},
		"empty, and all was old":          {agedOut, store.StreamMark{Created: old, First: 10, Last: 9}, false},
	} {
		if got := c.now.Behind(c.before, now, kept); got != c.behind {
			t.Errorf("%s: behind %v", name, got)
		}
	}
}
