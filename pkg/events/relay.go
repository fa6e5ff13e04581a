package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
)

const (
	// relayWindow is how many events are on their way to the broker at once.
	relayWindow = 256
	// movedAtOnce keeps a move inside the limits of a commit: one check and
	// two writes an event.
	movedAtOnce = 200
	ackPatience = 10 * time.Second
	relayTick   = time.Second
	relayRest   = 500 * time.Millisecond // after a failure
)

// Relay publishes one store's outbox. It keeps no cursor: what is pending is
// what is in the pending range, so a second relay does no harm, and a relay
// that died between publish and move publishes again under the same id.
type Relay struct {
	store  *store.Store
	broker *Broker
	js     jetstream.JetStream
	log    *slog.Logger
	mu     sync.Mutex // one pass at a time
	// singly is for how many windows to come no batch is tried.
	singly int
	// compared is the broker's start for which the stream was compared.
	compared string
}

// NewRelay makes the relay of a store.
func NewRelay(s *store.Store, b *Broker, log *slog.Logger) *Relay {
	return &Relay{store: s, broker: b, js: b.js, log: log.With("relay", s.Service())}
}

// Run publishes until the context ends.
func (r *Relay) Run(ctx context.Context) error {
	tick := time.NewTicker(relayTick)
	defer tick.Stop()
	troubled := false
	for {
		_, err := r.Flush(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if !troubled { // said once until it works again
				r.log.Error("publish", "error", err)
			}
			troubled = true
			if err := rest(ctx, relayRest); err != nil {
				return err
			}
			continue
		}
		troubled = false
		select {
		case <-r.store.Emitted():
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Flush publishes and files everything that was pending, and answers how many
// events that were.
func (r *Relay) Flush(ctx context.Context) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.broker.usable(ctx); err != nil {
		return 0, err
	}
	if err := r.compare(ctx); err != nil {
		return 0, err
	}
	total := 0
	for {
		n, err := r.pass(ctx)
		total += n
		if n == 0 || err != nil {
			return total, err
		}
	}
}

// pass publishes one window. An event that the broker refuses stays pending
// and does not hold the others back.
func (r *Relay) pass(ctx context.Context) (int, error) {
	var events []*typev1.EventRow
	err := r.store.View(ctx, func(reader kv.Reader) (err error) {
		events, err = store.Pending(reader, relayWindow)
		return err
	})
	if err != nil || len(events) == 0 {
		return 0, err
	}
	acknowledged, refused := r.publish(ctx, events)
	mark, err := r.standing(ctx)
	if err != nil {
		return 0, err // they are published again
	}
	for chunk := range slices.Chunk(acknowledged, movedAtOnce) {
		if err := r.store.MoveToSent(ctx, chunk, mark); err != nil {
			return 0, fmt.Errorf("file sent events: %w", err)
		}
	}
	return len(acknowledged), refused
}

// publishSingly answers the events that the broker acknowledged one by one, and
// why others were not.
func (r *Relay) publishSingly(ctx context.Context, events []*typev1.EventRow) ([]*typev1.EventRow, error) {
	futures := make([]jetstream.PubAckFuture, len(events))
	var problems []error
	for i, e := range events {
		f, err := r.js.PublishMsgAsync(messageOf(r.store.Service(), e))
		if err != nil {
			problems = append(problems, err)
			continue
		}
		futures[i] = f
	}
	patience := time.NewTimer(ackPatience)
	defer patience.Stop()
	var acknowledged []*typev1.EventRow
	for i, f := range futures {
		if f == nil {
			continue
		}
		select {
		case <-f.Ok():
			acknowledged = append(acknowledged, events[i])
		case err := <-f.Err():
			problems = append(problems, fmt.Errorf("event %s: %w", events[i].GetType(), err))
		case <-patience.C:
			return acknowledged, errors.New("the broker did not acknowledge in time")
		case <-ctx.Done():
			return acknowledged, ctx.Err()
		}
	}
	return acknowledged, errors.Join(problems...)
}

func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
