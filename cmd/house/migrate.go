package house

import (
	"context"
	"errors"
	"fmt"

	"github.com/linli-project/linli/pkg/store"
)

// migrate brings every store to what this linli reads, before anything of a
// service runs.
func (h *House) migrate(ctx context.Context) error {
	return migrateStores(ctx, h.stores, h.services)
}

// migrateStores takes stores and services in the same order.
func migrateStores(ctx context.Context, stores []*store.Store, all services) error {
	// All are looked at before one is changed: a folder that one service cannot
	// read stays as it was, for the linli that can.
	for i, s := range stores {
		if err := s.CheckFormat(ctx, all[i].Migrations()); errors.Is(err, store.ErrNewer) {
			return fmt.Errorf("the data was written by a newer linli; start that one: %w", err)
		}
	}
	for i, s := range stores {
		if _, err := s.Migrate(ctx, all[i].Migrations()); err != nil {
			return err
		}
	}
	return nil
}

// readable refuses to look into stores that this linli would read wrongly.
func readable(ctx context.Context, stores []*store.Store, all services) error {
	for i, s := range stores {
		switch err := s.CheckFormat(ctx, all[i].Migrations()); {
		case errors.Is(err, store.ErrNewer):
			return fmt.Errorf("the data was written by a newer linli; check it with that one: %w", err)
		case errors.Is(err, store.ErrOlder):
			return fmt.Errorf("the data was written by an older linli; start linli on it once: %w", err)
		case err != nil:
			return err
		}
	}
	return nil
}
