package house

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/linli-project/linli/pkg/audit"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/run"
	"github.com/linli-project/linli/pkg/store"
)

// auditService answers for the audit of the stores of this process.
func (h *House) auditService() (*audit.Service, error) { return audit.New(h.stores) }

// recorders keep refusals: each service those of its own methods, the first one
// those of the methods that belong to none.
func (h *House) recorders() map[string]rpc.Recorder {
	h.refusals = nil
	out := map[string]rpc.Recorder{}
	for i, s := range h.stores {
		r := store.NewRefusals(s)
		h.refusals = append(h.refusals, r)
		if out[s.Service()] = r; i == 0 {
			out[""] = r
		}
	}
	return out
}

// auditJobs are what the audit does on its own, in every store.
func (h *House) auditJobs() (jobs []run.Job, err error) {
	for i, s := range h.stores {
		keeper, err := audit.Keeper(s, h.config.AuditDays, h.config.Log)
		if err != nil {
			return nil, fmt.Errorf("audit of %s: %w", s.Service(), err)
		}
		jobs = append(jobs, audit.Sequencer(s, h.config.Log), keeper,
			run.Job{Name: s.Service() + "-refusals", Run: h.refusals[i].Run})
	}
	return jobs, nil
}

// witnessOf is whose heads a service keeps: those of the one before it, so that
// each log has a witness in another store.
func witnessOf(service string) string {
	all := serviceNames()
	return all[(slices.Index(all, service)+len(all)-1)%len(all)]
}

// withWitness are the reactions of a service with that of its audit.
func withWitness(service string, reactions []events.Consumer) []events.Consumer {
	return append(slices.Clip(reactions), audit.Witness(service, witnessOf(service)))
}

// auditRoutes sends the calls of the audit to the service that each names.
type auditRoutes map[string]grpc.ClientConnInterface

func (h *House) auditRoutes() auditRoutes {
	out := auditRoutes{}
	for name, c := range h.peers {
		out[name] = c
	}
	return out
}

func (r auditRoutes) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	asked, ok := args.(interface{ GetService() string })
	if !ok {
		return status.Error(codes.Unimplemented, "no service is named for "+method)
	}
	to, ok := r[asked.GetService()]
	if !ok { // whichever answers says that there is none
		to = r[serviceNames()[0]]
	}
	return to.Invoke(ctx, method, args, reply, opts...)
}

func (r auditRoutes) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Error(codes.Unimplemented, "the audit log is read from the process of its service")
}

// verifyAudit checks the audit logs of stores, each also against the heads that
// the others and held hold of it.
func verifyAudit(ctx context.Context, stores []*store.Store, held []store.HeldHead) (reports []store.AuditReport, err error) {
	for _, s := range stores {
		more, err := s.HeldHeads(ctx)
		if err != nil {
			return nil, fmt.Errorf("heads that %s holds: %w", s.Service(), err)
		}
		held = append(held, more...)
	}
	for _, s := range stores {
		r, err := s.VerifyAudit(ctx, held...)
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// VerifyAudit checks the audit logs in a folder that no server uses, of one
// process or of six. held are heads that were kept elsewhere.
func VerifyAudit(ctx context.Context, c Config, held ...store.HeldHead) (reports []store.AuditReport, err error) {
	stores, done, err := openForCheck(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	return verifyAudit(ctx, stores, held)
}

// Services are the names of all services, in the order of their stores.
func Services() []string { return serviceNames() }
