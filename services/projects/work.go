package projects

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/application"
)

const (
	workTick   = 500 * time.Millisecond
	workAtOnce = 100
)

// work ends notices by the civil clock and writes letters, until the context
// ends.
func (s notices) work(ctx context.Context) error {
	tick := time.NewTicker(workTick)
	defer tick.Stop()
	for {
		if err := s.workOff(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("work on notices and letters", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// workOff does all that there is to do, each thing in a commit of its own: what
// a killed run did not come to is still in its index.
func (s notices) workOff(ctx context.Context) error {
	for {
		now := s.store.Civil().Now()
		due, err := s.waiting(ctx, byDue, func(a *pb.ApplicationRow) bool {
			return !a.GetApplication().GetNoticeUntil().AsTime().After(now)
		})
		if err != nil {
			return err
		}
		for _, id := range due {
			if err := s.store.Update(ctx, func(tx *store.Tx) error { return s.become(tx, id, now) }); err != nil {
				return err
			}
		}
		owed, err := s.waiting(ctx, byOwed, func(*pb.ApplicationRow) bool { return true })
		if err != nil || len(due)+len(owed) == 0 {
			return err
		}
		for _, id := range owed {
			letter := s.ids("let")
			if err := s.store.Update(ctx, func(tx *store.Tx) error { return letters{Service: s.Service}.write(tx, id, letter, now) }); err != nil {
				return err
			}
		}
	}
}

// waiting answers the first applications of an index of work that it is time for.
func (s notices) waiting(ctx context.Context, index string, is func(*pb.ApplicationRow) bool) (ids []string, err error) {
	err = s.store.View(ctx, func(r kv.Reader) error {
		page, err := s.tables.applications.List(r, scope.All(), table.Query{Index: index, Limit: workAtOnce})
		for _, row := range page.Rows {
			if is(row.Value) {
				ids = append(ids, row.Value.GetApplication().GetId())
			}
		}
		return err
	})
	return ids, err
}

// become makes an application a key project whose notice is over without an
// open objection. Where that is another outcome than its letter said, it is owed
// another one.
func (s notices) become(tx *store.Tx, id string, now time.Time) error {
	row, err := s.application(tx, scope.All(), id, "")
	if err != nil {
		return err
	}
	a := row.Value.GetApplication()
	if !application.Due(application.State(a.GetState()), now, a.GetNoticeUntil().AsTime(), int(row.Value.GetOpenObjections())) {
		return nil // somebody was faster
	}
	next := proto.CloneOf(row.Value)
	if row.Value.GetMovedUp() {
		owe(next, pb.ApplicationState(application.KeyProject), "", now)
	}
	if row, err = s.moveApplication(tx, row, next, application.Become); err != nil {
		return err
	}
	return tx.Emit(applicationChanged(row, now))
}
