package store

import (
	"context"
	"fmt"
	"time"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
)

// StreamMark is how a service's stream stood when its events were filed as
// sent: a stream that stands otherwise later has lost some of them.
type StreamMark struct {
	// Created tells a stream from one that was made anew in its place.
	Created time.Time
	// First and Last are sequences, of messages from those times.
	First, Last         uint64
	FirstTime, LastTime time.Time
	Messages            uint64
}

// holes is how many messages between the first and the last are gone.
func (m StreamMark) holes() uint64 {
	if m.Messages == 0 {
		return 0
	}
	return m.Last - m.First + 1 - m.Messages
}

// Behind says whether a stream that stands at m has lost what one that stood
// at before held. What is older than kept now goes by itself.
func (m StreamMark) Behind(before StreamMark, now time.Time, kept time.Duration) bool {
	young := func(t time.Time) bool { return before.Messages > 0 && t.Add(kept).After(now) }
	return !m.Created.Equal(before.Created) || m.Last < before.Last || m.holes() > before.holes() ||
		m.First > before.First && young(before.FirstTime) || m.Messages == 0 && young(before.LastTime)
}

func markKey() []byte { return key.New(tableMeta).String("stream") }

func putMark(tx kv.Tx, m StreamMark) {
	tx.Put(markKey(), key.Key(nil).Time(m.Created).Time(m.FirstTime).Time(m.LastTime).Uint(m.First).Uint(m.Last).Uint(m.Messages))
}

// Mark answers how the stream stood when events were last filed; false before
// the first were.
func Mark(r kv.Reader) (m StreamMark, ok bool, err error) {
	it, err := r.Get(markKey())
	if err != nil || it.Version == 0 {
		return m, false, err
	}
	rest := it.Value
	for _, t := range []*time.Time{&m.Created, &m.FirstTime, &m.LastTime} {
		if err == nil {
			*t, rest, err = key.TakeTime(rest)
		}
	}
	for _, n := range []*uint64{&m.First, &m.Last, &m.Messages} {
		if err == nil {
			*n, rest, err = key.TakeUint(rest)
		}
	}
	if err != nil {
		return m, false, fmt.Errorf("%w: stream mark: %w", kv.ErrCorrupt, err)
	}
	return m, true, nil
}

// HasSent says whether any event is filed as sent.
func HasSent(r kv.Reader) (bool, error) {
	prefix := key.New(tableSent)
	items, err := r.Scan(kv.Range{From: prefix, To: prefix.End(), Limit: 1, KeysOnly: true})
	return len(items) > 0, err
}

// sentAgainAtOnce keeps a slice of SendAgain inside the limits of a commit.
const sentAgainAtOnce = 200

// SendAgain puts every event that is filed as sent back among those that wait,
// because the stream has lost some, and keeps how the stream stands now. It
// goes by slices; one that was broken off begins again. It answers how many
// events that were.
func (s *Store) SendAgain(ctx context.Context, now StreamMark) (moved int, err error) {
	prefix := key.New(tableSent)
	for more := true; more; {
		n := 0
		err := s.db.Update(ctx, func(tx kv.Tx) error {
			items, err := tx.Scan(kv.Range{From: prefix, To: prefix.End(), Limit: sentAgainAtOnce})
			if err != nil {
				return err
			}
			if n = len(items); n < sentAgainAtOnce {
				putMark(tx, now)
			}
			for _, it := range items {
				e, err := eventOf(it.Value)
				if err != nil {
					return err
				}
				tx.Delete(it.Key)
				tx.Put(pendingKey(e), it.Value)
			}
			return nil
		})
		if err != nil {
			return moved, fmt.Errorf("send events again: %w", err)
		}
		moved, more = moved+n, n == sentAgainAtOnce
	}
	return moved, nil
}
