package house

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/held"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/mail"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/run"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation"
	"github.com/linli-project/linli/services/projects"
	"github.com/linli-project/linli/services/registry"
	"github.com/linli-project/linli/services/requests"
)

// serviceNames in the order of their stores.
func serviceNames() []string { return []string{"registry", "requests", "projects", "evaluation"} }

// service is what every service gives the house.
type service interface {
	rpc.Service
	Reactions() []events.Consumer
	Jobs() []run.Job
	Tables() []table.Checker
	Holdings() []held.Holding
	Migrations() []store.Migration
}

type services []service

// newServices makes the services of the stores; conn is how they call each other.
func newServices(stores []*store.Store, conn grpc.ClientConnInterface, c Config) (services, error) {
	var out services
	for _, s := range stores {
		svc, err := newService(s, conn, c)
		if err != nil {
			return nil, err
		}
		out = append(out, svc)
	}
	return out, nil
}

func newService(s *store.Store, conn grpc.ClientConnInterface, c Config) (service, error) {
	log := c.Log.With("service", s.Service())
	switch s.Service() {
	case "registry":
		mailer, err := newMailer(c)
		if err != nil {
			return nil, err
		}
		texter, err := newTexter(c)
		if err != nil {
			return nil, err
		}
		provider, err := newProvider(c)
		if err != nil {
			return nil, err
		}
		return registry.New(registry.Deps{
			Store: s, IDs: ids.New, Log: log, Mailer: mailer, Texter: texter, Provider: provider, Others: registry.Collectors(conn), OwnNetwork: c.Dev,
		})
	case "requests":
		files, err := c.openBlobs(s.Service())
		if err != nil {
			return nil, err
		}
		return requests.New(requests.Deps{Store: s, IDs: ids.New, Log: log, Blobs: files})
	case "projects":
		files, err := c.openBlobs(s.Service())
		if err != nil {
			return nil, err
		}
		return projects.New(projects.Deps{Store: s, IDs: ids.New, Log: log, Blobs: files})
	case "evaluation":
		return evaluation.New(evaluation.Deps{Store: s, IDs: ids.New, Log: log, Registry: registryv1.NewRegistryServiceClient(conn)})
	}
	return nil, fmt.Errorf("no service is called %s", s.Service())
}

// newMailer is nil when no server is named: then no mail goes out.
func newMailer(c Config) (registry.Mailer, error) {
	if c.SMTP == "" {
		return nil, nil
	}
	return mail.New(c.SMTP, c.MailFrom)
}

func (s services) rpc() []rpc.Service {
	out := make([]rpc.Service, len(s))
	for i, svc := range s {
		out[i] = svc
	}
	return out
}

// delivery moves events from every store to every service.
type delivery struct {
	relays    []*events.Relay
	consumers []*events.Consumers
	jobs      []run.Job
}

func newDelivery(ctx context.Context, b *events.Broker, stores []*store.Store, all services, c Config) (*delivery, error) {
	d, log := &delivery{}, c.Log
	for i, s := range stores {
		d.relays = append(d.relays, events.NewRelay(s, b, log))
		reactions, err := events.NewConsumers(ctx, s, b, log, withWitness(s.Service(), c.Faults.reactions(s.Service(), all[i].Reactions()))...)
		if err != nil {
			return nil, err
		}
		d.consumers = append(d.consumers, reactions)
		d.jobs = append(append(d.jobs, all[i].Jobs()...), sweeper(s, log), resealer(s, all[i].Tables(), log))
	}
	return d, nil
}

// sweeper removes what a store keeps past its time, now and then. Not at the
// start: a folder that comes from an old backup has events that are sent again
// (pkg/events, refill), the oldest first, and their marks must be there still.
func sweeper(s *store.Store, log *slog.Logger) run.Job {
	return run.Job{Name: s.Service() + "-sweep", Run: func(ctx context.Context) error {
		tick := time.NewTicker(store.SweepEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
			if n, err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
				log.Error("sweep", "service", s.Service(), "error", err)
			} else if n > 0 {
				log.Info("swept rows that are past their time", "service", s.Service(), "rows", n)
			}
		}
	}}
}

func (d *delivery) run(ctx context.Context, g *errgroup.Group) {
	for _, r := range d.relays {
		g.Go(func() error { return r.Run(ctx) })
	}
	for _, c := range d.consumers {
		g.Go(func() error { return c.Run(ctx) })
	}
	for _, j := range d.jobs {
		g.Go(func() error { return j.Run(ctx) })
	}
}

func (d *delivery) drain(ctx context.Context) error {
	return events.Drain(ctx, d.relays, d.consumers)
}

// drainRound does the part of a drain that one service can do by itself.
func (d *delivery) drainRound(ctx context.Context) (published, reached uint64, err error) {
	return events.DrainRound(ctx, d.relays, d.consumers)
}

// lateConn is the door before it exists: services are built first, and call
// through it only once they are served.
type lateConn struct {
	conn atomic.Pointer[grpc.ClientConnInterface]
}

func (l *lateConn) set(c grpc.ClientConnInterface) { l.conn.Store(&c) }

func (l *lateConn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	c := l.conn.Load()
	if c == nil {
		return kv.ErrUnavailable
	}
	return (*c).Invoke(ctx, method, args, reply, opts...)
}

func (l *lateConn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	c := l.conn.Load()
	if c == nil {
		return nil, kv.ErrUnavailable
	}
	return (*c).NewStream(ctx, desc, method, opts...)
}
