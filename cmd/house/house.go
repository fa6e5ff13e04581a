// Package house is the whole of linli as a library: the four services, the
// door, the gateway, the broker and the data folder, started by Start and
// stopped by Close. The command, the demo and the tests come in through it.
package house

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/linli-project/linli/gateway"
	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/admit"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/watch"
)

// Config of a house. Validate says what is wrong with it.
type Config struct {
	// Data is the folder; it is made if it is not there.
	Data string
	// HTTP and GRPC are the addresses to listen on, "127.0.0.1:8080"; port 0
	// takes any.
	HTTP, GRPC string
	// Dev serves what belongs to development: tokens that anybody can write,
	// the clock, reflection. It is refused on anything but loopback.
	Dev bool
	// Clock is where the civil clock stands when the folder is made; zero
	// follows the wall clock.
	Clock time.Time
	// MasterKeyFile holds the master key; empty with Dev = in the folder.
	MasterKeyFile string
	// SMTP is where messages are mailed through, see mail.New; empty = no mail
	// goes out. MailFrom is the sender.
	SMTP, MailFrom string
	// Limits of what is taken on at once; zero = admit.Defaults of this machine.
	Limits admit.Limits
	Log    *slog.Logger
}

// Validate refuses what cannot work or must not be.
func (c Config) Validate() error {
	if c.Data == "" {
		return errors.New("no data folder is named")
	}
	for _, address := range []string{c.HTTP, c.GRPC} {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return fmt.Errorf("address %q: %w", address, err)
		}
		if ip := net.ParseIP(host); c.Dev && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return fmt.Errorf("address %s: with --dev linli listens on loopback only", address)
		}
	}
	if !c.Clock.IsZero() && !c.Dev {
		return errors.New("--clock needs --dev")
	}
	return nil
}

// House is a running linli.
type House struct {
	config   Config
	folder   folder
	civil    *clock.Civil
	stores   []*store.Store
	services services
	broker   *events.Broker
	watch    *watch.Service
	delivery *delivery
	server   *rpc.Server
	http     *http.Server
	httpAddr net.Addr
	grpcAddr net.Addr
	ready    atomic.Bool

	stopWatch func() error
	closers   []closer // run in reverse by Close
	failed    chan error
}

// closer undoes one step of Start.
type closer struct {
	what  string
	close func(context.Context) error
}

// Start opens the folder and starts everything; when it returns, calls are
// answered. What it opened before a failure is closed again.
func Start(ctx context.Context, c Config) (*House, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	h := &House{config: c, failed: make(chan error, 4)}
	for _, step := range []func(context.Context) error{
		h.openStores, h.startBroker, h.buildServices, h.startDelivery, h.listen,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, h.Close(context.WithoutCancel(ctx)))
		}
	}
	h.ready.Store(true)
	h.server.SetReady(true)
	return h, nil
}

// HTTPAddr is where REST, the API page, metrics and health are.
func (h *House) HTTPAddr() string { return h.httpAddr.String() }

// GRPCAddr is where gRPC is.
func (h *House) GRPCAddr() string { return h.grpcAddr.String() }

// Failed tells of a part that stopped by itself.
func (h *House) Failed() <-chan error { return h.failed }

// Close stops in order: no new calls, those under way end, delivery ends, the
// broker, the files. The context bounds the waiting, never what was
// acknowledged. It is safe to call twice.
func (h *House) Close(ctx context.Context) error {
	h.ready.Store(false)
	var problems []error
	for i := len(h.closers) - 1; i >= 0; i-- {
		if err := h.closers[i].close(ctx); err != nil {
			problems = append(problems, fmt.Errorf("close %s: %w", h.closers[i].what, err))
		}
	}
	h.closers = nil
	return errors.Join(problems...)
}

func (h *House) onClose(what string, fn func(context.Context) error) {
	h.closers = append(h.closers, closer{what, fn})
}

func (h *House) openStores(ctx context.Context) error {
	var err error
	if h.folder, err = openFolder(h.config.Data); err != nil {
		return err
	}
	wall := clock.Wall()
	if h.civil, err = h.folder.civil(h.config.Clock, wall); err != nil {
		return err
	}
	master, err := h.folder.master(h.config.MasterKeyFile, h.config.Dev, h.config.Log)
	if err != nil {
		return err
	}
	for _, name := range serviceNames() {
		s, err := h.folder.openStore(ctx, name, master, h.civil, wall, h.config.Log)
		if err != nil {
			return err
		}
		h.stores = append(h.stores, s)
		h.onClose("the file of "+name, func(context.Context) error { return s.Close() })
	}
	return nil
}

func (h *House) startBroker(context.Context) error {
	b, err := events.StartBroker(events.BrokerConfig{Dir: h.folder.file("nats"), Services: serviceNames(), Log: h.config.Log})
	if err != nil {
		return fmt.Errorf("start the broker: %w", err)
	}
	h.broker = b
	h.onClose("the broker", func(context.Context) error { return b.Close() })
	return nil
}

func (h *House) buildServices(context.Context) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	connection := &lateConn{}
	var err error
	if h.services, err = newServices(h.stores, connection, h.config); err != nil {
		return err
	}
	if h.watch, h.stopWatch, err = watch.New(h.broker); err != nil {
		return fmt.Errorf("listen to the broker: %w", err)
	}
	authenticator := access.NoAuthenticator()
	if h.config.Dev {
		authenticator = access.DevAuthenticator()
	}
	h.server, err = rpc.NewServer(rpc.Config{
		Services:      append(h.services.rpc(), h.watch, &clockService{house: h}),
		Authenticator: authenticator, Log: h.config.Log, Metrics: registry,
		Wall: clock.Wall(), IDs: ids.New, Dev: h.config.Dev, Gates: h.gates(registry),
	})
	if err != nil {
		return fmt.Errorf("build the door: %w", err)
	}
	connection.set(h.server.Conn())
	handler, err := gateway.New(gateway.Config{
		Conn: h.server.Conn(), Dev: h.config.Dev, Ready: h.ready.Load, Limits: h.limits(), Meter: registry,
		Metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), Wall: clock.Wall(), Log: h.config.Log,
	})
	if err != nil {
		return fmt.Errorf("build the gateway: %w", err)
	}
	h.http = gateway.NewServer(handler, h.limits().Connections, h.config.Log)
	return nil
}

// startDelivery runs relays, consumers and jobs until Close.
func (h *House) startDelivery(ctx context.Context) error {
	d, err := newDelivery(ctx, h.broker, h.stores, h.services, h.config.Log)
	if err != nil {
		return err
	}
	h.delivery = d
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	group, running := errgroup.WithContext(running)
	d.run(running, group)
	ended := make(chan error, 1)
	go func() {
		err := group.Wait()
		ended <- err
		if err != nil && !errors.Is(err, context.Canceled) {
			h.failed <- fmt.Errorf("delivery: %w", err)
		}
	}()
	h.onClose("delivery", func(ctx context.Context) error {
		stop()
		select {
		case err := <-ended:
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return nil
}

// listen opens both ports before either is served, so that a taken port is
// told at once.
func (h *House) listen(context.Context) error {
	httpListener, err := listenOn(h.config.HTTP)
	if err != nil {
		return err
	}
	grpcListener, err := listenOn(h.config.GRPC)
	if err != nil {
		return errors.Join(err, httpListener.Close())
	}
	h.httpAddr, h.grpcAddr = httpListener.Addr(), grpcListener.Addr()
	go func() {
		if err := h.server.Serve(grpcListener); err != nil {
			h.failed <- err
		}
	}()
	go func() {
		if err := h.http.Serve(httpListener); !errors.Is(err, http.ErrServerClosed) {
			h.failed <- fmt.Errorf("serve HTTP: %w", err)
		}
	}()
	h.onClose("gRPC", func(ctx context.Context) error { h.server.GracefulStop(ctx); return nil })
	h.onClose("HTTP", func(ctx context.Context) error {
		if err := h.http.Shutdown(ctx); err != nil {
			return h.http.Close()
		}
		return nil
	})
	h.onClose("the open pages", func(context.Context) error { return h.stopWatch() })
	return nil
}

func listenOn(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s (taken by another program?): %w", address, err)
	}
	return l, nil
}
