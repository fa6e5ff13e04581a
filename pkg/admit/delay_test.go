package admit

import (
	"math"
	"testing"
	"time"
)

const (
	limit = 100 * time.Millisecond
	crowd = 256
)

// TestDelays_OverloadIsWhatLasts: each step says how long calls wait from then
// on, looked at every 10 ms, and the share that is refused at its end.
func TestDelays_OverloadIsWhatLasts(t *testing.T) {
	t.Parallel()
	type step struct {
		lasts, waits time.Duration
		before       uint64
		want         float64
	}
	const ms = time.Millisecond
	for name, steps := range map[string][]step{
		"a stall is none":                   {{200 * ms, 900 * ms, 4000, 0}, {20 * ms, 5 * ms, 10, 0}, {200 * ms, 900 * ms, 4000, 0}},
		"one quick call in between is none": {{280 * ms, 150 * ms, 4000, 0}, {20 * ms, 99 * ms, 400, 0}, {280 * ms, 150 * ms, 4000, 0}},
		"few callers who are slow are none": {{time.Minute, 900 * ms, crowd, 0}},
		"many callers who are quick are":    {{time.Minute, 100 * ms, 4000, 0}},
		"many callers for long are":         {{340 * ms, 101 * ms, crowd + 1, 1}},
		"the share grows with the delay": {
			{400 * ms, 200 * ms, 4000, 1}, {20 * ms, 25 * ms, 4000, 1}, {20 * ms, 19 * ms, 4000, 0.6},
			{20 * ms, 10 * ms, 4000, 0}, {20 * ms, 13 * ms, 4000, 0.2},
		},
		"it is over when calls do not wait for long": {
			{400 * ms, 200 * ms, 4000, 1}, {200 * ms, 9 * ms, 1000, 0}, {20 * ms, 16 * ms, 4000, 0.4},
			{400 * ms, 9 * ms, 1000, 0}, {200 * ms, 500 * ms, 4000, 0},
		},
		"it is over when few have come for long": {
			{400 * ms, 200 * ms, 4000, 1}, {20 * time.Second, 200 * ms, crowd, 1}, {20 * ms, 16 * ms, crowd + 1, 0.4},
			{29 * time.Second, 200 * ms, crowd, 1}, {2 * time.Second, 200 * ms, crowd, 0},
		},
	} {
		d, now := delays{limit: limit, crowd: crowd}, time.Unix(0, 0)
		for i, s := range steps {
			share := -1.0
			for until := now.Add(s.lasts); now.Before(until); now = now.Add(knockEvery) {
				share = d.sample(now, s.waits, s.before)
			}
			if math.Abs(share-s.want) > 1e-9 {
				t.Errorf("%s: after step %d %.2f are refused, want %.2f", name, i, share, s.want)
			}
		}
	}
}

// queue is a process with one core in a model: calls and knocks are come to in
// the order in which they came, each takes its time, and nothing is done at once.
type queue struct {
	knock   *Knock
	now     time.Time
	tick    time.Time   // next
	calls   []time.Time // when they came, first first
	knocked int         // calls before the knock; -1: there is none
	// What an admitted and a refused call cost.
	cost, refusal time.Duration

	admitted, refused int
	waited            []time.Duration // of each that was admitted
	slowest           time.Duration   // of those that were refused
}

func newQueue(cost, refusal time.Duration) *queue {
	start := time.Unix(0, 0)
	return &queue{knock: &Knock{delays: delays{limit: limit, crowd: crowd}}, now: start, tick: start, knocked: -1, cost: cost, refusal: refusal}
}

// one comes to what is first, and answers whether there was anything.
func (q *queue) one() bool {
	for ; !q.tick.After(q.now); q.tick = q.tick.Add(knockEvery) {
		if q.knock.tick(q.now) {
			q.knocked = len(q.calls)
		}
	}
	if q.knocked == 0 {
		q.knock.answered(q.now)
		q.knocked = -1
	}
	if len(q.calls) == 0 {
		return false
	}
	waited := q.now.Sub(q.calls[0])
	q.calls, q.knocked = q.calls[1:], max(q.knocked-1, -1)
	if q.knock.refuses() {
		q.refused++
		q.slowest = max(q.slowest, waited)
		q.now = q.now.Add(q.refusal)
		return true
	}
	q.admitted++
	q.waited = append(q.waited, waited)
	q.now = q.now.Add(q.cost)
	return true
}

// offer has rate calls a second come for a time, as long as no more than so many
// wait.
func (q *queue) offer(rate float64, most int, lasts time.Duration) {
	gap := time.Duration(float64(time.Second) / rate)
	next, until := q.now, q.now.Add(lasts)
	for q.now.Before(until) {
		for ; !next.After(q.now); next = next.Add(gap) {
			if len(q.calls) < most {
				q.calls = append(q.calls, next)
			}
		}
		if !q.one() {
			q.now = q.now.Add(min(gap, time.Millisecond))
		}
	}
}

// forget begins a new count.
func (q *queue) forget() { q.admitted, q.refused, q.waited, q.slowest = 0, 0, nil, 0 }

func (q *queue) longest() (w time.Duration) {
	for _, d := range q.waited {
		w = max(w, d)
	}
	return w
}

// TestKnock_TenTimesTheLoadIsRefusedAtOnce: after the first half second everybody
// has an answer within moments, what is left of the core by the refusals goes to
// calls, and when it is over everybody is let in.
func TestKnock_TenTimesTheLoadIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	const cost = 250 * time.Microsecond
	for _, refusal := range []time.Duration{cost / 12, cost / 30} {
		for _, times := range []float64{1.5, 3, 10} {
			q := newQueue(cost, refusal)
			can := 1 / cost.Seconds()
			q.offer(0.8*can, 4000, 2*time.Second)
			if q.refused > 0 || q.longest() > limit/10 {
				t.Errorf("%d were refused before; the longest wait was %s", q.refused, q.longest())
			}
			q.offer(times*can, 4000, 2*time.Second) // it is found out
			q.forget()
			const lasts = 5 * time.Second
			q.offer(times*can, 4000, lasts)
			// What the core does not spend on refusing.
			want := can * lasts.Seconds() * (1 - times*refusal.Seconds()/cost.Seconds()) / (1 - refusal.Seconds()/cost.Seconds())
			if got := float64(q.admitted); q.longest() > 3*limit/2 || q.slowest > 3*limit/2 || got < 0.9*want || got > 1.1*want {
				t.Errorf("%.1f times, a refusal of %s: %d admitted, want about %.0f; the longest waits were %s and, refused, %s",
					times, refusal, q.admitted, want, q.longest(), q.slowest)
			}
			q.offer(0.8*can, 4000, 2*time.Second)
			q.forget()
			if q.offer(0.8*can, 4000, 2*time.Second); q.refused > 0 || q.longest() > limit/10 {
				t.Errorf("%d were refused after; the longest wait was %s", q.refused, q.longest())
			}
		}
	}
}

// TestKnock_WhoStaysAfterOverloadIsLetIn: 256 callers who wait for each answer keep
// the delay up, and are few.
func TestKnock_WhoStaysAfterOverloadIsLetIn(t *testing.T) {
	t.Parallel()
	const cost = 250 * time.Microsecond
	q := newQueue(cost, cost/10)
	q.offer(10/cost.Seconds(), 4000, 2*time.Second)
	if q.refused == 0 {
		t.Fatal("it was no overload")
	}
	q.offer(20/cost.Seconds(), crowd, fewFor+time.Second)
	q.forget()
	if q.offer(20/cost.Seconds(), crowd, 10*time.Second); q.refused > 0 || q.longest() < limit/4 {
		t.Errorf("%d of those who stayed are refused; they wait %s", q.refused, q.longest())
	}
}

// TestKnock_CallersWhoWaitForTheirAnswerAreNotRefused: 256 of them, however much a
// call costs.
func TestKnock_CallersWhoWaitForTheirAnswerAreNotRefused(t *testing.T) {
	t.Parallel()
	for _, cost := range []time.Duration{250 * time.Microsecond, 5 * time.Millisecond} {
		q := newQueue(cost, cost/10)
		q.offer(20/cost.Seconds(), crowd, 20*time.Second) // a place is taken as soon as it is free
		if q.refused > 0 || q.admitted == 0 {
			t.Errorf("calls of %s: %d refused, %d admitted", cost, q.refused, q.admitted)
		}
	}
}

func TestKnock_AShareIsSpreadEvenly(t *testing.T) {
	t.Parallel()
	for _, share := range []float64{0, 0.1, 0.5, 0.97, 1} {
		k := &Knock{}
		k.refused.Store(uint32(share * math.MaxUint32))
		const of = 1000
		for range 20 {
			refused := 0
			for range of {
				if k.refuses() {
					refused++
				}
			}
			if math.Abs(float64(refused)-share*of) > 5 {
				t.Errorf("%d of %d are refused where %.2f are to be", refused, of, share)
			}
		}
	}
}
