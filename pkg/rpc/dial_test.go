package rpc_test

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rpc"
)

func dial(t *testing.T, target string) *rpc.Connection {
	t.Helper()
	c, err := rpc.Dial(target, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// bare is a server without the door, whose every method answers err and counts.
func bare(t *testing.T, err error) (address string, calls *atomic.Int64) {
	t.Helper()
	l, lerr := net.Listen("tcp", "127.0.0.1:0")
	if lerr != nil {
		t.Fatal(lerr)
	}
	calls = &atomic.Int64{}
	s := grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error {
		calls.Add(1)
		return err
	}))
	healthpb.RegisterHealthServer(s, health.NewServer())
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String(), calls
}

// TestNature_SafeIsWhatReads: what the client sends again is what REST reads, by
// the protos themselves; nothing that changes something is among it.
func TestNature_SafeIsWhatReads(t *testing.T) {
	safe, other := rpc.SafeMethods()
	if len(safe) < 50 || len(other) < 50 {
		t.Fatalf("%d methods are safe, %d are not", len(safe), len(other))
	}
	for method, want := range map[string]bool{
		"/linli.registry.v1.RegistryService/GetMember":      true,
		"/linli.requests.v1.RequestsService/ListRequests":   true,
		"/linli.requests.v1.RequestsService/PostRequest":    false,
		"/linli.evaluation.v1.PollService/CastBallot":       false,
		"/linli.registry.v1.RegistryService/ImportRoster":   false,
		"/linli.registry.v1.RegistryService/AcceptReportIn": false,
	} {
		if got := slices.Contains(safe, method); got != want || got == slices.Contains(other, method) {
			t.Errorf("%s: safe is %v", method, got)
		}
	}
}

func TestDial_SendsAgainWhatIsSafe(t *testing.T) {
	address, calls := bare(t, status.Error(codes.Unavailable, "gone"))
	client := registryv1.NewRegistryServiceClient(dial(t, address))
	_, err := client.GetMember(as(staffToken(), "accept-language", "en"), &registryv1.GetMemberRequest{Id: "mem_1"})
	refused(t, "a read", err, codes.Unavailable, "UNAVAILABLE")
	if n := calls.Swap(0); n != 4 {
		t.Errorf("a read was sent %d times", n)
	}
	_, err = client.AcceptReportIn(as(staffToken(), rpc.HeaderIdempotencyKey, "k1"), &registryv1.AcceptReportInRequest{Id: "rep_1"})
	refused(t, "a change", err, codes.Unavailable, "UNAVAILABLE")
	if n := calls.Load(); n != 1 {
		t.Errorf("a change with a key was sent %d times", n)
	}
}

// TestDial_AnAnswerIsNotAskedForAgain: a service that is there and says itself
// that it cannot is asked once.
func TestDial_AnAnswerIsNotAskedForAgain(t *testing.T) {
	f := newFixture(t, accesstest.Authenticator(), true)
	calls := 0
	f.getMember = func(context.Context, *registryv1.GetMemberRequest) (*registryv1.GetMemberResponse, error) {
		calls++
		return nil, kv.ErrUnavailable
	}
	_, err := registryv1.NewRegistryServiceClient(dial(t, f.address)).
		GetMember(as(staffToken()), &registryv1.GetMemberRequest{Id: "mem_1"})
	refused(t, "a service that cannot", err, codes.Unavailable, "UNAVAILABLE")
	if calls != 1 {
		t.Errorf("it was asked %d times", calls)
	}
}

// TestDial_AwayAndBack: a service that is away is told with a reason in the
// caller's language, at once, and found again without a new connection.
func TestDial_AwayAndBack(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	conn := dial(t, address)
	client := registryv1.NewRegistryServiceClient(conn)
	for language, want := range map[string]string{"en": "not available now", "zh": "暂时不可用"} {
		ctx, cancel := context.WithTimeout(as(staffToken(), "accept-language", language), 10*time.Second)
		_, err := client.GetMember(ctx, &registryv1.GetMemberRequest{Id: "mem_1"})
		refused(t, "away", err, codes.Unavailable, "UNAVAILABLE")
		if text := status.Convert(err).Message(); !strings.Contains(text, want) || strings.Contains(text, address) {
			t.Errorf("in %s it says %q", language, text)
		}
		stream, err := client.ImportRoster(ctx)
		if err == nil {
			_, err = stream.CloseAndRecv()
		}
		refused(t, "a stream", err, codes.Unavailable, "UNAVAILABLE")
		cancel()
	}

	fake := &fake{getMember: func(context.Context, *registryv1.GetMemberRequest) (*registryv1.GetMemberResponse, error) {
		return &registryv1.GetMemberResponse{Member: &registryv1.Member{Id: "mem_1"}}, nil
	}}
	server, err := rpc.NewServer(rpc.Config{
		Services: []rpc.Service{fake}, Authenticator: accesstest.Authenticator(), Wall: clock.Wall(), IDs: ids.New, Dev: true,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if l, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	ctx, cancel := context.WithTimeout(as(staffToken()), 15*time.Second)
	defer cancel()
	server.SetReady(true)
	var header metadata.MD
	reply, err := client.GetMember(ctx, &registryv1.GetMemberRequest{Id: "mem_1"}, grpc.WaitForReady(true), grpc.Header(&header))
	if err != nil || reply.GetMember().GetId() != "mem_1" || len(header.Get(rpc.HeaderCallID)) != 1 {
		t.Errorf("back: %v %v %v", reply, header, err)
	}
	server.GracefulStop(ctx)
	if err := <-served; err != nil {
		t.Error(err)
	}
	_, err = client.GetMember(as(staffToken()), &registryv1.GetMemberRequest{Id: "mem_1"})
	refused(t, "away again", err, codes.Unavailable, "UNAVAILABLE")
}

// noting answers nothing and keeps what came with the last call.
type noting struct {
	grpc.ClientConnInterface
	method string
	md     metadata.MD
}

func (n *noting) Invoke(ctx context.Context, method string, _, _ any, _ ...grpc.CallOption) error {
	n.method = method
	n.md, _ = metadata.FromOutgoingContext(ctx)
	return nil
}

func TestRouter_SendsEachMethodToItsService(t *testing.T) {
	registry, evaluation := &noting{}, &noting{}
	router := rpc.NewRouter(map[string]grpc.ClientConnInterface{"linli.registry.v1": registry, "linli.evaluation.v1": evaluation})
	ctx := as(staffToken(), rpc.HeaderIdempotencyKey, "k1", rpc.HeaderLanguage, "en", "x-forwarded-for", "10.0.0.1")
	if _, err := registryv1.NewPolicyServiceClient(router).GetPolicy(ctx, &registryv1.GetPolicyRequest{}); err != nil {
		t.Fatal(err)
	}
	if registry.method != registryv1.PolicyService_GetPolicy_FullMethodName || len(registry.md) != 4 || evaluation.method != "" {
		t.Errorf("%s with %v", registry.method, registry.md)
	}
	// The secret poll: what says who calls is not even sent.
	if _, err := evaluationv1.NewPollServiceClient(router).CastBallot(ctx, &evaluationv1.CastBallotRequest{}); err != nil {
		t.Fatal(err)
	}
	if evaluation.method == "" || len(evaluation.md) != 1 || evaluation.md.Get(rpc.HeaderLanguage)[0] != "en" {
		t.Errorf("%s with %v", evaluation.method, evaluation.md)
	}
	err := router.Invoke(ctx, "/linli.requests.v1.RequestsService/GetRequest", nil, nil)
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("a service that is nowhere: %v", err)
	}
	if _, err := router.NewStream(ctx, &grpc.StreamDesc{}, "nonsense"); status.Code(err) != codes.Unimplemented {
		t.Errorf("no method: %v", err)
	}
}
