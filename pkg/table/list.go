package table

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
)

// Query names a range of rows: those whose key, or key in an index, begins
// with Prefix, in key order.
type Query struct {
	// Index by name; empty = the table's own order.
	Index string
	// Parts that the range begins with.
	Prefix key.Key
	// After is the Last of the page before; nil = from the start.
	After key.Key
	// Limit of rows, at least 1.
	Limit   int
	Reverse bool
	// Skim leaves out of the rows what the caller does not look at; nil = nothing.
	Skim *Skim
}

// Listing is one page of rows.
type Listing[T proto.Message] struct {
	Rows []Row[T]
	// Last is where the next page goes on; nil when there is none.
	Last key.Key
}

// List answers one page of a range. The range is meant to lie in the scope;
// a row outside it is left out all the same, so a listing can be short while
// Last says that there is more: what answers a caller is Page.
func (t *Table[T]) List(r kv.Reader, s scope.Scope, q Query) (Listing[T], error) {
	var out Listing[T]
	if q.Limit < 1 {
		return out, fmt.Errorf("list %s: a page needs a limit", t.spec.Name)
	}
	items, err := r.Scan(t.keys(q))
	if err != nil {
		return out, fmt.Errorf("list %s: %w", t.spec.Name, err)
	}
	if len(items) > q.Limit {
		items = items[:q.Limit]
		out.Last = key.Key(items[q.Limit-1].Key[2:])
	}
	if q.Index != "" {
		out.Rows, err = t.follow(r, s, q, items)
		return out, err
	}
	reading := skimming{Skim: q.Skim}
	for _, it := range items {
		row, err := t.read(it, &reading)
		if err != nil {
			return out, fmt.Errorf("list %s: %w", t.spec.Name, err)
		}
		if t.visible(s, row.Value) {
			out.Rows = append(out.Rows, row)
		}
	}
	return out, nil
}

// Last answers where the page of a query ends, without reading its rows: the
// After of the next page, nil when there is none.
func (t *Table[T]) Last(r kv.Reader, q Query) (key.Key, error) {
	if q.Limit < 1 {
		return nil, fmt.Errorf("list %s: a page needs a limit", t.spec.Name)
	}
	rng := t.keys(q)
	rng.KeysOnly = true
	items, err := r.Scan(rng)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", t.spec.Name, err)
	}
	if len(items) <= q.Limit {
		return nil, nil
	}
	return key.Key(items[q.Limit-1].Key[2:]), nil
}

// keys answers the range of a query, one item more than its page. After moves
// the beginning inside the range and never out of it.
func (t *Table[T]) keys(q Query) kv.Range {
	number := t.spec.Number
	if q.Index != "" {
		number = t.index(q.Index).Number
	}
	prefix := append(key.New(number), q.Prefix...)
	rng := kv.Range{From: prefix, To: prefix.End(), Limit: q.Limit + 1, Reverse: q.Reverse}
	if q.After == nil {
		return rng
	}
	after := append(key.New(number), q.After...)
	switch {
	case q.Reverse && (rng.To == nil || bytes.Compare(after, rng.To) < 0):
		rng.To = after
	case !q.Reverse && bytes.Compare(after, rng.From) >= 0:
		rng.From = append(after, 0)
	}
	return rng
}

// follow reads the rows that index entries point at.
func (t *Table[T]) follow(r kv.Reader, s scope.Scope, q Query, items []kv.Item) ([]Row[T], error) {
	ix := t.index(q.Index)
	parts := make([]key.Key, len(items))
	for i, it := range items {
		p, err := rowParts(ix, it)
		if err != nil {
			return nil, fmt.Errorf("%w: index %s of %s: %w", kv.ErrCorrupt, ix.Name, t.spec.Name, err)
		}
		parts[i] = p
	}
	return t.many(r, s, parts, q.Skim)
}
