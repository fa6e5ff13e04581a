package kv

import (
	"context"
	"fmt"
	"sync"
)

// gate lets commits through and can be shut for a moment, so that the states of
// several databases are taken at one point. Who comes to a shut gate waits; no
// commit fails of it unless its own context ends. It is safe for concurrent use.
type gate struct {
	mu    sync.Mutex
	under int           // commits between pass and leave
	shut  chan struct{} // not nil while shut; closed when the gate opens
	idle  chan struct{} // not nil while somebody waits for under to become 0
}

// pass waits at a shut gate. Who passed must leave.
func (g *gate) pass(ctx context.Context) error {
	for {
		g.mu.Lock()
		shut := g.shut
		if shut == nil {
			g.under++
			g.mu.Unlock()
			return nil
		}
		g.mu.Unlock()
		select {
		case <-shut:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.under--; g.under == 0 && g.idle != nil {
		close(g.idle)
		g.idle = nil
	}
}

// hold shuts the gate and returns when the commits that had passed are done.
func (g *gate) hold(ctx context.Context) (release func(), err error) {
	g.mu.Lock()
	if g.shut != nil {
		g.mu.Unlock()
		return nil, fmt.Errorf("%w: held already", ErrUnavailable)
	}
	shut := make(chan struct{})
	g.shut = shut
	var idle chan struct{}
	if g.under > 0 {
		idle = make(chan struct{})
		g.idle = idle
	}
	g.mu.Unlock()
	var once sync.Once
	release = func() {
		once.Do(func() {
			g.mu.Lock()
			g.shut, g.idle = nil, nil
			g.mu.Unlock()
			close(shut)
		})
	}
	if idle == nil {
		return release, nil
	}
	select {
	case <-idle:
		return release, nil
	case <-ctx.Done():
		release()
		return nil, ctx.Err()
	}
}

// Hold lets no commit begin until release is called, and returns when those
// under way are done: what a View then sees stays the newest state until the
// release. Commits wait meanwhile, so it is for a moment. One hold at a time:
// another is ErrUnavailable. Release may be called more than once.
func (d *Database) Hold(ctx context.Context) (release func(), err error) {
	return d.gate.hold(ctx)
}

// commit passes the gate with what writes.
func (d *Database) commit(ctx context.Context, r CommitRequest) (Version, error) {
	if len(r.Writes) > 0 {
		if err := d.gate.pass(ctx); err != nil {
			return 0, err
		}
		defer d.gate.leave()
	}
	return d.engine.Commit(ctx, r)
}
