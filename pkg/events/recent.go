package events

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
)

// Recent listens for those who may not miss an event of the last while: at the
// start, and whenever the broker was away, it begins with what the stream holds of
// it. It reads the stream and no subject: a message of a batch is heard by those
// who subscribe before it lies in the stream, and who came in between would miss
// it. Nothing is kept for it at the broker.
type Recent struct {
	// Service whose events are wanted, and their subjects: "linli.registry.session.*".
	Service  string
	Subjects []string
	// Within is how far back it begins.
	Within time.Duration
	// Heard is called with every event, with those that it began with more than
	// once. It must not wait.
	Heard func(*typev1.EventRow)
	Wall  clock.Clock
}

// lookAgain is how long after a broker did not answer it is asked again.
const lookAgain = time.Second

// Run listens until the context ends.
func (r Recent) Run(ctx context.Context, b *Broker) error {
	missed := make(chan struct{}, 1)
	defer b.whenMissed(func() {
		select {
		case missed <- struct{}{}:
		default: // it is going to begin again anyhow
		}
	})()
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-missed: // the broker is back: no need to wait
		case <-again.C:
		}
		err := r.listen(ctx, b, missed)
		if ctx.Err() == nil && b.conn.IsConnected() && err != nil {
			b.log.Warn("listening to what is announced begins again", "service", r.Service, "error", err)
		}
		again.Reset(lookAgain)
	}
}

// listen reads the stream on from the last while, until something may have been
// missed.
func (r Recent) listen(ctx context.Context, b *Broker, missed chan struct{}) error {
	if !b.conn.IsConnected() {
		return ErrAway
	}
	begun, cancel := context.WithTimeout(ctx, brokerPatience)
	defer cancel()
	from := r.Wall.Now().Add(-r.Within)
	c, err := b.js.OrderedConsumer(begun, streamName(r.Service), jetstream.OrderedConsumerConfig{
		FilterSubjects: r.Subjects, DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &from,
	})
	if err != nil {
		return fmt.Errorf("read the stream of %s: %w", r.Service, err)
	}
	failed := make(chan error, 1)
	reading, err := c.Consume(func(m jetstream.Msg) {
		if e, err := eventOf(m.Subject(), nats.Header(m.Headers()), m.Data()); err == nil {
			r.Heard(e)
		}
	}, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		select {
		case failed <- err:
		default:
		}
	}))
	if err != nil {
		return fmt.Errorf("read the stream of %s: %w", r.Service, err)
	}
	defer func() {
		reading.Stop()
		<-reading.Closed()
	}()
	select {
	case <-ctx.Done():
		return nil
	case <-missed:
		select {
		case missed <- struct{}{}: // begin again at once
		default:
		}
		return nil
	case err := <-failed:
		return fmt.Errorf("read the stream of %s: %w", r.Service, err)
	}
}
