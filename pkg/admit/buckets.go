package admit

import (
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"

	"github.com/linli-project/linli/pkg/clock"
)

// Rate is how often somebody may do something: so often a second in the long
// run, and Burst at once after a rest.
type Rate struct {
	PerSecond float64
	Burst     int
}

// buckets are one token bucket for each of at most so many keys. The one that
// was used least lately makes room: it is full again, or belongs to one of very
// many.
type buckets struct {
	rate Rate
	wall clock.Clock

	mu  sync.Mutex
	all *simplelru.LRU[string, *rate.Limiter]
}

func newBuckets(r Rate, most int, wall clock.Clock) (*buckets, error) {
	all, err := simplelru.NewLRU[string, *rate.Limiter](most, nil)
	if err != nil {
		return nil, err
	}
	return &buckets{rate: r, wall: wall, all: all}, nil
}

// take answers 0 when the key may, else how long it has to wait. Who has to wait
// is not charged.
func (b *buckets) take(key string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.wall.Now()
	r := b.of(key).ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// left answers as take does and takes nothing.
func (b *buckets) left(key string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, known := b.all.Get(key)
	if !known {
		return 0
	}
	missing := 1 - l.TokensAt(b.wall.Now())
	if missing <= 0 {
		return 0
	}
	return time.Duration(missing / b.rate.PerSecond * float64(time.Second))
}

func (b *buckets) of(key string) *rate.Limiter {
	l, known := b.all.Get(key)
	if !known {
		l = rate.NewLimiter(rate.Limit(b.rate.PerSecond), b.rate.Burst)
		b.all.Add(key, l)
	}
	return l
}

// network is what one subscriber has of the addresses: one of IPv4, and of IPv6
// the 2^64 that a household gets. An address that is none is a key as it stands.
func network(address string) (key string, loopback bool) {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address, false
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() && !ip.IsLoopback() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr().String(), false
		}
	}
	return ip.String(), ip.IsLoopback()
}
