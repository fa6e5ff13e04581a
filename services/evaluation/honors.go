package evaluation

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/honor"
)

func honorProto(row table.Row[*pb.HonorRow]) *pb.Honor {
	out := proto.CloneOf(row.Value.GetHonor())
	out.Etag = row.Etag()
	return out
}

func honorProtos(rows []table.Row[*pb.HonorRow]) []*pb.Honor {
	out := make([]*pb.Honor, len(rows))
	for i, row := range rows {
		out[i] = honorProto(row)
	}
	return out
}

func honorEventName(command string) string {
	return map[string]string{
		honor.Name: "honor.named", honor.SayYes: "honor.consented", honor.SayNo: "honor.refused", honor.GiveNotice: "honor.in_notice",
		honor.PutUp: "honor.put_up", honor.End: "honor.run_out", honor.TakeOff: "honor.taken_off",
	}[command]
}

func honorEvent(command string, row table.Row[*pb.HonorRow], now *timestamppb.Timestamp) store.Event {
	h := row.Value.GetHonor()
	return store.Event{
		Name: honorEventName(command), EntityID: h.GetId(), Revision: row.Revision,
		Data: &pb.HonorChanged{
			Id: h.GetId(), Revision: row.Revision, BoardId: h.GetBoardId(), CommunityPath: row.Value.GetCommunityPath(),
			MemberId: h.GetMemberId(), State: h.GetState(), Day: clock.Day(now.AsTime()),
		},
	}
}

// ProposeHonor names a member for a board.
func (s *Service) ProposeHonor(ctx context.Context, req *pb.ProposeHonorRequest) (*pb.ProposeHonorResponse, error) {
	call, id, now := access.From(ctx), s.ids("hon"), timestamppb.New(s.store.Civil().Now())
	name, err := s.honorName(ctx, id, req.GetMemberId())
	if err != nil {
		return nil, err
	}
	// Counted before the commit, which may not read as much as a member can have done.
	found, err := s.evidenceFor(ctx, req, clock.Day(now.AsTime()))
	if err != nil {
		return nil, err
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ProposeHonorResponse, error) {
		board, err := s.board(tx, scope.Scope{Paths: call.Scope.Paths}, req.GetBoardId())
		if err != nil {
			return nil, err
		}
		if call.Person == req.GetMemberId() {
			return nil, rule.New(rule.Denied, "HONOR_OF_ONESELF", "member_id")
		}
		if err := s.mayBeNamed(tx, board.Value, req, found, now); err != nil {
			return nil, err
		}
		row, err := s.tables.honors.Insert(tx, &pb.HonorRow{CommunityPath: board.Value.GetCommunityPath(), SealedName: name, Honor: &pb.Honor{
			Id: id, BoardId: req.GetBoardId(), CommunityId: board.Value.GetBoard().GetCommunityId(), MemberId: req.GetMemberId(),
			State: pb.HonorState(honor.Named), Evidence: found, EndsOn: req.GetEndsOn(), ProposedBy: call.Person, ProposedAt: now,
		}})
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id}})
		return &pb.ProposeHonorResponse{Honor: honorProto(row)}, tx.Emit(honorEvent(honor.Name, row, now))
	})
}

// evidenceFor counts what a proposal rests on; nothing for an unknown board.
func (s *Service) evidenceFor(ctx context.Context, req *pb.ProposeHonorRequest, today string) (found *pb.HonorEvidence, err error) {
	err = s.store.View(ctx, func(r kv.Reader) error {
		board, ok, err := s.tables.boards.Get(r, scope.All(), idKey(req.GetBoardId()))
		if err != nil || !ok {
			return err
		}
		found, err = s.evidence(r, req.GetMemberId(), scope.Path(board.Value.GetCommunityPath()), today)
		return err
	})
	return found, err
}

// mayBeNamed refuses who does not belong here, is named already, or lacks one
// of the two kinds of evidence.
func (s *Service) mayBeNamed(tx *store.Tx, board *pb.BoardRow, req *pb.ProposeHonorRequest, found *pb.HonorEvidence, now *timestamppb.Timestamp) error {
	m, ok, err := s.members.Get(tx, req.GetMemberId())
	if err != nil {
		return err
	}
	if !ok || !belongs(m, scope.Path(board.GetCommunityPath())) {
		return rule.New(rule.Precondition, "NOT_OF_THIS_COMMUNITY", "member_id")
	}
	p, err := s.policyAt(tx, board.GetCommunityPath(), now.AsTime())
	if err != nil {
		return err
	}
	if err := honor.CheckEnd(clock.Day(now.AsTime()), req.GetEndsOn(), p.Int("honor.most_days")); err != nil {
		return err
	}
	_, exists, err := s.tables.honors.By(tx, scope.All(), byOpen, idKey(req.GetBoardId()).String(m.ID))
	if err == nil && exists {
		err = rule.New(rule.Exists, "HONOR_EXISTS", "member_id")
	}
	if err != nil {
		return err
	}
	e := honor.Evidence{
		Times: found.GetTimes(), Praises: found.GetPraises(), Ratings: found.GetRatings(), Confirmations: found.GetConfirmations(),
	}
	return e.Check(int32(p.Int("honor.least_times")), int32(p.Int("honor.least_trust")))
}

func (s *Service) honor(r kv.Reader, sc scope.Scope, id string) (table.Row[*pb.HonorRow], error) {
	row, ok, err := s.tables.honors.Get(r, sc, idKey(id))
	if err == nil && !ok {
		err = rule.Absent("honor", id)
	}
	return row, err
}

// moveHonor takes an honor one step on.
func (s *Service) moveHonor(tx *store.Tx, row table.Row[*pb.HonorRow], command string, now *timestamppb.Timestamp, change func(*pb.Honor)) (table.Row[*pb.HonorRow], error) {
	state, err := s.honorWay.Next(honor.State(row.Value.GetHonor().GetState()), command)
	if err != nil {
		return row, err
	}
	next := proto.CloneOf(row.Value)
	next.Honor.State = pb.HonorState(state)
	if !state.Open() {
		next.Honor.EndedAt, next.SealedName = now, nil // however it ends, the name is gone
	}
	change(next.Honor)
	if row, err = s.tables.honors.Replace(tx, row, next); err != nil {
		return row, err
	}
	tx.Audit(store.Record{Rows: []string{next.GetHonor().GetId()}})
	return row, tx.Emit(honorEvent(command, row, now))
}

// AnswerHonor is the member's yes or no to one board.
func (s *Service) AnswerHonor(ctx context.Context, req *pb.AnswerHonorRequest) (*pb.AnswerHonorResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AnswerHonorResponse, error) {
		row, err := s.honor(tx, scope.Scope{Person: call.Person}, req.GetId())
		if err != nil {
			return nil, err
		}
		command := honor.SayNo
		if req.GetConsent() {
			command = honor.SayYes
		}
		row, err = s.moveHonor(tx, row, command, now, func(h *pb.Honor) {
			if req.GetConsent() {
				h.ConsentedAt = now
			}
		})
		if err != nil {
			return nil, err
		}
		return &pb.AnswerHonorResponse{Honor: honorProto(row)}, nil
	})
}

// WithdrawHonor takes the member's consent back, at once.
func (s *Service) WithdrawHonor(ctx context.Context, req *pb.WithdrawHonorRequest) (*pb.WithdrawHonorResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.WithdrawHonorResponse, error) {
		row, err := s.honor(tx, scope.Scope{Person: call.Person}, req.GetId())
		if err != nil {
			return nil, err
		}
		row, err = s.moveHonor(tx, row, honor.TakeOff, now, func(h *pb.Honor) { h.End = pb.HonorEnd_HONOR_END_CONSENT_WITHDRAWN })
		if err != nil {
			return nil, err
		}
		return &pb.WithdrawHonorResponse{Honor: honorProto(row)}, nil
	})
}

// GiveHonorNotice begins the public notice: so many working days after today.
func (s *Service) GiveHonorNotice(ctx context.Context, req *pb.GiveHonorNoticeRequest) (*pb.GiveHonorNoticeResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.GiveHonorNoticeResponse, error) {
		row, err := s.honor(tx, scope.Scope{Paths: call.Scope.Paths}, req.GetId())
		if err == nil {
			err = row.Match(req.GetEtag())
		}
		if err != nil {
			return nil, err
		}
		until, err := s.noticeUntil(tx, row.Value.GetCommunityPath(), now.AsTime())
		if err != nil {
			return nil, err
		}
		row, err = s.moveHonor(tx, row, honor.GiveNotice, now, func(h *pb.Honor) {
			h.NoticeFrom, h.NoticeUntil = now, timestamppb.New(until)
		})
		if err != nil {
			return nil, err
		}
		return &pb.GiveHonorNoticeResponse{Honor: honorProto(row)}, nil
	})
}

// noticeUntil is the end of the last working day of a notice that begins now.
func (s *Service) noticeUntil(r kv.Reader, path string, now time.Time) (time.Time, error) {
	p, err := s.policyAt(r, path, now)
	if err != nil {
		return time.Time{}, err
	}
	return p.AddWorkdays(now, p.Int("honor.notice_days"))
}

// TakeOffHonor ends an honor with a reason.
func (s *Service) TakeOffHonor(ctx context.Context, req *pb.TakeOffHonorRequest) (*pb.TakeOffHonorResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.TakeOffHonorResponse, error) {
		row, err := s.honor(tx, scope.Scope{Paths: call.Scope.Paths}, req.GetId())
		if err == nil {
			err = row.Match(req.GetEtag())
		}
		if err != nil {
			return nil, err
		}
		row, err = s.moveHonor(tx, row, honor.TakeOff, now, func(h *pb.Honor) { h.End = req.GetEnd() })
		if err != nil {
			return nil, err
		}
		return &pb.TakeOffHonorResponse{Honor: honorProto(row)}, nil
	})
}

// ListHonors answers a board's honors.
func (s *Service) ListHonors(ctx context.Context, req *pb.ListHonorsRequest) (*pb.ListHonorsResponse, error) {
	call := access.From(ctx)
	reply := &pb.ListHonorsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		sc := scope.Scope{Paths: call.Scope.Paths}
		if _, err := s.board(r, sc, req.GetBoardId()); err != nil {
			return err
		}
		q := table.Query{Index: byBoard, Prefix: idKey(req.GetBoardId())}
		if req.GetState() != pb.HonorState_HONOR_STATE_UNSPECIFIED {
			q.Prefix = boardKey(req.GetBoardId(), req.GetState())
		}
		page := table.PageCall{Method: call.Method, Person: call.Person, Scope: sc, Size: req.GetPageSize(), Token: req.GetPageToken()}
		rows, next, err := table.Page(s.pager, s.tables.honors, r, page, q)
		reply.Honors, reply.NextPageToken = honorProtos(rows), next
		return err
	})
	return reply, err
}

// ListMyHonors answers the caller's own.
func (s *Service) ListMyHonors(ctx context.Context, req *pb.ListMyHonorsRequest) (*pb.ListMyHonorsResponse, error) {
	call := access.From(ctx)
	reply := &pb.ListMyHonorsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.Scope{Person: call.Person}, Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.tables.honors, r, page, table.Query{Index: byHonored, Prefix: idKey(call.Person)})
		reply.Honors, reply.NextPageToken = honorProtos(rows), next
		return err
	})
	return reply, err
}
