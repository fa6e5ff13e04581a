// Package parked answers for events that a consumer could not apply: what they
// are, their effect after all, or that they are dropped. It stands over the
// stores of one process, however many those are.
package parked

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"google.golang.org/grpc"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

// Part is one service of this process.
type Part struct {
	Store *store.Store
	// Consumers are the reactions of the service, as delivery runs them.
	Consumers []events.Consumer
}

func (p Part) consumer(name string) (events.Consumer, bool) {
	for _, c := range p.Consumers {
		if c.Name == name {
			return c, true
		}
	}
	return events.Consumer{}, false
}

// Service answers linli.ops.v1.EventsService. It is safe for concurrent use.
type Service struct {
	pb.UnsafeEventsServiceServer
	parts  []Part
	tokens *seal.Box
	log    *slog.Logger
}

// New makes the service over at least one part.
func New(parts []Part, log *slog.Logger) (*Service, error) {
	if len(parts) == 0 {
		return nil, errors.New("parked events: no service is here")
	}
	return &Service{parts: parts, tokens: parts[0].Store.Keyring().Box("page token of parked events"), log: log}, nil
}

// Name is the service's short name.
func (s *Service) Name() string { return "ops" }

// Register puts the service on a server.
func (s *Service) Register(r grpc.ServiceRegistrar) { pb.RegisterEventsServiceServer(r, s) }

// OrganizationPath knows no organizations: no method names one.
func (s *Service) OrganizationPath(context.Context, string) (scope.Path, bool, error) {
	return "", false, nil
}

// absent is the answer for an event that is not parked, and for a service that
// is not in this process.
func absent(eventID string) error { return rule.Absent("parked_event", eventID) }

func (s *Service) part(service, eventID string) (Part, error) {
	i := slices.IndexFunc(s.parts, func(p Part) bool { return p.Store.Service() == service })
	if i < 0 {
		return Part{}, absent(eventID)
	}
	return s.parts[i], nil
}

// effectError is what a consumer answered; the rest of the transaction is sound.
type effectError struct{ error }

func (e effectError) Unwrap() error { return e.error }

// RetryParked applies the event through its consumer and takes it out, in one
// commit; one that fails again is kept with its new error in another.
func (s *Service) RetryParked(ctx context.Context, req *pb.RetryParkedRequest) (*pb.RetryParkedResponse, error) {
	p, err := s.part(req.GetService(), req.GetEventId())
	if err != nil {
		return nil, err
	}
	reply, err := store.Do(ctx, p.Store, req, func(tx *store.Tx) (*pb.RetryParkedResponse, error) {
		row, err := unpark(tx, req)
		if err != nil {
			return nil, err
		}
		c, ok := p.consumer(row.GetConsumer())
		if !ok {
			return nil, rule.New(rule.Precondition, "CONSUMER_GONE", "consumer", "service", req.GetService(), "consumer", req.GetConsumer())
		}
		if err := c.Effect(tx, row.GetEvent(), s.log.With("consumer", c.Name)); err != nil {
			return nil, effectError{err}
		}
		tx.Audit(store.Record{Rows: rowsOf(row)})
		return &pb.RetryParkedResponse{Applied: true}, nil
	})
	var failed effectError
	if !errors.As(err, &failed) || ofTheStore(ctx, err) {
		return reply, err
	}
	s.log.Error("parked event not applied", "service", req.GetService(), "consumer", req.GetConsumer(),
		"event", req.GetEventId(), "error", failed.error)
	return s.keep(ctx, p, req, failed.Error())
}

// ofTheStore says whether a consumer's error says nothing about the event.
func ofTheStore(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, kv.ErrConflict) || errors.Is(err, kv.ErrUnknownOutcome) ||
		errors.Is(err, kv.ErrUnavailable) || errors.Is(err, kv.ErrReadOnly)
}

// keep counts a try that failed.
func (s *Service) keep(ctx context.Context, p Part, req *pb.RetryParkedRequest, why string) (*pb.RetryParkedResponse, error) {
	return store.Do(ctx, p.Store, req, func(tx *store.Tx) (*pb.RetryParkedResponse, error) {
		row, err := unpark(tx, req)
		if err != nil {
			return nil, err
		}
		row.Tries, row.Error = row.GetTries()+1, why
		tx.Audit(store.Record{Rows: rowsOf(row), Outcome: "failed"})
		return &pb.RetryParkedResponse{Parked: p.toProto(row)}, tx.Park(row)
	})
}

// DropParked takes the event out without its effect. A fact is marked as
// applied, so that it does not come back when its stream is read again.
func (s *Service) DropParked(ctx context.Context, req *pb.DropParkedRequest) (*pb.DropParkedResponse, error) {
	p, err := s.part(req.GetService(), req.GetEventId())
	if err != nil {
		return nil, err
	}
	return store.Do(ctx, p.Store, req, func(tx *store.Tx) (*pb.DropParkedResponse, error) {
		row, err := unpark(tx, req)
		if err != nil {
			return nil, err
		}
		if c, ok := p.consumer(row.GetConsumer()); ok && c.Kind == events.Fact {
			if _, err := tx.Applied(c.Name, row.GetEvent()); err != nil {
				return nil, fmt.Errorf("mark a dropped event: %w", err)
			}
		}
		tx.Audit(store.Record{Rows: rowsOf(row), Reason: req.GetReason()})
		return &pb.DropParkedResponse{}, nil
	})
}

// named is a request that names a parked event.
type named interface {
	GetConsumer() string
	GetEventId() string
}

func unpark(tx *store.Tx, req named) (*typev1.ParkedRow, error) {
	row, ok, err := tx.Unpark(req.GetConsumer(), req.GetEventId())
	if err == nil && !ok {
		err = absent(req.GetEventId())
	}
	return row, err
}

// rowsOf is what the audit names.
func rowsOf(row *typev1.ParkedRow) []string {
	return []string{row.GetConsumer(), row.GetEvent().GetId(), row.GetEvent().GetEntityId()}
}

func (p Part) toProto(row *typev1.ParkedRow) *pb.ParkedEvent {
	_, known := p.consumer(row.GetConsumer())
	e := row.GetEvent()
	return &pb.ParkedEvent{
		Service: p.Store.Service(), Consumer: row.GetConsumer(), ConsumerGone: !known,
		EventId: e.GetId(), EventType: e.GetType(), EntityId: e.GetEntityId(), Revision: e.GetRevision(),
		Tries: row.GetTries(), Error: row.GetError(), ParkedAt: row.GetParkedAt(),
	}
}
