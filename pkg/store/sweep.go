package store

import (
	"context"
	"fmt"
	"time"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
)

// How many whole days of wall time the house keeps its own rows, beside the
// day of today. Marks outlive what a stream can deliver again. A look-up of a
// reply reads yesterday's; one day more is kept for calls that began before
// midnight.
const (
	rememberedDays = 2
	sentDays       = 30
	markDays       = 40
	sweptAtOnce    = 500
)

// SweepEvery is how often a running house sweeps.
const SweepEvery = time.Hour

// Sweep removes remembered replies, sent events and marks that are past their
// time, in bounded slices, and answers how many rows those were.
func (s *Store) Sweep(ctx context.Context) (removed int, err error) {
	today := s.wall.Now().UTC()
	before := func(days int) string { return today.AddDate(0, 0, -days).Format(time.DateOnly) }
	consumers, err := s.markedConsumers(ctx)
	if err != nil {
		return 0, fmt.Errorf("sweep: %w", err)
	}
	ranges := []kv.Range{
		oldDays(key.New(tableRemembered), before(rememberedDays)),
		oldDays(key.New(tableSent), before(sentDays)),
		oldReveals(today),
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

// markedConsumers answers whose marks there are, also of consumers that are no
// more, by looking at the first mark of each.
func (s *Store) markedConsumers(ctx context.Context) (names []string, err error) {
	err = s.db.View(ctx, func(r kv.Reader) error {
		names = nil
		prefix := key.New(tableInbox)
		rng := kv.Range{From: prefix, To: prefix.End(), Limit: 1, KeysOnly: true}
		for {
			items, err := r.Scan(rng)
			if err != nil || len(items) == 0 {
				return err
			}
			name, _, err := key.TakeString(items[0].Key[len(prefix):])
			if err != nil {
				return fmt.Errorf("%w: inbox mark: %w", kv.ErrCorrupt, err)
			}
			names = append(names, name)
			rng.From = prefix.String(name).End()
		}
	})
	return names, err
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
