package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/session"
)

const (
	// keepTick is how often keys, sessions and failures are looked through.
	keepTick = time.Minute
	// sweptAtOnce bounds one commit.
	sweptAtOnce = 200
)

// keepSessions makes the next signing key in time, and takes away the rows of
// sessions and failures that matter no more, until the context ends.
func (s *Service) keepSessions(ctx context.Context) error {
	tick := time.NewTicker(keepTick)
	defer tick.Stop()
	for {
		if err := errors.Join(s.rotateKeys(ctx), s.sweepSessions(ctx)); err != nil && ctx.Err() == nil {
			s.log.Error("keep sessions and keys", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sweepSessions takes away sessions a day after their longest end, failures that
// are forgiven, phones a day after their last code, and sign-ins at the provider
// that nobody came back from.
func (s *Service) sweepSessions(ctx context.Context) error {
	for {
		n := 0
		err := s.store.Update(ctx, func(tx *store.Tx) (err error) {
			n, err = sweepSome(tx, s.sessions, byEnd, func(r *pb.SessionRow) bool {
				return tx.Wall().After(r.GetEndsAt().AsTime().Add(session.Kept))
			})
			if err != nil {
				return err
			}
			m, err := sweepSome(tx, s.throttles, byTime, func(r *pb.ThrottleRow) bool {
				return tx.Wall().After(waitOver(r).Add(session.Forgiven))
			})
			if err != nil {
				return err
			}
			p, err := sweepSome(tx, s.phoneCodes, byTime, func(r *pb.PhoneCodeRow) bool {
				return tx.Wall().After(r.GetSentAt().AsTime().Add(session.PhoneDay))
			})
			if err != nil {
				return err
			}
			q, err := sweepSome(tx, s.providerStates, byTime, func(r *pb.ProviderStateRow) bool {
				return tx.Wall().After(r.GetBeganAt().AsTime().Add(session.ProviderHolds))
			})
			n = max(n, m, p, q)
			return err
		})
		if err != nil {
			return fmt.Errorf("sweep sessions: %w", err)
		}
		if n < sweptAtOnce {
			return nil
		}
	}
}

// sweepSome takes away the first rows of an index by time, as long as they are
// old, and answers how many.
func sweepSome[T proto.Message](tx *store.Tx, t *table.Table[T], index string, old func(T) bool) (n int, err error) {
	page, err := t.List(tx, scope.All(), table.Query{Index: index, Limit: sweptAtOnce})
	if err != nil {
		return 0, err
	}
	for _, row := range page.Rows {
		if !old(row.Value) {
			break // the rest is younger still
		}
		if err := t.Delete(tx, row); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
