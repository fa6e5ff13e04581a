package store

import (
	"bytes"
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
)

// Sent answers up to limit events that were sent, the oldest first, beginning
// at a place: nil for the first, else what the page before answered. Nil means
// that there are no more.
func Sent(r kv.Reader, place []byte, limit int) (events []*typev1.EventRow, next []byte, err error) {
	prefix := key.New(tableSent)
	if place == nil {
		place = prefix
	}
	items, err := r.Scan(kv.Range{From: place, To: prefix.End(), Limit: limit})
	if err != nil {
		return nil, nil, err
	}
	for _, it := range items {
		e := &typev1.EventRow{}
		if err := proto.Unmarshal(it.Value, e); err != nil {
			return nil, nil, fmt.Errorf("%w: sent event: %w", kv.ErrCorrupt, err)
		}
		events = append(events, e)
	}
	if len(items) == limit {
		next = append(bytes.Clone(items[limit-1].Key), 0)
	}
	return events, next, nil
}

// sentToKey is where the name of the stream stands that holds what was sent.
func sentToKey() key.Key { return key.New(tableMeta).String("sent to") }

// SentTo answers the name that SetSentTo has kept, "" for none.
func SentTo(r kv.Reader) (string, error) {
	it, err := r.Get(sentToKey())
	return string(it.Value), err
}

// SetSentTo keeps the name of the stream that holds what was sent.
func (s *Store) SetSentTo(ctx context.Context, stream string) error {
	return s.db.Update(ctx, func(tx kv.Tx) error {
		tx.Put(sentToKey(), []byte(stream))
		return nil
	})
}
