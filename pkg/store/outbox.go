package store

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
)

// shards spread the front of the outbox over as many ranges.
const shards = 4

// Event is what a commit announces.
type Event struct {
	// Name is the entity and what happened, "report_in.accepted". It becomes
	// the subject linli.<service>.<name> and the type linli.<service>.<name>.v1.
	Name string
	// EntityID is the row whose Revision the event carries.
	EntityID string
	Revision uint64
	// Data holds no name, phone, ID number or free text.
	Data proto.Message
}

// Emit writes an event into the outbox, in this commit.
func (tx *Tx) Emit(e Event) error {
	if err := e.check(); err != nil {
		return err
	}
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(e.Data)
	if err != nil {
		return fmt.Errorf("encode event %s: %w", e.Name, err)
	}
	subject := "linli." + tx.store.service + "." + e.Name
	row := &typev1.EventRow{
		Id:          tx.base + "-" + strconv.Itoa(tx.events),
		Type:        subject + ".v1",
		Subject:     subject,
		EntityId:    e.EntityID,
		Revision:    e.Revision,
		Time:        timestamppb.New(tx.wall),
		CivilTime:   timestamppb.New(tx.civil),
		DataSchema:  string(e.Data.ProtoReflect().Descriptor().FullName()),
		Data:        data,
		TraceParent: tx.call.TraceParent,
	}
	value, err := proto.Marshal(row)
	if err != nil {
		return fmt.Errorf("encode event %s: %w", e.Name, err)
	}
	tx.events++
	tx.Create(pendingKey(row), value)
	return nil
}

// check refuses what the broker would refuse for ever: it would lie in the
// outbox and be tried again and again.
func (e Event) check() error {
	entity, what, ok := strings.Cut(e.Name, ".")
	if !ok || entity == "" || what == "" || strings.ContainsAny(e.Name, "*> \t\r\n") || strings.Contains(what, ".") {
		return fmt.Errorf("event name %q is not entity.happened", e.Name)
	}
	if e.Data == nil || e.EntityID == "" {
		return fmt.Errorf("event %s needs data and the row it is about", e.Name)
	}
	return nil
}

func pendingKey(e *typev1.EventRow) []byte {
	h := fnv.New32a()
	_, _ = h.Write([]byte(e.GetEntityId())) // a hash never fails
	return key.New(tablePending).Uint(uint64(h.Sum32() % shards)).Time(e.GetTime().AsTime()).String(e.GetId())
}

func sentKey(e *typev1.EventRow) []byte {
	t := e.GetTime().AsTime()
	return key.New(tableSent).String(t.Format(time.DateOnly)).Time(t).String(e.GetId())
}

// Pending answers up to limit events that wait, from the front of each shard:
// first an even share of each, then what room is left, so that a shard that is
// full or stuck does not hold the others back. Events of one entity are in one
// shard, and in order.
func Pending(r kv.Reader, limit int) ([]*typev1.EventRow, error) {
	var out []*typev1.EventRow
	var next [shards][]byte // where a shard goes on; nil = it has no more
	for shard := range next {
		next[shard] = key.New(tablePending).Uint(uint64(shard))
	}
	for _, share := range []int{(limit + shards - 1) / shards, limit} {
		for shard := range next {
			share := min(share, limit-len(out))
			if next[shard] == nil || share == 0 {
				continue
			}
			items, err := r.Scan(kv.Range{From: next[shard], To: key.New(tablePending).Uint(uint64(shard)).End(), Limit: share})
			if err != nil {
				return nil, err
			}
			next[shard] = nil
			if len(items) == share {
				next[shard] = append(bytes.Clone(items[share-1].Key), 0)
			}
			for _, it := range items {
				e, err := eventOf(it.Value)
				if err != nil {
					return nil, err
				}
				out = append(out, e)
			}
		}
	}
	return out, nil
}

func eventOf(row []byte) (*typev1.EventRow, error) {
	e := &typev1.EventRow{}
	if err := proto.Unmarshal(row, e); err != nil {
		return nil, fmt.Errorf("%w: outbox row: %w", kv.ErrCorrupt, err)
	}
	return e, nil
}

// MoveToSent files acknowledged events, so that they are not published again
// and any stream can be rebuilt from them, and keeps how the stream stands with
// them. What another relay moved is left.
func (s *Store) MoveToSent(ctx context.Context, events []*typev1.EventRow, mark StreamMark) error {
	return s.db.Update(ctx, func(tx kv.Tx) error {
		keys := make([][]byte, len(events))
		for i, e := range events {
			keys[i] = pendingKey(e)
		}
		items, err := tx.GetMany(keys)
		if err != nil {
			return err
		}
		for i, it := range items {
			if it.Version == 0 {
				continue
			}
			tx.Delete(keys[i])
			tx.Put(sentKey(events[i]), it.Value)
		}
		putMark(tx, mark)
		return nil
	})
}

// inboxKey marks an event as applied by a consumer. The day of the event
// stands in it, so that old marks are a range.
func inboxKey(consumer string, e *typev1.EventRow) []byte {
	return key.New(tableInbox).String(consumer).String(e.GetTime().AsTime().Format(time.DateOnly)).String(e.GetId())
}

// Applied says whether a consumer has applied an event, and marks it if not:
// true at most once for each event, however often it is delivered.
func (tx *Tx) Applied(consumer string, e *typev1.EventRow) (already bool, err error) {
	k := inboxKey(consumer, e)
	it, err := tx.Get(k)
	if err != nil || it.Version != 0 {
		return it.Version != 0, err
	}
	tx.Create(k, []byte{1})
	return false, nil
}

// EachEvent calls fn with every row of the outbox, pending and sent, as it is
// stored.
func EachEvent(r kv.Reader, fn func(row []byte)) error {
	for _, t := range []uint16{tablePending, tableSent} {
		prefix := key.New(t)
		rng := kv.Range{From: prefix, To: prefix.End(), Limit: checkPage}
		for more := true; more; {
			items, err := r.Scan(rng)
			if err != nil {
				return err
			}
			for _, it := range items {
				fn(it.Value)
			}
			if more = len(items) == checkPage; more {
				rng.From = append(items[len(items)-1].Key, 0)
			}
		}
	}
	return nil
}
