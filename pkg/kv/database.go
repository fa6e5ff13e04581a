package kv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// Options tune the transaction layer. The zero value is what a house runs on.
type Options struct {
	// Tries is how often an Update runs before it gives up with ErrConflict;
	// 0 means 16.
	Tries int
	// Pause waits before the n-th re-run, n from 1. Nil means a jittered pause
	// that grows from about 1 ms to 32 ms.
	Pause func(ctx context.Context, n int) error
}

// Database is the transaction layer over an engine. It is safe for concurrent
// use and owns the engine: Close closes it.
type Database struct {
	engine Engine
	tries  int
	pause  func(context.Context, int) error
}

// New puts the transaction layer over an engine.
func New(engine Engine, o Options) *Database {
	d := &Database{engine: engine, tries: o.Tries, pause: o.Pause}
	if d.tries == 0 {
		d.tries = 16
	}
	if d.pause == nil {
		d.pause = jitteredPause
	}
	return d
}

func jitteredPause(ctx context.Context, n int) error {
	longest := time.Millisecond << min(n, 5)
	t := time.NewTimer(rand.N(longest))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Limits answers the engine's limits.
func (d *Database) Limits() Limits { return d.engine.Limits() }

// Backup writes one consistent copy while the engine goes on.
func (d *Database) Backup(ctx context.Context, w io.Writer) error { return d.engine.Backup(ctx, w) }

// Check verifies every stored value.
func (d *Database) Check(ctx context.Context) error { return d.engine.Check(ctx) }

// Close closes the engine.
func (d *Database) Close() error { return d.engine.Close() }

// View runs fn on one snapshot. Nothing is checked afterwards: what it saw was
// true together at one moment.
func (d *Database) View(ctx context.Context, fn func(Reader) error) error {
	s, err := d.engine.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("open snapshot: %w", err)
	}
	fnErr, closeErr := runAndClose(s, func() error { return fn(reader{ctx: ctx, snapshot: s}) })
	return errors.Join(fnErr, closeErr)
}

// Update runs fn as one transaction, again after a conflict.
func (d *Database) Update(ctx context.Context, fn func(Tx) error) error {
	var err error
	for n := range d.tries {
		if n > 0 {
			if perr := d.pause(ctx, n); perr != nil {
				return fmt.Errorf("%w (while waiting to try again: %w)", err, perr)
			}
		}
		if err = d.try(ctx, fn); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("gave up after %d tries: %w", d.tries, err)
}

// try runs fn once. The snapshot is closed before the commit is awaited, so
// that a reader never holds an engine back while it waits for the disk.
func (d *Database) try(ctx context.Context, fn func(Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s, err := d.engine.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("open snapshot: %w", err)
	}
	t := newTx(reader{ctx: ctx, snapshot: s})
	refusal, err := runAndClose(s, func() error { return fn(t) })
	if err != nil {
		return fmt.Errorf("close snapshot: %w", err)
	}
	request, err := t.request(d.engine.Limits(), refusal == nil)
	if err != nil && refusal == nil {
		return err
	}
	if err == nil && len(request.Checks)+len(request.Writes) > 0 {
		if _, err := d.engine.Commit(ctx, request); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	return refusal
}

// runAndClose closes the snapshot whether fn returns or panics: a snapshot left
// open would hold the engine for good.
func runAndClose(s Snapshot, fn func() error) (fnErr, closeErr error) {
	defer func() { closeErr = s.Close() }()
	return fn(), nil
}

// reader reads one snapshot under the context of its View or Update.
type reader struct {
	ctx      context.Context
	snapshot Snapshot
}

func (r reader) Get(key []byte) (Item, error) {
	items, err := r.snapshot.Read(r.ctx, [][]byte{key})
	if err != nil {
		return Item{}, err
	}
	return items[0], nil
}

func (r reader) GetMany(keys [][]byte) ([]Item, error) { return r.snapshot.Read(r.ctx, keys) }

func (r reader) Scan(q Range) ([]Item, error) { return r.snapshot.Scan(r.ctx, q) }
