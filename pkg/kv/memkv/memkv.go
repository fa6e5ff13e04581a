// Package memkv is the engine of tests: the contract of package kv in memory.
// What it holds outlives Close, as a file does, until the engine is dropped.
package memkv

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/tidwall/btree"

	"github.com/linli-project/linli/pkg/kv"
)

// row is one key with its sealed value, never changed once it is in a tree.
type row struct{ key, sealed []byte }

func byKey(a, b row) bool { return bytes.Compare(a.key, b.key) < 0 }

// Engine keeps everything in a copy-on-write tree. It is safe for concurrent use.
type Engine struct {
	mu     sync.Mutex
	tree   *btree.BTreeG[row]
	closed bool
}

var _ kv.Engine = (*Engine)(nil)

// New makes an empty engine.
func New() *Engine { return &Engine{tree: btree.NewBTreeG(byKey)} }

func (e *Engine) open() error {
	if e.closed {
		return fmt.Errorf("%w: closed", kv.ErrUnavailable)
	}
	return nil
}

// Snapshot is a copy of the tree, made in constant time.
func (e *Engine) Snapshot(context.Context) (kv.Snapshot, error) {
	s, err := e.snapshot()
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (e *Engine) snapshot() (*snapshot, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.open(); err != nil {
		return nil, err
	}
	return &snapshot{tree: e.tree.Copy()}, nil
}

// Commit validates and applies under one lock.
func (e *Engine) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	if err := r.Validate(e.Limits()); err != nil {
		return 0, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.open(); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	for _, c := range r.Checks {
		it, err := read(e.tree, c.Key)
		if err != nil {
			return 0, err
		}
		if it.Version != c.Version {
			return 0, &kv.ConflictError{Key: c.Key}
		}
	}
	version := kv.NewVersion()
	for _, w := range r.Writes {
		if w.Delete {
			e.tree.Delete(row{key: w.Key})
		} else {
			e.tree.Set(row{bytes.Clone(w.Key), kv.Seal(w.Key, version, w.Value)})
		}
	}
	return version, nil
}

// Limits are those of the contract.
func (e *Engine) Limits() kv.Limits { return kv.DefaultLimits }

// Check verifies every value's checksum.
func (e *Engine) Check(ctx context.Context) error {
	s, err := e.snapshot()
	if err != nil {
		return err
	}
	_, err = s.Scan(ctx, kv.Range{KeysOnly: true})
	return err
}

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

// Damage flips a bit of the value under a key behind the engine's back, as a
// bad disk does. It says whether there was one.
func (e *Engine) Damage(key []byte) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, ok := e.tree.Get(row{key: key})
	if !ok {
		return false
	}
	broken := bytes.Clone(r.sealed)
	broken[len(broken)-1] ^= 1
	e.tree.Set(row{r.key, broken})
	return true
}
