package evaluation

import (
	"context"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/evaluation/internal/conduct"
)

// today is the Shanghai day of the civil clock.
func (s *Service) today() string { return clock.Day(s.store.Civil().Now()) }

// noted answers which notes on the members of a letter are reported on a day.
// Only ids are kept with the letter: the text stays sealed in the note, and what
// is lifted later is read by nobody.
func (s *Service) noted(r kv.Reader, l *pb.LetterRow, day string) ([]*pb.NotedMember, error) {
	var out []*pb.NotedMember
	for q := linesOf(l); ; {
		page, err := s.tables.results.List(r, scope.All(), q)
		if err != nil {
			return nil, err
		}
		for _, line := range page.Rows {
			of := &pb.NotedMember{MemberId: line.Value.GetMemberId()}
			err := s.eachStanding(r, of.GetMemberId(), day, func(row *pb.ConductNoteRow) error {
				of.NoteIds = append(of.NoteIds, row.GetNote().GetId())
				return nil
			})
			if err != nil {
				return nil, err
			}
			if len(of.GetNoteIds()) > 0 {
				out = append(out, of)
			}
		}
		if page.Last == nil {
			return out, nil
		}
		q.After = page.Last
	}
}

// letterLines makes the lines of one letter.
type letterLines struct {
	*Service
	ids map[string][]string // note ids by member
	// day is when the letter is read; shows, whether the reader may see notes.
	day   string
	shows bool
}

// linesFor are the lines of a letter as its reader may see them. Notes are for
// the home organization itself, as everywhere, and for the district, which prints
// the letter; organizations in between see the figures without them.
func (s *Service) linesFor(call access.Call, l *pb.LetterRow, day string) letterLines {
	shows := standingAt(call, scope.Path(l.GetHomePath())) == committee ||
		call.ScopeOf(typev1.Role_ROLE_DISTRICT_OFFICER, typev1.Role_ROLE_CITY_OFFICER).Covers(scope.Path(l.GetDistrictPath()))
	return letterLines{Service: s, ids: notedBy(l), day: day, shows: shows}
}

func notedBy(l *pb.LetterRow) map[string][]string {
	out := map[string][]string{}
	for _, of := range l.GetNoted() {
		out[of.GetMemberId()] = of.GetNoteIds()
	}
	return out
}

// fact is a line as it is signed: notes are named and not quoted, so that the
// digest holds whatever becomes of them.
func (l letterLines) fact(row *pb.ResultRow) (*pb.LetterLine, error) {
	out, err := l.lineProto(row)
	if err != nil {
		return nil, err
	}
	for _, id := range l.ids[row.GetMemberId()] {
		out.Notes = append(out.Notes, &pb.StandingNote{Id: id})
	}
	return out, nil
}

// line is a line as it is read.
func (l letterLines) line(r kv.Reader, row *pb.ResultRow) (*pb.LetterLine, error) {
	out, err := l.lineProto(row)
	if err != nil || !l.shows {
		return out, err
	}
	for _, id := range l.ids[row.GetMemberId()] {
		note, err := l.shown(r, id)
		if err != nil {
			return nil, err
		}
		out.Notes = append(out.Notes, note)
	}
	return out, nil
}

// shown is a note of a letter on the day of reading.
func (l letterLines) shown(r kv.Reader, id string) (*pb.StandingNote, error) {
	row, ok, err := l.branchTables.conduct.Get(r, scope.All(), idKey(id))
	if err == nil && !ok {
		err = rule.Absent("conduct_note", id)
	}
	if err != nil {
		return nil, err
	}
	n, out := row.Value.GetNote(), standingProto(row.Value)
	if !conduct.Reported(conduct.State(n.GetState()), clock.Day(n.GetDecidedAt().AsTime()), n.GetLapsesOn(), l.day) {
		out.Withdrawn = true
		return out, nil
	}
	out.Text, err = l.openNote(id, conductOutcome, row.Value.GetSealedOutcome())
	return out, err
}

// traceReading leaves in the audit that somebody was shown the texts of notes;
// nothing when there were none. Without the trace they are not shown.
func (s *Service) traceReading(ctx context.Context, shown ...[]*pb.StandingNote) error {
	var read []string
	for _, notes := range shown {
		for _, n := range notes {
			if n.GetText() != "" {
				read = append(read, n.GetId())
			}
		}
	}
	if len(read) == 0 {
		return nil
	}
	return s.store.Update(ctx, func(tx *store.Tx) error {
		tx.Audit(store.Record{Rows: read, Outcome: "read"})
		return nil
	})
}

// notesOf are the notes on the lines of a letter.
func notesOf(lines []*pb.LetterLine) [][]*pb.StandingNote {
	out := make([][]*pb.StandingNote, len(lines))
	for i, l := range lines {
		out[i] = l.GetNotes()
	}
	return out
}

// remarks are the notes of a line on paper.
func remarks(notes []*pb.StandingNote) string {
	out := ""
	for _, n := range notes {
		text := n.GetText()
		if n.GetWithdrawn() {
			text = "已撤回或失效"
		}
		if out != "" {
			out += ";"
		}
		out += n.GetDay() + " " + text
	}
	return out
}
