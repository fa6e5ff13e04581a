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
	"github.com/linli-project/linli/services/evaluation/internal/conduct"
)

// conducts answers linli.evaluation.v1.ConductService.
type conducts struct {
	pb.UnsafeConductServiceServer
	*Service
}

var _ pb.ConductServiceServer = conducts{}

// The sealed texts of a note.
const (
	conductFacts        = "facts"
	conductEstablished  = "established"
	conductAnswer       = "answer"
	conductOutcome      = "outcome"
	conductAppeal       = "appeal"
	conductAppealAnswer = "appeal answer"
)

func notePlace(id, field string) []string { return []string{"conduct note", id, field} }

func (s *Service) sealNote(id, field, text string) []byte {
	return s.store.Keyring().Seal([]byte(text), notePlace(id, field)...)
}

func (s *Service) openNote(id, field string, sealed []byte) (string, error) {
	text, err := s.store.Keyring().Open(sealed, notePlace(id, field)...)
	return string(text), err
}

// noteTexts opens all that was written of a note.
func (s *Service) noteTexts(row *pb.ConductNoteRow) (*pb.ConductTexts, error) {
	out := &pb.ConductTexts{}
	for _, f := range []struct {
		name   string
		sealed []byte
		to     *string
	}{
		{conductFacts, row.GetSealedFacts(), &out.Facts}, {conductEstablished, row.GetSealedEstablished(), &out.Established},
		{conductAnswer, row.GetSealedAnswer(), &out.Answer}, {conductOutcome, row.GetSealedOutcome(), &out.Outcome},
		{conductAppeal, row.GetSealedAppeal(), &out.Appeal}, {conductAppealAnswer, row.GetSealedAppealAnswer(), &out.AppealAnswer},
	} {
		text, err := s.openNote(row.GetNote().GetId(), f.name, f.sealed)
		if err != nil {
			return nil, err
		}
		*f.to = text
	}
	return out, nil
}

func noteProto(row table.Row[*pb.ConductNoteRow]) *pb.ConductNote {
	out := proto.CloneOf(row.Value.GetNote())
	out.Etag = row.Etag()
	return out
}

// conductEvent: linli.evaluation.conduct_note.<name>.v1.
func conductEvent(name string, row table.Row[*pb.ConductNoteRow]) store.Event {
	n := row.Value.GetNote()
	return store.Event{
		Name: "conduct_note." + name, EntityID: n.GetId(), Revision: row.Revision,
		Data: &pb.ConductNoteChanged{
			Id: n.GetId(), Revision: row.Revision, MemberId: n.GetMemberId(), CommunityId: n.GetCommunityId(), State: n.GetState(),
		},
	}
}

// note reads a note for the offices of its community, or for its member.
func (s *Service) note(r kv.Reader, id string, sees func(*pb.ConductNoteRow) bool) (table.Row[*pb.ConductNoteRow], error) {
	row, ok, err := s.branchTables.conduct.Get(r, scope.All(), idKey(id))
	if err == nil && (!ok || !sees(row.Value)) {
		err = rule.Absent("conduct_note", id)
	}
	return row, err
}

// moveNote takes a note one step on and announces it.
func (s *Service) moveNote(tx *store.Tx, row table.Row[*pb.ConductNoteRow], command, event string, change func(*pb.ConductNoteRow) error) (*pb.ConductNote, error) {
	state, err := conduct.Machine().Next(conduct.State(row.Value.GetNote().GetState()), command)
	if err != nil {
		return nil, err
	}
	next := proto.CloneOf(row.Value)
	next.Note.State = pb.ConductState(state)
	if err := change(next); err != nil {
		return nil, err
	}
	kept, err := s.branchTables.conduct.Replace(tx, row, next)
	if err != nil {
		return nil, err
	}
	tx.Audit(store.Record{Rows: []string{next.GetNote().GetId()}})
	return noteProto(kept), tx.Emit(conductEvent(event, kept))
}

// officeNote reads a note for an officer who acts on it and is not its member.
func (s conducts) officeNote(tx *store.Tx, call access.Call, id, etag string) (table.Row[*pb.ConductNoteRow], error) {
	row, err := s.note(tx, id, func(n *pb.ConductNoteRow) bool { return call.Scope.Covers(scope.Path(n.GetCommunityPath())) })
	if err != nil {
		return row, err
	}
	if err := conduct.NotOnOneself(call.Person, row.Value.GetNote().GetMemberId()); err != nil {
		return row, err
	}
	return row, row.Match(etag)
}

// OpenConductNote begins to establish facts.
func (s conducts) OpenConductNote(ctx context.Context, req *pb.OpenConductNoteRequest) (*pb.OpenConductNoteResponse, error) {
	call, id, now := access.From(ctx), s.ids("cnd"), timestamppb.New(s.store.Civil().Now())
	facts := s.sealNote(id, conductFacts, req.GetFacts())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.OpenConductNoteResponse, error) {
		o, _, err := s.organizations.Get(tx, req.GetCommunityId())
		if err != nil {
			return nil, err
		}
		m, ok, err := s.members.Get(tx, req.GetMemberId())
		if err != nil {
			return nil, err
		}
		if !ok || !belongs(m, o.Path) {
			return nil, rule.New(rule.Precondition, "NOT_OF_THIS_COMMUNITY", "member_id")
		}
		if err := conduct.NotOnOneself(call.Person, m.ID); err != nil {
			return nil, err
		}
		row, err := s.branchTables.conduct.Insert(tx, &pb.ConductNoteRow{
			Note: &pb.ConductNote{
				Id: id, CommunityId: o.ID, MemberId: m.ID, Kind: req.GetKind(), Day: req.GetDay(),
				State: pb.ConductState(conduct.Facts), OpenedBy: call.Person, OpenedAt: now,
			},
			CommunityPath: string(o.Path), SealedFacts: facts,
		})
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id}})
		return &pb.OpenConductNoteResponse{Note: noteProto(row)}, tx.Emit(conductEvent("opened", row))
	})
}

// HearMember puts the facts to the member.
func (s conducts) HearMember(ctx context.Context, req *pb.HearMemberRequest) (*pb.HearMemberResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	established := s.sealNote(req.GetId(), conductEstablished, req.GetEstablished())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.HearMemberResponse, error) {
		row, err := s.officeNote(tx, call, req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		note, err := s.moveNote(tx, row, conduct.Hear, "hearing", func(next *pb.ConductNoteRow) error {
			p, err := s.policyAt(tx, next.GetCommunityPath(), now)
			if err != nil {
				return err
			}
			until, err := p.AddWorkdays(now, p.Int("conduct.hearing_days"))
			next.SealedEstablished, next.Note.HearUntil = established, timestamppb.New(until)
			return err
		})
		return &pb.HearMemberResponse{Note: note}, err
	})
}

// DecideConductNote signs the outcome.
func (s conducts) DecideConductNote(ctx context.Context, req *pb.DecideConductNoteRequest) (*pb.DecideConductNoteResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	text := s.sealNote(req.GetId(), conductOutcome, req.GetText())
	outcome := conduct.State(req.GetOutcome())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.DecideConductNoteResponse, error) {
		row, err := s.officeNote(tx, call, req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		note, err := s.moveNote(tx, row, conduct.Finding(outcome), "decided", func(next *pb.ConductNoteRow) error {
			next.SealedOutcome, next.Note.SignedBy, next.Note.DecidedAt = text, call.Person, timestamppb.New(now)
			if outcome == conduct.Standing {
				p, err := s.policyAt(tx, next.GetCommunityPath(), now)
				if err != nil {
					return err
				}
				next.Note.LapsesOn = conduct.Lapses(now.In(clock.Shanghai()), p.Int("conduct.lapse_months"))
			}
			return conduct.CheckSign(conduct.State(row.Value.GetNote().GetState()), outcome, hearUntil(row.Value), now)
		})
		return &pb.DecideConductNoteResponse{Note: note}, err
	})
}

func hearUntil(row *pb.ConductNoteRow) time.Time {
	return row.GetNote().GetHearUntil().AsTime().In(clock.Shanghai())
}

// AnswerConductAppeal decides an appeal.
func (s conducts) AnswerConductAppeal(ctx context.Context, req *pb.AnswerConductAppealRequest) (*pb.AnswerConductAppealResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	text := s.sealNote(req.GetId(), conductAppealAnswer, req.GetText())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AnswerConductAppealResponse, error) {
		row, err := s.officeNote(tx, call, req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		if err := conduct.NotOnOneself(call.Person, row.Value.GetNote().GetSignedBy()); err != nil {
			return nil, err
		}
		note, err := s.moveNote(tx, row, conduct.Verdict(req.GetUpheld()), "appeal_answered", func(next *pb.ConductNoteRow) error {
			next.SealedAppealAnswer, next.Note.AppealAnsweredBy, next.Note.AppealAnsweredAt = text, call.Person, now
			return nil
		})
		return &pb.AnswerConductAppealResponse{Note: note}, err
	})
}
