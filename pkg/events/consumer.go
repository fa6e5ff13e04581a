package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/timestamppb"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/store"
)

const (
	// ackWait is when an event that was delivered and not acknowledged comes
	// again. It is what a start after a kill waits for, so it is well below the
	// deadline of a call that waits for delivery; one that comes twice because a
	// batch took longer has no second effect.
	ackWait = 5 * time.Second
	// batchSize is how many events one Update applies at the most.
	batchSize = 100
	waiting   = 512 // delivered and not yet acknowledged, per consumer
	// batchGather is how long a batch waits for what is on its way: a window of
	// the relay comes in pieces, and each piece would be a commit.
	batchGather = 5 * time.Millisecond
	triesToGo   = 10
	nakDelay    = 200 * time.Millisecond
	longestNak  = 10 * time.Second
)

// Kind says how a consumer stays right under repeats.
type Kind int

const (
	// Copy keeps the state of an entity; Apply drops what is not newer.
	Copy Kind = iota + 1
	// Fact counts: each event has its effect once, by a mark in its commit.
	Fact
)

// Consumer is one reaction of a service.
type Consumer struct {
	// Name is the durable's: service-purpose, "evaluation-ledger".
	Name string
	// From is the service whose stream it reads.
	From string
	// Subjects it takes, "linli.requests.request.resolved".
	Subjects []string
	Kind     Kind
	// Apply has the event's effect. It may run again, and several events share
	// one transaction. A rule.Error or an event that does not decode is
	// permanent: the event is parked.
	Apply func(tx *store.Tx, e *typev1.EventRow) error
}

type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

func permanent(err error) error { return permanentError{err} }

func isPermanent(err error) bool {
	var p permanentError
	var r *rule.Error
	return errors.As(err, &p) || errors.As(err, &r)
}

// Consumers are the reactions of one service.
type Consumers struct {
	running []*running
}

type running struct {
	Consumer
	store  *store.Store
	broker *Broker
	log    *slog.Logger

	mu sync.Mutex
	at *place // nil until it is known
}

// place is where a consumer reads.
type place struct {
	stream  jetstream.Stream
	durable jetstream.Consumer
}

// NewConsumers makes the reactions of a service. Their durables are made or
// found when they run, or when it is asked what they have applied: on a busy
// machine that takes longer than everything else of a start, and no call waits
// for it. Two reactions of one name are an error: they would share a durable.
func NewConsumers(_ context.Context, s *store.Store, b *Broker, log *slog.Logger, all ...Consumer) (*Consumers, error) {
	out, names := &Consumers{}, map[string]bool{}
	for _, c := range all {
		if names[c.Name] {
			return nil, fmt.Errorf("events: two consumers are called %s", c.Name)
		}
		names[c.Name] = true
		out.running = append(out.running, &running{Consumer: c, store: s, broker: b, log: log.With("consumer", c.Name)})
	}
	return out, nil
}

// Run applies what comes until the context ends.
func (c *Consumers) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, r := range c.running {
		g.Go(func() error { return r.run(ctx) })
	}
	return g.Wait()
}

// collect adds to the first message what waits already, and what the broker
// says is on its way if it comes before late ends, which begins with the first
// wait. The last of a window waits for nobody.
func collect(first jetstream.Msg, queue <-chan jetstream.Msg, late func() <-chan time.Time) []jetstream.Msg {
	batch := []jetstream.Msg{first}
	var over <-chan time.Time
	for len(batch) < batchSize {
		select {
		case m := <-queue:
			batch = append(batch, m)
			continue
		default:
		}
		if !followed(batch[len(batch)-1]) {
			return batch
		}
		if over == nil {
			over = late()
		}
		select {
		case m := <-queue:
			batch = append(batch, m)
		case <-over:
			return batch
		}
	}
	return batch
}

// followed says whether the broker had more for the consumer when it sent m.
func followed(m jetstream.Msg) bool {
	meta, err := m.Metadata()
	return err == nil && meta.NumPending > 0
}

// take applies a batch, in one Update where it can be.
func (r *running) take(ctx context.Context, batch []jetstream.Msg) {
	events := make([]*typev1.EventRow, 0, len(batch))
	messages := batch[:0]
	for _, m := range batch {
		e, err := eventOf(m.Subject(), m.Headers(), m.Data())
		if err != nil {
			r.log.Error("message that is no event", "subject", m.Subject(), "error", err)
			r.settle(m.Term())
			continue
		}
		events, messages = append(events, e), append(messages, m)
	}
	r.takeThese(ctx, messages, events)
}

// takeThese applies events together, and halves them where that fails: a batch
// that is too large for one commit becomes two, and what one bad event takes with
// it is little.
func (r *running) takeThese(ctx context.Context, messages []jetstream.Msg, events []*typev1.EventRow) {
	switch {
	case len(events) == 0:
	case len(events) == 1:
		r.takeOne(ctx, messages[0], events[0])
	case r.apply(ctx, events) == nil:
		for _, m := range messages {
			r.settle(m.Ack())
		}
	default:
		half := len(events) / 2
		r.takeThese(ctx, messages[:half], events[:half])
		r.takeThese(ctx, messages[half:], events[half:])
	}
}

func (r *running) takeOne(ctx context.Context, m jetstream.Msg, e *typev1.EventRow) {
	err := r.apply(ctx, []*typev1.EventRow{e})
	if err == nil {
		r.settle(m.Ack())
		return
	}
	if ctx.Err() != nil {
		return // not acknowledged: it comes again
	}
	tries := uint64(1)
	if meta, merr := m.Metadata(); merr == nil {
		tries = meta.NumDelivered
	}
	if !isPermanent(err) && tries < triesToGo {
		r.log.Warn("event not applied, will be tried again", "event", e.GetId(), "type", e.GetType(), "tries", tries, "error", err)
		r.settle(m.NakWithDelay(min(nakDelay<<min(tries, 10), longestNak)))
		return
	}
	r.log.Error("event parked", "event", e.GetId(), "type", e.GetType(), "tries", tries, "error", err)
	parked := &typev1.ParkedRow{
		Event: e, Consumer: r.Name, Tries: uint32(tries), Error: err.Error(), ParkedAt: timestamppb.New(r.store.Wall().Now()),
	}
	if err := r.store.Park(ctx, parked); err != nil {
		r.log.Error("event could not be parked", "event", e.GetId(), "error", err)
		return // it comes again
	}
	r.settle(m.Ack())
}

// settle logs an acknowledgement that did not go out: the message comes again
// and has no second effect.
func (r *running) settle(err error) {
	if err != nil {
		r.log.Warn("acknowledge", "error", err)
	}
}

// apply has the effects of events, all or none.
func (r *running) apply(ctx context.Context, events []*typev1.EventRow) error {
	return r.store.Update(ctx, func(tx *store.Tx) error {
		for _, e := range events {
			if err := r.Effect(tx, e, r.log); err != nil {
				return err
			}
		}
		return nil
	})
}

// Effect has an event's effect in a transaction of the consumer's store: once,
// when it is a fact. A panic comes back as a transient error. Its value is not
// logged: it can hold what the event is about.
func (c Consumer) Effect(tx *store.Tx, e *typev1.EventRow, log *slog.Logger) (err error) {
	if c.Kind == Fact {
		if already, err := tx.Applied(c.Name, e); err != nil || already {
			return err
		}
	}
	defer func() {
		if p := recover(); p != nil {
			log.Error("panic while applying an event", "event", e.GetId(), "type", e.GetType(), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic while applying %s", e.GetType())
		}
	}()
	return c.Apply(tx, e)
}
