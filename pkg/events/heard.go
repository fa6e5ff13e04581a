package events

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Heard answers which consumers the broker has delivered to before, by name: to
// ask before they run. Nobody is known to a broker that is new.
func (b *Broker) Heard(ctx context.Context, all ...Consumer) (names []string, err error) {
	for _, c := range all {
		durable, err := b.js.Consumer(ctx, streamName(c.From), c.Name)
		switch {
		case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrStreamNotFound):
			continue
		case err != nil:
			return nil, fmt.Errorf("ask for consumer %s: %w", c.Name, err)
		}
		if durable.CachedInfo().AckFloor.Consumer > 0 {
			names = append(names, c.Name)
		}
	}
	return names, nil
}
