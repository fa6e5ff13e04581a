package admit_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linli-project/linli/pkg/admit"
	"github.com/linli-project/linli/pkg/clock"
)

// Time in these tests is that of a bubble of testing/synctest: it moves when all
// wait, and nobody sleeps.

// call is one caller of a gate, as the test sees it.
type call struct {
	id     int
	cancel context.CancelFunc
	until  time.Time // of the model: when its patience ends
	answer chan error
}

// party is a gate with its callers, and the model beside it.
type party struct {
	t       *testing.T
	gate    *admit.Gate
	size    admit.Size
	under   []*call
	waiting []*call
	next    int
}

func newParty(t *testing.T, s admit.Size) *party {
	return &party{t: t, gate: admit.NewGate(s, clock.Wall()), size: s}
}

func (p *party) enter() *call {
	ctx, cancel := context.WithCancel(context.Background())
	c := &call{id: p.next, cancel: cancel, until: time.Now().Add(p.size.Wait), answer: make(chan error, 1)}
	p.next++
	go func() { c.answer <- p.gate.Enter(ctx) }()
	synctest.Wait()
	return c
}

// told answers what a call was told so far; false while it waits.
func (c *call) told() (error, bool) {
	select {
	case err := <-c.answer:
		return err, true
	default:
		return nil, false
	}
}

func (p *party) expect(c *call, what string, want error) {
	p.t.Helper()
	if err, ok := c.told(); !ok || !errors.Is(err, want) {
		p.t.Fatalf("%s: call %d was told %v (%t), want %v", what, c.id, err, ok, want)
	}
}

func (p *party) expectWaiting(c *call) {
	p.t.Helper()
	if err, ok := c.told(); ok {
		p.t.Fatalf("call %d does not wait: %v", c.id, err)
	}
}

func TestGate_LetsInRefusesAndHandsOverInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, admit.Size{Under: 2, Queue: 2, Wait: time.Second})
		a, b, c, d, e := p.enter(), p.enter(), p.enter(), p.enter(), p.enter()
		p.expect(a, "first", nil)
		p.expect(b, "second", nil)
		p.expectWaiting(c)
		p.expectWaiting(d)
		p.expect(e, "one more than the queue holds", admit.ErrBusy)
		if !p.gate.Refuses() {
			t.Error("a full queue is not crowded")
		}
		p.gate.Leave()
		synctest.Wait()
		p.expect(c, "the one that waited longest", nil)
		p.expectWaiting(d)
		d.cancel()
		synctest.Wait()
		p.expect(d, "cancelled", context.Canceled)
		f := p.enter()
		p.expectWaiting(f)
		pass(time.Second)
		synctest.Wait()
		p.expect(f, "after its patience", admit.ErrBusy)
		p.gate.Leave()
		p.gate.Leave()
		want := admit.Counts{Admitted: 3, Refused: 3, Gone: 1}
		if got := p.gate.Counts(); got != want {
			t.Errorf("counts %+v", got)
		}
	})
}

func TestGate_AnEndedContextIsNotLetIn(t *testing.T) {
	g := admit.NewGate(admit.Size{Under: 1, Queue: 1, Wait: time.Second}, clock.Wall())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Enter(ctx); !errors.Is(err, context.Canceled) || g.Counts() != (admit.Counts{}) {
		t.Errorf("%v, %+v", err, g.Counts())
	}
}

// TestGate_RefusesAtOnceWhoWouldNotHaveItsTurn: turns came every 100 ms, so of
// those who may wait for a second, the eleventh in the queue need not try.
func TestGate_RefusesAtOnceWhoWouldNotHaveItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, admit.Size{Under: 1, Queue: 100, Wait: time.Second})
		p.expect(p.enter(), "first", nil)
		for range 40 { // the pace becomes known
			p.expectWaiting(p.enter())
			pass(100 * time.Millisecond)
			p.gate.Leave()
			synctest.Wait()
		}
		for range 10 {
			p.expectWaiting(p.enter())
		}
		p.expect(p.enter(), "behind ten at this pace", admit.ErrBusy)
		for range 10 {
			p.gate.Leave()
		}
		synctest.Wait()
		if got := p.gate.Counts(); got.Waiting != 0 || got.Admitted != 51 {
			t.Errorf("counts %+v", got)
		}
	})
}

// TestGate_ARoundMayAlwaysWait: a stall makes the pace look hopeless; that must
// not keep everybody out once it is over.
func TestGate_ARoundMayAlwaysWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, admit.Size{Under: 2, Queue: 9, Wait: time.Second})
		p.expect(p.enter(), "first", nil)
		p.expect(p.enter(), "second", nil)
		p.expectWaiting(p.enter())
		pass(900 * time.Millisecond)
		p.gate.Leave()
		synctest.Wait()
		p.expectWaiting(p.enter())
		p.expectWaiting(p.enter())
		p.expect(p.enter(), "behind a whole round at this pace", admit.ErrBusy)
		p.gate.Leave()
		p.gate.Leave()
		synctest.Wait()
		p.gate.Leave()
		p.gate.Leave()
		if got := p.gate.Counts(); got.Under != 0 || got.Waiting != 0 {
			t.Errorf("counts %+v", got)
		}
	})
}

// TestGate_RandomCommandsMatchTheModel plays entering, leaving, cancelling and
// waiting against a model of two lists. Wait is short and the queue no longer
// than a round, so that the pace refuses nobody: it has its own tests.
func TestGate_RandomCommandsMatchTheModel(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			chance := rand.New(rand.NewPCG(seed, 1))
			under := 1 + chance.IntN(4)
			p := newParty(t, admit.Size{Under: under, Queue: chance.IntN(under + 1), Wait: time.Second})
			for range 150 {
				p.step(chance)
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
			p.leaveAll()
		})
	}
}

// step runs one command on the gate and on the model, and compares.
func (p *party) step(chance *rand.Rand) {
	switch n := chance.IntN(10); {
	case n < 4:
		c := p.enter()
		switch {
		case len(p.under) < p.size.Under:
			p.expect(c, "there is room", nil)
			p.under = append(p.under, c)
		case len(p.waiting) < p.size.Queue:
			p.expectWaiting(c)
			p.waiting = append(p.waiting, c)
		default:
			p.expect(c, "there is no room", admit.ErrBusy)
		}
	case n < 7 && len(p.under) > 0:
		p.leave(chance.IntN(len(p.under)))
	case n < 8 && len(p.waiting) > 0:
		i := chance.IntN(len(p.waiting))
		c := p.waiting[i]
		p.waiting = slices.Delete(p.waiting, i, i+1)
		c.cancel()
		synctest.Wait()
		p.expect(c, "cancelled", context.Canceled)
	default:
		pass(time.Duration(chance.IntN(700)) * time.Millisecond)
		synctest.Wait()
		for len(p.waiting) > 0 && !p.waiting[0].until.After(time.Now()) {
			p.expect(p.waiting[0], "its patience is over", admit.ErrBusy)
			p.waiting = p.waiting[1:]
		}
	}
	got := p.gate.Counts()
	if got.Under != len(p.under) || got.Waiting != len(p.waiting) {
		p.t.Errorf("%d under way and %d waiting, want %d and %d", got.Under, got.Waiting, len(p.under), len(p.waiting))
	}
}

func (p *party) leave(i int) {
	p.under = slices.Delete(p.under, i, i+1)
	p.gate.Leave()
	synctest.Wait()
	if len(p.waiting) > 0 {
		p.expect(p.waiting[0], "its turn", nil)
		p.under = append(p.under, p.waiting[0])
		p.waiting = p.waiting[1:]
	}
}

func (p *party) leaveAll() {
	for len(p.under) > 0 {
		p.leave(0)
	}
	if got := p.gate.Counts(); got.Under != 0 || got.Waiting != 0 {
		p.t.Errorf("at the end %+v", got)
	}
}

// TestGate_NeverMoreThanUnderAtOnce lets many goroutines through a gate, some of
// which give up at a random moment: never more than Under are in it, and no
// place is lost.
func TestGate_NeverMoreThanUnderAtOnce(t *testing.T) {
	const under = 3
	g := admit.NewGate(admit.Size{Under: under, Queue: 20, Wait: time.Minute}, clock.Wall())
	var inside, most, let, turned atomic.Int64
	var all sync.WaitGroup
	for worker := range uint64(32) {
		all.Go(func() {
			chance := rand.New(rand.NewPCG(worker, 2))
			for range 500 {
				ctx, cancel := context.WithCancel(context.Background())
				if chance.IntN(3) == 0 {
					go cancel()
				}
				err := g.Enter(ctx)
				if err != nil {
					turned.Add(1)
					cancel()
					continue
				}
				now := inside.Add(1)
				for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
				}
				let.Add(1)
				inside.Add(-1)
				g.Leave()
				cancel()
			}
		})
	}
	all.Wait()
	got := g.Counts()
	if most.Load() > under || got.Under != 0 || got.Waiting != 0 {
		t.Errorf("%d at once, at the end %+v", most.Load(), got)
	}
	// A call that is told its turn while its context ends counts as let in.
	if int64(got.Admitted) != let.Load() || let.Load()+turned.Load() != 32*500 {
		t.Errorf("let in %d, turned away %d, counted %+v", let.Load(), turned.Load(), got)
	}
	for range under {
		if err := g.Enter(t.Context()); err != nil {
			t.Errorf("a place was lost: %v", err)
		}
	}
}

func TestBudget_NeverHoldsMoreThanItHas(t *testing.T) {
	b := admit.NewBudget(100)
	if !b.Take(60) || b.Take(41) || !b.Take(40) || b.Take(1) {
		t.Error("it counts wrong")
	}
	b.Give(100)
	var all sync.WaitGroup
	var held, most atomic.Int64
	for range 16 {
		all.Go(func() {
			for range 1000 {
				if !b.Take(9) {
					continue
				}
				now := held.Add(9)
				for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
				}
				held.Add(-9)
				b.Give(9)
			}
		})
	}
	all.Wait()
	if most.Load() > 100 || b.Left() != 100 {
		t.Errorf("%d bytes at once, %d left", most.Load(), b.Left())
	}
}

func TestLimits_ParseReadsOverTheDefaults(t *testing.T) {
	got, err := admit.Defaults(4).Parse("reads=7, wait=20ms,megabytes=3")
	want := admit.Defaults(4)
	want.Reads, want.Wait, want.Bytes = 7, 20*time.Millisecond, 3<<20
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"reads", "reads=0", "reads=x", "speed=9", "wait=-1s", "wait=9"} {
		if _, err := admit.Defaults(1).Parse(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestGates_EveryClassHasItsOwn(t *testing.T) {
	l := admit.Defaults(1)
	l.Bulk = 1
	gates := admit.NewGates(l, clock.Wall())
	if err := gates[admit.Bulk].Enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []admit.Class{admit.Read, admit.Write, admit.Stream, admit.Inner} {
		if err := gates[c].Enter(t.Context()); err != nil || gates[c].Counts().Under != 1 {
			t.Errorf("%s: %v, %+v", c, err, gates[c].Counts())
		}
	}
}

// TestGate_TurnsThatComeInRoundsAreNoSlowPace: 256 callers who wait for each
// answer, 64 at once, each round 60 ms: their turn comes within 240 ms, so
// nobody is refused however uneven the turns are.
func TestGate_TurnsThatComeInRoundsAreNoSlowPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := admit.NewGate(admit.Size{Under: 64, Queue: 256, Wait: 500 * time.Millisecond}, clock.Wall())
		round := sync.NewCond(&sync.Mutex{})
		begun := 0
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 256 {
			all.Go(func() {
				for ctx.Err() == nil {
					if err := g.Enter(ctx); errors.Is(err, admit.ErrBusy) {
						t.Error(err)
						return
					} else if err != nil {
						return
					}
					round.L.Lock()
					for mine := begun; mine == begun && ctx.Err() == nil; {
						round.Wait()
					}
					round.L.Unlock()
					g.Leave()
				}
			})
		}
		for range 50 {
			pass(60 * time.Millisecond)
			round.L.Lock()
			begun++
			round.L.Unlock()
			round.Broadcast()
			synctest.Wait()
		}
		cancel()
		round.Broadcast()
		all.Wait()
		if c := g.Counts(); c.Refused > 0 || c.Admitted < 3000 {
			t.Errorf("%+v", c)
		}
	})
}

// pass lets time go by on the bubble's clock.
func pass(d time.Duration) { <-time.After(d) }
