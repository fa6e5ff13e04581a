package store

import (
	"context"
	"fmt"
	"time"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
)

// How long the house keeps its own rows, in days of wall time. Marks outlive
// what a stream can deliver again.
const (
	rememberedDays = 2
	sentDays       = 30
	markDays       = 40
	sweptAtOnce    = 500
)

// SweepEvery is how often a running house sweeps.
const SweepEvery = time.Hour

// Sweep removes remembered replies, sent events and marks that are past their
// time, in bounded slices, and answers how many rows those were. consumers
// names the store's own, whose marks lie apart.
func (s *Store) Sweep(ctx context.Context, consumers ...string) (removed int, err error) {
	today := s.wall.Now().UTC()
	before := func(days int) string { return today.AddDate(0, 0, 1-days).Format(time.DateOnly) }
	ranges := []kv.Range{
		oldDays(key.New(tableRemembered), before(rememberedDays)),
		oldDays(key.New(tableSent), before(sentDays)),
	}
	for _, c := range consumers {
		ranges = append(ranges, oldDays(key.New(tableInbox).String(c), before(markDays)))
	}
	for _, rng := range ranges {
		n, err := s.removeAll(ctx, rng)
		removed += n
		if err != nil {
			return removed, fmt.Errorf("sweep: %w", err)
		}
	}
	return removed, nil
}

// oldDays is the range of keys whose day part lies before a day.
func oldDays(prefix key.Key, day string) kv.Range {
	return kv.Range{From: prefix, To: prefix.Prefix(day), Limit: sweptAtOnce, KeysOnly: true}
}

func (s *Store) removeAll(ctx context.Context, rng kv.Range) (removed int, err error) {
	for {
		n := 0
		err := s.db.Update(ctx, func(tx kv.Tx) error {
			items, err := tx.Scan(rng)
			if err != nil {
				return err
			}
			n = len(items)
			for _, it := range items {
				tx.Delete(it.Key)
			}
			return nil
		})
		removed += n
		if err != nil || n < sweptAtOnce {
			return removed, err
		}
	}
}
