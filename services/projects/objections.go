package projects

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/application"
)

// sealedAs names a sealed text of an objection for its key.
func sealedAs(id, field string) []string { return []string{"selection_objection", id, field} }

func objectionProto(row table.Row[*pb.SelectionObjectionRow]) *pb.SelectionObjection {
	out := proto.CloneOf(row.Value.GetObjection())
	out.Etag = row.Etag()
	return out
}

// ObjectToSelection objects to a selection while its notice lasts. It looks
// past the scope: a notice is public, and what never was in one stays unknown.
func (s notices) ObjectToSelection(ctx context.Context, req *pb.ObjectToSelectionRequest) (*pb.ObjectToSelectionResponse, error) {
	c, now, id := access.From(ctx), s.store.Civil().Now(), s.ids("sob")
	text := s.store.Keyring().Seal([]byte(req.GetText()), sealedAs(id, "text")...)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ObjectToSelectionResponse, error) {
		row, err := s.application(tx, scope.All(), req.GetApplicationId(), "")
		if err != nil {
			return nil, err
		}
		a := row.Value.GetApplication()
		if a.GetNoticeId() == "" {
			return nil, rule.Absent("application", req.GetApplicationId())
		}
		if err := application.CheckInNotice(application.State(a.GetState()), now, a.GetNoticeUntil().AsTime()); err != nil {
			return nil, err
		}
		made := &pb.SelectionObjectionRow{
			Objection: &pb.SelectionObjection{Id: id, ApplicationId: a.GetId(), NoticeId: a.GetNoticeId(), MadeAt: timestamppb.New(now)},
			CallId:    a.GetCallId(), DistrictPath: row.Value.GetDistrictPath(), Person: c.Person, SealedText: text,
		}
		kept, err := s.keepObjection(tx, made)
		if err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		next.OpenObjections++
		if _, err := s.tables.applications.Replace(tx, row, next); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id}})
		return &pb.ObjectToSelectionResponse{Objection: objectionProto(kept)}, tx.Emit(objectionChanged("made", kept))
	})
}

// keepObjection stores the first objection of a person to a selection.
func (s notices) keepObjection(tx *store.Tx, o *pb.SelectionObjectionRow) (table.Row[*pb.SelectionObjectionRow], error) {
	before, taken, err := s.tables.objections.By(tx, scope.All(), byOnce, idKey(o.GetObjection().GetApplicationId()).String(o.GetPerson()))
	if err == nil && taken {
		err = rule.New(rule.Exists, "OBJECTED_ALREADY", "")
	}
	if err != nil {
		return before, err
	}
	return s.tables.objections.Insert(tx, o)
}

// ListSelectionObjections answers the objections to a selection, without texts.
func (s notices) ListSelectionObjections(ctx context.Context, req *pb.ListSelectionObjectionsRequest) (*pb.ListSelectionObjectionsResponse, error) {
	c := access.From(ctx)
	page := table.PageCall{
		Method: c.Method, Person: c.Person, Scope: sight(c), Filter: []string{req.GetApplicationId()}, Size: req.GetPageSize(), Token: req.GetPageToken(),
	}
	var out pb.ListSelectionObjectionsResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		if _, err := s.application(r, page.Scope, req.GetApplicationId(), ""); err != nil {
			return err
		}
		rows, next, err := table.Page(s.pager, s.tables.objections, r, page, table.Query{Index: byApplication, Prefix: idKey(req.GetApplicationId())})
		for _, row := range rows {
			out.Objections = append(out.Objections, objectionProto(row))
		}
		out.NextPageToken = next
		return err
	})
	return &out, err
}

// ListMySelectionObjections answers what the caller objected to, with answers.
func (s notices) ListMySelectionObjections(ctx context.Context, req *pb.ListMySelectionObjectionsRequest) (*pb.ListMySelectionObjectionsResponse, error) {
	c := access.From(ctx)
	page := table.PageCall{Method: c.Method, Person: c.Person, Scope: scope.Scope{Person: c.Person}, Size: req.GetPageSize(), Token: req.GetPageToken()}
	var out pb.ListMySelectionObjectionsResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		rows, next, err := table.Page(s.pager, s.tables.objections, r, page, table.Query{Index: byPerson, Prefix: idKey(c.Person)})
		if err != nil {
			return err
		}
		for _, row := range rows {
			o := objectionProto(row)
			if o.Answer, err = s.open(row.Value.GetSealedAnswer(), o.GetId(), "answer"); err != nil {
				return err
			}
			out.Objections = append(out.Objections, o)
		}
		out.NextPageToken = next
		return nil
	})
	return &out, err
}

// open answers a sealed text of an objection; "" for one that is not there.
func (s notices) open(sealed []byte, id, field string) (string, error) {
	if len(sealed) == 0 {
		return "", nil
	}
	text, err := s.store.Keyring().Open(sealed, sealedAs(id, field)...)
	return string(text), err
}

func (s notices) objection(r kv.Reader, sees scope.Scope, id, etag string) (table.Row[*pb.SelectionObjectionRow], error) {
	row, ok, err := s.tables.objections.Get(r, sees, idKey(id))
	if err == nil && !ok {
		err = rule.Absent("selection_objection", id)
	}
	if err != nil {
		return row, err
	}
	return row, row.Match(etag)
}

// RevealSelectionObjection opens the texts and leaves the reason in the audit.
func (s notices) RevealSelectionObjection(ctx context.Context, req *pb.RevealSelectionObjectionRequest) (*pb.RevealSelectionObjectionResponse, error) {
	c := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.RevealSelectionObjectionResponse, error) {
		row, err := s.objection(tx, sight(c), req.GetId(), "")
		if err != nil {
			return nil, err
		}
		out := &pb.RevealSelectionObjectionResponse{}
		if out.Text, err = s.open(row.Value.GetSealedText(), req.GetId(), "text"); err != nil {
			return nil, err
		}
		if err := tx.Reveal(store.Record{Rows: []string{req.GetId()}, Reason: req.GetReason()}); err != nil {
			return nil, err
		}
		out.Answer, err = s.open(row.Value.GetSealedAnswer(), req.GetId(), "answer")
		return out, err
	})
}

// AnswerSelectionObjection answers in the caller's name; an upheld objection
// takes the selection off.
func (s notices) AnswerSelectionObjection(ctx context.Context, req *pb.AnswerSelectionObjectionRequest) (*pb.AnswerSelectionObjectionResponse, error) {
	c, now := access.From(ctx), s.store.Civil().Now()
	answer := s.store.Keyring().Seal([]byte(req.GetAnswer()), sealedAs(req.GetId(), "answer")...)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AnswerSelectionObjectionResponse, error) {
		row, err := s.objection(tx, sight(c), req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		if err := application.CheckAnswer(c.Person, row.Value.GetPerson(), row.Value.GetObjection().GetAnswered(), req.GetUpheld(), req.GetReason()); err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		next.SealedAnswer = answer
		next.Objection.Answered, next.Objection.AnsweredAt = true, timestamppb.New(now)
		next.Objection.AnsweredBy, next.Objection.Upheld = c.Person, req.GetUpheld()
		if row, err = s.tables.objections.Replace(tx, row, next); err != nil {
			return nil, err
		}
		if err := s.closeObjection(tx, row.Value, req.GetReason(), now); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		return &pb.AnswerSelectionObjectionResponse{Objection: objectionProto(row)}, tx.Emit(objectionChanged("answered", row))
	})
}

// closeObjection counts the answer at the application, and withdraws the
// selection if the objection is upheld and no other one did so before.
func (s notices) closeObjection(tx *store.Tx, o *pb.SelectionObjectionRow, reason string, now time.Time) error {
	row, err := s.application(tx, scope.All(), o.GetObjection().GetApplicationId(), "")
	if err != nil {
		return err
	}
	next := proto.CloneOf(row.Value)
	next.OpenObjections--
	if !o.GetObjection().GetUpheld() || application.State(row.Value.GetApplication().GetState()) != application.InNotice {
		_, err = s.tables.applications.Replace(tx, row, next)
		return err
	}
	next.Application.WithdrawalReason = reason
	owe(next, pb.ApplicationState(application.NotSelected), reason, now)
	if row, err = s.moveApplication(tx, row, next, application.TakeOff); err != nil {
		return err
	}
	return tx.Emit(applicationChanged(row, now))
}
