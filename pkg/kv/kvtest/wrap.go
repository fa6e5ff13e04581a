package kvtest

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"

	"github.com/linli-project/linli/pkg/kv"
)

// Rerun wraps a database so that every Update closure runs twice and only the
// second run counts: what a conflict does, on every write. Closures that keep
// state between runs are found out by it, and so are those that begin another
// Update, whatever context they use: it answers kv.ErrNested.
func Rerun(db kv.DB) kv.DB { return rerun{db} }

type rerun struct{ kv.DB }

var errDropped = errors.New("kvtest: first run dropped")

func (r rerun) Update(ctx context.Context, fn func(kv.Tx) error) error {
	if nested() {
		return kv.ErrNested
	}
	err := r.DB.Update(ctx, func(tx kv.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return errDropped
	})
	if !errors.Is(err, errDropped) {
		return err
	}
	return r.DB.Update(ctx, fn)
}

// nested says whether the function that calls it is already running further up
// the stack.
func nested() bool {
	var deep [256]uintptr
	frames := runtime.CallersFrames(deep[:runtime.Callers(2, deep[:])])
	caller, more := frames.Next()
	for more {
		var f runtime.Frame
		if f, more = frames.Next(); f.Function == caller.Function {
			return true
		}
	}
	return false
}

// ErrInjected is what a failing operation answers.
var ErrInjected = errors.New("kvtest: injected failure")

// Faults wraps an engine so that one operation fails. It is safe for
// concurrent use.
type Faults struct {
	kv.Engine
	left    atomic.Int64
	applied atomic.Bool
}

// NewFaults makes a wrapper that lets everything pass until FailAt.
func NewFaults(e kv.Engine) *Faults { return &Faults{Engine: e} }

// FailAt makes the n-th operation from now (snapshot, read, scan or commit)
// fail with ErrInjected, n from 1; 0 lets everything pass. With applied, a
// commit takes effect before its answer is lost, and says
// kv.ErrUnknownOutcome.
func (f *Faults) FailAt(n int64, applied bool) {
	f.applied.Store(applied)
	f.left.Store(n)
}

// Fired says whether the operation that FailAt named has come.
func (f *Faults) Fired() bool { return f.left.Load() <= 0 }

func (f *Faults) due() bool { return f.left.Load() > 0 && f.left.Add(-1) == 0 }

// Snapshot passes on or fails.
func (f *Faults) Snapshot(ctx context.Context) (kv.Snapshot, error) {
	if f.due() {
		return nil, ErrInjected
	}
	s, err := f.Engine.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return faultySnapshot{s, f}, nil
}

// Commit passes on or fails.
func (f *Faults) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	if !f.due() {
		return f.Engine.Commit(ctx, r)
	}
	if f.applied.Load() {
		if _, err := f.Engine.Commit(ctx, r); err != nil {
			return 0, err
		}
		return 0, kv.ErrUnknownOutcome
	}
	return 0, ErrInjected
}

type faultySnapshot struct {
	kv.Snapshot
	f *Faults
}

func (s faultySnapshot) Read(ctx context.Context, keys [][]byte) ([]kv.Item, error) {
	if s.f.due() {
		return nil, ErrInjected
	}
	return s.Snapshot.Read(ctx, keys)
}

func (s faultySnapshot) Scan(ctx context.Context, r kv.Range) ([]kv.Item, error) {
	if s.f.due() {
		return nil, ErrInjected
	}
	return s.Snapshot.Scan(ctx, r)
}
