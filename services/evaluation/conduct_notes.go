package evaluation

import (
	"context"

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
	"github.com/linli-project/linli/services/evaluation/internal/conduct"
)

// mostNotes bounds how many notes of one member are looked through.
const mostNotes = 200

// standingNotes answers the notes on a member that are reported on a Shanghai
// day, with the signed texts: what the member's sheet and letter show. Whoever
// asks has checked that the reader may see the sheet.
func (s *Service) standingNotes(r kv.Reader, member, day string) ([]*pb.StandingNote, error) {
	var out []*pb.StandingNote
	err := s.eachStanding(r, member, day, func(row *pb.ConductNoteRow) error {
		note := standingProto(row)
		text, err := s.openNote(note.GetId(), conductOutcome, row.GetSealedOutcome())
		note.Text = text
		out = append(out, note)
		return err
	})
	return out, err
}

func (s *Service) eachStanding(r kv.Reader, member, day string, fn func(*pb.ConductNoteRow) error) error {
	page, err := s.branchTables.conduct.List(r, scope.All(), table.Query{
		Index: byMember, Prefix: memberKey(member), Limit: mostNotes, Reverse: true,
	})
	if err != nil {
		return err
	}
	for _, row := range page.Rows {
		n := row.Value.GetNote()
		if !conduct.Reported(conduct.State(n.GetState()), clock.Day(n.GetDecidedAt().AsTime()), n.GetLapsesOn(), day) {
			continue
		}
		if err := fn(row.Value); err != nil {
			return err
		}
	}
	return nil
}

func standingProto(row *pb.ConductNoteRow) *pb.StandingNote {
	n := row.GetNote()
	return &pb.StandingNote{Id: n.GetId(), Kind: n.GetKind(), Day: n.GetDay(), SignedBy: n.GetSignedBy(), LapsesOn: n.GetLapsesOn()}
}

// ListStandingNotes answers what is reported of a member. The home organization
// is the one itself, as with grades: what a branch is told is not for the
// organizations above it.
func (s conducts) ListStandingNotes(ctx context.Context, req *pb.ListStandingNotesRequest) (*pb.ListStandingNotesResponse, error) {
	call, reply, day := access.From(ctx), &pb.ListStandingNotesResponse{}, req.GetDay()
	if day == "" {
		day = clock.Day(s.store.Civil().Now())
	}
	err := s.store.View(ctx, func(r kv.Reader) error {
		m, ok, err := s.members.Get(r, req.GetMemberId())
		if err != nil {
			return err
		}
		offices := call.ScopeOf(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, typev1.Role_ROLE_STREET_OFFICER)
		atHome := standingAt(call, m.HomePath) == committee
		if !ok || !atHome && !offices.Covers(m.ReportedPath) {
			return rule.Absent("member", req.GetMemberId())
		}
		return s.eachStanding(r, m.ID, day, func(row *pb.ConductNoteRow) error {
			if atHome || offices.Covers(scope.Path(row.GetCommunityPath())) {
				reply.Notes = append(reply.Notes, standingProto(row))
			}
			return nil
		})
	})
	return reply, err
}

// ListConductNotes answers the notes of a community.
func (s conducts) ListConductNotes(ctx context.Context, req *pb.ListConductNotesRequest) (*pb.ListConductNotesResponse, error) {
	call, reply := access.From(ctx), &pb.ListConductNotesResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		o, _, err := s.organizations.Get(r, req.GetCommunityId())
		if err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.Scope{Paths: call.Scope.Paths}, Filter: []string{req.GetCommunityId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.branchTables.conduct, r, page,
			table.Query{Index: byCommunity, Prefix: key.Key(nil).String(string(o.Path))})
		for _, row := range rows {
			reply.Notes = append(reply.Notes, noteProto(row))
		}
		reply.NextPageToken = next
		return err
	})
	return reply, err
}

// GetMyConductNotes answers the caller's own notes.
func (s conducts) GetMyConductNotes(ctx context.Context, req *pb.GetMyConductNotesRequest) (*pb.GetMyConductNotesResponse, error) {
	call, reply := access.From(ctx), &pb.GetMyConductNotesResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		page := table.PageCall{Method: call.Method, Person: call.Person, Scope: scope.All(), Filter: []string{call.Person}, Size: req.GetPageSize(), Token: req.GetPageToken()}
		rows, next, err := table.Page(s.pager, s.branchTables.conduct, r, page, table.Query{Index: byMember, Prefix: memberKey(call.Person)})
		if err != nil {
			return err
		}
		for _, row := range rows {
			texts, err := s.noteTexts(row.Value)
			if err != nil {
				return err
			}
			reply.Notes = append(reply.Notes, &pb.OwnConductNote{Note: noteProto(row), Texts: texts})
		}
		reply.NextPageToken = next
		return nil
	})
	return reply, err
}

// RevealConductNote reads what was written, and leaves the reason in the audit.
func (s conducts) RevealConductNote(ctx context.Context, req *pb.RevealConductNoteRequest) (*pb.RevealConductNoteResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.RevealConductNoteResponse, error) {
		row, err := s.note(tx, req.GetId(), func(n *pb.ConductNoteRow) bool { return call.Scope.Covers(scope.Path(n.GetCommunityPath())) })
		if err != nil {
			return nil, err
		}
		texts, err := s.noteTexts(row.Value)
		if err != nil {
			return nil, err
		}
		return &pb.RevealConductNoteResponse{Texts: texts}, tx.Reveal(store.Record{Rows: []string{req.GetId()}, Subjects: []string{row.Value.GetNote().GetMemberId()}, Reason: req.GetReason()})
	})
}

// ownNote reads a note for its member.
func (s conducts) ownNote(tx *store.Tx, call access.Call, id string) (table.Row[*pb.ConductNoteRow], error) {
	return s.note(tx, id, func(n *pb.ConductNoteRow) bool { return call.Person == n.GetNote().GetMemberId() })
}

// AnswerHearing is the member's own word.
func (s conducts) AnswerHearing(ctx context.Context, req *pb.AnswerHearingRequest) (*pb.AnswerHearingResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	text := s.sealNote(req.GetId(), conductAnswer, req.GetText())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AnswerHearingResponse, error) {
		row, err := s.ownNote(tx, call, req.GetId())
		if err != nil {
			return nil, err
		}
		note, err := s.moveNote(tx, row, conduct.Answer, "answered", func(next *pb.ConductNoteRow) error {
			next.SealedAnswer, next.Note.AnsweredAt = text, now
			return nil
		})
		return &pb.AnswerHearingResponse{Note: note}, err
	})
}

// AppealConductNote appeals against a note that stands.
func (s conducts) AppealConductNote(ctx context.Context, req *pb.AppealConductNoteRequest) (*pb.AppealConductNoteResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	text := s.sealNote(req.GetId(), conductAppeal, req.GetText())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AppealConductNoteResponse, error) {
		row, err := s.ownNote(tx, call, req.GetId())
		if err != nil {
			return nil, err
		}
		note, err := s.moveNote(tx, row, conduct.Appeal, "appealed", func(next *pb.ConductNoteRow) error {
			next.SealedAppeal, next.Note.AppealedAt = text, timestamppb.New(now)
			return conduct.CheckAppeal(clock.Day(now), next.GetNote().GetLapsesOn())
		})
		return &pb.AppealConductNoteResponse{Note: note}, err
	})
}
