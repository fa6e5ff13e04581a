package events

import (
	"context"
	"fmt"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
)

// standing answers how the store's stream stands.
func (r *Relay) standing(ctx context.Context) (store.StreamMark, error) {
	stream, err := r.js.Stream(ctx, streamName(r.store.Service()))
	if err != nil {
		return store.StreamMark{}, fmt.Errorf("look at the stream: %w", err)
	}
	info := stream.CachedInfo()
	return store.StreamMark{
		Created: info.Created, First: info.State.FirstSeq, Last: info.State.LastSeq,
		FirstTime: info.State.FirstTime, LastTime: info.State.LastTime, Messages: info.State.Msgs,
	}, nil
}

// compare looks, once for each start of the broker, whether the stream holds
// what it held. One that lost messages, to a torn file or with its folder, is
// filled again from the outbox; who had them already knows them by their marks
// and revisions.
func (r *Relay) compare(ctx context.Context) error {
	id := r.broker.conn.ConnectedServerId()
	if id == r.compared {
		return nil
	}
	now, err := r.standing(ctx)
	if err != nil {
		return err
	}
	var before store.StreamMark
	var known, sent bool
	err = r.store.View(ctx, func(reader kv.Reader) (err error) {
		if before, known, err = store.Mark(reader); err != nil || known {
			return err
		}
		sent, err = store.HasSent(reader)
		return err
	})
	if err != nil {
		return fmt.Errorf("read the stream's mark: %w", err)
	}
	// A store that sent and kept no mark comes from a linli that kept none; an
	// empty stream is not the one that it filled.
	lost := known && now.Behind(before, r.store.Wall().Now(), keptFor) || !known && sent && now.Last == 0
	if lost {
		n, err := r.store.SendAgain(ctx, now)
		if err != nil {
			return err
		}
		r.log.Warn("the stream has lost messages, what is kept is sent again", "events", n,
			"messages", now.Messages, "messages_before", before.Messages, "last", now.Last, "last_before", before.Last)
	}
	r.compared = id
	return nil
}
