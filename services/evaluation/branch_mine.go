package evaluation

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/branch"
	"github.com/linli-project/linli/services/evaluation/internal/sheet"
)

// ListBranchGrades answers the roster of a cycle.
func (s branches) ListBranchGrades(ctx context.Context, req *pb.ListBranchGradesRequest) (*pb.ListBranchGradesResponse, error) {
	call, reply := access.From(ctx), &pb.ListBranchGradesResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		if _, err := s.branchCycle(r, call, req.GetCycleId(), committee, above); err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.All(), Filter: []string{req.GetCycleId()}, Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.branchTables.grades, r, page, table.Query{Prefix: idKey(req.GetCycleId())})
		if err != nil {
			return err
		}
		for _, row := range rows {
			g := gradeProto(row)
			if g.Opinion, err = s.communityOpinion(r, row.Value); err != nil {
				return err
			}
			reply.Grades = append(reply.Grades, g)
		}
		reply.NextPageToken = next
		return nil
	})
	return reply, err
}

// communityOpinion answers what the letter to the member's branch says of the
// year; nil before it was issued.
func (s *Service) communityOpinion(r kv.Reader, g *pb.BranchGradeRow) (*pb.CommunityOpinion, error) {
	results, err := s.tables.results.List(r, scope.All(), table.Query{
		Index: byMember, Prefix: memberKey(g.GetGrade().GetMemberId()), Limit: mostCycles,
	})
	if err != nil {
		return nil, err
	}
	for _, row := range results.Rows {
		if row.Value.GetHomePath() != g.GetOrganizationPath() {
			continue
		}
		letter, ok, err := s.tables.letters.Get(r, scope.All(), homeKey(row.Value.GetCycleId(), row.Value.GetHomePath()))
		if err != nil {
			return nil, err
		}
		if l := letter.Value.GetLetter(); ok && l.GetYear() == g.GetGrade().GetYear() && l.GetIssue() > 0 {
			if err := s.fill(r, row); err != nil {
				return nil, err
			}
			return &pb.CommunityOpinion{Opinion: opinionOf(row.Value), LetterId: l.GetId()}, nil
		}
	}
	return nil, nil
}

// myGrade reads the caller's own member row of a year, once grades are shown.
func (s *Service) myGrade(r kv.Reader, call access.Call, year int32) (cycle table.Row[*pb.BranchCycleRow], row table.Row[*pb.BranchGradeRow], err error) {
	row, ok, err := s.branchTables.grades.By(r, scope.All(), byYear, gradeYearKey(call.Person, year))
	if err == nil && ok {
		cycle, ok, err = s.branchTables.branches.Get(r, scope.All(), idKey(row.Value.GetGrade().GetCycleId()))
	}
	if err == nil && (!ok || branch.State(cycle.Value.GetCycle().GetState()) < branch.Shown) {
		err = rule.Absent("grade", call.Person)
	}
	return cycle, row, err
}

// GetMyGrade answers the caller's own grade.
func (s branches) GetMyGrade(ctx context.Context, req *pb.GetMyGradeRequest) (*pb.GetMyGradeResponse, error) {
	reply := &pb.GetMyGradeResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		cycle, row, err := s.myGrade(r, access.From(ctx), req.GetYear())
		if err != nil {
			return err
		}
		reply.Grade, reply.ObjectUntil = gradeProto(row), cycle.Value.GetCycle().GetObjectUntil()
		reply.Texts, err = s.gradeTexts(row.Value)
		return err
	})
	return reply, err
}

// ObjectToGrade objects to the own grade.
func (s branches) ObjectToGrade(ctx context.Context, req *pb.ObjectToGradeRequest) (*pb.ObjectToGradeResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	text := s.store.Keyring().Seal([]byte(req.GetText()), gradeObjection(call.Person, req.GetYear())...)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ObjectToGradeResponse, error) {
		cycle, row, err := s.myGrade(tx, call, req.GetYear())
		if err != nil {
			return nil, err
		}
		if err := sheet.CheckObject(cycle.Value.GetCycle().GetObjectUntil().AsTime().In(clock.Shanghai()), now); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{row.Value.GetGrade().GetCycleId(), call.Person}})
		cycle, row, err = s.actOn(tx, cycle, row, branch.Object, func(a *gradeAct) error {
			a.row.SealedObjection = text
			a.row.Grade.Objection, a.row.Grade.ObjectedAt = pb.ObjectionState(sheet.Raised), timestamppb.New(now)
			return a.m.Object(&a.count)
		})
		if err != nil {
			return nil, err
		}
		return &pb.ObjectToGradeResponse{Grade: gradeProto(row)},
			tx.Emit(gradeEvent("grade.objected", cycle.Value.GetCycle().GetOrganizationId(), row))
	})
}

// settleGrade answers an objection by somebody who did not decide.
func settleGrade(a *gradeAct, upheld bool, person string, now *timestamppb.Timestamp) error {
	if err := a.m.MayAnswer(person); err != nil {
		return err
	}
	g := a.row.GetGrade()
	state, err := sheet.Objections().Next(sheet.ObjectionState(g.GetObjection()), sheet.Verdict(upheld))
	if err != nil {
		return err
	}
	g.Objection, g.ObjectionAnsweredBy, g.ObjectionAnsweredAt = pb.ObjectionState(state), person, now
	a.m.Settle(&a.count)
	return nil
}
