package projects

import (
	"context"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/keyproject"
	"github.com/linli-project/linli/services/projects/internal/spending"
	"github.com/linli-project/linli/services/projects/internal/support"
)

// spendings answers linli.projects.v1.SpendingService. Every step writes the
// project's row, which holds the sums: so two officers at once cannot spend the
// same money.
type spendings struct {
	pb.UnsafeSpendingServiceServer
	*Service
}

var _ pb.SpendingServiceServer = spendings{}

// RecordSpending records what was spent.
func (s spendings) RecordSpending(ctx context.Context, req *pb.RecordSpendingRequest) (*pb.RecordSpendingResponse, error) {
	c, now, id := access.From(ctx), s.store.Civil().Now(), s.ids("spd")
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.RecordSpendingResponse, error) {
		project, err := s.unsettled(tx, sight(c), req.GetProjectId(), "record spending")
		if err != nil {
			return nil, err
		}
		p, today := project.Value.GetKeyProject(), dayNumber(clock.Day(now))
		day, err := saidDay("day", req.GetDay(), "")
		if err != nil {
			return nil, err
		}
		if err := support.CheckDay("day", day, dayNumber(p.GetBeganOn()), today); err != nil {
			return nil, err
		}
		if err := s.checkKind(tx, project.Value, req.GetKind(), today); err != nil {
			return nil, err
		}
		purse, err := purseOf(p).Record(req.GetLine(), req.GetAmountFen())
		if err != nil {
			return nil, err
		}
		entry := &pb.Spending{
			Id: id, ProjectId: p.GetId(), Line: req.GetLine(), Kind: req.GetKind(), AmountFen: req.GetAmountFen(), Day: req.GetDay(),
			Document: req.GetDocument(), State: pb.SpendingState(spending.Recorded), RecordedBy: c.Person, RecordedAt: timestamppb.New(now),
		}
		row, err := s.enterSpending(tx, project, purse, entry)
		if err != nil {
			return nil, err
		}
		return &pb.RecordSpendingResponse{Spending: spendingProto(row)}, nil
	})
}

// unsettled answers a project that the scope sees and whose books are open.
func (s spendings) unsettled(r kv.Reader, sees scope.Scope, id, command string) (table.Row[*pb.KeyProjectRow], error) {
	project, err := s.keyProject(r, sees, id, "")
	if err != nil {
		return project, err
	}
	return project, keyproject.CheckUnsettled(keyproject.State(project.Value.GetKeyProject().GetState()), command)
}

// checkKind asks the policy whether a kind of spending is allowed.
func (s spendings) checkKind(r kv.Reader, row *pb.KeyProjectRow, kind pb.SpendingKind, today int) error {
	const notAllowed = "projects.spending_not_allowed"
	p, err := s.policyOn(r, row, today)
	if err != nil {
		return err
	}
	source, _ := p.SourceOf(notAllowed)
	return spending.CheckKind(kindToken(kind), p.List(notAllowed), source.Title, source.Number, source.Article)
}

// enterSpending writes a new entry and the sums of its project.
func (s spendings) enterSpending(tx *store.Tx, project table.Row[*pb.KeyProjectRow], purse spending.Purse, entry *pb.Spending) (table.Row[*pb.SpendingRow], error) {
	if err := s.keepPurse(tx, project, purse); err != nil {
		return table.Row[*pb.SpendingRow]{}, err
	}
	row, err := s.delivery.spending.Insert(tx, &pb.SpendingRow{
		Spending: entry, ApplicantPath: project.Value.GetApplicantPath(), DistrictPath: project.Value.GetDistrictPath(),
	})
	if err != nil {
		return row, err
	}
	tx.Audit(store.Record{Rows: []string{entry.GetId(), entry.GetProjectId()}})
	return row, tx.Emit(spendingEvent(row))
}

func (s spendings) keepPurse(tx *store.Tx, project table.Row[*pb.KeyProjectRow], purse spending.Purse) error {
	next := proto.CloneOf(project.Value)
	putPurse(next.GetKeyProject(), purse)
	_, err := s.delivery.projects.Replace(tx, project, next)
	return err
}

// entry answers an entry of a project that the scope sees and the etag names.
func (s spendings) entry(r kv.Reader, sees scope.Scope, projectID, id, etag string) (table.Row[*pb.SpendingRow], error) {
	row, ok, err := s.delivery.spending.Get(r, sees, idKey(projectID).String(id))
	if err == nil && !ok {
		err = rule.Absent("spending entry", id)
	}
	if err != nil {
		return row, err
	}
	return row, row.Match(etag)
}

// ConfirmSpending confirms an entry.
func (s spendings) ConfirmSpending(ctx context.Context, req *pb.ConfirmSpendingRequest) (*pb.ConfirmSpendingResponse, error) {
	c := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ConfirmSpendingResponse, error) {
		row, err := s.judgeSpending(tx, c, req.GetProjectId(), req.GetId(), req.GetEtag(), spending.Confirm, "")
		if err != nil {
			return nil, err
		}
		return &pb.ConfirmSpendingResponse{Spending: spendingProto(row)}, nil
	})
}

// TurnDownSpending refuses an entry that waits.
func (s spendings) TurnDownSpending(ctx context.Context, req *pb.TurnDownSpendingRequest) (*pb.TurnDownSpendingResponse, error) {
	c := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.TurnDownSpendingResponse, error) {
		row, err := s.judgeSpending(tx, c, req.GetProjectId(), req.GetId(), req.GetEtag(), spending.TurnDown, req.GetReason())
		if err != nil {
			return nil, err
		}
		return &pb.TurnDownSpendingResponse{Spending: spendingProto(row)}, nil
	})
}

// judgeSpending confirms an entry or turns it down, by somebody who did not
// record it.
func (s spendings) judgeSpending(tx *store.Tx, c access.Call, projectID, id, etag, command, reason string) (table.Row[*pb.SpendingRow], error) {
	row, err := s.entry(tx, sight(c), projectID, id, etag)
	if err != nil {
		return row, err
	}
	project, err := s.unsettled(tx, sight(c), projectID, command)
	if err != nil {
		return row, err
	}
	entry := row.Value.GetSpending()
	state, err := spending.Machine().Next(spending.State(entry.GetState()), command)
	if err != nil {
		return row, err
	}
	if err := spending.CheckOther(entry.GetRecordedBy(), c.Person); err != nil {
		return row, err
	}
	purse := purseOf(project.Value.GetKeyProject())
	if command == spending.Confirm {
		purse = purse.Confirm(entry.GetLine(), entry.GetAmountFen())
	} else {
		purse = purse.Release(entry.GetLine(), entry.GetAmountFen())
	}
	if err := s.keepPurse(tx, project, purse); err != nil {
		return row, err
	}
	if err := s.settleReversed(tx, entry, command); err != nil {
		return row, err
	}
	next := proto.CloneOf(row.Value)
	next.Spending.State, next.Spending.ConfirmedBy = pb.SpendingState(state), c.Person
	if reason != "" {
		next.Spending.Reason = reason
	}
	if row, err = s.delivery.spending.Replace(tx, row, next); err != nil {
		return row, err
	}
	tx.Audit(store.Record{Rows: []string{id, projectID}})
	return row, tx.Emit(spendingEvent(row))
}

// settleReversed marks the entry that a reversing one takes out, or lets go of
// it when the reversing one is turned down.
func (s spendings) settleReversed(tx *store.Tx, entry *pb.Spending, command string) error {
	if entry.GetReverses() == "" {
		return nil
	}
	row, err := s.entry(tx, scope.All(), entry.GetProjectId(), entry.GetReverses(), "")
	if err != nil {
		return err
	}
	next := proto.CloneOf(row.Value)
	if command == spending.TurnDown {
		next.Spending.ReversedBy = ""
	} else {
		state, err := spending.Machine().Next(spending.State(next.GetSpending().GetState()), spending.Reverse)
		if err != nil {
			return err
		}
		next.Spending.State = pb.SpendingState(state)
	}
	_, err = s.delivery.spending.Replace(tx, row, next)
	return err
}

// ReverseSpending records the entry that takes a confirmed one out again.
func (s spendings) ReverseSpending(ctx context.Context, req *pb.ReverseSpendingRequest) (*pb.ReverseSpendingResponse, error) {
	c, now, id := access.From(ctx), s.store.Civil().Now(), s.ids("spd")
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ReverseSpendingResponse, error) {
		row, err := s.entry(tx, sight(c), req.GetProjectId(), req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		project, err := s.unsettled(tx, sight(c), req.GetProjectId(), spending.Reverse)
		if err != nil {
			return nil, err
		}
		was := row.Value.GetSpending()
		if _, err := spending.Machine().Next(spending.State(was.GetState()), spending.Reverse); err != nil {
			return nil, err
		}
		if was.GetReverses() != "" || was.GetReversedBy() != "" {
			return nil, rule.New(rule.Precondition, "ALREADY_REVERSED", "", "by", was.GetReversedBy())
		}
		next := proto.CloneOf(row.Value)
		next.Spending.ReversedBy = id
		if _, err := s.delivery.spending.Replace(tx, row, next); err != nil {
			return nil, err
		}
		reversing := &pb.Spending{
			Id: id, ProjectId: was.GetProjectId(), Line: was.GetLine(), Kind: was.GetKind(), AmountFen: -was.GetAmountFen(),
			Day: clock.Day(now), Document: was.GetDocument(), State: pb.SpendingState(spending.Recorded), RecordedBy: c.Person,
			Reason: req.GetReason(), Reverses: was.GetId(), RecordedAt: timestamppb.New(now),
		}
		entered, err := s.enterSpending(tx, project, purseOf(project.Value.GetKeyProject()).Reverse(), reversing)
		if err != nil {
			return nil, err
		}
		return &pb.ReverseSpendingResponse{Spending: spendingProto(entered)}, nil
	})
}

// ReturnLeftover records what went back to the district.
func (s spendings) ReturnLeftover(ctx context.Context, req *pb.ReturnLeftoverRequest) (*pb.ReturnLeftoverResponse, error) {
	c, today := access.From(ctx), clock.Day(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ReturnLeftoverResponse, error) {
		project, err := s.unsettled(tx, sight(c), req.GetProjectId(), "return leftover")
		if err != nil {
			return nil, err
		}
		if err := project.Match(req.GetEtag()); err != nil {
			return nil, err
		}
		p := project.Value.GetKeyProject()
		if err := spending.CheckReturns(len(p.GetReturns())); err != nil {
			return nil, err
		}
		purse, err := purseOf(p).GiveBack(req.GetAmountFen(), givesAllBack(p))
		if err != nil {
			return nil, err
		}
		next := proto.CloneOf(project.Value)
		putPurse(next.GetKeyProject(), purse)
		next.KeyProject.Returns = append(next.KeyProject.Returns, &pb.ReturnedMoney{
			AmountFen: req.GetAmountFen(), Day: today, Document: req.GetDocument(), RecordedBy: c.Person,
		})
		row, err := s.delivery.projects.Replace(tx, project, next)
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{p.GetId()}})
		return &pb.ReturnLeftoverResponse{KeyProject: keyProjectProto(row, today)}, nil
	})
}

// ListSpending answers the entries of a project, the oldest first.
func (s spendings) ListSpending(ctx context.Context, req *pb.ListSpendingRequest) (*pb.ListSpendingResponse, error) {
	c := access.From(ctx)
	var out pb.ListSpendingResponse
	rows, next, err := listOf(ctx, s.Service, c, s.delivery.spending, req.GetProjectId(), req.GetPageSize(), req.GetPageToken())
	for _, row := range rows {
		out.Spending = append(out.Spending, spendingProto(row))
	}
	out.NextPageToken = next
	return &out, err
}

// listOf answers a page of what belongs to a project that the caller sees.
func listOf[T proto.Message](ctx context.Context, s *Service, c access.Call, t *table.Table[T], projectID string, size int32, token string) (rows []table.Row[T], next string, err error) {
	page := table.PageCall{Method: c.Method, Person: c.Person, Scope: sight(c), Filter: []string{projectID}, Size: size, Token: token}
	err = s.store.View(ctx, func(r kv.Reader) error {
		if _, err := s.keyProject(r, page.Scope, projectID, ""); err != nil {
			return err
		}
		rows, next, err = table.Page(s.pager, t, r, page, table.Query{Prefix: idKey(projectID)})
		return err
	})
	return rows, next, err
}
