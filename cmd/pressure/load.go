package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linli-project/linli/pkg/clock"
)

// One call in createEvery creates; the others get.
const createEvery = 5

// tally is what became of the calls of a load.
type tally struct {
	offered, unsent, broken, odd int
	// withoutRetry are refusals that do not say when to come again.
	withoutRetry int
	// admitted, refused and late in microseconds: from sending to the whole
	// answer, and from when it was due to sending.
	admitted, refused, late []uint32
	created                 []string
	took                    time.Duration
	firstOdd                string
}

func (t *tally) add(o *tally) {
	t.broken += o.broken
	t.odd += o.odd
	t.withoutRetry += o.withoutRetry
	t.admitted = append(t.admitted, o.admitted...)
	t.refused = append(t.refused, o.refused...)
	t.late = append(t.late, o.late...)
	t.created = append(t.created, o.created...)
	if t.firstOdd == "" {
		t.firstOdd = o.firstOdd
	}
}

// rate is admitted calls a second.
func (t *tally) rate() float64 { return float64(len(t.admitted)) / t.took.Seconds() }

// at answers a quantile in milliseconds.
func at(micros []uint32, q float64) float64 {
	if len(micros) == 0 {
		return 0
	}
	slices.Sort(micros)
	return float64(micros[min(len(micros)-1, int(q*float64(len(micros))))]) / 1000
}

// load offers calls over connections.
type load struct {
	address string
	gets    [][]byte
	create  []byte
	wall    clock.Clock
}

// offer sends rate calls a second for a time, whatever becomes of them: each
// takes a connection that is free. Calls that find none for a while wait, and
// those beyond are counted as unsent: then the generator was the bottleneck.
func (l *load) offer(ctx context.Context, connections int, rate float64, lasts time.Duration) (*tally, error) {
	due := make(chan int64, connections) // microseconds since began
	began := l.wall.Now()
	total := &tally{}
	workers, err := l.workers(connections)
	if err != nil {
		return nil, err
	}
	var all sync.WaitGroup
	for _, w := range workers {
		all.Go(func() {
			for at := range due {
				w.mine.late = append(w.mine.late, uint32(max(0, l.wall.Now().Sub(began).Microseconds()-at)))
				w.one()
			}
		})
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for elapsed := time.Duration(0); elapsed < lasts && ctx.Err() == nil; elapsed = l.wall.Now().Sub(began) {
		for ; total.offered < int(rate*elapsed.Seconds()); total.offered++ {
			select {
			case due <- int64(float64(total.offered) / rate * 1e6):
			default:
				total.unsent++
			}
		}
		<-tick.C
	}
	close(due)
	total.took = l.wall.Now().Sub(began)
	all.Wait()
	return l.gather(total, workers), ctx.Err()
}

// closed has so many connections call as fast as they are answered.
func (l *load) closed(ctx context.Context, connections int, lasts time.Duration) (*tally, error) {
	workers, err := l.workers(connections)
	if err != nil {
		return nil, err
	}
	began := l.wall.Now()
	var all sync.WaitGroup
	for _, w := range workers {
		all.Go(func() {
			for l.wall.Now().Sub(began) < lasts && ctx.Err() == nil {
				w.one()
			}
		})
	}
	all.Wait()
	return l.gather(&tally{took: l.wall.Now().Sub(began)}, workers), ctx.Err()
}

func (l *load) gather(total *tally, workers []*worker) *tally {
	for _, w := range workers {
		total.add(&w.mine)
		if w.wire != nil {
			_ = w.wire.conn.Close()
		}
	}
	return total
}

func (l *load) workers(n int) ([]*worker, error) {
	next := &atomic.Uint64{}
	out := make([]*worker, n)
	for i := range out {
		w, err := dial(l.address)
		if err != nil {
			return nil, err
		}
		out[i] = &worker{load: l, wire: w, next: next}
	}
	return out, nil
}

// worker is one connection with its tally.
type worker struct {
	load *load
	wire *wire
	next *atomic.Uint64
	mine tally
	buf  [8 << 10]byte
}

// one makes the next call of the mix.
func (w *worker) one() {
	if w.wire == nil {
		var err error
		if w.wire, err = dial(w.load.address); err != nil {
			w.mine.broken++
			return
		}
	}
	n := w.next.Add(1)
	creates := n%createEvery == 0
	message := w.load.create
	if !creates {
		message = w.load.gets[int(n*2654435761)%len(w.load.gets)]
	}
	began := w.load.wall.Now()
	r, err := w.wire.call(message, w.buf[:])
	took := uint32(w.load.wall.Now().Sub(began).Microseconds())
	switch {
	case err != nil:
		w.mine.broken++
		_ = w.wire.conn.Close()
		w.wire = nil
		return
	case r.status == 200:
		w.mine.admitted = append(w.mine.admitted, took)
		if creates {
			w.mine.created = append(w.mine.created, idOf(r.body))
		}
	case r.status == 429 || r.status == 503:
		w.mine.refused = append(w.mine.refused, took)
		if !r.retryAfter {
			w.mine.withoutRetry++
		}
	default:
		w.mine.odd++
		w.mine.firstOdd = fmt.Sprintf("%d %s", r.status, r.body)
	}
	if r.closes {
		_ = w.wire.conn.Close()
		w.wire = nil
	}
}
