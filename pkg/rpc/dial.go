package rpc

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // clients ask a service whether calls are welcome
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/texts"
)

const (
	// safeDeadline of a call that reads: three tries fit into it.
	safeDeadline = 15 * time.Second
	// A client asks whether a silent connection lives; a server lets nobody ask
	// more often than leastPing.
	pingEvery    = 20 * time.Second
	pingPatience = 5 * time.Second
	leastPing    = 10 * time.Second
	// A service that comes back is found again within slowestRedial.
	fastestRedial = 100 * time.Millisecond
	slowestRedial = time.Second
	dialPatience  = 3 * time.Second
	// largestReply is what a file inside a reply may take: a letter as a workbook.
	largestReply = 64 << 20
)

// Connection is the door of a service in another process. It is made by Dial,
// is safe for concurrent use and connects by itself, again and again: a service
// that is away costs its callers UNAVAILABLE and nobody a restart.
type Connection struct {
	grpc *grpc.ClientConn
}

// Dial makes a connection to "host:port" or any target of gRPC's, as
// "dns:///registry:9101" for several machines. It does not wait for the service.
// secured is nil for a connection that is plain.
func Dial(target string, secured *tls.Config) (*Connection, error) {
	config, err := serviceConfig()
	if err != nil {
		return nil, err
	}
	transport := insecure.NewCredentials()
	if secured != nil {
		transport = credentials.NewTLS(secured)
	}
	c, err := grpc.NewClient(target,
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(config),
		grpc.WithDisableServiceConfig(), // of a name server's: it knows nothing of ours
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingEvery, Timeout: pingPatience, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: dialPatience, Backoff: backoff.Config{
			BaseDelay: fastestRedial, Multiplier: 1.6, Jitter: 0.2, MaxDelay: slowestRedial}}),
		grpc.WithIdleTimeout(0),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(largestReply)),
	)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", target, err)
	}
	c.Connect()
	return &Connection{grpc: c}, nil
}

// Close ends the connection and the calls on it.
func (c *Connection) Close() error { return c.grpc.Close() }

// Invoke calls a method. A service that cannot be reached answers UNAVAILABLE,
// one that does not answer in time DEADLINE_EXCEEDED, both with a reason in the
// caller's language.
func (c *Connection) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return withReason(ctx, c.grpc.Invoke(ctx, method, args, reply, opts...))
}

// NewStream opens a stream; its errors have reasons as those of Invoke.
func (c *Connection) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := c.grpc.NewStream(ctx, desc, method, opts...)
	if err != nil {
		return nil, withReason(ctx, err)
	}
	return reasonedStream{s}, nil
}

type reasonedStream struct{ grpc.ClientStream }

func (s reasonedStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if _, ok := status.FromError(err); !ok {
		return err // io.EOF
	}
	return withReason(s.Context(), err)
}

// withReason gives an error of the transport the reason that a service would
// give. The transport's own words name addresses, and stay here.
func withReason(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	s := status.Convert(err)
	reason := ""
	switch s.Code() {
	case codes.Unavailable:
		reason = "UNAVAILABLE"
	case codes.DeadlineExceeded, codes.Canceled:
		reason = "DEADLINE"
	}
	if reason == "" || FromStatus(s) != nil {
		return err
	}
	md, _ := metadata.FromOutgoingContext(ctx)
	return statusOf(refusal{Error: rule.New(0, reason, ""), code: s.Code()}, texts.Language(header(md, HeaderLanguage)))
}

// methodName and methodConfig are gRPC's service config, as JSON names it.
type methodName struct {
	Service string `json:"service"`
	Method  string `json:"method"`
}

type methodConfig struct {
	Name        []methodName `json:"name"`
	Timeout     string       `json:"timeout"`
	RetryPolicy *retryPolicy `json:"retryPolicy,omitempty"`
}

type retryPolicy struct {
	MaxAttempts          int      `json:"maxAttempts"`
	InitialBackoff       string   `json:"initialBackoff"`
	MaxBackoff           string   `json:"maxBackoff"`
	BackoffMultiplier    float64  `json:"backoffMultiplier"`
	RetryableStatusCodes []string `json:"retryableStatusCodes"`
}

// serviceConfig says per method how long it may take and whether it is sent
// again: what is safe, and only where no answer came. A service that answers
// UNAVAILABLE itself sends the call's id before it, which gRPC takes for an
// answer; so one that has too much to do is not asked three times.
func serviceConfig() (string, error) {
	safe := methodConfig{Timeout: seconds(safeDeadline), RetryPolicy: &retryPolicy{
		MaxAttempts: 4, InitialBackoff: "0.1s", MaxBackoff: "1s", BackoffMultiplier: 2,
		RetryableStatusCodes: []string{"UNAVAILABLE"},
	}}
	change, stream := methodConfig{Timeout: seconds(unaryDeadline)}, methodConfig{Timeout: seconds(streamDeadline)}
	eachMethod(func(service, method string, m protoreflect.MethodDescriptor) {
		into := &change
		switch n := natureOf(m); {
		case n.stream:
			into = &stream
		case n.safe:
			into = &safe
		}
		into.Name = append(into.Name, methodName{service, method})
	})
	out, err := json.Marshal(map[string]any{
		"loadBalancingConfig": []map[string]any{{"round_robin": map[string]any{}}},
		"healthCheckConfig":   map[string]string{"serviceName": ""},
		"methodConfig":        []methodConfig{safe, change, stream},
		"retryThrottling":     map[string]any{"maxTokens": 100, "tokenRatio": 0.5},
	})
	if err != nil {
		return "", fmt.Errorf("write the service config: %w", err)
	}
	return string(out), nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%gs", d.Seconds()) }
