package evaluation

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/copies"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/cycle"
)

const (
	// sliceMembers keeps a slice of freezing inside the limits of a commit: it
	// reads an index entry and a row for each member, and writes a row with two
	// index entries.
	sliceMembers = 150
	retryWork    = 200 * time.Millisecond
	cyclesAtOnce = 100
)

// workOnCycles does what cycles in a working state ask for, in slices: each
// commit holds a slice's results and where the next one begins, so a kill at
// any moment loses nothing and repeats nothing.
func (s *Service) workOnCycles(ctx context.Context) error {
	for {
		err := s.workOff(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var again <-chan time.Time
		if err != nil {
			s.log.Error("work on a cycle", "error", err)
			t := time.NewTimer(retryWork)
			defer t.Stop()
			again = t.C
		}
		select {
		case <-s.wake:
		case <-again:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// workOff takes every cycle until none has work.
func (s *Service) workOff(ctx context.Context) error {
	waiting, err := s.workingCycles(ctx)
	if err != nil {
		return err
	}
	for _, id := range waiting {
		for done := false; !done; {
			if done, err = s.slice(ctx, id); err != nil {
				return fmt.Errorf("cycle %s: %w", id, err)
			}
		}
	}
	return nil
}

func (s *Service) workingCycles(ctx context.Context) (ids []string, err error) {
	err = s.store.View(ctx, func(r kv.Reader) error {
		q := table.Query{Limit: cyclesAtOnce}
		for {
			page, err := s.tables.cycles.List(r, scope.All(), q)
			if err != nil {
				return err
			}
			for _, row := range page.Rows {
				if cycle.Working(cycle.State(row.Value.GetCycle().GetState())) {
					ids = append(ids, row.Value.GetCycle().GetId())
				}
			}
			if page.Last == nil {
				return nil
			}
			q.After = page.Last
		}
	})
	return ids, err
}

// slice does one slice of a cycle's work; done when there is none left.
func (s *Service) slice(ctx context.Context, id string) (done bool, err error) {
	var row table.Row[*pb.CycleRow]
	err = s.store.View(ctx, func(r kv.Reader) (err error) {
		row, err = s.cycle(r, scope.All(), id)
		return err
	})
	if err != nil {
		return false, err
	}
	switch cycle.State(row.Value.GetCycle().GetState()) {
	case cycle.Opening:
		return false, s.freezeSlice(ctx, row)
	case cycle.Computing:
		return false, s.sumCycle(ctx, row)
	case cycle.Closing:
		return false, s.issueSlice(ctx, row)
	default:
		return true, nil
	}
}

// The roster is frozen in two walks: members whose home organization lies in
// the district, then those from elsewhere who reported in here. The cursor's
// first byte says which walk it belongs to.
const (
	walkHomes    = 'h'
	walkReported = 'r'
)

// freezeSlice copies one page of members onto the roster.
func (s *Service) freezeSlice(ctx context.Context, row table.Row[*pb.CycleRow]) error {
	now := s.store.Civil().Now()
	return s.store.Update(ctx, func(tx *store.Tx) error {
		next := proto.CloneOf(row.Value)
		page, err := s.rosterPage(tx, next)
		if err != nil {
			return err
		}
		for _, m := range page.Members {
			_, err := s.tables.results.Insert(tx, &pb.ResultRow{
				CycleId: next.GetCycle().GetId(), MemberId: m.ID, HomePath: string(m.HomePath), CommunityPath: string(m.ReportedPath),
			})
			if err != nil {
				return err
			}
		}
		next.Cycle.Members += int64(len(page.Members))
		if next.Cursor != nil {
			_, err = s.tables.cycles.Replace(tx, row, next)
			return err
		}
		members := next.GetCycle().GetMembers()
		opened, err := s.moveCycle(tx, row, cycle.Freeze, func(r *pb.CycleRow) { r.Cycle.Members = members })
		if err != nil {
			return err
		}
		return tx.Emit(cycleEvent("cycle.opened", opened, now))
	})
}

// rosterPage reads the next page of the walk in hand and moves the cursor; a
// nil cursor afterwards is the end of the second walk.
func (s *Service) rosterPage(r kv.Reader, row *pb.CycleRow) (copies.Slice, error) {
	district := scope.Path(row.GetDistrictPath())
	walk, after := byte(walkHomes), key.Key(nil)
	if len(row.GetCursor()) > 0 {
		walk = row.GetCursor()[0]
		if len(row.GetCursor()) > 1 {
			after = row.GetCursor()[1:]
		}
	}
	if walk == walkHomes {
		page, err := s.members.ByHome(r, district, after, sliceMembers)
		row.Cursor = []byte{walkReported}
		if page.Next != nil {
			row.Cursor = append([]byte{walkHomes}, page.Next...)
		}
		return page, err
	}
	page, err := s.members.ByReported(r, district, after, sliceMembers)
	row.Cursor = nil
	if page.Next != nil {
		row.Cursor = append([]byte{walkReported}, page.Next...)
	}
	fromElsewhere := page.Members[:0]
	for _, m := range page.Members {
		if !district.Contains(m.HomePath) {
			fromElsewhere = append(fromElsewhere, m)
		}
	}
	page.Members = fromElsewhere
	return page, err
}

// entriesAtOnce bounds one read of a member's entries.
const entriesAtOnce = 1000
