// Package rpc is the one door: every call, from REST or gRPC, in one process
// or over TCP, passes the same chain of interceptors into the services.
package rpc

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/admit"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/scope"
)

const (
	unaryDeadline  = 30 * time.Second
	streamDeadline = 10 * time.Minute
	largestMessage = 2 << 20
)

// Service is what a service gives the door.
type Service interface {
	// Name is the short name: "registry".
	Name() string
	// Register puts the service's methods on a server.
	Register(r grpc.ServiceRegistrar)
	// OrganizationPath answers where an organization stands; false when it is
	// not known to this service.
	OrganizationPath(ctx context.Context, id string) (scope.Path, bool, error)
}

// Config of the door.
type Config struct {
	Services      []Service
	Authenticator access.Authenticator
	Log           *slog.Logger
	Metrics       prometheus.Registerer
	Wall          clock.Clock
	IDs           ids.Source
	// Recorders keep refusals, by the names of services; the one under "" those of
	// services that have none. Without any nothing is kept.
	Recorders map[string]Recorder
	// Gates stand before the calls that come over the network. Those from
	// inside the process pass: they belong to a call that was let in. Without
	// gates everything passes.
	Gates admit.Gates
	// Callers limits how often one of them may call; nil = as often as it likes.
	Callers *admit.Callers
	// TLS secures the listener; nil = it is plain.
	TLS *tls.Config
	// Parts: who comes over the network is another part of linli. With TLS its
	// certificate says which, and each method takes the parts that its access
	// option names; without, the listener is on loopback. Otherwise it is anybody.
	Parts bool
	// Dev serves the methods and the reflection of development.
	Dev bool
}

// Server holds the services behind the chain. It is made by NewServer and
// closed by GracefulStop.
type Server struct {
	grpc   *grpc.Server
	inproc *inprocgrpc.Channel
	local  *local
	health *health.Server
}

// NewServer makes the door. It fails when a method has no access rule: the
// door is closed by default.
func NewServer(c Config) (*Server, error) {
	chain, err := newChain(c)
	if err != nil {
		return nil, err
	}
	secured := insecure.NewCredentials()
	if c.TLS != nil {
		secured = credentials.NewTLS(c.TLS)
	}
	s := &Server{
		grpc: grpc.NewServer(append(networkLimits(c.Gates, chain.rules),
			grpc.Creds(secured),
			grpc.UnaryInterceptor(chain.unary(true)),
			grpc.StreamInterceptor(chain.stream(true)),
			grpc.MaxRecvMsgSize(largestMessage),
			grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: leastPing, PermitWithoutStream: true}),
			grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleFor, Time: 2 * pingEvery, Timeout: pingPatience}),
		)...),
		inproc: (&inprocgrpc.Channel{}).WithServerUnaryInterceptor(chain.unary(false)).WithServerStreamInterceptor(chain.stream(false)),
		local:  &local{methods: map[string]localMethod{}, unary: chain.unary(false)},
		health: health.NewServer(),
	}
	s.SetReady(false)
	for _, svc := range c.Services {
		svc.Register(s.grpc)
		svc.Register(s.inproc)
		svc.Register(s.local)
	}
	healthpb.RegisterHealthServer(s.grpc, s.health)
	healthpb.RegisterHealthServer(s.inproc, s.health)
	healthpb.RegisterHealthServer(s.local, s.health)
	if c.Dev {
		reflection.Register(s.grpc)
	}
	if err := chain.rules.complete(s.inproc.GetServiceInfo()); err != nil {
		return nil, err
	}
	return s, nil
}

// Conn is the door from inside the process: a client connection through the
// same chain, without a socket. A message that was sent through it is no longer
// its sender's to change.
func (s *Server) Conn() grpc.ClientConnInterface { return inproc{s.inproc, s.local} }

// Serve answers on a listener until GracefulStop. It closes the listener.
func (s *Server) Serve(l net.Listener) error {
	if err := s.grpc.Serve(l); err != nil {
		return fmt.Errorf("serve gRPC: %w", err)
	}
	return nil
}

// SetReady says to health checks whether calls are welcome; at first they are
// not.
func (s *Server) SetReady(ready bool) {
	status := healthpb.HealthCheckResponse_NOT_SERVING
	if ready {
		status = healthpb.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", status)
}

// GracefulStop takes no new calls and waits for those under way until the
// context ends, then cuts them.
func (s *Server) GracefulStop(ctx context.Context) {
	s.health.Shutdown()
	done := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
	}
}
