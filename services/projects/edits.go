package projects

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/call"
)

// UpdateApplication changes a draft or a returned application.
func (s *Service) UpdateApplication(ctx context.Context, req *pb.UpdateApplicationRequest) (*pb.UpdateApplicationResponse, error) {
	c, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.UpdateApplicationResponse, error) {
		row, called, err := s.editable(tx, c, req.GetId(), req.GetEtag(), now)
		if err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		if err := update(next.GetApplication(), req); err != nil {
			return nil, err
		}
		if err := s.place(tx, called, next); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		row, err = s.tables.applications.Replace(tx, row, next)
		return &pb.UpdateApplicationResponse{Application: applicationProto(row)}, err
	})
}

// editable answers an application that the caller may change now, and its call.
func (s *Service) editable(r kv.Reader, c access.Call, id, etag string, now time.Time) (table.Row[*pb.ApplicationRow], *pb.Call, error) {
	row, err := s.ownApplication(r, c, id, etag)
	if err != nil {
		return row, nil, err
	}
	a := row.Value.GetApplication()
	if err := application.CheckEditable(application.State(a.GetState())); err != nil {
		return row, nil, err
	}
	round, err := s.call(r, scope.All(), a.GetCallId(), "")
	if err != nil {
		return row, nil, err
	}
	called := round.Value.GetCall()
	if application.State(a.GetState()) == application.Returned {
		err = application.CheckAgain(a.GetCheck().GetReturnUntil().AsTime().In(clock.Shanghai()), now)
	} else {
		err = windowOf(called).CheckTaking(call.State(called.GetState()), now)
	}
	return row, called, err
}

// update puts what a request says into an application.
func update(a *pb.Application, req *pb.UpdateApplicationRequest) error {
	if req.Category != nil {
		a.Category = req.GetCategory()
	}
	if req.GetCoApplicants() != nil {
		a.CoApplicantIds = req.GetCoApplicants().GetIds()
	}
	return amend(a, &pb.ResubmitApplicationRequest{
		Title: req.Title, BudgetYuan: req.BudgetYuan, StaffRequested: req.StaffRequested, Indicators: req.GetIndicators(),
	})
}

// WithdrawApplication takes an application back before the decision. Sheets that
// came in for it stay and count for nothing.
func (s *Service) WithdrawApplication(ctx context.Context, req *pb.WithdrawApplicationRequest) (*pb.WithdrawApplicationResponse, error) {
	c, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.WithdrawApplicationResponse, error) {
		row, err := s.ownApplication(tx, c, req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		a := row.Value.GetApplication()
		known := application.State(a.GetState()) != application.Draft
		if row, err = s.moveApplication(tx, row, proto.CloneOf(row.Value), application.Withdraw); err != nil {
			return nil, err
		}
		if err := s.leave(tx, a); err != nil {
			return nil, err
		}
		if known { // that a draft goes is nobody's business
			err = tx.Emit(applicationChanged(row, now))
		}
		return &pb.WithdrawApplicationResponse{Application: applicationProto(row)}, err
	})
}

// leave takes an application off the roll of its call.
func (s *Service) leave(tx *store.Tx, a *pb.Application) error {
	roll, err := s.roll(tx, a.GetCallId())
	if err != nil {
		return err
	}
	shorter := proto.CloneOf(roll.Value)
	shorter.Applications--
	if shorter.ByApplicant[a.GetApplicantId()]--; shorter.ByApplicant[a.GetApplicantId()] == 0 {
		delete(shorter.ByApplicant, a.GetApplicantId())
	}
	_, err = s.tables.rolls.Replace(tx, roll, shorter)
	return err
}
