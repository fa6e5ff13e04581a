package evaluation

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/copies"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/cycle"
	"github.com/linli-project/linli/services/evaluation/internal/ledger"
)

const (
	// sliceMembers keeps a slice inside the limits of a commit: freezing reads
	// an index entry and a row for each member, summing writes a result and at
	// worst a letter with its index.
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
		return false, s.sumSlice(ctx, row)
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

// sumSlice sums the year of one page of the roster, and adds the page to its
// letters. Ledger, polls and surveys are read on one snapshot; what is confirmed
// or closed after it belongs to an objection or a correction.
func (s *Service) sumSlice(ctx context.Context, row table.Row[*pb.CycleRow]) error {
	page, year, err := s.readYear(ctx, row.Value)
	if err != nil {
		return err
	}
	letterIDs := make([]string, len(page.Rows))
	for i := range letterIDs {
		letterIDs[i] = s.ids("let")
	}
	now := timestamppb.New(s.store.Civil().Now())
	return s.store.Update(ctx, func(tx *store.Tx) error {
		next := proto.CloneOf(row.Value)
		p, err := s.policies.For(tx, scope.Path(row.Value.GetDistrictPath()), int(next.GetCycle().GetYear()))
		if err != nil {
			return err
		}
		by, err := s.measure(tx, next.GetCycle().GetId(), p)
		if err != nil {
			return err
		}
		letters := map[string]*pb.LetterRow{}
		communities := map[string]int64{}
		for i, result := range page.Rows {
			changed := by.summed(result.Value, year[i])
			if changed.GetCommunityPath() != "" {
				communities[changed.GetCommunityPath()]++
			}
			if _, err := s.tables.results.Replace(tx, result, changed); err != nil {
				return err
			}
			addToCycle(next.GetCycle(), year[i].sum)
			letter, ok := letters[changed.GetHomePath()]
			if !ok {
				letter = newLetter(next, changed.GetHomePath(), letterIDs[i], now)
				letters[changed.GetHomePath()] = letter
			}
			addToLetter(letter.GetLetter(), year[i].sum)
		}
		if err := s.countCommunities(tx, next, communities); err != nil {
			return err
		}
		made, err := s.keepLetters(tx, letters)
		if err != nil {
			return err
		}
		next.Cycle.Letters += made
		next.Cursor = page.Last
		if page.Last != nil {
			_, err := s.tables.cycles.Replace(tx, row, next)
			return err
		}
		return s.finishSum(tx, row, next.GetCycle(), now, endOfDays(now.AsTime(), p.Int("evaluation.objection_days")))
	})
}

// finishSum marks a cycle as computed: from now on members see their sheets.
func (s *Service) finishSum(tx *store.Tx, row table.Row[*pb.CycleRow], summed *pb.Cycle, now *timestamppb.Timestamp, objectUntil time.Time) error {
	computed, err := s.moveCycle(tx, row, cycle.Finish, func(r *pb.CycleRow) {
		state := r.GetCycle().GetState()
		r.Cycle = summed
		r.Cycle.State, r.Cycle.ComputedAt, r.Cycle.ObjectUntil = state, now, timestamppb.New(objectUntil)
	})
	if err != nil {
		return err
	}
	return tx.Emit(cycleEvent("cycle.computed", computed, now.AsTime()))
}

// readYear reads a page of the roster and the facts of the year of each of its
// members.
func (s *Service) readYear(ctx context.Context, row *pb.CycleRow) (page table.Listing[*pb.ResultRow], year []yearFacts, err error) {
	err = s.store.View(ctx, func(r kv.Reader) error {
		page, err = s.tables.results.List(r, scope.All(), table.Query{
			Prefix: cycleKey(row.GetCycle().GetId()), After: row.GetCursor(), Limit: sliceMembers,
		})
		if err != nil {
			return err
		}
		year = make([]yearFacts, len(page.Rows))
		of := s.reading(r, row.GetCycle().GetYear())
		for i, result := range page.Rows {
			if year[i], err = of.of(result.Value); err != nil {
				return err
			}
		}
		return nil
	})
	return page, year, err
}

// entriesAtOnce bounds one read of a member's year.
const entriesAtOnce = 1000

func (s *Service) sumMember(r kv.Reader, member, year string) (sum ledger.Sum, err error) {
	q := table.Query{Prefix: key.Key(nil).String(member).Prefix(year), Limit: entriesAtOnce}
	for {
		page, err := s.tables.entries.List(r, scope.All(), q)
		if err != nil {
			return sum, err
		}
		for _, row := range page.Rows {
			if e := row.Value.GetEntry(); ledger.State(e.GetState()) == ledger.Confirmed {
				sum = sum.Add(ledger.Sum{Times: e.GetTimes(), Cases: e.GetCases(), QuarterHours: e.GetQuarterHours()})
			}
		}
		if page.Last == nil {
			return sum, nil
		}
		q.After = page.Last
	}
}
