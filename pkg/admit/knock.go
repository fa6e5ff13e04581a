package admit

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/linli-project/linli/pkg/clock"
)

// knockEvery is how often a process knocks at its own door.
const knockEvery = 10 * time.Millisecond

// Knock measures how long a call waits before this process looks at it, which
// nothing that stands behind the sockets can see: where calls keep the cores
// busy, those that came wait in the sockets and in the runtime's scheduler, and
// a gate finds nobody in it. It writes a byte into a pipe and waits for it as a
// connection waits for its next call, so that the byte is come to in the order
// of arrival, with the calls that came with it.
//
// It is made by NewKnock, asked by the gates that Behind it, and ended by Close.
// It is safe for concurrent use.
type Knock struct {
	wall    clock.Clock
	in, out *os.File
	stop    chan struct{}
	ended   sync.WaitGroup

	calls   atomic.Uint64 // that were looked at
	refused atomic.Uint32 // the share of them that is refused, of math.MaxUint32

	mu     sync.Mutex
	delays delays
	at     time.Time // of the knock that is waiting; zero: none is
	before uint64    // calls that were looked at by then
}

// NewKnock begins to knock. More than l.Queue calls that wait longer than l.Delay
// are too many.
func NewKnock(l Limits, wall clock.Clock) (*Knock, error) {
	in, out, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe to knock at: %w", err)
	}
	k := &Knock{wall: wall, in: in, out: out, stop: make(chan struct{}), delays: delays{limit: max(l.Delay, knockEvery), crowd: uint64(l.Queue)}}
	k.ended.Go(k.ask)
	k.ended.Go(k.answer)
	return k, nil
}

// Close ends it; nothing is refused from then on.
func (k *Knock) Close() error {
	close(k.stop)
	err := errors.Join(k.out.Close(), k.in.Close())
	k.ended.Wait()
	k.refused.Store(0)
	return err
}

// ask knocks when the last knock was answered; as long as it was not, its age so
// far is what a call waits at least.
func (k *Knock) ask() {
	tick := time.NewTicker(knockEvery)
	defer tick.Stop()
	for {
		select {
		case <-k.stop:
			return
		case <-tick.C:
			if !k.tick(k.wall.Now()) {
				continue
			}
			if _, err := k.out.Write([]byte{0}); err != nil {
				return // it was closed
			}
		}
	}
}

// tick says whether it is time to knock.
func (k *Knock) tick(now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.at.IsZero() {
		k.at, k.before = now, k.calls.Load()
		return true
	}
	if age := now.Sub(k.at); age > k.delays.last {
		k.sample(now, age)
	}
	return false
}

func (k *Knock) answer() {
	for b := make([]byte, 1); ; {
		if _, err := k.in.Read(b); err != nil {
			return // it was closed
		}
		k.answered(k.wall.Now())
	}
}

func (k *Knock) answered(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sample(now, now.Sub(k.at))
	k.at = time.Time{}
}

func (k *Knock) sample(now time.Time, waits time.Duration) {
	share := k.delays.sample(now, waits, k.calls.Load()-k.before)
	k.refused.Store(uint32(share * math.MaxUint32))
}

// spread makes of numbers in a row such as fill a range evenly at any time, in
// no order: they are steps of the golden ratio.
const spread = 2654435769

// refuses counts a call that is looked at, and says whether it is one of those
// that are refused. It costs less than a draw of chance, and has no streaks.
func (k *Knock) refuses() bool {
	if k == nil {
		return false
	}
	n := k.calls.Add(1)
	share := k.refused.Load()
	return share > 0 && uint32(n*spread) <= share
}

// Delay is what a call waited for at last before it was looked at.
func (k *Knock) Delay() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.delays.last
}

// Collector is its metric.
func (k *Knock) Collector() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "linli_admission_delay_seconds", Help: "How long a call waits before this process looks at it.",
	}, func() float64 { return k.Delay().Seconds() })
}
