package evaluation

import (
	"context"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/branch"
)

// gradeChange is one act on a member of a cycle: the cycle guards the third, so
// both rows are read and written.
type gradeChange struct {
	cycle, member, etag string
	command             string
	as                  standing
}

// gradeAct is what an act has in hand.
type gradeAct struct {
	cycle *pb.BranchCycleRow
	row   *pb.BranchGradeRow
	m     branch.Member
	count branch.Count
}

// changeGrade reads a member and the cycle for somebody of the right standing,
// lets the rules act, and writes what they changed.
func (s branches) changeGrade(tx *store.Tx, call access.Call, c gradeChange, act func(*gradeAct) error) (cycle table.Row[*pb.BranchCycleRow], grade table.Row[*pb.BranchGradeRow], err error) {
	if cycle, err = s.branchCycle(tx, call, c.cycle, c.as); err != nil {
		return cycle, grade, err
	}
	if grade, err = s.branchGrade(tx, c.cycle, c.member); err != nil {
		return cycle, grade, err
	}
	if err := grade.Match(c.etag); err != nil {
		return cycle, grade, err
	}
	tx.Audit(store.Record{Rows: []string{c.cycle, c.member}})
	return s.actOn(tx, cycle, grade, c.command, act)
}

func (s branches) actOn(tx *store.Tx, cycle table.Row[*pb.BranchCycleRow], grade table.Row[*pb.BranchGradeRow], command string, act func(*gradeAct) error) (table.Row[*pb.BranchCycleRow], table.Row[*pb.BranchGradeRow], error) {
	a := &gradeAct{row: proto.CloneOf(grade.Value), m: branchMember(grade.Value.GetGrade()), count: countOf(cycle.Value), cycle: cycle.Value}
	cycle, err := s.moveBranch(tx, cycle, command, func(next *pb.BranchCycleRow) error {
		if err := act(a); err != nil {
			return err
		}
		putCount(next, a.count)
		return nil
	})
	if err != nil {
		return cycle, grade, err
	}
	putMember(a.row.GetGrade(), a.m)
	grade, err = s.branchTables.grades.Replace(tx, grade, a.row)
	return cycle, grade, err
}

func (s *Service) branchGrade(r kv.Reader, cycle, member string) (table.Row[*pb.BranchGradeRow], error) {
	row, ok, err := s.branchTables.grades.Get(r, scope.All(), branchGradeKey(cycle, member))
	if err == nil && !ok {
		err = rule.Absent("grade", member)
	}
	return row, err
}

// sealGrade seals what is written about a member's grade in a cycle.
func (s *Service) sealGrade(cycle, member, field, text string) []byte {
	return s.store.Keyring().Seal([]byte(text), gradePlace(cycle, member, field)...)
}

func gradePlace(cycle, member, field string) []string {
	return []string{"branch grade", cycle, member, field}
}

// gradeObjection is where the member's own words are sealed for: they come by
// year, before the cycle is known.
func gradeObjection(member string, year int32) []string {
	return []string{"branch grade", "objection", member, strconv.Itoa(int(year))}
}

// gradeTexts opens what was written.
func (s *Service) gradeTexts(row *pb.BranchGradeRow) (*pb.GradeTexts, error) {
	out, g := &pb.GradeTexts{}, row.GetGrade()
	place := func(field string) []string { return gradePlace(g.GetCycleId(), g.GetMemberId(), field) }
	for _, f := range []struct {
		sealed []byte
		to     *string
		place  []string
	}{
		{row.GetSealedReason(), &out.Reason, place("reason")},
		{row.GetSealedExceptionReason(), &out.ExceptionReason, place("exception reason")},
		{row.GetSealedExceptionAnswer(), &out.ExceptionAnswer, place("exception answer")},
		{row.GetSealedObjection(), &out.Objection, gradeObjection(g.GetMemberId(), g.GetYear())},
		{row.GetSealedObjectionAnswer(), &out.ObjectionAnswer, place("objection answer")},
	} {
		text, err := s.store.Keyring().Open(f.sealed, f.place...)
		if err != nil {
			return nil, err
		}
		*f.to = string(text)
	}
	return out, nil
}

// SetMemberAside takes a member out of those graded, or back in.
func (s branches) SetMemberAside(ctx context.Context, req *pb.SetMemberAsideRequest) (*pb.SetMemberAsideResponse, error) {
	call := access.From(ctx)
	reason := s.sealGrade(req.GetCycleId(), req.GetMemberId(), "reason", req.GetReason())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.SetMemberAsideResponse, error) {
		c := gradeChange{req.GetCycleId(), req.GetMemberId(), req.GetEtag(), branch.Aside, committee}
		_, row, err := s.changeGrade(tx, call, c, func(a *gradeAct) error {
			a.row.SealedReason = reason
			return a.m.Aside(&a.count, req.GetAside(), call.Person)
		})
		if err != nil {
			return nil, err
		}
		return &pb.SetMemberAsideResponse{Grade: gradeProto(row)}, nil
	})
}

// DecideGrade decides a member's grade by name.
func (s branches) DecideGrade(ctx context.Context, req *pb.DecideGradeRequest) (*pb.DecideGradeResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	d := s.decision(call.Person, req, req.GetReason())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.DecideGradeResponse, error) {
		c := gradeChange{req.GetCycleId(), req.GetMemberId(), req.GetEtag(), branch.Decide, committee}
		cycle, row, err := s.changeGrade(tx, call, c, func(a *gradeAct) error {
			return a.decide(d, now)
		})
		if err != nil {
			return nil, err
		}
		return &pb.DecideGradeResponse{Grade: gradeProto(row)}, emitAsked(tx, cycle, row)
	})
}

// gradeDecision is a decision with its reason, sealed for where it goes.
type gradeDecision struct {
	branch.Decision
	sealedReason, sealedExceptionReason []byte
}

// decision reads a decision out of a request that holds one.
func (s branches) decision(by string, r interface {
	GetCycleId() string
	GetMemberId() string
	GetGrade() pb.StatutoryGrade
	GetException() bool
}, reason string) gradeDecision {
	return gradeDecision{
		branch.Decision{Grade: branch.Grade(r.GetGrade()), Reason: reason, Exception: r.GetException(), By: by},
		s.sealGrade(r.GetCycleId(), r.GetMemberId(), "reason", reason),
		s.sealGrade(r.GetCycleId(), r.GetMemberId(), "exception reason", reason),
	}
}

// decide takes a decision, and keeps why: of what was decided, or of what was
// asked for above.
func (a *gradeAct) decide(d gradeDecision, now *timestamppb.Timestamp) error {
	if err := a.m.Decide(&a.count, d.Decision); err != nil {
		return err
	}
	if a.m.Exception == branch.Asked {
		a.row.SealedExceptionReason = d.sealedExceptionReason
		return nil
	}
	a.row.SealedReason, a.row.Grade.DecidedAt = d.sealedReason, now
	if branch.State(a.cycle.GetCycle().GetState()) == branch.Closed {
		a.row.Grade.CorrectedBy, a.row.Grade.CorrectedAt = d.By, now
	}
	return nil
}

// emitAsked announces an exception that waits for consent.
func emitAsked(tx *store.Tx, cycle table.Row[*pb.BranchCycleRow], row table.Row[*pb.BranchGradeRow]) error {
	if row.Value.GetGrade().GetException() != pb.ExceptionState_EXCEPTION_STATE_ASKED {
		return nil
	}
	return tx.Emit(branchEvent("branch.exception_asked", cycle))
}

// AnswerException is the consent from above, or its no.
func (s branches) AnswerException(ctx context.Context, req *pb.AnswerExceptionRequest) (*pb.AnswerExceptionResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	answer := s.sealGrade(req.GetCycleId(), req.GetMemberId(), "exception answer", req.GetReason())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AnswerExceptionResponse, error) {
		command, err := branch.CheckNo(req.GetConsents(), req.GetReason())
		if err != nil {
			return nil, err
		}
		c := gradeChange{req.GetCycleId(), req.GetMemberId(), req.GetEtag(), branch.AnswerException, above}
		cycle, row, err := s.changeGrade(tx, call, c, func(a *gradeAct) error {
			g := a.row.GetGrade()
			a.row.SealedExceptionAnswer = answer
			g.ExceptionAnsweredBy, g.ExceptionAnsweredAt = call.Person, now
			if command == branch.Consent {
				g.DecidedAt = now
				if branch.State(a.cycle.GetCycle().GetState()) == branch.Closed {
					g.CorrectedBy, g.CorrectedAt = g.GetExceptionAskedBy(), now
				}
			}
			return a.m.Answer(&a.count, command, call.Person)
		})
		if err != nil {
			return nil, err
		}
		if err := emitCorrected(tx, cycle, row); err != nil {
			return nil, err
		}
		return &pb.AnswerExceptionResponse{Grade: gradeProto(row)}, tx.Emit(branchEvent("branch.exception_answered", cycle))
	})
}

// AnswerGradeObjection answers an objection; one that is right is decided anew.
func (s branches) AnswerGradeObjection(ctx context.Context, req *pb.AnswerGradeObjectionRequest) (*pb.AnswerGradeObjectionResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	answer, d := s.sealGrade(req.GetCycleId(), req.GetMemberId(), "objection answer", req.GetAnswer()), s.decision(call.Person, req, req.GetAnswer())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AnswerGradeObjectionResponse, error) {
		c := gradeChange{req.GetCycleId(), req.GetMemberId(), req.GetEtag(), branch.AnswerObjection, committee}
		cycle, row, err := s.changeGrade(tx, call, c, func(a *gradeAct) error {
			if err := settleGrade(a, req.GetUpheld(), call.Person, now); err != nil {
				return err
			}
			a.row.SealedObjectionAnswer = answer
			if !req.GetUpheld() {
				return nil
			}
			return a.decide(d, now)
		})
		if err != nil {
			return nil, err
		}
		if err := tx.Emit(gradeEvent("grade.objection_answered", cycle.Value.GetCycle().GetOrganizationId(), row)); err != nil {
			return nil, err
		}
		return &pb.AnswerGradeObjectionResponse{Grade: gradeProto(row)}, emitAsked(tx, cycle, row)
	})
}

// CorrectGrade changes a grade after the close.
func (s branches) CorrectGrade(ctx context.Context, req *pb.CorrectGradeRequest) (*pb.CorrectGradeResponse, error) {
	call, now := access.From(ctx), timestamppb.New(s.store.Civil().Now())
	d := s.decision(call.Person, req, req.GetReason())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.CorrectGradeResponse, error) {
		c := gradeChange{req.GetCycleId(), req.GetMemberId(), req.GetEtag(), branch.Correct, committee}
		cycle, row, err := s.changeGrade(tx, call, c, func(a *gradeAct) error {
			return a.decide(d, now)
		})
		if err != nil {
			return nil, err
		}
		if err := emitCorrected(tx, cycle, row); err != nil {
			return nil, err
		}
		return &pb.CorrectGradeResponse{Grade: gradeProto(row)}, emitAsked(tx, cycle, row)
	})
}

// emitCorrected announces a grade that changed after the close.
func emitCorrected(tx *store.Tx, cycle table.Row[*pb.BranchCycleRow], row table.Row[*pb.BranchGradeRow]) error {
	closed := branch.State(cycle.Value.GetCycle().GetState()) == branch.Closed
	switch branch.ExceptionState(row.Value.GetGrade().GetException()) {
	case branch.Asked, branch.Refused:
		return nil
	default:
		if !closed {
			return nil
		}
		return tx.Emit(gradeEvent("grade.corrected", cycle.Value.GetCycle().GetOrganizationId(), row))
	}
}

// RevealGradeTexts reads what was written, and leaves the reason in the audit.
func (s branches) RevealGradeTexts(ctx context.Context, req *pb.RevealGradeTextsRequest) (*pb.RevealGradeTextsResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.RevealGradeTextsResponse, error) {
		if _, err := s.branchCycle(tx, call, req.GetCycleId(), committee, above); err != nil {
			return nil, err
		}
		row, err := s.branchGrade(tx, req.GetCycleId(), req.GetMemberId())
		if err != nil {
			return nil, err
		}
		texts, err := s.gradeTexts(row.Value)
		if err != nil {
			return nil, err
		}
		return &pb.RevealGradeTextsResponse{Texts: texts}, tx.Reveal(store.Record{Rows: []string{req.GetCycleId(), req.GetMemberId()}, Subjects: []string{req.GetMemberId()}, Reason: req.GetReason()})
	})
}
