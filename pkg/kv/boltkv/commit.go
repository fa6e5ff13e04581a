package boltkv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"

	"github.com/linli-project/linli/pkg/kv"
)

// A group is cut at these sizes, so that a clerk's one row waits for a moment
// of an import and never for the whole of it.
const (
	groupRequests = 512
	groupBytes    = 1 << 20
)

// pending is a request that waits for the committer. Its values are sealed by
// the goroutine that asked, so that the committer only moves bytes.
type pending struct {
	checks  []kv.Check
	writes  []kv.Write
	version kv.Version
	bytes   int
	state   atomic.Int32
	answer  chan error // takes one answer without anybody waiting
}

// States of a pending request.
const (
	waiting   int32 = iota
	claimed         // the committer has it
	withdrawn       // its context ended first
)

func newPending(r kv.CommitRequest) *pending {
	p := &pending{checks: r.Checks, writes: r.Writes, version: kv.NewVersion(), answer: make(chan error, 1)}
	for i, w := range p.writes {
		if !w.Delete {
			p.writes[i].Value = kv.Seal(w.Key, p.version, w.Value)
		}
		p.bytes += len(w.Key) + len(p.writes[i].Value)
	}
	return p
}

// Commit hands the request to the committer and waits for its answer. A context
// that ends takes the request back while it is still in the queue; after that
// the outcome is unknown to this caller.
func (e *Engine) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := r.Validate(e.Limits()); err != nil {
		return 0, err
	}
	if len(r.Writes) == 0 {
		return e.validate(ctx, r.Checks)
	}
	size := sizeOf(r)
	if err := e.room.take(ctx, size); err != nil {
		return 0, err
	}
	defer e.room.give(size)
	p := newPending(r)
	if err := e.enqueue(ctx, p); err != nil {
		return 0, err
	}
	select {
	case err := <-p.answer:
		return p.outcome(err)
	case <-ctx.Done():
	}
	if p.state.CompareAndSwap(waiting, withdrawn) {
		p.checks, p.writes = nil, nil // it stays in the queue until its turn, and holds nothing
		return 0, ctx.Err()
	}
	select {
	case err := <-p.answer:
		return p.outcome(err)
	default:
		return 0, fmt.Errorf("%w: %w", kv.ErrUnknownOutcome, ctx.Err())
	}
}

func (p *pending) outcome(err error) (kv.Version, error) {
	if err != nil {
		return 0, err
	}
	return p.version, nil
}

// validate answers a request that writes nothing from the newest state on disk,
// without the committer.
func (e *Engine) validate(ctx context.Context, checks []kv.Check) (kv.Version, error) {
	s, err := e.snapshot(ctx)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(check(s.bucket, checks), s.Close()); err != nil {
		return 0, err
	}
	return kv.NewVersion(), nil
}

func (e *Engine) enqueue(ctx context.Context, p *pending) error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return fmt.Errorf("%w: closed", kv.ErrUnavailable)
	}
	select {
	case e.queue <- p:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commitGroups runs until the queue is closed and empty.
func (e *Engine) commitGroups() {
	defer close(e.done)
	var next *pending
	for {
		first := next
		if first == nil {
			var open bool
			if first, open = <-e.queue; !open {
				return
			}
		}
		var group []*pending
		group, next = e.gather(first)
		e.commitGroup(group)
	}
}

// gather takes what waits, up to the sizes of a group. A request that no longer
// fits is answered as the next one's first.
func (e *Engine) gather(first *pending) (group []*pending, next *pending) {
	group = append(group, first)
	for size := first.bytes; len(group) < groupRequests; {
		select {
		case p := <-e.queue:
			if p == nil { // closed
				return group, nil
			}
			if size += p.bytes; size > groupBytes {
				return group, p
			}
			group = append(group, p)
		default:
			return group, nil
		}
	}
	return group, nil
}

// commitGroup answers every request of the group, and only after the file is
// synced. A group that meets a damaged page is taken one by one: the page is
// not everybody's. What else fails, fails for each.
func (e *Engine) commitGroup(group []*pending) {
	outcomes := make([]error, len(group))
	err := e.write(group, outcomes)
	var d *damage
	if errors.As(err, &d) && len(group) > 1 {
		for _, p := range group {
			p.state.CompareAndSwap(claimed, waiting)
			e.commitGroup([]*pending{p})
		}
		return
	}
	for i, p := range group {
		p.answer <- cmp.Or(err, outcomes[i])
	}
}

// write makes one bbolt transaction of a group. Outcomes hold when it answers
// nil.
func (e *Engine) write(group []*pending, outcomes []error) error {
	if err := e.usable(); err != nil {
		return err
	}
	var tx *bolt.Tx
	var id int
	err := guard(func() error {
		return e.update(func(t *bolt.Tx) error {
			tx, id = t, t.ID()
			return applyGroup(t.Bucket(bucketName()), group, outcomes)
		})
	})
	return e.judge(err, tx, id)
}

// errNothingToWrite rolls a group of mere conflicts back without touching the
// disk.
var errNothingToWrite = errors.New("boltkv: nothing to write")

// applyGroup validates each request and puts its writes into the bucket. A
// request that is not valid gets its own outcome and leaves the others alone.
func applyGroup(b *bolt.Bucket, group []*pending, outcomes []error) error {
	wrote := false
	for i, p := range group {
		if !p.state.CompareAndSwap(waiting, claimed) {
			continue
		}
		if outcomes[i] = check(b, p.checks); outcomes[i] != nil {
			continue
		}
		if err := p.apply(b); err != nil {
			return err
		}
		wrote = true
	}
	if !wrote {
		return errNothingToWrite
	}
	return nil
}

// check compares versions with what stands in the bucket. It answers
// kv.ErrConflict, or kv.ErrCorrupt if one cannot be read.
func check(b *bolt.Bucket, checks []kv.Check) error {
	return guard(func() error {
		for _, c := range checks {
			var version kv.Version
			if stored := b.Get(c.Key); stored != nil {
				var err error
				if version, _, err = kv.Unseal(c.Key, stored); err != nil {
					return err
				}
			}
			if version != c.Version {
				return &kv.ConflictError{Key: c.Key}
			}
		}
		return nil
	})
}

func (p *pending) apply(b *bolt.Bucket) error {
	for _, w := range p.writes {
		var err error
		if w.Delete {
			err = b.Delete(w.Key)
		} else {
			err = b.Put(w.Key, w.Value)
		}
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	return nil
}

// judge says what a bbolt transaction came to. Its id is that of the
// transaction that ended with err.
func (e *Engine) judge(err error, tx *bolt.Tx, id int) error {
	var d *damage
	switch {
	case err == nil:
		e.synced.raise(id)
		return nil
	case errors.Is(err, errNothingToWrite):
		return nil
	case errors.As(err, &d) && (tx == nil || tx.DB() != nil):
		// The panic left the transaction open and bbolt's lock taken.
		e.fail(breakage{err: err, stuck: true})
		return err
	case e.visible(id):
		// Only the last sync can fail so late. Readers would see what the disk
		// may not have.
		e.fail(breakage{err: fmt.Errorf("%w: the disk failed in a commit; open the file again: %w", kv.ErrUnavailable, err)})
		return fmt.Errorf("%w: %w", kv.ErrUnknownOutcome, err)
	case d != nil:
		return err
	}
	return fmt.Errorf("%w: %w", kv.ErrReadOnly, err)
}

// visible says whether readers see transaction id.
func (e *Engine) visible(id int) bool {
	seen := true // what cannot be found out is taken for the worse
	_ = guard(func() error {
		return e.db.View(func(tx *bolt.Tx) error {
			seen = tx.ID() >= id
			return nil
		})
	})
	return seen
}
