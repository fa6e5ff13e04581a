package house

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	devv1 "github.com/linli-project/linli/proto/gen/linli/dev/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
)

// lookEvery is how often a gateway looks whether a service lags behind.
const lookEvery = time.Second

// clockService moves the civil clock of a development folder. The chain
// refuses its methods without --dev. In a gateway it speaks for all services.
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
// one in the folder, then moves. A gateway moves the services first and itself
// last, so that a move that was broken off is moved again by whoever asks it.
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
	// A service is moved by a gateway that has drained them all.
	if s.house.drainsAll() {
		if _, err := s.drain(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.house.eachPeer(ctx, func(ctx context.Context, c devv1.ClockServiceClient) error {
		_, err := c.AdvanceClock(ctx, req)
		return err
	}); err != nil {
		return nil, err
	}
	if err := s.house.folder.keepCivil(to); err != nil {
		return nil, err
	}
	s.house.civil.Advance(to)
	return &devv1.AdvanceClockResponse{Time: timestamppb.New(to)}, nil
}

// Drain waits until everything committed before has had its effects; in a
// process of one service, until its own part is done.
func (s *clockService) Drain(ctx context.Context, _ *devv1.DrainRequest) (*devv1.DrainResponse, error) {
	done, err := s.drain(ctx)
	if err != nil || s.house.drainsAll() {
		return &devv1.DrainResponse{}, err
	}
	return done, nil
}

func (s *clockService) drain(ctx context.Context) (*devv1.DrainResponse, error) {
	switch s.house.config.Role {
	case Whole:
		return &devv1.DrainResponse{}, undelivered(ctx, s.house.delivery.drain(ctx))
	case Gateway:
		return &devv1.DrainResponse{}, s.house.drainPeers(ctx)
	}
	published, reached, err := s.house.delivery.drainRound(ctx)
	return &devv1.DrainResponse{Published: published, Reached: reached}, undelivered(ctx, err)
}

// undelivered says of a delivery that broke off that it goes on: what was
// committed waits in the outbox.
func undelivered(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w: %w", kv.ErrUnavailable, err)
}

// drainsAll says whether a drain here is one of all services.
func (h *House) drainsAll() bool { return h.config.Role == Whole || h.config.Role == Gateway }

// quietRounds end a drain over processes. One is not enough: in it a service can
// look at its streams just before another's relay publishes, by itself, what
// that one committed in the round before. A second one sees it.
const quietRounds = 2

// drainPeers asks all services again and again, until nobody published and
// nobody got further.
func (h *House) drainPeers(ctx context.Context) error {
	before, quiet := uint64(0), -1 // the first round has none to compare with
	for quiet < quietRounds {
		var mu sync.Mutex
		var published, reached uint64
		err := h.eachPeer(ctx, func(ctx context.Context, c devv1.ClockServiceClient) error {
			done, err := c.Drain(ctx, &devv1.DrainRequest{})
			mu.Lock()
			defer mu.Unlock()
			published += done.GetPublished()
			reached += done.GetReached()
			return err
		})
		switch {
		case err != nil:
			return err
		case quiet >= 0 && (published > 0 || reached != before):
			quiet = 0
		default:
			quiet++
		}
		before = reached
	}
	return nil
}

// eachPeer calls fn with the clock of each service in another process, at once.
func (h *House) eachPeer(ctx context.Context, fn func(context.Context, devv1.ClockServiceClient) error) error {
	if h.config.Role != Gateway {
		return nil
	}
	group, ctx := errgroup.WithContext(asHouse(ctx))
	for _, c := range h.peers {
		group.Go(func() error { return fn(ctx, devv1.NewClockServiceClient(c)) })
	}
	return group.Wait()
}

// asHouse is the context of a call from one process of a development linli to
// another: the clock asks nobody who it is.
func asHouse(ctx context.Context) context.Context {
	return metadata.NewOutgoingContext(ctx, metadata.Pairs(rpc.HeaderLanguage, access.From(ctx).Language))
}

// keepClocks brings a service forward whose folder stands behind that of the
// gateway: one that was made later, or was away in the middle of a move.
func (h *House) keepClocks(ctx context.Context) error {
	if !h.civil.Movable() {
		return nil
	}
	h.inBackground(ctx, "the clocks of the services", func(ctx context.Context, g *errgroup.Group) {
		for name, c := range h.peers {
			g.Go(func() error { return h.keepClock(ctx, name, devv1.NewClockServiceClient(c)) })
		}
	})
	return nil
}

func (h *House) keepClock(ctx context.Context, name string, c devv1.ClockServiceClient) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		// A service that is away is looked for again at the next tick.
		if stand, err := c.GetClock(asHouse(ctx), &devv1.GetClockRequest{}); err == nil && stand.GetTime().AsTime().Before(h.civil.Now()) {
			now := h.civil.Now()
			if _, err := c.AdvanceClock(asHouse(ctx), &devv1.AdvanceClockRequest{Time: timestamppb.New(now)}); err != nil {
				h.config.Log.Warn("a service stands behind in time", "service", name, "error", err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
