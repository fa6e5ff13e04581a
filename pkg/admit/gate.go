// Package admit keeps what is under way at once within what the machine can
// carry. A Gate counts calls, a Budget counts bytes; what does not fit is
// refused at once, so that what is let in is answered in time.
package admit

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linli-project/linli/pkg/clock"
)

// ErrBusy says that a call was not let in; it has changed nothing and may be
// sent again a little later.
var ErrBusy = errors.New("admit: too much is under way")

// Size of a gate.
type Size struct {
	// Under is how many calls are under way at once, at least 1.
	Under int
	// Queue is how many more may wait for their turn; 0 = nobody waits.
	Queue int
	// Wait is the longest that one waits before it is refused.
	Wait time.Duration
}

// Gate lets at most Under calls through at once. Others wait in order of
// arrival, at most Queue of them and none longer than Wait. A call that finds
// so many before it that it would not have its turn within Wait, at the pace
// of the last ones, is refused at once. It is safe for concurrent use.
type Gate struct {
	size  Size
	wall  clock.Clock
	knock *Knock // nil: what waits before the gate is not looked at
	late  atomic.Uint64

	mu     sync.Mutex
	under  int
	queue  list.List // of *waiter, longest first
	pace   pace
	counts Counts
}

// leastRound is over how many turns the pace is smoothed where few are under way
// at once.
const leastRound = 8

// Counts of a gate since it was made, and what is in it now.
type Counts struct {
	Under, Waiting int
	// Admitted, Refused and Gone (the caller went while it waited).
	Admitted, Refused, Gone uint64
	// Late were refused for the delay that the process's knock found.
	Late uint64
}

// waiter is a call in the queue. turn has room for the one word it is told, so
// that nobody waits for somebody who goes.
type waiter struct{ turn chan struct{} }

// NewGate makes a gate; wall is for the pace of its queue.
func NewGate(s Size, wall clock.Clock) *Gate {
	return &Gate{size: s, wall: wall, pace: pace{round: max(s.Under, 1)}}
}

// Enter answers nil when the call may go on: Leave must follow. It answers
// ErrBusy when there is no room in time, and the context's error when it ends
// first.
func (g *Gate) Enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.mu.Lock()
	if g.under < g.size.Under {
		g.under++
		g.counts.Admitted++
		g.mu.Unlock()
		return nil
	}
	if g.crowded() {
		g.counts.Refused++
		g.mu.Unlock()
		return ErrBusy
	}
	if g.queue.Len() == 0 {
		g.pace.begin(g.wall.Now())
	}
	w := &waiter{turn: make(chan struct{}, 1)}
	place := g.queue.PushBack(w)
	g.mu.Unlock()
	return g.await(ctx, w, place)
}

func (g *Gate) await(ctx context.Context, w *waiter, place *list.Element) error {
	patience := time.NewTimer(g.size.Wait)
	defer patience.Stop()
	var why error
	select {
	case <-w.turn:
		return nil
	case <-patience.C:
		why = ErrBusy
	case <-ctx.Done():
		why = ctx.Err()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-w.turn: // it came at the same moment, and is taken rather than lost
		return nil
	default:
	}
	g.queue.Remove(place)
	if errors.Is(why, ErrBusy) {
		g.counts.Refused++
	} else {
		g.counts.Gone++
	}
	return why
}

// Leave ends a call that was let in, and hands its place to the one that has
// waited longest.
func (g *Gate) Leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	first := g.queue.Front()
	if first == nil {
		g.under--
		return
	}
	g.queue.Remove(first)
	g.counts.Admitted++
	g.pace.step(g.wall.Now())
	first.Value.(*waiter).turn <- struct{}{}
}

// Refuses says whether a call is sent away before anything is spent on it: where
// Enter would refuse now, or where too many stand before the gate. It counts
// such a call as refused.
func (g *Gate) Refuses() bool {
	if g.knock.refuses() {
		g.late.Add(1)
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.under < g.size.Under || !g.crowded() {
		return false
	}
	g.counts.Refused++
	return true
}

// crowded says whether the queue has no place that would be served in time. As
// many as are under way may always wait: they are the next round, and how long
// a round takes is only known when it is over.
func (g *Gate) crowded() bool {
	n := g.queue.Len()
	if n >= g.size.Queue {
		return true
	}
	return n >= g.size.Under && time.Duration(n+1)*g.pace.each > g.size.Wait
}

// Counts answers what went through so far.
func (g *Gate) Counts() Counts {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.counts
	c.Under, c.Waiting, c.Late = g.under, g.queue.Len(), g.late.Load()
	return c
}

// pace is the time from one turn to the next while somebody waits. Turns come in
// rounds, as the commits of writes do: nothing for a while, then as many as are
// under way at once. So it is smoothed over two rounds.
type pace struct {
	round int // turns of one
	each  time.Duration
	last  time.Time
}

// begin: the queue has its first waiter. Idle time before is nobody's pace.
func (p *pace) begin(now time.Time) { p.last = now }

func (p *pace) step(now time.Time) {
	took := now.Sub(p.last)
	p.last = now
	if p.each == 0 {
		p.each = took / time.Duration(p.round) // the first turn ends a round
		return
	}
	p.each += (took - p.each) / time.Duration(2*max(p.round, leastRound))
}
