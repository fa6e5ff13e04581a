package evaluation

import (
	"context"
	"errors"
	"runtime"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/cycle"
)

const (
	// batchMembers is how many members are summed for one commit.
	batchMembers = 1000
	// batchLetters keeps a commit inside its limits: a letter reads two keys and
	// writes two.
	batchLetters = 300
	// mostSummers is how many batches are read and measured at once.
	mostSummers = 4
	// batchesAhead bounds what is measured and waits for the disk.
	batchesAhead = 4
	// signaturesAtOnce keeps a commit of signatures inside its limits.
	signaturesAtOnce = 400
)

// batch is a piece of the roster, read and measured on one snapshot.
type batch struct {
	by          measure
	parts       []*part // in the order of the roster
	communities map[string]int64
}

// part is what one commit writes of a batch.
type part struct {
	last    key.Key // of the roster
	pages   summedPages
	letters []*pb.LetterRow
	total   *pb.Cycle // sums to add to the cycle
}

// sumCycle sums the year of every member of the roster behind the cursor.
// Batches are measured beside each other and committed in order, each with its
// results, its part of the letters, the totals and where the next begins: a kill
// at any moment loses nothing and repeats nothing. What is confirmed or closed
// after a batch was read belongs to an objection or a correction.
func (s *Service) sumCycle(ctx context.Context, row table.Row[*pb.CycleRow]) error {
	communities, err := s.communitiesBefore(ctx, row.Value)
	if err != nil {
		return err
	}
	g, work := errgroup.WithContext(ctx)
	queue := make(chan chan *batch, batchesAhead)
	g.Go(func() error {
		defer close(queue)
		return s.cutRoster(work, g, row.Value, queue)
	})
	g.Go(func() (err error) {
		for next := range queue {
			select {
			case b := <-next:
				if row, err = s.commitBatch(work, row, b); err != nil {
					return err
				}
				for path, n := range b.communities {
					communities[path] += n
				}
			case <-work.Done():
				return work.Err()
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if err := s.openSignatures(ctx, row.Value, communities); err != nil {
		return err
	}
	return s.finishSum(ctx, row)
}

// cutRoster cuts the rest of the roster into batches and has each measured. The
// queue holds them in order.
func (s *Service) cutRoster(ctx context.Context, g *errgroup.Group, row *pb.CycleRow, queue chan<- chan *batch) error {
	slots := make(chan struct{}, min(runtime.GOMAXPROCS(0), mostSummers))
	known := newSaid()
	for after, more := key.Key(row.GetCursor()), true; more; {
		from, last := after, key.Key(nil)
		err := s.store.View(ctx, func(r kv.Reader) (err error) {
			last, err = s.tables.results.Last(r, rosterQuery(row, from))
			return err
		})
		if err != nil {
			return err
		}
		after, more = last, last != nil
		done := make(chan *batch, 1)
		if !send(ctx, slots, struct{}{}) || !send(ctx, queue, done) {
			return ctx.Err()
		}
		g.Go(func() error {
			b, err := s.readBatch(ctx, row, from, known)
			<-slots
			if err == nil {
				done <- b
			}
			return err
		})
	}
	return nil
}

// send answers false when the context ends first.
func send[T any](ctx context.Context, to chan<- T, v T) bool {
	select {
	case to <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

func rosterQuery(row *pb.CycleRow, after key.Key) table.Query {
	return table.Query{Prefix: cycleKey(row.GetCycle().GetId()), After: after, Limit: batchMembers}
}

// readBatch reads and measures the members behind a place on the roster.
func (s *Service) readBatch(ctx context.Context, row *pb.CycleRow, after key.Key, known *said) (*batch, error) {
	b := &batch{communities: map[string]int64{}}
	err := s.store.View(ctx, func(r kv.Reader) error {
		p, err := s.policies.For(r, scope.Path(row.GetDistrictPath()), int(row.GetCycle().GetYear()))
		if err != nil {
			return err
		}
		if b.by, err = newMeasure(row.GetCycle().GetId(), p); err != nil {
			return err
		}
		page, err := s.tables.results.List(r, scope.All(), rosterQuery(row, after))
		if err != nil {
			return err
		}
		year, err := s.reading(r, row.GetCycle().GetYear(), known).ofAll(page.Rows)
		if err != nil {
			return err
		}
		for i, result := range page.Rows {
			b.add(row, result.Value, year[i])
		}
		return nil
	})
	return b, err
}

// add measures one member.
func (b *batch) add(c *pb.CycleRow, row *pb.ResultRow, f yearFacts) {
	p := b.partFor(row.GetHomePath())
	p.last = resultKey(row.GetCycleId(), row.GetHomePath(), row.GetMemberId())
	p.pages.add(row, b.by.figures(row, f))
	if row.GetCommunityPath() != "" {
		b.communities[row.GetCommunityPath()]++
	}
	addToCycle(p.total, f.sum)
	if n := len(p.letters); n == 0 || p.letters[n-1].GetHomePath() != row.GetHomePath() {
		p.letters = append(p.letters, newLetter(c, row.GetHomePath()))
	}
	addToLetter(p.letters[len(p.letters)-1].GetLetter(), f.sum)
}

// partFor answers the part that takes the next member: the last one, unless it
// has as many letters as a commit can hold.
func (b *batch) partFor(home string) *part {
	if n := len(b.parts); n > 0 {
		p := b.parts[n-1]
		if len(p.letters) < batchLetters || p.letters[batchLetters-1].GetHomePath() == home {
			return p
		}
	}
	p := &part{total: &pb.Cycle{}}
	b.parts = append(b.parts, p)
	return p
}

// errMeasuredOtherwise: the policy was replaced between reading and committing.
var errMeasuredOtherwise = errors.New("the policy has changed meanwhile")

// commitBatch writes what a batch came to, and answers the cycle as it is then.
func (s *Service) commitBatch(ctx context.Context, row table.Row[*pb.CycleRow], b *batch) (table.Row[*pb.CycleRow], error) {
	now := timestamppb.New(s.store.Civil().Now())
	for _, p := range b.parts {
		for _, l := range p.letters {
			l.Letter.Id, l.Letter.MadeAt = s.ids("let"), now
		}
		kept := row
		err := s.store.Update(ctx, func(tx *store.Tx) (err error) {
			kept, err = s.keepPart(tx, row, b.by, p)
			return err
		})
		if err != nil {
			return row, err
		}
		row = kept
	}
	return row, nil
}

// keepPart writes one part, measured by a policy that must still hold.
func (s *Service) keepPart(tx *store.Tx, row table.Row[*pb.CycleRow], by measure, p *part) (table.Row[*pb.CycleRow], error) {
	next := proto.CloneOf(row.Value)
	holds, err := s.policies.For(tx, scope.Path(next.GetDistrictPath()), int(next.GetCycle().GetYear()))
	if err != nil {
		return row, err
	}
	again, err := newMeasure(next.GetCycle().GetId(), holds)
	if err != nil {
		return row, err
	}
	if again.quotes.GetId() != by.quotes.GetId() || holds.Version != by.policy.Version {
		return row, errMeasuredOtherwise
	}
	if err := s.keepQuotes(tx, again.quotes); err != nil {
		return row, err
	}
	if err := p.pages.keep(tx, s.tables.summed); err != nil {
		return row, err
	}
	made, err := s.keepLetters(tx, p.letters)
	if err != nil {
		return row, err
	}
	c := next.GetCycle()
	c.Letters += made
	c.MembersWithService += p.total.GetMembersWithService()
	c.Times, c.Cases, c.QuarterHours = c.Times+p.total.GetTimes(), c.Cases+p.total.GetCases(), c.QuarterHours+p.total.GetQuarterHours()
	next.Cursor = p.last
	return s.tables.cycles.Replace(tx, row, next)
}

// communitiesBefore counts the members of each community that lie before the
// cursor: what a run that was broken off had counted.
func (s *Service) communitiesBefore(ctx context.Context, row *pb.CycleRow) (map[string]int64, error) {
	out := map[string]int64{}
	for after, until := key.Key(nil), string(row.GetCursor()); string(after) < until; {
		err := s.store.View(ctx, func(r kv.Reader) error {
			page, err := s.tables.results.List(r, scope.All(), rosterQuery(row, after))
			for _, member := range page.Rows {
				after = resultKey(member.Value.GetCycleId(), member.Value.GetHomePath(), member.Value.GetMemberId())
				if string(after) > until {
					return err
				}
				if at := member.Value.GetCommunityPath(); at != "" {
					out[at]++
				}
			}
			if page.Last == nil {
				until = string(after) // the roster has ended
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// finishSum marks a cycle as computed: from now on members see their sheets.
func (s *Service) finishSum(ctx context.Context, row table.Row[*pb.CycleRow]) error {
	now := timestamppb.New(s.store.Civil().Now())
	return s.store.Update(ctx, func(tx *store.Tx) error {
		p, err := s.policies.For(tx, scope.Path(row.Value.GetDistrictPath()), int(row.Value.GetCycle().GetYear()))
		if err != nil {
			return err
		}
		computed, err := s.moveCycle(tx, row, cycle.Finish, func(r *pb.CycleRow) {
			r.Cycle.ComputedAt = now
			r.Cycle.ObjectUntil = timestamppb.New(endOfDays(now.AsTime(), p.Int("evaluation.objection_days")))
		})
		if err != nil {
			return err
		}
		return tx.Emit(cycleEvent("cycle.computed", computed, now.AsTime()))
	})
}
