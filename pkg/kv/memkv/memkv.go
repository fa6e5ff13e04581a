// Package memkv is the engine of tests: the contract of package kv in memory,
// with nothing durable about it.
package memkv

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"

	"github.com/tidwall/btree"

	"github.com/linli-project/linli/pkg/kv"
)

// Engine keeps everything in a copy-on-write tree. It is safe for concurrent use.
type Engine struct {
	mu     sync.Mutex
	tree   *btree.BTreeG[kv.Item]
	closed bool
}

var _ kv.Engine = (*Engine)(nil)

// New makes an empty engine.
func New() *Engine { return &Engine{tree: newTree()} }

func newTree() *btree.BTreeG[kv.Item] {
	return btree.NewBTreeG(func(a, b kv.Item) bool { return bytes.Compare(a.Key, b.Key) < 0 })
}

// Snapshot is a copy of the tree, made in constant time.
func (e *Engine) Snapshot(context.Context) (kv.Snapshot, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, fmt.Errorf("%w: closed", kv.ErrUnavailable)
	}
	return &snapshot{tree: e.tree.Copy()}, nil
}

// Commit validates and applies under one lock.
func (e *Engine) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return 0, fmt.Errorf("%w: closed", kv.ErrUnavailable)
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	for _, c := range r.Checks {
		if it, _ := e.tree.Get(kv.Item{Key: c.Key}); it.Version != c.Version {
			return 0, kv.ErrConflict
		}
	}
	v := kv.Version(rand.Uint64()>>1 | 1)
	for _, w := range r.Writes {
		if w.Delete {
			e.tree.Delete(kv.Item{Key: w.Key})
		} else {
			e.tree.Set(kv.Item{Key: bytes.Clone(w.Key), Value: bytes.Clone(w.Value), Version: v})
		}
	}
	return v, nil
}

// Limits are those of the contract.
func (e *Engine) Limits() kv.Limits { return kv.DefaultLimits }

// Backup writes every sealed value, one a line, as hex: enough for a test to
// search and compare.
func (e *Engine) Backup(ctx context.Context, w io.Writer) error {
	s, err := e.Snapshot(ctx)
	if err != nil {
		return err
	}
	items, err := s.Scan(ctx, kv.Range{})
	if err != nil {
		return err
	}
	for _, it := range items {
		if _, err := fmt.Fprintf(w, "%x %x\n", it.Key, it.Value); err != nil {
			return fmt.Errorf("write backup: %w", err)
		}
	}
	return nil
}

// Check has nothing to find: memory keeps no checksums.
func (e *Engine) Check(context.Context) error { return nil }

// Close refuses further use.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	return nil
}

// Reopen makes a closed engine usable again with what it holds, as a restart
// does with a file.
func (e *Engine) Reopen() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = false
}

type snapshot struct{ tree *btree.BTreeG[kv.Item] }

func (s *snapshot) Read(ctx context.Context, keys [][]byte) ([]kv.Item, error) {
	out := make([]kv.Item, len(keys))
	for i, k := range keys {
		it, _ := s.tree.Get(kv.Item{Key: k})
		out[i] = kv.Item{Key: k, Value: bytes.Clone(it.Value), Version: it.Version}
	}
	return out, ctx.Err()
}

func (s *snapshot) Scan(ctx context.Context, r kv.Range) ([]kv.Item, error) {
	var out []kv.Item
	take := func(it kv.Item) bool {
		item := kv.Item{Key: bytes.Clone(it.Key), Version: it.Version}
		if !r.KeysOnly {
			item.Value = bytes.Clone(it.Value)
		}
		out = append(out, item)
		return r.Limit == 0 || len(out) < r.Limit
	}
	if r.Reverse {
		down := func(it kv.Item) bool {
			if r.To != nil && bytes.Compare(it.Key, r.To) >= 0 {
				return true
			}
			return bytes.Compare(it.Key, r.From) >= 0 && take(it)
		}
		if r.To == nil {
			s.tree.Reverse(down)
		} else {
			s.tree.Descend(kv.Item{Key: r.To}, down)
		}
		return out, ctx.Err()
	}
	s.tree.Ascend(kv.Item{Key: r.From}, func(it kv.Item) bool {
		return (r.To == nil || bytes.Compare(it.Key, r.To) < 0) && take(it)
	})
	return out, ctx.Err()
}

func (s *snapshot) Close() error { return nil }
