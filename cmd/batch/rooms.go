package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/run"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/evaluation"
	"github.com/linli-project/linli/services/registry"
)

// rooms are registry and evaluation behind the door, each on its own file.
// There is no broker: events go over by hand, so that what is measured is not
// shared with delivery.
type rooms struct {
	folder     string
	registry   registryv1.RegistryServiceClient
	evaluation evaluationv1.EvaluationServiceClient
	ledger     evaluationv1.LedgerServiceClient
	stores     []*store.Store // registry, evaluation
	reactions  []events.Consumer
	jobs       []run.Job
}

// lastDay is where the civil clock stands: the year can be summed.
func lastDay() time.Time { return time.Date(2013, 12, 31, 1, 0, 0, 0, time.UTC) }

func open(ctx context.Context, folder string) (*rooms, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	h := &rooms{folder: folder}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	for _, service := range []string{"registry", "evaluation"} {
		s, err := h.openStore(ctx, service, log)
		if err != nil {
			return nil, errors.Join(err, h.close())
		}
		h.stores = append(h.stores, s)
	}
	door := &lateConn{}
	calling, authenticator, err := newCallers(door)
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	reg, err1 := registry.New(registry.Deps{Store: h.stores[0], IDs: ids.New, Log: log})
	eva, err2 := evaluation.New(evaluation.Deps{Store: h.stores[1], IDs: ids.New, Log: log, Registry: registryv1.NewRegistryServiceClient(door)})
	if err := errors.Join(err1, err2); err != nil {
		return nil, errors.Join(err, h.close())
	}
	server, err := rpc.NewServer(rpc.Config{
		Services: []rpc.Service{reg, eva}, Authenticator: authenticator, Log: slog.New(slog.DiscardHandler),
		Wall: clock.Wall(), IDs: ids.New, Dev: true,
	})
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	door.ClientConnInterface = server.Conn()
	h.registry = registryv1.NewRegistryServiceClient(calling)
	h.evaluation, h.ledger = evaluationv1.NewEvaluationServiceClient(calling), evaluationv1.NewLedgerServiceClient(calling)
	h.reactions, h.jobs = eva.Reactions(), eva.Jobs()
	return h, nil
}

func (h *rooms) openStore(ctx context.Context, service string, log *slog.Logger) (*store.Store, error) {
	engine, err := boltkv.Open(filepath.Join(h.folder, service+".db"), boltkv.Options{})
	if err != nil {
		return nil, err
	}
	s, err := store.Open(ctx, store.Config{
		Service: service, DB: kv.New(engine, kv.Options{}), Master: seal.MasterKey{1},
		Civil: clock.NewCivil(clock.Wall(), lastDay()), Wall: clock.Wall(), IDs: ids.New, Log: log,
	})
	if err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	return s, nil
}

func (h *rooms) close() error {
	var problems []error
	for _, s := range h.stores {
		problems = append(problems, s.Close())
	}
	return errors.Join(problems...)
}

// lateConn is the door before it exists.
type lateConn struct{ grpc.ClientConnInterface }

func officer(ctx context.Context) context.Context {
	return as(ctx, typev1.Role_ROLE_DISTRICT_OFFICER, "officer", districtPath)
}

// chunkBytes is how much of a file one message carries.
const chunkBytes = 256 << 10

// importTree brings the organizations in.
func (h *rooms) importTree(ctx context.Context, text string) error {
	stream, err := h.registry.ImportOrganizations(as(ctx, typev1.Role_ROLE_SYSTEM_ADMIN, "admin", "/"))
	if err != nil {
		return err
	}
	err = stream.Send(&registryv1.ImportOrganizationsRequest{Part: &registryv1.ImportOrganizationsRequest_Header{
		Header: &registryv1.ImportOrganizationsHeader{}}})
	for rest := []byte(text); err == nil && len(rest) > 0; {
		n := min(chunkBytes, len(rest))
		err = stream.Send(&registryv1.ImportOrganizationsRequest{Part: &registryv1.ImportOrganizationsRequest_Chunk{Chunk: rest[:n]}})
		rest = rest[n:]
	}
	done, err := stream.CloseAndRecv()
	if err == nil && len(done.GetFaults()) > 0 {
		err = fmt.Errorf("organizations: %v", done.GetFaults()[0])
	}
	return err
}

// importRoster brings a roster in, as one file from the district.
func (h *rooms) importRoster(ctx context.Context, file []byte, rehearsal bool) (*registryv1.ImportRosterResponse, error) {
	stream, err := h.registry.ImportRoster(officer(ctx))
	if err != nil {
		return nil, err
	}
	err = stream.Send(&registryv1.ImportRosterRequest{Part: &registryv1.ImportRosterRequest_Header{
		Header: &registryv1.ImportRosterHeader{OrganizationId: districtID, AcceptReportIns: true, DryRun: rehearsal}}})
	for rest := file; err == nil && len(rest) > 0; {
		n := min(chunkBytes, len(rest))
		err = stream.Send(&registryv1.ImportRosterRequest{Part: &registryv1.ImportRosterRequest_Chunk{Chunk: rest[:n]}})
		rest = rest[n:]
	}
	return stream.CloseAndRecv() // what went wrong while sending is the answer
}

// pendingAtOnce is how many events are read from the outbox at a time.
const pendingAtOnce = 100

// handOver gives what the registry announced to the evaluation, as delivery
// does: each event in an update of its own, then filed as sent.
func (h *rooms) handOver(ctx context.Context) error {
	for {
		var events []*typev1.EventRow
		err := h.stores[0].View(ctx, func(r kv.Reader) (err error) {
			events, err = store.Pending(r, pendingAtOnce)
			return err
		})
		if err != nil || len(events) == 0 {
			return err
		}
		for _, e := range events {
			if err := h.apply(ctx, e); err != nil {
				return fmt.Errorf("%s: %w", e.GetType(), err)
			}
		}
		if err := h.stores[0].MoveToSent(ctx, events, store.StreamMark{}); err != nil {
			return err
		}
	}
}

func (h *rooms) apply(ctx context.Context, e *typev1.EventRow) error {
	for _, c := range h.reactions {
		if c.From != "registry" || !takes(c.Subjects, e.GetSubject()) {
			continue
		}
		if err := h.stores[1].Update(ctx, func(tx *store.Tx) error { return c.Apply(tx, e) }); err != nil {
			return err
		}
	}
	return nil
}

func takes(subjects []string, subject string) bool {
	for _, s := range subjects {
		if s == subject || strings.HasSuffix(s, "*") && strings.HasPrefix(subject, strings.TrimSuffix(s, "*")) {
			return true
		}
	}
	return false
}
