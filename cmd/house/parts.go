package house

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/linli-project/linli/pkg/certs"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/keys"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/watch"
)

func (h *House) openFolder(context.Context) error {
	var err error
	if h.folder, err = openFolder(h.config.Data, h.config.Role); err != nil {
		return err
	}
	h.civil, err = h.folder.civil(h.config.Clock, h.config.Faults.wall())
	return err
}

func (h *House) openStores(ctx context.Context) error {
	master, err := h.folder.master(ctx, h.config)
	if err != nil {
		return err
	}
	h.anew = map[string]bool{}
	for _, name := range h.config.Role.services() {
		h.anew[name] = !h.folder.has(name + ".db")
		s, err := h.folder.openStore(ctx, name, master, h.civil, h.config.Faults.wall(), h.config)
		if err != nil {
			return err
		}
		h.stores = append(h.stores, s)
		h.onClose("the file of "+name, func(context.Context) error { return s.Close() })
	}
	return nil
}

// startBroker starts the broker in this process; in a process of its own it
// listens for the others.
func (h *House) startBroker(context.Context) error {
	c := events.BrokerConfig{Dir: h.folder.file("nats"), Services: serviceNames(), Log: h.config.Log, NoSync: h.config.Faults.NoSyncBroker}
	if h.config.Role == Broker {
		var err error
		if c.Listen, err = hostOf(h.config.Broker); err != nil {
			return err
		}
		if c.Key, err = h.brokerKey(); err != nil {
			return err
		}
		c.TLS = h.tlsServer
	}
	b, err := events.StartBroker(c)
	if err != nil {
		return fmt.Errorf("start the broker: %w", err)
	}
	h.broker = b
	h.onClose("the broker", func(context.Context) error { return b.Close() })
	h.gauge("linli_broker_connections", "Clients of the broker in this process.", func() float64 { return float64(b.Connections()) })
	return nil
}

// connectBroker makes the client of the broker in another process, which may
// come later.
func (h *House) connectBroker(context.Context) error {
	key, err := h.brokerKey()
	if err != nil {
		return err
	}
	b, err := events.Connect(events.ClientConfig{
		URL: h.config.Broker, Name: string(h.config.Role), Key: key, TLS: certs.Of(h.tlsClient, string(Broker)), Trusted: h.config.Dev, Log: h.config.Log,
	})
	if err != nil {
		return fmt.Errorf("connect to the broker: %w", err)
	}
	h.broker = b
	h.onClose("the connection to the broker", func(context.Context) error { return b.Close() })
	h.gauge("linli_broker_connected", "1 when the broker can be reached.", func() float64 {
		if b.Connected() {
			return 1
		}
		return 0
	})
	return nil
}

// brokerKey reads the secret; with --dev whoever comes first makes it.
func (h *House) brokerKey() (events.Key, error) {
	path := h.config.BrokerKeyFile
	if !h.config.Dev {
		return events.LoadKey(path)
	}
	if err := makeParent(path); err != nil {
		return events.Key{}, err
	}
	key, made, err := events.LoadOrCreateKey(path)
	if made {
		h.config.Log.Info("made a key for the broker", "file", path)
	}
	return key, err
}

func (h *House) gauge(name, help string, value func() float64) {
	h.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// dialPeers opens the connections to services in other processes, which may come
// later.
func (h *House) dialPeers(context.Context) error {
	h.peers = map[string]*rpc.Connection{}
	for _, name := range h.config.Role.Peers() {
		c, err := rpc.Dial(h.config.Peers[name], certs.Of(h.tlsClient, name))
		if err != nil {
			return fmt.Errorf("find %s: %w", name, err)
		}
		h.peers[name] = c
		h.onClose("the connection to "+name, func(context.Context) error { return c.Close() })
	}
	h.asked = map[string]*rpc.Connection{}
	for _, name := range h.config.Role.Asks() {
		at := h.config.Peers[name]
		if at == "" {
			continue
		}
		c, err := rpc.Dial(at, certs.Of(h.tlsClient, name))
		if err != nil {
			return fmt.Errorf("find %s: %w", name, err)
		}
		h.asked[name] = c
		h.onClose("the connection to "+name, func(context.Context) error { return c.Close() })
	}
	return nil
}

// router sends calls to the peers, and to the door of this process what it
// answers itself.
func (h *House) router(own ...string) *rpc.Router {
	routes := map[string]grpc.ClientConnInterface{}
	for _, known := range []map[string]*rpc.Connection{h.peers, h.asked} {
		for name, c := range known {
			routes[protoPackage(name)] = c
		}
	}
	for _, name := range own {
		routes[protoPackage(name)] = h.server.Conn()
	}
	if h.config.Role == Gateway {
		routes[protoPackage("ops")] = h.auditRoutes()
	}
	return rpc.NewRouter(routes)
}

func protoPackage(service string) string { return "linli." + service + ".v1" }

// buildServices makes the services over their stores. They call each other
// through the door of this process, or through that of another.
func (h *House) buildServices(context.Context) error {
	connection := &lateConn{}
	if h.config.Role != Whole {
		connection.set(rpc.Inner(h.router()))
	}
	var err error
	h.services, err = newServices(h.stores, connection, h.config)
	h.late = connection
	return err
}

func (h *House) openWatch(context.Context) error {
	var err error
	if h.watch, h.stopWatch, err = watch.New(h.broker); err != nil {
		return fmt.Errorf("listen to the broker: %w", err)
	}
	return nil
}

// buildDoor puts everything that this process answers behind the chain.
func (h *House) buildDoor(context.Context) error {
	all := append(h.services.rpc(), &clockService{house: h}, h.backupService())
	if h.watch != nil {
		all = append(all, h.watch)
	}
	if len(h.stores) > 0 {
		parked, err := h.parkedEvents()
		if err != nil {
			return err
		}
		audit, err := h.auditService()
		if err != nil {
			return err
		}
		all = append(all, parked, audit, keys.New(h.stores))
	}
	var err error
	h.server, err = rpc.NewServer(rpc.Config{
		Services: all, Authenticator: h.authenticator, Log: h.config.Log, Metrics: h.metrics,
		Recorders: h.recorders(), Wall: clock.Wall(), IDs: ids.New, Dev: h.config.Dev, Gates: h.gates, Callers: h.callers,
		TLS: h.doorTLS(), Parts: h.config.Role != Whole,
	})
	if err != nil {
		return fmt.Errorf("build the door: %w", err)
	}
	if h.config.Role == Whole {
		h.late.set(rpc.Inner(h.server.Conn()))
	}
	if h.config.Role == Whole || h.config.Role == Registry {
		h.keys.set(h.server.Conn())
	}
	return nil
}

// startDelivery runs relays, consumers and jobs until Close.
func (h *House) startDelivery(ctx context.Context) error {
	h.warnOfStoresAnew(ctx)
	d, err := newDelivery(ctx, h.broker, h.stores, h.services, h.config)
	if err != nil {
		return err
	}
	audit, err := h.auditJobs()
	if err != nil {
		return err
	}
	d.jobs = append(d.jobs, audit...)
	h.delivery = d
	h.inBackground(ctx, "delivery", d.run)
	return nil
}

// inBackground runs a group of goroutines until Close.
func (h *House) inBackground(ctx context.Context, what string, start func(context.Context, *errgroup.Group)) {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	group, running := errgroup.WithContext(running)
	start(running, group)
	ended := make(chan error, 1)
	go func() {
		err := group.Wait()
		ended <- err
		if err != nil && !errors.Is(err, context.Canceled) {
			h.failed <- fmt.Errorf("%s: %w", what, err)
		}
	}()
	h.onClose(what, func(ctx context.Context) error {
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
}
