package kv

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// ConflictError is an ErrConflict that says which key was changed by somebody
// else. Its text does not: a key can hold what is nobody's business.
type ConflictError struct{ Key []byte }

func (e *ConflictError) Error() string { return ErrConflict.Error() }

// Unwrap answers ErrConflict.
func (e *ConflictError) Unwrap() error { return ErrConflict }

// errQueueFull joins the conflict of an Update that was not let in.
var errQueueFull = errors.New("kv: too many wait for one key")

// latches let the Updates that fight over a key pass one after the other. A key
// has a latch from the first conflict over it until nobody holds or awaits it:
// while there is no conflict there is no latch, and an Update pays one atomic
// load.
type latches struct {
	longest int          // queue at one key; below 0: no latches at all
	hot     atomic.Int64 // len(keys), for those who need no lock to see 0
	mu      sync.Mutex
	keys    map[string]*latch
}

// latch is held by one Update as long as it stands in latches.keys. Those that
// wait are let in in the order in which they came.
type latch struct{ waiting []chan struct{} }

// acquire waits for the latch of a key until the context ends.
func (l *latches) acquire(ctx context.Context, key string) error {
	l.mu.Lock()
	at := l.keys[key]
	if at == nil {
		l.keys[key] = &latch{}
		l.hot.Add(1)
		l.mu.Unlock()
		return nil
	}
	if len(at.waiting) >= l.longest {
		l.mu.Unlock()
		return errQueueFull
	}
	turn := make(chan struct{})
	at.waiting = append(at.waiting, turn)
	l.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		l.leave(key, turn)
		return ctx.Err()
	}
}

// leave takes a waiter out of the queue. One whose turn came in the same moment
// lets the next one in.
func (l *latches) leave(key string, turn chan struct{}) {
	l.mu.Lock()
	at := l.keys[key]
	if i := slices.Index(at.waiting, turn); i >= 0 {
		at.waiting = slices.Delete(at.waiting, i, i+1)
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	l.release(key)
}

// release hands the latch to the one that waits longest, or takes it away.
func (l *latches) release(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.keys[key]
	if len(at.waiting) == 0 {
		delete(l.keys, key)
		l.hot.Add(-1)
		return
	}
	close(at.waiting[0])
	at.waiting = slices.Delete(at.waiting, 0, 1)
}

// taken answers a key that a request would write and that somebody else holds
// the latch of. Committing it would cost that one its turn.
func (l *latches) taken(writes []Write, mine *hold) error {
	if l.hot.Load() == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range writes {
		if l.keys[string(w.Key)] != nil && !mine.keys[string(w.Key)] {
			return &ConflictError{Key: w.Key}
		}
	}
	return nil
}

// hold is what one Update holds.
type hold struct {
	latches *latches
	keys    map[string]bool
}

// extend takes the latch of the key that a conflict was about and reports
// whether it did: it does not for a key that is held already or not known.
// All are taken in the order of their keys, so that no two Updates wait for
// each other; that is why those it has are given back first.
func (h *hold) extend(ctx context.Context, conflict error) (bool, error) {
	var c *ConflictError
	if h.latches.longest < 0 || !errors.As(conflict, &c) || h.keys[string(c.Key)] {
		return false, nil
	}
	wanted := append(slices.Collect(maps.Keys(h.keys)), string(c.Key))
	slices.Sort(wanted)
	h.release()
	for _, k := range wanted {
		if err := h.latches.acquire(ctx, k); err != nil {
			return false, fmt.Errorf("wait for a key: %w", err)
		}
		if h.keys == nil {
			h.keys = map[string]bool{}
		}
		h.keys[k] = true
	}
	return true, nil
}

func (h *hold) release() {
	for k := range h.keys {
		h.latches.release(k)
	}
	h.keys = nil
}
