package evaluation

import (
	"context"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/sheet"
)

// sheetOffices see sheets by the community they are kept in.
func sheetOffices() []typev1.Role {
	return []typev1.Role{
		typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, typev1.Role_ROLE_STREET_OFFICER, typev1.Role_ROLE_DISTRICT_OFFICER,
		typev1.Role_ROLE_CITY_OFFICER,
	}
}

// ObjectToSheet objects to a line of the own sheet.
func (s sheets) ObjectToSheet(ctx context.Context, req *pb.ObjectToSheetRequest) (*pb.ObjectToSheetResponse, error) {
	call, now, id := access.From(ctx), s.store.Civil().Now(), s.ids("obj")
	text := s.sealText(req.GetText(), objectionPlace(id, "text"))
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ObjectToSheetResponse, error) {
		c, row, err := s.mine(tx, call.Person, req.GetYear())
		if err != nil {
			return nil, err
		}
		if err := sheet.CheckObject(c.Value.GetCycle().GetObjectUntil().AsTime().In(clock.Shanghai()), now); err != nil {
			return nil, err
		}
		if err := s.countObjection(tx, row.Value, 1); err != nil {
			return nil, err
		}
		kept, err := s.sheetTables.objections.Insert(tx, &pb.ObjectionRow{
			Objection: &pb.Objection{
				Id: id, CycleId: row.Value.GetCycleId(), MemberId: call.Person, Line: req.GetLine(),
				State: pb.ObjectionState(sheet.Raised), ObjectedAt: timestamppb.New(now),
			},
			CommunityPath: row.Value.GetCommunityPath(), SealedText: text,
		})
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id}})
		made, err := s.objectionProto(kept.Value)
		if err != nil {
			return nil, err
		}
		return &pb.ObjectToSheetResponse{Objection: made}, tx.Emit(objectionEvent("objection.made", kept, now))
	})
}

// countObjection counts the open objections of a community at its signature, so
// that none comes in while it is signed. A member of no community has nobody who
// would answer.
func (s *Service) countObjection(tx *store.Tx, row *pb.ResultRow, n int32) error {
	if row.GetCommunityPath() == "" {
		return rule.Absent("sheet", row.GetMemberId())
	}
	signature, err := s.signature(tx, row.GetCycleId(), row.GetCommunityPath())
	if err != nil {
		return err
	}
	next := proto.CloneOf(signature.Value)
	next.Signature.OpenObjections += n
	_, err = s.sheetTables.signatures.Replace(tx, signature, next)
	return err
}

// AnswerObjection answers an objection in writing.
func (s sheets) AnswerObjection(ctx context.Context, req *pb.AnswerObjectionRequest) (*pb.AnswerObjectionResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	answer := s.sealText(req.GetAnswer(), objectionPlace(req.GetId(), "answer"))
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AnswerObjectionResponse, error) {
		row, ok, err := s.sheetTables.objections.Get(tx, scope.Scope{Paths: call.Scope.Paths}, key.Key(nil).String(req.GetId()))
		if err == nil && !ok {
			err = rule.Absent("objection", req.GetId())
		}
		if err != nil {
			return nil, err
		}
		o := row.Value.GetObjection()
		if o.GetMemberId() == call.Person {
			return nil, rule.New(rule.Denied, "OPINION_ON_ONESELF", "")
		}
		state, err := sheet.Objections().Next(sheet.ObjectionState(o.GetState()), sheet.Verdict(req.GetUpheld()))
		if err != nil {
			return nil, err
		}
		result, err := s.result(tx, scope.All(), o.GetCycleId(), o.GetMemberId())
		if err != nil {
			return nil, err
		}
		if err := s.settle(tx, result); err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		next.Objection.State, next.SealedAnswer = pb.ObjectionState(state), answer
		next.Objection.AnsweredBy, next.Objection.AnsweredAt = call.Person, now
		kept, err := s.sheetTables.objections.Replace(tx, row, next)
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		answered, err := s.objectionProto(kept.Value)
		if err != nil {
			return nil, err
		}
		return &pb.AnswerObjectionResponse{Objection: answered}, tx.Emit(objectionEvent("objection.answered", kept, now.AsTime()))
	})
}

// settle takes an answered objection from the count, and sums the member's year
// anew: what was confirmed or reversed since belongs to it. The letter follows
// when it is issued.
func (s sheets) settle(tx *store.Tx, result table.Row[*pb.ResultRow]) error {
	if err := s.countObjection(tx, result.Value, -1); err != nil {
		return err
	}
	return s.sumAgain(tx, result, func(*pb.ResultRow) {})
}

// ListObjections answers the objections of a community.
func (s sheets) ListObjections(ctx context.Context, req *pb.ListObjectionsRequest) (*pb.ListObjectionsResponse, error) {
	call := access.From(ctx)
	out := &pb.ListObjectionsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		o, _, err := s.organizations.Get(r, req.GetCommunityId())
		if err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.Scope{Paths: call.Scope.Paths}, Filter: []string{req.GetCycleId(), req.GetCommunityId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.sheetTables.objections, r, page, table.Query{
			Index: byCommunity, Prefix: communityKey(req.GetCycleId(), string(o.Path)),
		})
		for _, row := range rows {
			o, err := s.objectionProto(row.Value)
			if err != nil {
				return err
			}
			out.Objections = append(out.Objections, o)
		}
		out.NextPageToken = next
		return err
	})
	return out, err
}
