package admit

import "time"

// sustained is how long a delay lasts before it is more than a stall: a
// collection of garbage, a neighbour on the machine, a disk that thinks.
const sustained = 300 * time.Millisecond

// fewFor is how long no more calls than may wait are before each sample until
// overload is over in any case: who calls again and again whatever is answered is
// not refused for ever. Where there are more calls after all, as there may be of
// calls that cost much, it is found out again, every so long.
const fewFor = 30 * time.Second

// delays decides from how long calls wait before anybody looks at them whether
// there are more than can be carried, and how many of them are then refused. It
// has no clock and does nothing.
//
// Overload begins when for a while every sample was above the limit and had more
// calls before it than may wait: few callers who wait for each answer are let
// wait, and work that is no call is not mended by refusing calls. It ends when
// for a while every sample was below a tenth of the limit, or for longer had few
// calls before it. In between the share grows from there to a quarter, where
// everybody is refused: so the delay settles where what is let in and the
// refusing of the rest are together what can be done.
type delays struct {
	limit time.Duration
	crowd uint64

	over             bool
	late, quick, few spell
	last             time.Duration
}

// sample is told how long a call waits now, with how many before it, and answers
// the share of calls that is to be refused from now on, from 0 to 1.
func (d *delays) sample(now time.Time, waits time.Duration, before uint64) float64 {
	d.last = waits
	low, high := d.limit/10, d.limit/4
	crowded := before > d.crowd
	late, quick, few := d.late.lasts(now, waits > d.limit && crowded), d.quick.lasts(now, waits < low), d.few.lasts(now, !crowded)
	if d.over {
		d.over = quick < sustained && few < fewFor
	} else {
		d.over = late >= sustained
	}
	if !d.over {
		return 0
	}
	return min(1, max(0, float64(waits-low)/float64(high-low)))
}

// spell is a time in which something is so.
type spell struct{ since time.Time }

// lasts answers for how long it has been so.
func (s *spell) lasts(now time.Time, so bool) time.Duration {
	switch {
	case !so:
		s.since = time.Time{}
		return 0
	case s.since.IsZero():
		s.since = now
	}
	return now.Sub(s.since)
}
