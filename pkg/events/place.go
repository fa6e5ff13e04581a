package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// consumeRest is how long a consumer waits before it looks for its broker again.
const consumeRest = 200 * time.Millisecond

// pullFor is how long a consumer waits for messages before it asks again. A
// broker that forgot the question, as one does that opened its streams again,
// is asked anew after that.
const pullFor = 4 * time.Second

// place answers where the consumer reads, and makes its durable when it does not
// know yet.
func (r *running) place(ctx context.Context) (*place, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at != nil {
		return r.at, nil
	}
	if err := r.broker.usable(ctx); err != nil {
		return nil, err
	}
	stream, err := r.broker.js.Stream(ctx, streamName(r.From))
	if err != nil {
		return nil, fmt.Errorf("find the stream of %s: %w", r.From, err)
	}
	durable, err := stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: r.Name, FilterSubjects: r.Subjects, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: ackWait, MaxAckPending: waiting, MaxDeliver: -1, DeliverPolicy: jetstream.DeliverAllPolicy,
	})
	if err != nil {
		return nil, fmt.Errorf("make consumer %s: %w", r.Name, err)
	}
	r.at = &place{stream: stream, durable: durable}
	return r.at, nil
}

// lost forgets the place, so that it is looked for again.
func (r *running) lost() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = nil
}

// run applies what comes until the context ends, however often the broker goes
// and comes back, with or without what it knew of the consumer.
func (r *running) run(ctx context.Context) error {
	troubled := false
	for {
		at, err := r.place(ctx)
		if err == nil {
			troubled = false
			err = r.consume(ctx, at.durable)
			r.lost()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !troubled {
			r.log.Warn("waits for the broker", "error", err)
			troubled = true
		}
		if err := rest(ctx, consumeRest); err != nil {
			return err
		}
	}
}

// consume applies what comes until the context or the durable ends.
func (r *running) consume(ctx context.Context, durable jetstream.Consumer) error {
	queue := make(chan jetstream.Msg, waiting)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	pull, err := durable.Consume(func(m jetstream.Msg) {
		select {
		case queue <- m:
		case <-ctx.Done(): // not acknowledged: it comes again
		}
	}, jetstream.PullMaxMessages(waiting), jetstream.PullExpiry(pullFor), jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		r.log.Debug("consume", "error", err)
	}))
	if err != nil {
		return fmt.Errorf("consume %s: %w", r.Name, err)
	}
	defer pull.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pull.Closed():
			return errors.New("the broker ended the delivery")
		case m := <-queue:
			r.take(ctx, collect(m, queue, func() <-chan time.Time { return time.After(batchGather) }))
		}
	}
}

// last answers the sequence of the newest message in the stream that this
// consumer takes, 0 for none.
func (r *running) last(ctx context.Context) (uint64, error) {
	at, err := r.place(ctx)
	if err != nil {
		return 0, err
	}
	var newest uint64
	for _, subject := range r.Subjects {
		m, err := at.stream.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("ask the stream of %s: %w", r.From, err)
		}
		newest = max(newest, m.Sequence)
	}
	return newest, nil
}

// idle says whether everything up to a message was applied and acknowledged.
// It does not ask the server how much is pending: that count follows a
// publish some time after its acknowledgement.
func (r *running) idle(ctx context.Context, last uint64) (bool, error) {
	at, err := r.place(ctx)
	if err != nil {
		return false, err
	}
	info, err := at.durable.Info(ctx)
	if err != nil {
		return false, fmt.Errorf("ask consumer %s: %w", r.Name, err)
	}
	return info.Delivered.Stream >= last && info.NumAckPending == 0, nil
}
