// Package clock is the only place that asks the machine for the time.
//
// There are two clocks. The wall clock dates what the house itself does: ids,
// outbox and inbox marks, audit, leases, tokens, idempotency keys. The civil
// clock dates what people do: campaigns, deadlines, postings. They differ only
// where a development folder lives through another year.
package clock

import (
	"sync"
	"time"
	_ "time/tzdata" // days are Shanghai days on machines without a zone database
)

// Clock answers the current instant.
type Clock interface{ Now() time.Time }

// Func makes a Clock of a function.
type Func func() time.Time

// Now calls f.
func (f Func) Now() time.Time { return f() }

// Wall is the machine's clock.
func Wall() Clock { return Func(time.Now) }

// Shanghai is where a day begins and ends unless the district says otherwise.
func Shanghai() *time.Location { return shanghai() }

// shanghai is read from the embedded database once.
var shanghai = sync.OnceValue(func() *time.Location {
	loc, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		panic("clock: the embedded zone database has no Asia/Shanghai: " + err.Error())
	}
	return loc
})

// Day answers the Shanghai day of an instant as "2006-01-02".
func Day(t time.Time) string { return t.In(Shanghai()).Format(time.DateOnly) }

// Civil is a clock that stands where it was set and is moved forward only; not
// set, it follows the wall clock. It is safe for concurrent use.
type Civil struct {
	wall Clock

	mu  sync.RWMutex
	set time.Time // zero: follows the wall clock
}

// NewCivil makes a civil clock that stands at set, or follows wall if set is zero.
func NewCivil(wall Clock, set time.Time) *Civil { return &Civil{wall: wall, set: set} }

// Now answers where the clock stands.
func (c *Civil) Now() time.Time {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.set.IsZero() {
		return c.wall.Now()
	}
	return c.set
}

// Movable says whether the clock was set when its folder was made.
func (c *Civil) Movable() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return !c.set.IsZero()
}

// Advance moves the clock to t. It answers false and moves nothing when t is
// before the present or the clock follows the wall.
func (c *Civil) Advance(t time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.set.IsZero() || t.Before(c.set) {
		return false
	}
	c.set = t
	return true
}
