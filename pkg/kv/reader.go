package kv

import (
	"context"
	"errors"
)

// errClosed is what a Reader answers to whoever kept it.
var errClosed = errors.New("kv: read after the closure returned")

// reader reads one snapshot under the context of its View or Update.
type reader struct {
	ctx      context.Context
	snapshot Snapshot
	closed   bool
}

func (r *reader) Context() context.Context { return r.ctx }

func (r *reader) Get(key []byte) (Item, error) {
	items, err := r.GetMany([][]byte{key})
	if err != nil {
		return Item{}, err
	}
	return items[0], nil
}

func (r *reader) GetMany(keys [][]byte) ([]Item, error) {
	if r.closed {
		return nil, errClosed
	}
	return r.snapshot.Read(r.ctx, keys)
}

func (r *reader) Scan(q Range) ([]Item, error) {
	if r.closed {
		return nil, errClosed
	}
	return r.snapshot.Scan(r.ctx, q)
}
