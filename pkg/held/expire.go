package held

import (
	"context"
	"fmt"
	"time"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/store"
)

// between slices of rows a round rests: it reads every row of a service, which
// nobody waits for, beside calls that somebody does.
const between = 5 * time.Millisecond

func rest(ctx context.Context) error {
	select {
	case <-time.After(between):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Expire takes out of every row what is past its time, and answers how many rows
// that were. Broken off, it begins anew: what was taken out is not there again.
func (k *Keeper) Expire(ctx context.Context) (n int, err error) {
	now := k.store.Civil().Now()
	for _, h := range k.holdings {
		var at key.Key
		for more := true; more; more = at != nil {
			var slice found
			err := k.store.View(ctx, func(r kv.Reader) (err error) {
				slice, err = h.findPast(r, now, at)
				return err
			})
			if err != nil {
				return n, err
			}
			for len(slice.rows) > 0 {
				m := min(erasedAtOnce, len(slice.rows))
				done := 0
				err := k.store.Update(ctx, func(tx *store.Tx) error {
					done = 0
					for _, row := range slice.rows[:m] {
						effect, err := h.expire(tx, now, row)
						if err != nil {
							return err
						}
						if effect != Leave {
							done++
						}
					}
					if done > 0 {
						tx.Audit(store.Record{Rows: []string{h.Table()}, Outcome: "expired"})
					}
					return nil
				})
				if err != nil {
					return n, fmt.Errorf("take out what is past its time: %w", err)
				}
				n, slice.rows = n+done, slice.rows[m:]
			}
			if at = slice.next; at != nil {
				if err := rest(ctx); err != nil {
					return n, err
				}
			}
		}
	}
	return n, nil
}
