package house

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/linli-project/linli/gateway"
	"github.com/linli-project/linli/pkg/clock"
)

// buildGateway makes REST over the door: in the whole over its own, in a gateway
// over those of the services.
func (h *House) buildGateway(context.Context) error {
	conn := h.server.Conn()
	if h.config.Role == Gateway {
		conn = h.router("watch", "dev")
	}
	var err error
	h.handler, err = gateway.New(gateway.Config{
		Conn: conn, Dev: h.config.Dev, Ready: h.ready.Load, Limits: h.limits(), Knock: h.knock, Meter: h.metrics,
		Metrics: h.metricsHandler(), Wall: clock.Wall(), Log: h.config.Log,
	})
	if err != nil {
		return fmt.Errorf("build the gateway: %w", err)
	}
	return nil
}

// buildHealth makes what a process without REST answers over HTTP.
func (h *House) buildHealth(context.Context) error {
	h.handler = gateway.Health(h.ready.Load, h.metricsHandler())
	return nil
}

func (h *House) metricsHandler() http.Handler {
	return promhttp.HandlerFor(h.metrics, promhttp.HandlerOpts{})
}

// findPorts refuses a port that is taken before anything of the folder is
// touched. It takes none: who called now would wait for all that follows.
func (h *House) findPorts(context.Context) error {
	all, err := h.config.listens()
	if err != nil {
		return err
	}
	for _, address := range all {
		l, err := listenOn(address)
		if err != nil {
			return err
		}
		if err := l.Close(); err != nil {
			return fmt.Errorf("try to listen on %s: %w", address, err)
		}
	}
	return nil
}

// listen opens the ports before any is served, and serves them until Close.
func (h *House) listen(context.Context) error {
	httpListener, err := listenOn(h.config.HTTP)
	if err != nil {
		return err
	}
	if h.server != nil {
		grpcListener, err := listenOn(h.config.GRPC)
		if err != nil {
			return errors.Join(err, httpListener.Close())
		}
		h.serveGRPC(grpcListener)
	}
	h.serveHTTP(httpListener)
	if h.stopWatch != nil {
		h.onClose("the open pages", func(context.Context) error { return h.stopWatch() })
	}
	return nil
}

func (h *House) serveGRPC(l net.Listener) {
	h.grpcAddr = l.Addr()
	go func() {
		if err := h.server.Serve(l); err != nil {
			h.failed <- err
		}
	}()
	h.onClose("gRPC", func(ctx context.Context) error { h.server.GracefulStop(ctx); return nil })
}

func (h *House) serveHTTP(l net.Listener) {
	h.httpAddr = l.Addr()
	server := gateway.NewServer(h.handler, h.limits().Connections, h.config.Log)
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			h.failed <- fmt.Errorf("serve HTTP: %w", err)
		}
	}()
	h.onClose("HTTP", func(ctx context.Context) error {
		if err := server.Shutdown(ctx); err != nil {
			return server.Close()
		}
		return nil
	})
}

func listenOn(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s (taken by another program?): %w", address, err)
	}
	return l, nil
}
