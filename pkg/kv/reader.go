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

// Lender is a Snapshot that shows what it holds without a copy.
type Lender interface {
	// Lend calls see for the keys in input order, absent ones too. A value
	// belongs to the snapshot, and is of no use once see has returned. An error
	// of see ends it. A panic of see may come back as ErrCorrupt, since a value
	// can lie on a page that cannot be read.
	Lend(ctx context.Context, keys [][]byte, see func(Item) error) error
}

// Lend shows the items of keys in input order, without a copy where that is
// possible: not in an Update, which keeps what it reads. A value is of no use
// once see has returned.
func Lend(r Reader, keys [][]byte, see func(Item) error) error {
	if plain, ok := r.(*reader); ok && !plain.closed {
		if l, ok := plain.snapshot.(Lender); ok {
			return l.Lend(plain.ctx, keys, see)
		}
	}
	items, err := r.GetMany(keys)
	if err != nil {
		return err
	}
	for _, it := range items {
		if err := see(it); err != nil {
			return err
		}
	}
	return nil
}
