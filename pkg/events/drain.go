package events

import (
	"context"
	"time"
)

// drainPause between two looks at consumers that are still at work.
const drainPause = time.Millisecond

// Drain waits until everything that was committed before has had its effects,
// and the effects of those: until one pass finds nothing to publish and every
// consumer idle.
func Drain(ctx context.Context, relays []*Relay, consumers []*Consumers) error {
	for {
		published := 0
		for _, r := range relays {
			n, err := r.Flush(ctx)
			if err != nil {
				return err
			}
			published += n
		}
		waited, err := awaitIdle(ctx, consumers)
		if err != nil {
			return err
		}
		if published == 0 && !waited {
			return nil
		}
	}
}

// awaitIdle answers whether any consumer had to be waited for.
func awaitIdle(ctx context.Context, consumers []*Consumers) (waited bool, err error) {
	for _, c := range consumers {
		for _, r := range c.running {
			for {
				idle, err := r.idle(ctx)
				if err != nil {
					return waited, err
				}
				if idle {
					break
				}
				waited = true
				if err := rest(ctx, drainPause); err != nil {
					return waited, err
				}
			}
		}
	}
	return waited, nil
}
