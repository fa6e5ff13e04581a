package house

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	devv1 "github.com/linli-project/linli/proto/gen/linli/dev/v1"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
)

// clockService moves the civil clock of a development folder. The chain
// refuses its methods without --dev.
type clockService struct {
	devv1.UnsafeClockServiceServer
	house *House
	move  sync.Mutex // one move at a time
}

func (s *clockService) Name() string { return "dev" }

func (s *clockService) Register(r grpc.ServiceRegistrar) { devv1.RegisterClockServiceServer(r, s) }

func (s *clockService) OrganizationPath(context.Context, string) (scope.Path, bool, error) {
	return "", false, nil
}

// GetClock answers where the civil clock stands.
func (s *clockService) GetClock(context.Context, *devv1.GetClockRequest) (*devv1.GetClockResponse, error) {
	return &devv1.GetClockResponse{
		Time: timestamppb.New(s.house.civil.Now()), Movable: s.house.civil.Movable(),
	}, nil
}

// AdvanceClock lets what was announced arrive at the old time, keeps the new
// one in the folder, then moves.
func (s *clockService) AdvanceClock(ctx context.Context, req *devv1.AdvanceClockRequest) (*devv1.AdvanceClockResponse, error) {
	s.move.Lock()
	defer s.move.Unlock()
	to, now := req.GetTime().AsTime(), s.house.civil.Now()
	if !s.house.civil.Movable() {
		return nil, rule.New(rule.Precondition, "CLOCK_NOT_MOVABLE", "")
	}
	if to.Before(now) {
		return nil, rule.New(rule.Invalid, "CLOCK_BACKWARDS", "time", "now", now.Format(time.RFC3339))
	}
	if err := s.house.delivery.drain(ctx); err != nil {
		return nil, err
	}
	if err := s.house.folder.keepCivil(to); err != nil {
		return nil, err
	}
	s.house.civil.Advance(to)
	return &devv1.AdvanceClockResponse{Time: timestamppb.New(to)}, nil
}

// Drain waits until everything committed before has had its effects.
func (s *clockService) Drain(ctx context.Context, _ *devv1.DrainRequest) (*devv1.DrainResponse, error) {
	if err := s.house.delivery.drain(ctx); err != nil {
		return nil, err
	}
	return &devv1.DrainResponse{}, nil
}
