package evaluation

import (
	"bytes"
	"context"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/held"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/branch"
	"github.com/linli-project/linli/services/evaluation/internal/honor"
)

// tableErasures is by person; the one after it by when it is to be gone on with.
const tableErasures = store.FirstServiceTable + 170

// person answers linli.evaluation.v1.PersonService.
type person struct {
	pb.UnsafePersonServiceServer
	*Service
}

var _ pb.PersonServiceServer = person{}

// CollectPerson answers a page of what is held of the person of the token.
func (s person) CollectPerson(ctx context.Context, req *pb.CollectPersonRequest) (*pb.CollectPersonResponse, error) {
	rows, next, err := s.keeper.Collect(ctx, access.From(ctx).Person, req.GetAfter())
	if err != nil {
		return nil, err
	}
	return &pb.CollectPersonResponse{Held: rows, Next: next}, nil
}

// Holdings are the tables with rows of persons.
func (s *Service) Holdings() []held.Holding { return s.keeper.Holdings() }

// holdings are what the service holds of persons, in the order in which it is
// erased: first what is shown.
func (s *Service) holdings() []held.Holding {
	return slices.Concat([]held.Holding{s.honorHolding(), s.honorObjectionHolding()}, s.yearHoldings(), s.recordHoldings(), s.ledgerHoldings(), s.nameHoldings(),
		[]held.Holding{held.Of[*typev1.MemberCopyRow]{
			Rows: s.members.Rows(), Key: func(r *typev1.MemberCopyRow) key.Key { return memberKey(r.GetId()) },
			Near:   func(person string) table.Query { return table.Query{Prefix: memberKey(person)} },
			Copied: func(r *typev1.MemberCopyRow, person string) bool { return r.GetId() == person },
			Erase:  held.Removed[*typev1.MemberCopyRow],
		}})
}

// honorHolding: whoever is erased is on no board any more.
func (s *Service) honorHolding() held.Holding {
	return held.Of[*pb.HonorRow]{
		Rows: s.tables.honors, Key: func(r *pb.HonorRow) key.Key { return idKey(r.GetHonor().GetId()) },
		Near:   func(person string) table.Query { return table.Query{Index: byHonored, Prefix: idKey(person)} },
		Copied: func(r *pb.HonorRow, person string) bool { return r.GetHonor().GetMemberId() == person },
		Opens:  map[string]proto.Message{"sealed_name": nil},
		Erase: func(tx *store.Tx, row table.Row[*pb.HonorRow], _ *pb.HonorRow, _ string) (held.Effect, error) {
			if !honor.State(row.Value.GetHonor().GetState()).Open() {
				return held.Blank, nil
			}
			_, err := s.moveHonor(tx, row, honor.TakeOff, timestamppb.New(tx.Civil()), func(h *pb.Honor) {
				h.End = pb.HonorEnd_HONOR_END_CONSENT_WITHDRAWN
			})
			return held.Leave, err
		},
		Kept: "that there was an honor on a board, without a name",
	}
}

// honorObjectionHolding: an objection is who made it's; what it says is about the
// member too.
func (s *Service) honorObjectionHolding() held.Holding {
	return held.Of[*pb.HonorObjectionRow]{
		Rows: s.tables.objections, Key: func(r *pb.HonorObjectionRow) key.Key { return idKey(r.GetObjection().GetId()) },
		Copied: func(r *pb.HonorObjectionRow, person string) bool { return r.GetPerson() == person },
		Opens:  map[string]proto.Message{"sealed_text": nil},
		Touches: func(r *pb.HonorObjectionRow, person string) bool {
			return r.GetPerson() == person || r.GetMemberId() == person
		},
		Erase: held.Blanked[*pb.HonorObjectionRow],
		Past:  s.honorObjectionPast,
		Kept:  "that there was an objection, and how it was decided",
	}
}

// yearHoldings are the sheets of the years, what was written in them, and the
// grades.
func (s *Service) yearHoldings() []held.Holding {
	byMemberID := func(person string) table.Query { return table.Query{Index: byMember, Prefix: memberKey(person)} }
	return []held.Holding{
		held.Of[*pb.ResultRow]{
			Rows: s.tables.results, Key: func(r *pb.ResultRow) key.Key { return resultKey(r.GetCycleId(), r.GetHomePath(), r.GetMemberId()) },
			Near:   byMemberID,
			Copied: func(r *pb.ResultRow, person string) bool { return r.GetMemberId() == person },
			Opens:  map[string]proto.Message{"sealed_opinion_text": nil},
			Erase:  s.eraseResult,
			Kept:   "the figures of the year and the opinion by its grade, under an id that is nobody's: a letter is proved by its lines",
		},
		held.Of[*pb.ObjectionRow]{
			Rows: s.sheetTables.objections, Key: func(r *pb.ObjectionRow) key.Key { return key.Key(nil).String(r.GetObjection().GetId()) },
			Near:   byMemberID,
			Copied: func(r *pb.ObjectionRow, person string) bool { return r.GetObjection().GetMemberId() == person },
			Opens:  map[string]proto.Message{"sealed_text": nil, "sealed_answer": nil},
			Erase:  held.Blanked[*pb.ObjectionRow],
			Past:   s.objectionPast,
			Kept:   "that there was an objection, and how it was decided",
		},
		held.Of[*pb.BranchGradeRow]{
			Rows: s.branchTables.grades, Key: func(r *pb.BranchGradeRow) key.Key {
				return branchGradeKey(r.GetGrade().GetCycleId(), r.GetGrade().GetMemberId())
			},
			Near:   func(person string) table.Query { return table.Query{Index: byYear, Prefix: memberKey(person)} },
			Copied: func(r *pb.BranchGradeRow, person string) bool { return r.GetGrade().GetMemberId() == person },
			Opens: map[string]proto.Message{
				"sealed_reason": nil, "sealed_exception_reason": nil, "sealed_exception_answer": nil, "sealed_objection": nil,
				"sealed_objection_answer": nil,
			},
			Hide:  s.hideGrade,
			Erase: held.Blanked[*pb.BranchGradeRow],
			Kept:  "the grade under an id that is nobody's: the third of 优秀 is counted from the grades",
		},
		held.Of[*pb.ConductNoteRow]{
			Rows: s.branchTables.conduct, Key: func(r *pb.ConductNoteRow) key.Key { return idKey(r.GetNote().GetId()) },
			Near:   byMemberID,
			Copied: func(r *pb.ConductNoteRow, person string) bool { return r.GetNote().GetMemberId() == person },
			Opens: map[string]proto.Message{
				"sealed_facts": nil, "sealed_established": nil, "sealed_answer": nil, "sealed_outcome": nil, "sealed_appeal": nil,
				"sealed_appeal_answer": nil,
			},
			Erase: held.Blanked[*pb.ConductNoteRow],
			Past:  s.conductPast,
			Kept:  "that there was a note, of which kind, and its outcome",
		},
	}
}

// recordHoldings are the cards and exemptions.
func (s *Service) recordHoldings() []held.Holding {
	byMemberID := func(person string) table.Query { return table.Query{Index: byMember, Prefix: memberKey(person)} }
	return []held.Holding{
		held.Of[*pb.CardRow]{
			Rows: s.sheetTables.cards, Key: func(r *pb.CardRow) key.Key { return key.Key(nil).String(r.GetCard().GetNumber()) },
			Near:   byMemberID,
			Copied: func(r *pb.CardRow, person string) bool { return r.GetCard().GetMemberId() == person },
			Erase: func(tx *store.Tx, _ table.Row[*pb.CardRow], next *pb.CardRow, _ string) (held.Effect, error) {
				if next.GetCard().GetState() == pb.CardState_CARD_STATE_ACTIVE {
					next.Card.State, next.Card.EndedAt = pb.CardState_CARD_STATE_ENDED, timestamppb.New(tx.Civil())
				}
				return held.Blank, nil
			},
			Kept: "the number of the card: none is given twice",
		},
		held.Of[*pb.ExemptionRow]{
			Rows: s.surveyTables.exemptions, Key: func(r *pb.ExemptionRow) key.Key { return exemptionKey(r.GetMemberId(), r.GetYear()) },
			Copied: func(r *pb.ExemptionRow, person string) bool { return r.GetMemberId() == person },
			Kept:   "that an id was exempt in a year: the figures of the year rest on it",
		},
	}
}

// hideGrade: before the grades are shown nobody sees the own one.
func (s *Service) hideGrade(r kv.Reader, g *pb.BranchGradeRow, _ string) error {
	cycle, ok, err := s.branchTables.branches.Get(r, scope.All(), idKey(g.GetGrade().GetCycleId()))
	if err != nil || ok && branch.State(cycle.Value.GetCycle().GetState()) >= branch.Shown {
		return err
	}
	said := g.GetGrade()
	proto.Reset(g)
	g.Grade = &pb.BranchGrade{CycleId: said.GetCycleId(), MemberId: said.GetMemberId(), Year: said.GetYear()}
	return nil
}

// ledgerHoldings: entries and lines stay as they are. A line's hash covers the
// id, and the id is nobody's from now on.
func (s *Service) ledgerHoldings() []held.Holding {
	return []held.Holding{
		held.Of[*pb.EntryRow]{
			Rows: s.tables.entries, Key: func(r *pb.EntryRow) key.Key {
				e := r.GetEntry()
				return key.Key(nil).String(e.GetMemberId()).String(e.GetDay()).String(e.GetId())
			},
			Near:   func(person string) table.Query { return table.Query{Prefix: memberKey(person)} },
			Copied: func(r *pb.EntryRow, person string) bool { return r.GetEntry().GetMemberId() == person },
			Hide: func(_ kv.Reader, r *pb.EntryRow, _ string) error {
				r.ResidentId, r.ResidentAnsweredBy = "", ""
				return nil
			},
			Kept: "the service under an id that is nobody's: the ledger is append-only",
		},
		held.Of[*pb.TrustRow]{
			Rows: s.tables.trust, Key: func(r *pb.TrustRow) key.Key {
				return idKey(r.GetTrust().GetMemberId()).String(r.GetTrust().GetDay()).String(r.GetTrust().GetId())
			},
			Near:   func(person string) table.Query { return table.Query{Prefix: idKey(person)} },
			Copied: func(r *pb.TrustRow, person string) bool { return r.GetTrust().GetMemberId() == person },
			Erase:  held.Removed[*pb.TrustRow],
		},
		held.Of[*pb.AlarmRow]{
			Rows: s.tables.alarms, Key: func(r *pb.AlarmRow) key.Key { return key.Key(nil).String(r.GetAlarm().GetId()) },
			Copied: func(r *pb.AlarmRow, person string) bool { return r.GetAlarm().GetMemberId() == person },
			Erase:  held.Blanked[*pb.AlarmRow],
			Kept:   "that entries were looked at, and whether that is closed",
		},
	}
}

// nameHoldings are the forms of polls and surveys, which have names on them.
func (s *Service) nameHoldings() []held.Holding {
	return []held.Holding{
		held.Of[*pb.PollRow]{
			Rows: s.pollTables.polls, Key: func(r *pb.PollRow) key.Key { return pollKey(r.GetPoll().GetId()) },
			Touches: func(r *pb.PollRow, person string) bool { return slices.Contains(r.GetPoll().GetMemberIds(), person) },
			Erase: func(_ *store.Tx, _ table.Row[*pb.PollRow], next *pb.PollRow, person string) (held.Effect, error) {
				withoutLabel(next.GetLabels(), next.GetPoll().GetMemberIds(), person)
				return held.Write, nil
			},
			Kept: "how often each mark stands, under an id that is nobody's",
		},
		held.Of[*pb.SurveyRow]{
			Rows: s.surveyTables.surveys, Key: func(r *pb.SurveyRow) key.Key { return surveyKey(r.GetSurvey().GetId()) },
			Touches: func(r *pb.SurveyRow, person string) bool {
				return slices.Contains(r.GetSurvey().GetMemberIds(), person)
			},
			Erase: func(_ *store.Tx, _ table.Row[*pb.SurveyRow], next *pb.SurveyRow, person string) (held.Effect, error) {
				withoutLabel(next.GetLabels(), next.GetSurvey().GetMemberIds(), person)
				return held.Write, nil
			},
			Kept: "how often each mark stands, under an id that is nobody's",
		},
	}
}

// withoutLabel takes the name of a member off a form.
func withoutLabel(labels [][]byte, members []string, person string) {
	for i, m := range members[:min(len(members), len(labels))] {
		if m == person {
			labels[i] = nil
		}
	}
}

// eraseResult takes what was written out of a year's line. A letter is proved by a
// digest over its lines: of one that held until now a new digest is kept, so that
// it holds without what was erased; one that did not hold goes on not to.
func (s *Service) eraseResult(tx *store.Tx, row table.Row[*pb.ResultRow], next *pb.ResultRow, _ string) (held.Effect, error) {
	if len(next.GetSealedOpinionText()) == 0 && next.GetOpinionText() == "" && next.GetCorrectedAt() == nil {
		return held.Leave, nil
	}
	corrected := next.GetCorrectedAt() != nil
	next.OpinionText, next.SealedOpinionText = "", nil
	letter, ok, err := s.tables.letters.Get(tx, scope.All(), homeKey(row.Value.GetCycleId(), row.Value.GetHomePath()))
	if err != nil || !ok || letter.Value.GetLetter().GetIssue() == 0 {
		return held.Write, err
	}
	issue, ok, err := s.sheetTables.issues.Get(tx, scope.All(), key.Key(nil).String(letter.Value.GetLetter().GetCode()))
	if err != nil || !ok {
		return held.Write, err
	}
	was, err := s.digest(tx, letter.Value, nil)
	if err != nil {
		return held.Leave, err
	}
	is, err := s.digest(tx, letter.Value, next)
	if err != nil {
		return held.Leave, err
	}
	kept := proto.CloneOf(issue.Value)
	if bytes.Equal(was, issue.Value.GetDigest()) {
		kept.Digest = is
	}
	if corrected {
		kept.SealedCorrection = nil
	}
	if !proto.Equal(kept, issue.Value) {
		if _, err := s.sheetTables.issues.Replace(tx, issue, kept); err != nil {
			return held.Leave, err
		}
	}
	return held.Write, s.eraseCorrection(tx, letter, corrected)
}

// eraseCorrection takes out of a letter why it was issued again.
func (s *Service) eraseCorrection(tx *store.Tx, letter table.Row[*pb.LetterRow], corrected bool) error {
	if !corrected || len(letter.Value.GetSealedCorrection()) == 0 && letter.Value.GetLetter().GetCorrection() == "" {
		return nil
	}
	next := proto.CloneOf(letter.Value)
	next.SealedCorrection, next.Letter.Correction = nil, ""
	_, err := s.tables.letters.Replace(tx, letter, next)
	return err
}
