package store

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
)

// countedAtOnce is how many keys of parked events are held while counting.
const countedAtOnce = 1000

func parkedKey(consumer, id string) key.Key { return key.New(tableParked).String(consumer).String(id) }

func putParked(tx kv.Tx, row *typev1.ParkedRow) error {
	value, err := proto.Marshal(row)
	if err != nil {
		return fmt.Errorf("encode parked event: %w", err)
	}
	tx.Put(parkedKey(row.GetConsumer(), row.GetEvent().GetId()), value)
	return nil
}

// Park keeps an event that a consumer could not apply.
func (s *Store) Park(ctx context.Context, row *typev1.ParkedRow) error {
	return s.db.Update(ctx, func(tx kv.Tx) error { return putParked(tx, row) })
}

// Park keeps an event that could not be applied once more, in this commit.
func (tx *Tx) Park(row *typev1.ParkedRow) error { return putParked(tx, row) }

// Unpark takes a parked event out, in this commit: to have its effect after
// all, or to be dropped. False when it is not there.
func (tx *Tx) Unpark(consumer, eventID string) (*typev1.ParkedRow, bool, error) {
	k := parkedKey(consumer, eventID)
	it, err := tx.Get(k)
	if err != nil || it.Version == 0 {
		return nil, false, err
	}
	row, err := parkedRow(it)
	if err != nil {
		return nil, false, err
	}
	tx.Delete(k)
	return row, true, nil
}

func parkedRow(it kv.Item) (*typev1.ParkedRow, error) {
	row := &typev1.ParkedRow{}
	if err := proto.Unmarshal(it.Value, row); err != nil {
		return nil, fmt.Errorf("%w: parked event: %w", kv.ErrCorrupt, err)
	}
	return row, nil
}

// Parked answers up to limit parked events, by consumer and event id.
func Parked(r kv.Reader, limit int) ([]*typev1.ParkedRow, error) {
	rows, _, err := ParkedAfter(r, nil, limit)
	return rows, err
}

// ParkedAfter answers up to limit parked events beyond a place, nil for the
// first ones, and the place of the last of them.
func ParkedAfter(r kv.Reader, after []byte, limit int) (rows []*typev1.ParkedRow, last []byte, err error) {
	prefix := key.New(tableParked)
	rng := kv.Range{From: prefix, To: prefix.End(), Limit: limit}
	if after != nil {
		rng.From = slices.Concat(prefix, after, []byte{0})
	}
	items, err := r.Scan(rng)
	if err != nil {
		return nil, nil, err
	}
	rows = make([]*typev1.ParkedRow, len(items))
	for i, it := range items {
		if rows[i], err = parkedRow(it); err != nil {
			return nil, nil, err
		}
		last = it.Key[len(prefix):]
	}
	return rows, last, nil
}

// CountParked answers how many events each consumer has parked; one that has
// none is not in it.
func CountParked(r kv.Reader) (map[string]int, error) {
	prefix, out := key.New(tableParked), map[string]int{}
	rng := kv.Range{From: prefix, To: prefix.End(), Limit: countedAtOnce, KeysOnly: true}
	for more := true; more; {
		items, err := r.Scan(rng)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			consumer, _, err := key.TakeString(it.Key[len(prefix):])
			if err != nil {
				return nil, fmt.Errorf("%w: key of a parked event: %w", kv.ErrCorrupt, err)
			}
			out[consumer]++
		}
		if more = len(items) == countedAtOnce; more {
			rng.From = append(items[len(items)-1].Key, 0)
		}
	}
	return out, nil
}
