package boltkv

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/linli-project/linli/pkg/kv"
)

// snapshot is a bbolt read transaction.
type snapshot struct {
	tx     *bolt.Tx
	bucket *bolt.Bucket
}

// Snapshot opens a view of what is on disk.
func (e *Engine) Snapshot(ctx context.Context) (kv.Snapshot, error) {
	s, err := e.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (e *Engine) snapshot(ctx context.Context) (*snapshot, error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	var s snapshot
	err := guard(func() (err error) {
		if s.tx, err = e.db.Begin(false); err != nil {
			return fmt.Errorf("%w: %w", kv.ErrUnavailable, err)
		}
		s.bucket = s.tx.Bucket(bucketName())
		return nil
	})
	var d *damage
	switch {
	case errors.As(err, &d) && s.tx == nil:
		// bbolt panicked in Begin and took its lock along.
		e.fail(breakage{err: err, stuck: true})
		return nil, err
	case s.tx == nil:
		return nil, err
	case err == nil && s.bucket == nil:
		err = fmt.Errorf("%w: the rows are gone", kv.ErrCorrupt)
	case err == nil:
		if err = e.synced.await(ctx, s.tx.ID()); err == nil {
			err = e.usable()
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &s, nil
}

// Close ends the read transaction.
func (s *snapshot) Close() error { return s.tx.Rollback() }

// Read answers the keys in input order.
func (s *snapshot) Read(ctx context.Context, keys [][]byte) ([]kv.Item, error) {
	out := make([]kv.Item, 0, len(keys))
	err := s.Lend(ctx, keys, func(it kv.Item) error {
		it.Value = bytes.Clone(it.Value)
		out = append(out, it)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Lend shows the keys in input order, where they lie in the file.
func (s *snapshot) Lend(ctx context.Context, keys [][]byte, see func(kv.Item) error) error {
	return guard(func() error {
		c := s.bucket.Cursor()
		for _, k := range keys {
			it, err := read(c, k)
			if err == nil {
				err = see(it)
			}
			if err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// read answers an item whose value is the file's.
func read(c *bolt.Cursor, key []byte) (kv.Item, error) {
	it := kv.Item{Key: key}
	found, stored := c.Seek(key)
	if stored == nil || !bytes.Equal(found, key) {
		return it, nil
	}
	var err error
	it.Version, it.Value, err = kv.Unseal(key, stored)
	return it, err
}

// ctxEvery is how many rows a scan reads between two looks at its context.
const ctxEvery = 1024

// Scan answers one page.
func (s *snapshot) Scan(ctx context.Context, r kv.Range) (out []kv.Item, err error) {
	err = guard(func() error {
		c := s.bucket.Cursor()
		out = make([]kv.Item, 0, min(r.Limit, ctxEvery))
		next := c.Next
		if r.Reverse {
			next = c.Prev
		}
		for k, stored := first(c, r); inside(k, r) && (r.Limit == 0 || len(out) < r.Limit); k, stored = next() {
			version, value, err := kv.Unseal(k, stored)
			if err != nil {
				return err
			}
			it := kv.Item{Key: bytes.Clone(k), Version: version}
			if !r.KeysOnly {
				it.Value = bytes.Clone(value)
			}
			out = append(out, it)
			if len(out)%ctxEvery == 0 && ctx.Err() != nil {
				break
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// first puts the cursor on the first item of a range in its direction.
func first(c *bolt.Cursor, r kv.Range) (k, v []byte) {
	if !r.Reverse {
		return c.Seek(r.From)
	}
	if r.To == nil {
		return c.Last()
	}
	if k, _ = c.Seek(r.To); k == nil {
		return c.Last()
	}
	return c.Prev()
}

func inside(k []byte, r kv.Range) bool {
	return k != nil && bytes.Compare(k, r.From) >= 0 && (r.To == nil || bytes.Compare(k, r.To) < 0)
}
