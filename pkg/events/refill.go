package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
)

// beginning marks a stream that is being refilled, in the row that names the
// stream which holds what was sent.
const beginning = "refilling "

// refill publishes again what was sent, when the stream is not the one that it
// was sent to: after a restore on an empty machine, or when the broker's folder
// was lost. The outbox is the record; what had its effect before has none again,
// because marks and revisions lie in the stores and outlive it. It comes before
// anything that is pending, so that the order of each entity stays. It looks
// once at each start of the broker; a failure leaves the rest to the next call.
func (r *Relay) refill(ctx context.Context) error {
	server := r.broker.conn.ConnectedServerId()
	if server != "" && server == r.filled {
		return nil
	}
	stream, known, err := r.streams(ctx)
	if err != nil {
		return fmt.Errorf("refill the stream of %s: %w", r.store.Service(), err)
	}
	if known != stream {
		err := r.broker.usable(ctx)
		if err == nil {
			err = r.publishSent(ctx, stream)
		}
		if err != nil {
			return fmt.Errorf("refill the stream of %s: %w", r.store.Service(), err)
		}
	}
	r.filled = server
	return nil
}

// streams answers which stream there is, and which one holds what was sent. A
// store that has never named one is in its first life, or comes from a linli
// that named none: its events are in the stream there is, if that one has any.
// If neither has any, there is nothing to name.
func (r *Relay) streams(ctx context.Context) (stream, known string, err error) {
	s, err := r.js.Stream(ctx, streamName(r.store.Service()))
	if err != nil {
		return "", "", err
	}
	info := s.CachedInfo()
	stream = info.Created.UTC().Format(time.RFC3339Nano)
	var sent []*typev1.EventRow
	err = r.store.View(ctx, func(reader kv.Reader) error {
		if known, err = store.SentTo(reader); err != nil {
			return err
		}
		sent, _, err = store.Sent(reader, nil, 1)
		return err
	})
	switch {
	case err != nil || known != "":
	case info.State.LastSeq > 0:
		known = stream
		err = r.store.SetSentTo(ctx, stream)
	case len(sent) == 0:
		known = stream
	}
	return stream, known, err
}

func (r *Relay) publishSent(ctx context.Context, stream string) error {
	// Named first: a refill that is broken off begins again, whatever is in the
	// stream by then.
	if err := r.store.SetSentTo(ctx, beginning+stream); err != nil {
		return err
	}
	total := 0
	for place := []byte(nil); ; {
		var events []*typev1.EventRow
		err := r.store.View(ctx, func(reader kv.Reader) (err error) {
			events, place, err = store.Sent(reader, place, relayWindow)
			return err
		})
		if err != nil {
			return err
		}
		acknowledged, err := r.publish(ctx, events)
		if err == nil && len(acknowledged) < len(events) {
			err = errors.New("the broker did not acknowledge all")
		}
		if err != nil {
			return err
		}
		if total += len(events); place == nil {
			break
		}
	}
	if total > 0 {
		r.log.Info("published again what was sent: the stream is new", "events", total)
	}
	return r.store.SetSentTo(ctx, stream)
}
