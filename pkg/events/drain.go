package events

import (
	"context"
	"time"
)

// drainPause between two looks at consumers that are still at work.
const drainPause = time.Millisecond

// Drain waits until everything that was committed before has had its effects,
// and the effects of those: until a pass finds nothing to publish, every
// consumer idle, and nothing new in the streams since the pass before. The
// last is needed because a relay may be at work beside it.
func Drain(ctx context.Context, relays []*Relay, consumers []*Consumers) error {
	for before, first := uint64(0), true; ; first = false {
		published, reached, err := DrainRound(ctx, relays, consumers)
		if err != nil {
			return err
		}
		if !first && published == 0 && reached == before {
			return nil
		}
		before = reached
	}
}

// DrainRound is one pass of Drain: it publishes what is pending, waits until each
// consumer has applied what its stream holds, and answers how many events that
// were and how far the consumers are. Where services are processes of their own,
// rounds go on until one over all of them finds nothing new.
func DrainRound(ctx context.Context, relays []*Relay, consumers []*Consumers) (published, reached uint64, err error) {
	for _, r := range relays {
		n, err := r.Flush(ctx)
		if err != nil {
			return 0, 0, err
		}
		published += uint64(n)
	}
	reached, err = awaitIdle(ctx, consumers)
	return published, reached, err
}

// awaitIdle waits until each consumer has applied what its stream holds, and
// answers how far they all are: a sum that grows with each message.
func awaitIdle(ctx context.Context, consumers []*Consumers) (reached uint64, err error) {
	for _, c := range consumers {
		for _, r := range c.running {
			last, err := r.awaitIdle(ctx)
			if err != nil {
				return 0, err
			}
			reached += last
		}
	}
	return reached, nil
}

func (r *running) awaitIdle(ctx context.Context) (last uint64, err error) {
	if last, err = r.last(ctx); err != nil {
		return 0, err
	}
	for {
		idle, err := r.idle(ctx, last)
		if err != nil || idle {
			return last, err
		}
		if err := rest(ctx, drainPause); err != nil {
			return 0, err
		}
	}
}
