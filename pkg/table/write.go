package table

import (
	"fmt"
	"slices"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
)

// entry is one index entry of a row.
type entry struct {
	key, value string
	index      string
	unique     bool
}

func (e entry) put(tx kv.Tx) {
	if e.unique {
		tx.Create([]byte(e.key), []byte(e.value))
		return
	}
	tx.Put([]byte(e.key), []byte(e.value))
}

// entries answers each index entry of a row once, however often its index
// names it.
func (t *Table[T]) entries(v T, row key.Key) []entry {
	var out []entry
	for _, ix := range t.spec.Indexes {
		for _, parts := range ix.Keys(v) {
			e := entry{key: string(indexKey(ix, parts, row)), index: ix.Name, unique: ix.Unique}
			if ix.Unique {
				e.value = string(row)
			}
			if !slices.Contains(out, e) {
				out = append(out, e)
			}
		}
	}
	return out
}

// Insert writes a new row at revision 1. ALREADY_EXISTS when its key or a key
// of a unique index is there.
func (t *Table[T]) Insert(tx kv.Tx, v T) (Row[T], error) {
	row := Row[T]{Value: v, Revision: 1}
	parts := t.spec.Key(v)
	at := entry{key: string(t.key(parts)), unique: true}
	entries := t.entries(v, parts)
	if err := t.refuseTaken(tx, append([]entry{at}, entries...)); err != nil {
		return row, err
	}
	value, err := t.encode(row, parts)
	if err != nil {
		return row, err
	}
	tx.Create([]byte(at.key), value)
	for _, e := range entries {
		e.put(tx)
	}
	return row, nil
}

// refuseTaken reads the keys that must be new before they are created: a
// Create that meets a row would only run the closure again and could not say
// what is in the way.
func (t *Table[T]) refuseTaken(tx kv.Tx, entries []entry) error {
	entries = slices.DeleteFunc(slices.Clone(entries), func(e entry) bool { return !e.unique })
	keys := make([][]byte, len(entries))
	for i, e := range entries {
		keys[i] = []byte(e.key)
	}
	items, err := tx.GetMany(keys)
	if err != nil {
		return fmt.Errorf("read %s: %w", t.spec.Name, err)
	}
	for i, it := range items {
		if it.Version == 0 {
			continue
		}
		params := []string{"entity", t.spec.Name}
		if name := entries[i].index; name != "" {
			params = append(params, "index", name)
		}
		return rule.New(rule.Exists, "ALREADY_EXISTS", "", params...)
	}
	return nil
}

// Replace writes a row's next revision, and exactly the difference of its
// index entries. old is what Get answered; v is a changed clone with the same
// key. STALE_ETAG when old is no longer the stored revision.
func (t *Table[T]) Replace(tx kv.Tx, old Row[T], v T) (Row[T], error) {
	parts := t.spec.Key(v)
	if string(parts) != string(t.spec.Key(old.Value)) {
		return old, fmt.Errorf("table %s: a row cannot change its key", t.spec.Name)
	}
	stored, err := t.current(tx, old, parts)
	if err != nil {
		return old, err
	}
	row := Row[T]{Value: v, Revision: stored.Revision + 1}
	value, err := t.encode(row, parts)
	if err != nil {
		return old, err
	}
	before, after := t.entries(stored.Value, parts), t.entries(v, parts)
	gone := without(before, after)
	come := without(after, before)
	if err := t.refuseTaken(tx, come); err != nil {
		return old, err
	}
	tx.Put(t.key(parts), value)
	for _, e := range gone {
		tx.Delete([]byte(e.key))
	}
	for _, e := range come {
		e.put(tx)
	}
	return row, nil
}

// without answers the entries of a that b does not have.
func without(a, b []entry) []entry {
	return slices.DeleteFunc(slices.Clone(a), func(e entry) bool { return slices.Contains(b, e) })
}

// Delete removes a row and its index entries. A row that is made again under
// the same key begins at revision 1 again, which whoever keeps copies by
// revision takes for old news: keys of deleted rows are not given out again.
func (t *Table[T]) Delete(tx kv.Tx, old Row[T]) error {
	parts := t.spec.Key(old.Value)
	stored, err := t.current(tx, old, parts)
	if err != nil {
		return err
	}
	tx.Delete(t.key(parts))
	for _, e := range t.entries(stored.Value, parts) {
		tx.Delete([]byte(e.key))
	}
	return nil
}

// current answers the stored row, and refuses an old one that is not it. The
// index entries to remove are those of the stored row, not of old: a caller
// that changed old's message in place would leave entries behind.
func (t *Table[T]) current(tx kv.Tx, old Row[T], parts key.Key) (Row[T], error) {
	stored, ok, err := t.Get(tx, scope.All(), parts)
	if err != nil {
		return stored, err
	}
	if !ok {
		return stored, rule.Absent(t.spec.Name, "")
	}
	return stored, stored.Match(old.Etag())
}
