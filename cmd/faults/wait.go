package main

import (
	"context"
	"fmt"
	"time"

	"github.com/linli-project/linli/pkg/clock"
)

func wall() clock.Clock { return clock.Wall() }

// pollEvery is the pause between two looks at something outside this program
// that cannot tell when it is done.
const pollEvery = 5 * time.Millisecond

// poll looks until it is done, fails or the context ends.
func poll(ctx context.Context, done func() (bool, error)) error {
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if err := rest(ctx, pollEvery); err != nil {
			return fmt.Errorf("waited in vain: %w", err)
		}
	}
}

func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
