package evaluation

import (
	"context"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/honor"
)

func objectionText(id string) []string { return []string{"honor_objection", id, "text"} }

func honorObjectionProto(row table.Row[*pb.HonorObjectionRow]) *pb.HonorObjection {
	out := proto.CloneOf(row.Value.GetObjection())
	out.Etag = row.Etag()
	return out
}

func honorObjectionEvent(name string, row table.Row[*pb.HonorObjectionRow]) store.Event {
	o := row.Value.GetObjection()
	return store.Event{
		Name: name, EntityID: o.GetId(), Revision: row.Revision,
		Data: &pb.HonorObjectionChanged{
			Id: o.GetId(), Revision: row.Revision, HonorId: o.GetHonorId(), CommunityPath: row.Value.GetCommunityPath(),
			Person: row.Value.GetPerson(), Answered: o.GetAnswered(), Upheld: o.GetUpheld(),
		},
	}
}

// ObjectToHonor objects while the notice lasts.
func (s *Service) ObjectToHonor(ctx context.Context, req *pb.ObjectToHonorRequest) (*pb.ObjectToHonorResponse, error) {
	call, id, now := access.From(ctx), s.ids("hob"), timestamppb.New(s.store.Civil().Now())
	sealed := s.store.Keyring().Seal([]byte(req.GetText()), objectionText(id)...)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ObjectToHonorResponse, error) {
		row, ok, err := s.tables.honors.Get(tx, scope.All(), idKey(req.GetHonorId()))
		if err != nil {
			return nil, err
		}
		h := row.Value.GetHonor()
		if !ok || !public(h) && h.GetMemberId() != call.Person {
			return nil, rule.Absent("honor", req.GetHonorId()) // nobody knows of it yet
		}
		if h.GetMemberId() == call.Person {
			return nil, rule.New(rule.Denied, "HONOR_OF_ONESELF", "")
		}
		if honor.State(h.GetState()) != honor.InNotice || !now.AsTime().Before(h.GetNoticeUntil().AsTime()) {
			return nil, rule.New(rule.Precondition, "NOT_IN_NOTICE", "")
		}
		made, err := s.tables.objections.Insert(tx, &pb.HonorObjectionRow{
			Objection:     &pb.HonorObjection{Id: id, HonorId: req.GetHonorId(), MadeAt: now},
			CommunityPath: row.Value.GetCommunityPath(), Person: call.Person, SealedText: sealed, MemberId: h.GetMemberId(),
		})
		if err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		next.Honor.Objections++
		next.Honor.OpenObjections++
		if _, err := s.tables.honors.Replace(tx, row, next); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id}})
		return &pb.ObjectToHonorResponse{Objection: honorObjectionProto(made)}, tx.Emit(honorObjectionEvent("honor_objection.made", made))
	})
}

// public says whether everybody may know of an honor.
func public(h *pb.Honor) bool {
	at := honor.State(h.GetState())
	return at == honor.InNotice || at == honor.OnTheBoard
}

func (s *Service) objection(r kv.Reader, sc scope.Scope, id string) (table.Row[*pb.HonorObjectionRow], error) {
	row, ok, err := s.tables.objections.Get(r, sc, idKey(id))
	if err == nil && !ok {
		err = rule.Absent("honor_objection", id)
	}
	return row, err
}

// ListHonorObjections answers the objections to an honor, without text.
func (s *Service) ListHonorObjections(ctx context.Context, req *pb.ListHonorObjectionsRequest) (*pb.ListHonorObjectionsResponse, error) {
	call := access.From(ctx)
	reply := &pb.ListHonorObjectionsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		sc := scope.Scope{Paths: call.Scope.Paths}
		if _, err := s.honor(r, sc, req.GetHonorId()); err != nil {
			return err
		}
		page := table.PageCall{Method: call.Method, Person: call.Person, Scope: sc, Size: req.GetPageSize(), Token: req.GetPageToken()}
		rows, next, err := table.Page(s.pager, s.tables.objections, r, page, table.Query{Index: byHonor, Prefix: idKey(req.GetHonorId())})
		for _, row := range rows {
			reply.Objections = append(reply.Objections, honorObjectionProto(row))
		}
		reply.NextPageToken = next
		return err
	})
	return reply, err
}

// ListMyHonorObjections answers what the caller objected to.
func (s *Service) ListMyHonorObjections(ctx context.Context, req *pb.ListMyHonorObjectionsRequest) (*pb.ListMyHonorObjectionsResponse, error) {
	call := access.From(ctx)
	reply := &pb.ListMyHonorObjectionsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.Scope{Person: call.Person}, Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.tables.objections, r, page, table.Query{Index: byPerson, Prefix: idKey(call.Person)})
		for _, row := range rows {
			reply.Objections = append(reply.Objections, honorObjectionProto(row))
		}
		reply.NextPageToken = next
		return err
	})
	return reply, err
}

// RevealHonorObjection opens a text and leaves the reason in the audit.
func (s *Service) RevealHonorObjection(ctx context.Context, req *pb.RevealHonorObjectionRequest) (*pb.RevealHonorObjectionResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.RevealHonorObjectionResponse, error) {
		row, err := s.objection(tx, scope.Scope{Paths: call.Scope.Paths}, req.GetId())
		if err != nil {
			return nil, err
		}
		if call.Person == row.Value.GetMemberId() {
			return nil, rule.New(rule.Denied, "HONOR_OF_ONESELF", "")
		}
		text, err := s.store.Keyring().Open(row.Value.GetSealedText(), objectionText(req.GetId())...)
		if err != nil {
			return nil, err
		}
		return &pb.RevealHonorObjectionResponse{Text: string(text)}, tx.Reveal(store.Record{Rows: []string{req.GetId()}, Subjects: []string{row.Value.GetMemberId()}, Reason: req.GetReason()})
	})
}

// AnswerHonorObjection answers; an upheld one takes the member off.
func (s *Service) AnswerHonorObjection(ctx context.Context, req *pb.AnswerHonorObjectionRequest) (*pb.AnswerHonorObjectionResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AnswerHonorObjectionResponse, error) {
		row, err := s.objection(tx, scope.Scope{Paths: call.Scope.Paths}, req.GetId())
		if err == nil {
			err = row.Match(req.GetEtag())
		}
		if err != nil {
			return nil, err
		}
		if call.Person == row.Value.GetMemberId() {
			return nil, rule.New(rule.Denied, "HONOR_OF_ONESELF", "")
		}
		if call.Person == row.Value.GetPerson() {
			return nil, rule.New(rule.Denied, "OWN_OBJECTION", "")
		}
		if row.Value.GetObjection().GetAnswered() {
			return nil, rule.New(rule.Precondition, "OBJECTION_ANSWERED", "")
		}
		next := proto.CloneOf(row.Value)
		next.Objection.Answered, next.Objection.AnsweredAt = true, now
		next.Objection.Upheld, next.Objection.Answer = req.GetUpheld(), req.GetAnswer()
		if row, err = s.tables.objections.Replace(tx, row, next); err != nil {
			return nil, err
		}
		if err := s.closeObjection(tx, row.Value, now); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		return &pb.AnswerHonorObjectionResponse{Objection: honorObjectionProto(row)}, tx.Emit(honorObjectionEvent("honor_objection.answered", row))
	})
}

// closeObjection counts the answer on the honor, and takes off whom an
// objection was upheld against.
func (s *Service) closeObjection(tx *store.Tx, o *pb.HonorObjectionRow, now *timestamppb.Timestamp) error {
	row, err := s.honor(tx, scope.All(), o.GetObjection().GetHonorId())
	if err != nil {
		return err
	}
	next := proto.CloneOf(row.Value)
	next.Honor.OpenObjections--
	if row, err = s.tables.honors.Replace(tx, row, next); err != nil {
		return err
	}
	if !o.GetObjection().GetUpheld() || !honor.State(row.Value.GetHonor().GetState()).Open() {
		return nil
	}
	_, err = s.moveHonor(tx, row, honor.TakeOff, now, func(h *pb.Honor) { h.End = pb.HonorEnd_HONOR_END_OBJECTION_UPHELD })
	return err
}
