package kv

import (
	"cmp"
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
	// Pause waits before the n-th re-run, n from 1, or answers why it stopped
	// waiting. Nil means a jittered pause below 2, 4, 8, 16 and then 32 ms.
	Pause func(ctx context.Context, n int) error
	// Queue is how many Updates may wait for one key that was fought over; one
	// more ends with ErrConflict. 0 means 1024; below 0 nobody waits, and all
	// try again after a pause.
	Queue int
}

// Database is the transaction layer over an engine. It is safe for concurrent
// use and owns the engine: Close closes it.
type Database struct {
	engine Engine
	gate   gate
	tries  int
	pause  func(context.Context, int) error
	queues *latches
}

var _ DB = (*Database)(nil)

// New puts the transaction layer over an engine.
func New(engine Engine, o Options) *Database {
	d := &Database{engine: engine, tries: o.Tries, pause: o.Pause, queues: &latches{longest: o.Queue, keys: map[string]*latch{}}}
	if d.queues.longest == 0 {
		d.queues.longest = 1024
	}
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
	r, err := d.open(ctx)
	if err != nil {
		return err
	}
	refusal, err := runAndClose(r, func() error { return fn(r) }, func() error { return nil })
	if err != nil {
		return errors.Join(refusal, err)
	}
	return refusal
}

// underUpdate marks the context of an Update, so that one inside it is refused.
type underUpdate struct{}

// Update runs fn as one transaction, again after a conflict.
func (d *Database) Update(ctx context.Context, fn func(Tx) error) error {
	if ctx.Value(underUpdate{}) != nil {
		return ErrNested
	}
	ctx = context.WithValue(ctx, underUpdate{}, true)
	var conflict error
	mine := &hold{latches: d.queues}
	defer mine.release() // whether the closure returns or panics
	for n := range d.tries {
		if n > 0 {
			if err := d.await(ctx, mine, conflict, n); err != nil {
				return fmt.Errorf("%w (while waiting to try again: %w)", conflict, err)
			}
		}
		refusal, err := d.attempt(ctx, fn, mine, n > 0)
		if err == nil {
			err = refusal
		}
		if !errors.Is(err, ErrConflict) || n > 0 && errors.Is(err, errContradiction) {
			return err
		}
		conflict = err
	}
	return fmt.Errorf("gave up after %d tries: %w", d.tries, conflict)
}

// await is what stands between a conflict and the next try: the turn at the key
// that it was about. One that lost it all the same was overtaken by another
// process, or by who was under way already, and pauses.
func (d *Database) await(ctx context.Context, mine *hold, conflict error, n int) error {
	if queued, err := mine.extend(ctx, conflict); queued || err != nil {
		return err
	}
	return d.pause(ctx, n)
}

// attempt runs fn once. The refusal is the closure's own error, and stands when
// err is nil: what it read was true.
func (d *Database) attempt(ctx context.Context, fn func(Tx) error, mine *hold, again bool) (refusal, err error) {
	r, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	t := newTransaction(r)
	refusal, err = runAndClose(r, func() error { return fn(t) }, func() error {
		if !again {
			return nil
		}
		// It failed once. What the closure demands without reading it may
		// never come true, and then running it again is of no use.
		return t.readDemands()
	})
	if err != nil {
		return nil, err
	}
	if t.failure != nil {
		return nil, cmp.Or(refusal, t.failure)
	}
	request, err := t.request(refusal == nil)
	if err == nil {
		err = request.Validate(d.engine.Limits())
	}
	switch {
	case err != nil:
		return nil, err
	case len(request.Checks)+len(request.Writes) == 0:
		return refusal, nil
	}
	if err := d.queues.taken(request.Writes, mine); err != nil {
		return nil, err
	}
	// The snapshot is closed by now: a reader must not hold an engine back
	// while it waits for the disk.
	if _, err := d.commit(ctx, request); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	return refusal, nil
}

func (d *Database) open(ctx context.Context) (*reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := d.engine.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("open snapshot: %w", err)
	}
	return &reader{ctx: ctx, snapshot: s}, nil
}

// runAndClose runs a closure and what the layer still reads after it, and closes
// the snapshot whether they return or panic: left open it would hold the engine
// for good.
func runAndClose(r *reader, closure, after func() error) (refusal, err error) {
	defer func() {
		r.closed = true
		if cerr := r.snapshot.Close(); cerr != nil {
			err = errors.Join(err, fmt.Errorf("close snapshot: %w", cerr))
		}
	}()
	return closure(), after()
}
