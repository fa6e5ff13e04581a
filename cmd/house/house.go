// Package house is linli as a library, whole or one part of it: the services,
// the door, the gateway, the broker and the data folder, started by Start and
// stopped by Close. The command, the demo and the tests come in through it.
package house

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/admit"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/watch"
)

// House is a running linli, or a running part of it. Which of its fields are set
// follows from the role.
type House struct {
	config Config
	folder folder
	civil  *clock.Civil
	stores []*store.Store
	anew   map[string]bool // services whose store was made by this start
	// firstCode is told once, to who started it.
	firstCode string
	services  services
	late      *lateConn // what the services call through
	broker    *events.Broker
	peers     map[string]*rpc.Connection
	// asked are services that this process asks when they are there; see Role.Asks.
	asked    map[string]*rpc.Connection
	watch    *watch.Service
	delivery *delivery
	refusals []*store.Refusals // by store; made with the door
	gates    admit.Gates
	knock    *admit.Knock
	server   *rpc.Server
	keys     *lateConn // where the keys of tokens are asked for

	authenticator access.Authenticator
	callers       *admit.Callers

	metrics  *prometheus.Registry
	handler  http.Handler
	httpAddr net.Addr
	grpcAddr net.Addr
	ready    atomic.Bool

	// What listeners show to other parts and demand of them, what clients do, and
	// what browsers and programs see.
	tlsServer, tlsClient, tlsOutside *tls.Config

	stopWatch func() error
	closers   []closer // run in reverse by Close
	failed    chan error
}

// closer undoes one step of Start.
type closer struct {
	what  string
	close func(context.Context) error
}

// step is one part of a start; it says by onClose how it is undone.
type step func(*House, context.Context) error

// steps of a role, in order.
func (r Role) steps() []step {
	switch r {
	case Whole:
		return []step{
			(*House).findPorts, (*House).openFolder, (*House).openStores, (*House).startBroker, (*House).buildServices, (*House).migrate, (*House).firstLink, (*House).openWatch,
			(*House).buildGates, (*House).limitCallers, (*House).openTokens, (*House).buildDoor, (*House).buildGateway, (*House).startDelivery, (*House).listen,
		}
	case Broker:
		return []step{(*House).findPorts, (*House).openFolder, (*House).startBroker, (*House).buildHealth, (*House).listen}
	case Gateway:
		return []step{
			(*House).findPorts, (*House).openFolder, (*House).connectBroker, (*House).dialPeers, (*House).openWatch,
			(*House).buildGates, (*House).limitCallers, (*House).openTokens, (*House).buildDoor, (*House).buildGateway, (*House).keepClocks, (*House).listen,
		}
	}
	return []step{
		(*House).findPorts, (*House).openFolder, (*House).openStores, (*House).connectBroker, (*House).dialPeers,
		(*House).buildServices, (*House).migrate, (*House).firstLink, (*House).buildGates, (*House).limitCallers, (*House).openTokens, (*House).buildDoor,
		(*House).buildHealth, (*House).startDelivery, (*House).listen,
	}
}

// Start opens the folder and starts everything of the role; when it returns,
// calls are answered. What it opened before a failure is closed again.
func Start(ctx context.Context, c Config) (*House, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	h := &House{config: c, metrics: prometheus.NewRegistry(), failed: make(chan error, 8)}
	h.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := h.loadTLS(); err != nil {
		return nil, err
	}
	for _, step := range c.Role.steps() {
		if err := step(h, ctx); err != nil {
			return nil, errors.Join(err, h.Close(context.WithoutCancel(ctx)))
		}
	}
	h.ready.Store(true)
	if h.server != nil {
		h.server.SetReady(true)
	}
	return h, nil
}

// HTTPAddr is where REST, the API page, metrics and health are.
func (h *House) HTTPAddr() string { return h.httpAddr.String() }

// GRPCAddr is where gRPC is; empty in a broker.
func (h *House) GRPCAddr() string {
	if h.grpcAddr == nil {
		return ""
	}
	return h.grpcAddr.String()
}

// BrokerAddr is where the broker of this process listens, "nats://127.0.0.1:4222";
// empty when it does not.
func (h *House) BrokerAddr() string {
	if h.broker == nil || h.broker.Addr() == "" {
		return ""
	}
	return "nats://" + h.broker.Addr()
}

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
