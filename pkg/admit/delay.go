package admit

import "time"

// sustained is how long a delay lasts before it is more than a stall: a
// collection of garbage, a neighbour on the machine, a disk that thinks.
const sustained = 300 * time.Millisecond

// delays decides from how long calls wait before anybody looks at them whether
// there are more than can be carried, and how many of them are then refused. It
// has no clock and does nothing.
//
// Overload begins when for a while every sample was above the limit and had more
// calls before it than may wait: few callers who wait for each answer are let
// wait, and work that is no call is not mended by refusing calls. It ends when
// for a while every sample was below a fifth of the limit. In between the share
// grows from there to three fifths, where everybody is refused: so the delay
// settles where what is let in and the refusing of the rest are together what
// can be done.
type delays struct {
	limit time.Duration
	crowd uint64

	over  bool
	since time.Time // from when on each sample spoke for a turn; zero: the last did not
	last  time.Duration
}

// sample is told how long a call waits now, with how many before it, and answers
// the share of calls that is to be refused from now on, from 0 to 1.
func (d *delays) sample(now time.Time, waits time.Duration, before uint64) float64 {
	d.last = waits
	low, high := d.limit/5, 3*d.limit/5
	turning := waits > d.limit && before > d.crowd
	if d.over {
		turning = waits < low
	}
	switch {
	case !turning:
		d.since = time.Time{}
	case d.since.IsZero():
		d.since = now
	case now.Sub(d.since) >= sustained:
		d.over, d.since = !d.over, time.Time{}
	}
	if !d.over {
		return 0
	}
	return min(1, max(0, float64(waits-low)/float64(high-low)))
}
