package kv

import (
	"bytes"
	"maps"
	"slices"
)

// Change is one key that a transaction writes, and what stood under it. A value
// is nil where the key is absent; the slices are the transaction's own.
type Change struct {
	Key, Before, After []byte
}

func (t *transaction) Changes(from []byte) ([]Change, error) {
	var keys [][]byte
	for _, k := range slices.Sorted(maps.Keys(t.keys)) {
		if e := t.keys[k]; e.written && bytes.Compare([]byte(k), from) >= 0 {
			keys = append(keys, []byte(k))
		}
	}
	// What is created must be absent for the commit to be made.
	if err := t.fetch(keys, func(e *entry) bool { return !e.creates }); err != nil {
		return nil, err
	}
	out := make([]Change, len(keys))
	for i, k := range keys {
		e := t.entry(k)
		out[i] = Change{Key: k, After: e.value}
		if !e.creates {
			out[i].Before = e.stored.Value
		}
	}
	return out, nil
}
