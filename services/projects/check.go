package projects

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/policy"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/call"
)

// checks answers linli.projects.v1.CheckService.
type checks struct {
	pb.UnsafeCheckServiceServer
	*Service
}

var _ pb.CheckServiceServer = checks{}

// StartCheck shows the submitted applications of a call to the district.
func (s checks) StartCheck(ctx context.Context, req *pb.StartCheckRequest) (*pb.StartCheckResponse, error) {
	c, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.StartCheckResponse, error) {
		row, err := s.call(tx, sight(c), req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		if row, err = s.moveCall(tx, row, call.StartCheck, now); err != nil {
			return nil, err
		}
		p, err := s.policies.For(tx, scope.Path(row.Value.GetDistrictPath()), now.In(clock.Shanghai()).Year())
		if err != nil {
			return nil, err
		}
		due, err := p.AddWorkdays(now, p.Int(keyCheckDays))
		if err != nil {
			return nil, err
		}
		err = s.moveAll(tx, row.Value.GetCall(), application.StartCheck, func(next *pb.ApplicationRow) {
			next.Application.Check = &pb.Check{DueAt: timestamppb.New(due)}
		})
		return &pb.StartCheckResponse{Call: callProto(row)}, err
	})
}

// keyCheckDays is the policy's number of working days for the check.
const keyCheckDays = "projects.check_days"

// ReturnApplication asks the applicant for changes.
func (s checks) ReturnApplication(ctx context.Context, req *pb.ReturnApplicationRequest) (*pb.ReturnApplicationResponse, error) {
	c, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ReturnApplicationResponse, error) {
		until, err := endOfDay("until", req.GetUntil(), now)
		if err != nil {
			return nil, err
		}
		row, err := s.application(tx, sight(c), req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		row, err = s.checked(tx, row, application.Return, now, func(a *pb.Application, p policy.Policy) error {
			left, err := p.Workdays(now, a.GetCheck().GetDueAt().AsTime().Add(-time.Nanosecond))
			a.Check = &pb.Check{
				Reason: req.GetReason(), ReturnUntil: timestamppb.New(until),
				DaysLeft: int32(left), Returns: a.GetCheck().GetReturns() + 1,
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		return &pb.ReturnApplicationResponse{Application: applicationProto(row)}, nil
	})
}

// endOfDay answers the midnight that ends a Shanghai day from tomorrow on.
func endOfDay(field, day string, now time.Time) (time.Time, error) {
	t, err := time.ParseInLocation(time.DateOnly, day, clock.Shanghai())
	if err != nil || day <= clock.Day(now) {
		return t, rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", "YYYY-MM-DD > "+clock.Day(now))
	}
	return t.AddDate(0, 0, 1), nil
}

// ResubmitApplication hands a returned application in again; the district's
// clock goes on with the days it had left.
func (s checks) ResubmitApplication(ctx context.Context, req *pb.ResubmitApplicationRequest) (*pb.ResubmitApplicationResponse, error) {
	c, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ResubmitApplicationResponse, error) {
		row, err := s.ownApplication(tx, c, req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		row, err = s.checked(tx, row, application.Resubmit, now, func(a *pb.Application, p policy.Policy) error {
			if err := application.CheckAgain(a.GetCheck().GetReturnUntil().AsTime().In(clock.Shanghai()), now); err != nil {
				return err
			}
			due, err := p.AddWorkdays(now, int(a.GetCheck().GetDaysLeft()))
			if err != nil {
				return err
			}
			a.Check.ReturnUntil, a.Check.DueAt, a.Check.DaysLeft = nil, timestamppb.New(due), 0
			return amend(a, req)
		})
		if err != nil {
			return nil, err
		}
		return &pb.ResubmitApplicationResponse{Application: applicationProto(row)}, nil
	})
}

// amend puts what a resubmission says into an application.
func amend(a *pb.Application, req *pb.ResubmitApplicationRequest) error {
	if req.Title != nil {
		a.Title = req.GetTitle()
	}
	if req.BudgetYuan != nil {
		a.BudgetYuan = req.GetBudgetYuan()
	}
	if req.StaffRequested != nil {
		a.StaffRequested = req.GetStaffRequested()
	}
	if len(req.GetIndicators()) > 0 {
		a.Indicators = req.GetIndicators()
	}
	checked, err := domainOf(a.GetNumber(), a.GetTitle(), a.GetIndicators())
	a.Title = checked.Title
	return err
}

// JudgeEligibility finds an application eligible or not.
func (s checks) JudgeEligibility(ctx context.Context, req *pb.JudgeEligibilityRequest) (*pb.JudgeEligibilityResponse, error) {
	c, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.JudgeEligibilityResponse, error) {
		command, err := application.Verdict(req.GetEligible(), req.GetReason())
		if err != nil {
			return nil, err
		}
		row, err := s.application(tx, sight(c), req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		row, err = s.checked(tx, row, command, now, func(a *pb.Application, _ policy.Policy) error {
			if until := a.GetCheck().GetReturnUntil(); until != nil {
				if err := application.CheckGivenUp(until.AsTime().In(clock.Shanghai()), now); err != nil {
					return err
				}
			}
			a.Check = &pb.Check{Reason: req.GetReason(), Returns: a.GetCheck().GetReturns()}
			return nil
		})
		if err != nil {
			return nil, err
		}
		return &pb.JudgeEligibilityResponse{Application: applicationProto(row)}, nil
	})
}

// checked takes an application one step further in the check and announces it.
func (s checks) checked(tx *store.Tx, row table.Row[*pb.ApplicationRow], command string, now time.Time, change func(*pb.Application, policy.Policy) error) (table.Row[*pb.ApplicationRow], error) {
	if _, err := application.Machine().Next(application.State(row.Value.GetApplication().GetState()), command); err != nil {
		return row, err
	}
	p, err := s.policies.For(tx, scope.Path(row.Value.GetDistrictPath()), now.In(clock.Shanghai()).Year())
	if err != nil {
		return row, err
	}
	next := proto.CloneOf(row.Value)
	if err := change(next.GetApplication(), p); err != nil {
		return row, err
	}
	if row, err = s.moveApplication(tx, row, next, command); err != nil {
		return row, err
	}
	return row, tx.Emit(applicationChanged(row, now))
}

// DeclareConflict says that a reviewer may not judge an application.
func (s checks) DeclareConflict(ctx context.Context, req *pb.DeclareConflictRequest) (*pb.DeclareConflictResponse, error) {
	c, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.DeclareConflictResponse, error) {
		row, err := s.application(tx, sight(c), req.GetApplicationId(), "")
		if err != nil {
			return nil, err
		}
		a := row.Value.GetApplication()
		round, err := s.call(tx, scope.All(), a.GetCallId(), "")
		if err != nil {
			return nil, err
		}
		reviewer, err := s.whose(c, round.Value, req.GetReviewer())
		if err != nil {
			return nil, err
		}
		if err := application.CheckJudged(application.State(a.GetState())); err != nil {
			return nil, err
		}
		kept, err := s.tables.conflicts.Insert(tx, &pb.ConflictRow{
			Conflict: &pb.Conflict{
				ApplicationId: a.GetId(), Reviewer: reviewer, Reason: req.GetReason(),
				DeclaredBy: c.Person, DeclaredAt: timestamppb.New(now),
			},
			CallId: a.GetCallId(), DistrictPath: row.Value.GetDistrictPath(),
		})
		if err != nil {
			return nil, err
		}
		// The application is written, so that a decision under way, which has
		// counted the sheets, does not miss the conflict.
		if _, err := s.tables.applications.Replace(tx, row, proto.CloneOf(row.Value)); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{a.GetId()}})
		return &pb.DeclareConflictResponse{Conflict: proto.CloneOf(kept.Value.GetConflict())}, nil
	})
}

// whose answers the reviewer that a declaration is about: the caller, or whom
// the district names.
func (s checks) whose(c access.Call, round *pb.CallRow, named string) (string, error) {
	person := c.Person
	if named != "" && named != c.Person {
		if !sight(c).Covers(districtSide(scope.Path(round.GetDistrictPath()))) {
			return "", rule.New(rule.Denied, "NOT_A_REVIEWER", "reviewer")
		}
		person = named
	}
	if _, ok := (call.Call{Reviewers: reviewersOf(round.GetCall().GetReviewers())}).Names(person); !ok {
		return "", rule.New(rule.Denied, "NOT_A_REVIEWER", "reviewer")
	}
	return person, nil
}

// ListConflicts answers the declared conflicts of an application.
func (s checks) ListConflicts(ctx context.Context, req *pb.ListConflictsRequest) (*pb.ListConflictsResponse, error) {
	c := access.From(ctx)
	var out pb.ListConflictsResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.application(r, sight(c), req.GetApplicationId(), "")
		if err != nil {
			return err
		}
		page, err := s.tables.conflicts.List(r, sight(c), table.Query{
			Prefix: idKey(row.Value.GetApplication().GetCallId()).String(req.GetApplicationId()), Limit: mostReviewers,
		})
		for _, d := range page.Rows {
			out.Conflicts = append(out.Conflicts, proto.CloneOf(d.Value.GetConflict()))
		}
		return err
	})
	return &out, err
}
