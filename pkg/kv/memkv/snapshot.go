package memkv

import (
	"bytes"
	"context"
	"fmt"

	"github.com/tidwall/btree"

	"github.com/linli-project/linli/pkg/kv"
)

// snapshot is a tree that nobody writes to.
type snapshot struct{ tree *btree.BTreeG[row] }

func read(tree *btree.BTreeG[row], key []byte) (kv.Item, error) {
	it := kv.Item{Key: key}
	r, ok := tree.Get(row{key: key})
	if !ok {
		return it, nil
	}
	version, value, err := kv.Unseal(key, r.sealed)
	it.Version, it.Value = version, bytes.Clone(value)
	return it, err
}

func (s *snapshot) Read(ctx context.Context, keys [][]byte) ([]kv.Item, error) {
	out := make([]kv.Item, len(keys))
	for i, k := range keys {
		var err error
		if out[i], err = read(s.tree, k); err != nil {
			return nil, err
		}
	}
	return out, ctx.Err()
}

func (s *snapshot) Scan(ctx context.Context, r kv.Range) (out []kv.Item, err error) {
	take := func(stored row) bool {
		version, value, uerr := kv.Unseal(stored.key, stored.sealed)
		if uerr != nil {
			err = uerr
			return false
		}
		it := kv.Item{Key: bytes.Clone(stored.key), Version: version}
		if !r.KeysOnly {
			it.Value = bytes.Clone(value)
		}
		out = append(out, it)
		return r.Limit == 0 || len(out) < r.Limit
	}
	up := func(stored row) bool {
		return (r.To == nil || bytes.Compare(stored.key, r.To) < 0) && take(stored)
	}
	down := func(stored row) bool {
		if r.To != nil && bytes.Equal(stored.key, r.To) {
			return true // the end is not part of the range
		}
		return bytes.Compare(stored.key, r.From) >= 0 && take(stored)
	}
	switch {
	case !r.Reverse:
		s.tree.Ascend(row{key: r.From}, up)
	case r.To == nil:
		s.tree.Reverse(down)
	default:
		s.tree.Descend(row{key: r.To}, down)
	}
	if err != nil {
		return nil, fmt.Errorf("scan: %w", err)
	}
	return out, ctx.Err()
}

func (s *snapshot) Close() error { return nil }
