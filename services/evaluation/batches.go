package evaluation

import (
	"context"
	"errors"
	"strconv"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/honor"
)

// inList names the element of a list that a rule was broken for.
func inList(err error, list string, i int) error {
	var broken *rule.Error
	if !errors.As(err, &broken) {
		return err
	}
	return rule.New(broken.Kind, broken.Reason, list+"["+strconv.Itoa(i)+"]", broken.Params...)
}

// ProposeEntries writes one service of many members.
func (s *Service) ProposeEntries(ctx context.Context, req *pb.ProposeEntriesRequest) (*pb.ProposeEntriesResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	ids := make([]string, len(req.GetMemberIds()))
	for i := range ids {
		ids[i] = s.ids("ent")
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ProposeEntriesResponse, error) {
		keeper, err := s.organization(tx, req.GetCommunityId(), "community_id")
		if err != nil {
			return nil, err
		}
		reply := &pb.ProposeEntriesResponse{}
		for i, member := range req.GetMemberIds() {
			w := written{id: ids[i], by: call.Person, keeper: keeper.Path, now: now}
			entry, err := s.proposeFor(tx, member, "", req.GetService(), w)
			if err != nil {
				return nil, inList(err, "member_ids", i)
			}
			reply.Entries = append(reply.Entries, entry)
		}
		return reply, nil
	})
}

// ConfirmEntries confirms many entries of one keeper.
func (s *Service) ConfirmEntries(ctx context.Context, req *pb.ConfirmEntriesRequest) (*pb.ConfirmEntriesResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ConfirmEntriesResponse, error) {
		reply := &pb.ConfirmEntriesResponse{}
		for i, id := range req.GetIds() {
			row, err := s.confirm(tx, call, id, "", now)
			if err == nil && row.Value.GetEntry().GetCommunityId() != req.GetCommunityId() {
				err = rule.Absent("entry", id)
			}
			if err != nil {
				return nil, inList(err, "ids", i)
			}
			reply.Entries = append(reply.Entries, entryProto(row))
		}
		return reply, nil
	})
}

// noticesAtOnce keeps a board's notice inside the limits of a commit.
const noticesAtOnce = 50

// GiveBoardNotice begins the notice of everybody who consented to a board.
func (s *Service) GiveBoardNotice(ctx context.Context, req *pb.GiveBoardNoticeRequest) (*pb.GiveBoardNoticeResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.GiveBoardNoticeResponse, error) {
		sc := scope.Scope{Paths: call.Scope.Paths}
		board, err := s.board(tx, sc, req.GetBoardId())
		if err != nil {
			return nil, err
		}
		until, err := s.noticeUntil(tx, board.Value.GetCommunityPath(), now.AsTime())
		if err != nil {
			return nil, err
		}
		page, err := s.tables.honors.List(tx, sc, table.Query{
			Index: byBoard, Prefix: boardKey(req.GetBoardId(), pb.HonorState(honor.Consented)), Limit: noticesAtOnce,
		})
		if err != nil {
			return nil, err
		}
		reply := &pb.GiveBoardNoticeResponse{}
		for _, row := range page.Rows {
			row, err := s.moveHonor(tx, row, honor.GiveNotice, now, func(h *pb.Honor) {
				h.NoticeFrom, h.NoticeUntil = now, timestamppb.New(until)
			})
			if err != nil {
				return nil, err
			}
			reply.Honors = append(reply.Honors, honorProto(row))
		}
		tx.Audit(store.Record{Rows: []string{req.GetBoardId()}})
		return reply, nil
	})
}
