package evaluation

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/honor"
)

// largestBoardPage is how many names one answer of ShowBoard may have to ask the
// registry for.
const largestBoardPage = 50

// ShowBoard is the public page: who is on it, by the name that was kept with the
// honor; where none may be shown, by the one that the registry gives this reader.
func (s *Service) ShowBoard(ctx context.Context, req *pb.ShowBoardRequest) (*pb.ShowBoardResponse, error) {
	call, today := access.From(ctx), clock.Day(s.store.Civil().Now())
	reply := &pb.ShowBoardResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		board, err := s.board(r, scope.All(), req.GetBoardId())
		if err != nil {
			return err
		}
		known, err := s.organizations.KnownTo(r, scope.Path(board.Value.GetCommunityPath()), call.Caller.Scope())
		if err != nil {
			return err
		}
		if !known {
			return rule.Absent("board", req.GetBoardId())
		}
		reply.Kind, reply.CommunityId = board.Value.GetBoard().GetKind(), board.Value.GetBoard().GetCommunityId()
		state := pb.HonorState(honor.OnTheBoard)
		if req.GetNotice() {
			state = pb.HonorState(honor.InNotice)
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.All(), Filter: []string{call.Person}, Size: req.GetPageSize(), Max: largestBoardPage,
			Token: req.GetPageToken(),
		}
		rows, next, err := table.PageOf(s.pager, s.tables.honors, r, page, table.Query{Index: byBoard, Prefix: boardKey(req.GetBoardId(), state)}, s.shownTo(r, call, today))
		reply.NextPageToken = next
		for _, row := range rows {
			h := row.Value.GetHonor()
			name, err := s.shownName(r, row.Value)
			if err != nil {
				return err
			}
			reply.Lines = append(reply.Lines, &pb.BoardLine{
				HonorId: h.GetId(), MemberId: h.GetMemberId(), Name: name, Until: h.GetEndsOn(), NoticeUntil: h.GetNoticeUntil(),
			})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	n := names{ctx: forReader(ctx), registry: s.registry, members: map[string]string{}}
	for _, l := range reply.GetLines() {
		if l.GetName() != "" {
			continue
		}
		if l.Name, err = n.member(l.GetMemberId()); err != nil {
			return nil, err
		}
	}
	return reply, nil
}

// shownTo leaves out who is not there for a reader, and what has ended: the job
// that takes it down may be late.
func (s *Service) shownTo(r kv.Reader, call access.Call, today string) func([]table.Row[*pb.HonorRow]) ([]table.Row[*pb.HonorRow], error) {
	return func(rows []table.Row[*pb.HonorRow]) (out []table.Row[*pb.HonorRow], err error) {
		for _, row := range rows {
			may, err := s.mayBeShown(r, call, row.Value)
			if err != nil {
				return nil, err
			}
			if may && today <= row.Value.GetHonor().GetEndsOn() {
				out = append(out, row)
			}
		}
		return out, nil
	}
}

// GetHonorFigures counts boards and whom they name below an organization.
func (s *Service) GetHonorFigures(ctx context.Context, req *pb.GetHonorFiguresRequest) (*pb.GetHonorFiguresResponse, error) {
	reply := &pb.GetHonorFiguresResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		o, err := s.organization(r, req.GetOrganizationId(), "organization_id")
		if err != nil {
			return err
		}
		if err := s.countBoards(r, o.Path, reply); err != nil {
			return err
		}
		return s.countHonors(r, o.Path, reply)
	})
	return reply, err
}

func (s *Service) countBoards(r kv.Reader, under scope.Path, reply *pb.GetHonorFiguresResponse) error {
	last := ""
	q := table.Query{Index: byKind, Prefix: key.Key(nil).Prefix(string(under)), Limit: entriesAtOnce}
	for {
		page, err := s.tables.boards.List(r, scope.All(), q)
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			reply.Boards++
			if row.Value.GetCommunityPath() != last {
				last = row.Value.GetCommunityPath()
				reply.Communities++
			}
		}
		if page.Last == nil {
			return nil
		}
		q.After = page.Last
	}
}

func (s *Service) countHonors(r kv.Reader, under scope.Path, reply *pb.GetHonorFiguresResponse) error {
	named := map[string]bool{}
	q := table.Query{Index: byPlace, Prefix: key.Key(nil).Prefix(string(under)), Limit: entriesAtOnce}
	for {
		page, err := s.tables.honors.List(r, scope.All(), q)
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			switch h := row.Value.GetHonor(); honor.State(h.GetState()) {
			case honor.OnTheBoard:
				named[h.GetMemberId()] = true
			case honor.InNotice:
				reply.InNotice++
			default: // not public, or no longer
			}
		}
		if page.Last == nil {
			reply.Members = int64(len(named))
			return nil
		}
		q.After = page.Last
	}
}

const (
	honorTick    = 500 * time.Millisecond
	honorsAtOnce = 100
)

// workOnHonors puts up and takes down what is due by the civil clock.
func (s *Service) workOnHonors(ctx context.Context) error {
	tick := time.NewTicker(honorTick)
	defer tick.Stop()
	for {
		if err := s.moveDue(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("work on honor rolls", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// moveDue takes everything that is due one step on, each in a commit of its
// own: what a killed run did not come to is still due.
func (s *Service) moveDue(ctx context.Context) error {
	for {
		now := s.store.Civil().Now()
		var due []string
		err := s.store.View(ctx, func(r kv.Reader) error {
			page, err := s.tables.honors.List(r, scope.All(), table.Query{Index: byDue, Limit: honorsAtOnce})
			for _, row := range page.Rows {
				if at, ok := dueAt(row.Value.GetHonor()); ok && !at.After(now) {
					due = append(due, row.Value.GetHonor().GetId())
				}
			}
			return err
		})
		if err != nil || len(due) == 0 {
			return err
		}
		for _, id := range due {
			if err := s.moveDueHonor(ctx, id, now); err != nil {
				return err
			}
		}
	}
}

func (s *Service) moveDueHonor(ctx context.Context, id string, now time.Time) error {
	return s.store.Update(ctx, func(tx *store.Tx) error {
		row, ok, err := s.tables.honors.Get(tx, scope.All(), idKey(id))
		if err != nil || !ok {
			return err
		}
		h := row.Value.GetHonor()
		command := honor.Due(honor.State(h.GetState()), clock.Day(now), h.GetEndsOn(), now, h.GetNoticeUntil().AsTime(), h.GetOpenObjections())
		if command == "" {
			return nil // somebody was faster
		}
		at := timestamppb.New(now)
		_, err = s.moveHonor(tx, row, command, at, func(h *pb.Honor) {
			if command == honor.PutUp {
				h.ShownAt = at
			}
		})
		return err
	})
}

func (s *Service) honorCheckers() []table.Checker {
	return []table.Checker{s.tables.boards, s.tables.honors, s.tables.trust, s.tables.objections}
}
