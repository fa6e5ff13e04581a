package requests

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/requests/internal/hardship"
)

const (
	// watchTick is how often the civil clock is looked at: limits end at
	// midnight, so a little late is early enough.
	watchTick = 2 * time.Second
	// watchSlice bounds one look.
	watchSlice = 100
)

// watchLimits looks at what passes by itself: relief that is overdue, and
// offers that nobody answered in time.
func (a aid) watchLimits(ctx context.Context) error {
	tick := time.NewTicker(watchTick)
	defer tick.Stop()
	for {
		err := errors.Join(a.announceOverdue(ctx), matcher{Service: a.Service}.dropUnanswered(ctx))
		if err != nil && ctx.Err() == nil {
			a.log.Error("look at limits of hardship and offers", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// announceOverdue announces every limit that passed, each once: the commit
// that announces it takes it off the watch.
func (a aid) announceOverdue(ctx context.Context) error {
	now := a.store.Civil().Now()
	for {
		due, more, err := a.overdue(ctx, now)
		if err != nil {
			return err
		}
		for _, row := range due {
			if err := a.announceOne(ctx, row, now); err != nil {
				return err
			}
		}
		if !more || len(due) == 0 {
			return nil
		}
	}
}

// overdue answers the cases whose limit passed, the longest overdue first.
func (a aid) overdue(ctx context.Context, now time.Time) (due []table.Row[*pb.HardshipCaseRow], more bool, err error) {
	err = a.store.View(ctx, func(r kv.Reader) error {
		page, err := a.aidTables.cases.List(r, scope.All(), table.Query{Index: byWatch, Limit: watchSlice})
		if err != nil {
			return err
		}
		more = page.Last != nil
		for _, row := range page.Rows {
			if now.Before(row.Value.GetWatchUntil().AsTime()) {
				more = false
				return nil
			}
			due = append(due, row)
		}
		return nil
	})
	return due, more, err
}

func (a aid) announceOne(ctx context.Context, seen table.Row[*pb.HardshipCaseRow], now time.Time) error {
	return a.store.Update(ctx, func(tx *store.Tx) error {
		row, err := a.caseRow(tx, scope.All(), seen.Value.GetHardshipCase().GetId())
		if err != nil || row.Value.GetWatchUntil() == nil {
			return err // decided in the meantime
		}
		next := proto.CloneOf(row.Value)
		next.WatchUntil = nil
		kept, err := a.aidTables.cases.Replace(tx, row, next)
		if err != nil {
			return err
		}
		state := hardship.State(kept.Value.GetHardshipCase().GetState())
		return tx.Emit(caseEvent("hardship_case.relief_overdue", kept, state, now))
	})
}
