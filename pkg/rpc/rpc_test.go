package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/admit"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
)

// fake is a registry whose answers a test sets.
type fake struct {
	registryv1.UnimplementedRegistryServiceServer
	getMember func(context.Context, *registryv1.GetMemberRequest) (*registryv1.GetMemberResponse, error)
	received  []string
}

func (f *fake) Name() string                     { return "registry" }
func (f *fake) Register(r grpc.ServiceRegistrar) { registryv1.RegisterRegistryServiceServer(r, f) }
func (f *fake) OrganizationPath(_ context.Context, id string) (scope.Path, bool, error) {
	path, ok := map[string]scope.Path{"C1": "/1/C1/", "C2": "/1/C2/"}[id]
	return path, ok, nil
}

func (f *fake) GetMember(ctx context.Context, in *registryv1.GetMemberRequest) (*registryv1.GetMemberResponse, error) {
	return f.getMember(ctx, in)
}

func (f *fake) ListMembers(ctx context.Context, in *registryv1.ListMembersRequest) (*registryv1.ListMembersResponse, error) {
	call := access.From(ctx)
	return &registryv1.ListMembersResponse{NextPageToken: string(call.Scope.Paths[0])}, nil
}

func (f *fake) ImportRoster(s grpc.ClientStreamingServer[registryv1.ImportRosterRequest, registryv1.ImportRosterResponse]) error {
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return s.SendAndClose(&registryv1.ImportRosterResponse{ImportId: access.From(s.Context()).Person})
		}
		if err != nil {
			return err
		}
		f.received = append(f.received, string(m.GetChunk()))
	}
}

type fixture struct {
	*fake
	log     *bytes.Buffer
	server  *rpc.Server
	address string
	conns   map[string]grpc.ClientConnInterface
}

// newFixture serves the fake in memory and over TCP; every test runs on both.
func newFixture(t *testing.T, a access.Authenticator, dev bool) fixture {
	t.Helper()
	return newGatedFixture(t, a, dev, nil)
}

func newGatedFixture(t *testing.T, a access.Authenticator, dev bool, gates admit.Gates) fixture {
	t.Helper()
	f := fixture{fake: &fake{}, log: &bytes.Buffer{}}
	var err error
	f.server, err = rpc.NewServer(rpc.Config{
		Services: []rpc.Service{f.fake}, Authenticator: a, Wall: clock.Wall(), IDs: ids.New, Dev: dev, Gates: gates,
		Log: slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.address = l.Addr().String()
	f.server.SetReady(true)
	served := make(chan error, 1)
	go func() { served <- f.server.Serve(l) }()
	tcp, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	f.conns = map[string]grpc.ClientConnInterface{"memory": f.server.Conn(), "tcp": tcp}
	t.Cleanup(func() {
		_ = tcp.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		f.server.GracefulStop(ctx)
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f fixture) each(t *testing.T, fn func(*testing.T, registryv1.RegistryServiceClient)) {
	for name, conn := range f.conns {
		t.Run(name, func(t *testing.T) { fn(t, registryv1.NewRegistryServiceClient(conn)) })
	}
}

func as(token string, pairs ...string) context.Context {
	return metadata.NewOutgoingContext(context.Background(), metadata.Pairs(append([]string{"authorization", "Bearer " + token}, pairs...)...))
}

func staffToken() string {
	return accesstest.Token("staff", access.Grant{Role: typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, Path: "/1/C1/"})
}

func refused(t *testing.T, what string, err error, code codes.Code, reason string) {
	t.Helper()
	if status.Code(err) != code || rpc.Reason(err) != reason {
		t.Errorf("%s: %v %q (%v), want %v %q", what, status.Code(err), rpc.Reason(err), err, code, reason)
	}
}

func TestChain_Order(t *testing.T) {
	want := []string{"call id", "admit", "observe", "record", "status", "recover", "deadline", "part", "authenticate", "known", "pace", "authorize", "validate"}
	if got := rpc.ChainOrder(); !reflect.DeepEqual(got, want) {
		t.Errorf("the order is %q", got)
	}
}

func TestDoor_RefusesWhoMayNot(t *testing.T) {
	f := newFixture(t, accesstest.Authenticator(), true)
	f.each(t, func(t *testing.T, c registryv1.RegistryServiceClient) {
		list := func(ctx context.Context, organization string) error {
			_, err := c.ListMembers(ctx, &registryv1.ListMembersRequest{OrganizationId: organization})
			return err
		}
		refused(t, "no token", list(context.Background(), "C1"), codes.Unauthenticated, "UNAUTHENTICATED")
		refused(t, "a malformed token", list(as("test.%%%"), "C1"), codes.Unauthenticated, "UNAUTHENTICATED")
		resident := accesstest.Token("r", access.Grant{Role: typev1.Role_ROLE_RESIDENT, Path: "/1/C1/"})
		refused(t, "another role", list(as(resident), "C1"), codes.PermissionDenied, "ROLE_NOT_ALLOWED")
		refused(t, "a foreign organization", list(as(staffToken()), "C2"), codes.NotFound, "UNKNOWN_ORGANIZATION")
		refused(t, "an unknown organization", list(as(staffToken()), "C9"), codes.NotFound, "UNKNOWN_ORGANIZATION")
		refused(t, "no organization", list(as(staffToken()), ""), codes.InvalidArgument, "INVALID_FIELD")
		if err := list(as(staffToken()), "C1"); err != nil {
			t.Errorf("the own organization: %v", err)
		}
		foreign, unknown := status.Convert(list(as(staffToken()), "C2")), status.Convert(list(as(staffToken()), "C9"))
		if strings.ReplaceAll(foreign.Message(), "C2", "C9") != unknown.Message() {
			t.Errorf("foreign and unknown are told apart: %q, %q", foreign.Message(), unknown.Message())
		}
	})
	if strings.Contains(f.log.String(), staffToken()) || !strings.Contains(f.log.String(), "person=staff") {
		t.Error("the log holds a token, or does not say who called")
	}
}

func TestDoor_ScopeIsTheRolesThatTheMethodTakes(t *testing.T) {
	f := newFixture(t, accesstest.Authenticator(), true)
	token := accesstest.Token("p",
		access.Grant{Role: typev1.Role_ROLE_RESIDENT, Path: "/"}, access.Grant{Role: typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, Path: "/1/C1/"})
	f.each(t, func(t *testing.T, c registryv1.RegistryServiceClient) {
		got, err := c.ListMembers(as(token), &registryv1.ListMembersRequest{OrganizationId: "C1"})
		if err != nil || got.GetNextPageToken() != "/1/C1/" {
			t.Errorf("scope %s, %v", got.GetNextPageToken(), err)
		}
		_, err = c.ListMembers(as(token), &registryv1.ListMembersRequest{OrganizationId: "C2"})
		refused(t, "where only a resident", err, codes.NotFound, "UNKNOWN_ORGANIZATION")
	})
}

func TestDoor_ValidatesInTheCallersLanguage(t *testing.T) {
	f := newFixture(t, accesstest.Authenticator(), true)
	f.each(t, func(t *testing.T, c registryv1.RegistryServiceClient) {
		for language, want := range map[string]string{"zh": "最多 64 个字", "en": "at most 64"} {
			_, err := c.GetMember(as(staffToken(), "accept-language", language), &registryv1.GetMemberRequest{Id: strings.Repeat("x", 65)})
			refused(t, "too long", err, codes.InvalidArgument, "INVALID_FIELD")
			v := rpc.Violations(status.Convert(err))
			if len(v) != 1 || v[0].GetField() != "id" || !strings.Contains(v[0].GetDescription(), want) {
				t.Errorf("%s: %v", language, v)
			}
		}
	})
}

func TestDoor_ErrorsBecomeStatuses(t *testing.T) {
	f := newFixture(t, accesstest.Authenticator(), true)
	secret := "430198197207155484"
	for name, c := range map[string]struct {
		err    error
		code   codes.Code
		reason string
	}{
		"absent":          {rule.Absent("member", "m"), codes.NotFound, "NOT_FOUND"},
		"state":           {rule.New(rule.Precondition, "WRONG_STATE", ""), codes.FailedPrecondition, "WRONG_STATE"},
		"stale":           {rule.New(rule.Stale, "STALE_ETAG", "etag"), codes.Aborted, "STALE_ETAG"},
		"exists":          {rule.New(rule.Exists, "ALREADY_EXISTS", ""), codes.AlreadyExists, "ALREADY_EXISTS"},
		"exhausted":       {rule.New(rule.Exhausted, "OVERLOADED", ""), codes.ResourceExhausted, "OVERLOADED"},
		"conflict":        {kv.ErrConflict, codes.Aborted, "CONTENTION"},
		"unavailable":     {kv.ErrUnavailable, codes.Unavailable, "UNAVAILABLE"},
		"read only":       {kv.ErrReadOnly, codes.Unavailable, "UNAVAILABLE"},
		"unknown outcome": {kv.ErrUnknownOutcome, codes.Unavailable, "UNAVAILABLE"},
		"too large":       {kv.ErrTooLarge, codes.InvalidArgument, "BODY_TOO_LARGE"},
		"anything else":   {errors.New("about " + secret), codes.Internal, "INTERNAL"},
	} {
		f.getMember = func(context.Context, *registryv1.GetMemberRequest) (*registryv1.GetMemberResponse, error) {
			return nil, c.err
		}
		f.each(t, func(t *testing.T, client registryv1.RegistryServiceClient) {
			_, err := client.GetMember(as(staffToken(), "accept-language", "en"), &registryv1.GetMemberRequest{Id: "m"})
			refused(t, name, err, c.code, c.reason)
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the cause was sent", name)
			}
		})
	}
}

func TestDoor_APanicIsAnsweredAndLogged(t *testing.T) {
	f := newFixture(t, accesstest.Authenticator(), true)
	f.getMember = func(context.Context, *registryv1.GetMemberRequest) (*registryv1.GetMemberResponse, error) {
		panic("about 430198197207155484")
	}
	f.each(t, func(t *testing.T, c registryv1.RegistryServiceClient) {
		_, err := c.GetMember(as(staffToken()), &registryv1.GetMemberRequest{Id: "m"})
		refused(t, "a panic", err, codes.Internal, "INTERNAL")
	})
	if log := f.log.String(); !strings.Contains(log, "panic in a call") || strings.Contains(log, "430198197207155484") {
		t.Error("the log does not tell of the panic, or tells its value")
	}
}

func TestDoor_DeadlinesReachTheMethod(t *testing.T) {
	f := newFixture(t, accesstest.Authenticator(), true)
	f.getMember = func(ctx context.Context, _ *registryv1.GetMemberRequest) (*registryv1.GetMemberResponse, error) {
		if at, ok := ctx.Deadline(); !ok || time.Until(at) > time.Minute {
			t.Error("a call without a deadline")
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	f.each(t, func(t *testing.T, c registryv1.RegistryServiceClient) {
		ctx, cancel := context.WithTimeout(as(staffToken()), 30*time.Millisecond)
		defer cancel()
		if _, err := c.GetMember(ctx, &registryv1.GetMemberRequest{Id: "m"}); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
	})
}

func TestDoor_StreamsAndHeadersPassTheSameChain(t *testing.T) {
	f := newFixture(t, accesstest.Authenticator(), true)
	f.each(t, func(t *testing.T, c registryv1.RegistryServiceClient) {
		f.received = nil
		s, err := c.ImportRoster(as(staffToken()))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"a", "b"} {
			if err := s.Send(&registryv1.ImportRosterRequest{Part: &registryv1.ImportRosterRequest_Chunk{Chunk: []byte(part)}}); err != nil {
				t.Fatal(err)
			}
		}
		reply, err := s.CloseAndRecv()
		if err != nil || reply.GetImportId() != "staff" || strings.Join(f.received, "") != "ab" {
			t.Errorf("%v, %v, %q", reply, err, f.received)
		}
		none, err := c.ImportRoster(context.Background())
		if err == nil {
			_, err = none.CloseAndRecv()
		}
		refused(t, "a stream without a token", err, codes.Unauthenticated, "UNAUTHENTICATED")
		long, err := c.ImportRoster(as(staffToken()))
		if err != nil {
			t.Fatal(err)
		}
		_ = long.Send(&registryv1.ImportRosterRequest{Part: &registryv1.ImportRosterRequest_Header{
			Header: &registryv1.ImportRosterHeader{OrganizationId: strings.Repeat("x", 33)}}})
		_, err = long.CloseAndRecv()
		refused(t, "a part that breaks its rule", err, codes.InvalidArgument, "INVALID_FIELD")

		var header metadata.MD
		f.getMember = func(context.Context, *registryv1.GetMemberRequest) (*registryv1.GetMemberResponse, error) {
			return &registryv1.GetMemberResponse{}, nil
		}
		if _, err := c.GetMember(as(staffToken()), &registryv1.GetMemberRequest{Id: "m"}, grpc.Header(&header)); err != nil || len(header.Get("x-call-id")) != 1 {
			t.Errorf("headers %v, %v", header, err)
		}
	})
}

func TestHealth_FollowsReadiness(t *testing.T) {
	f := newFixture(t, access.NoAuthenticator(), false)
	for name, conn := range f.conns {
		for _, ready := range []bool{false, true} {
			f.server.SetReady(ready)
			got, err := healthpb.NewHealthClient(conn).Check(context.Background(), &healthpb.HealthCheckRequest{})
			if err != nil || (got.GetStatus() == healthpb.HealthCheckResponse_SERVING) != ready {
				t.Errorf("%s, ready %v: %v, %v", name, ready, got, err)
			}
		}
	}
}

// ruleless is a service whose method has no access rule.
type ruleless struct{ fake }

func (r *ruleless) Register(s grpc.ServiceRegistrar) {
	s.RegisterService(&grpc.ServiceDesc{ServiceName: "linli.registry.v1.RegistryService", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "NotInTheProto"}}}, r)
}

func TestNewServer_RefusesAMethodWithoutARule(t *testing.T) {
	_, err := rpc.NewServer(rpc.Config{
		Services: []rpc.Service{&ruleless{}}, Authenticator: access.NoAuthenticator(), Wall: clock.Wall(), IDs: ids.New,
		Log: slog.New(slog.DiscardHandler),
	})
	if err == nil || !strings.Contains(err.Error(), "NotInTheProto has no access rule") {
		t.Errorf("got %v", err)
	}
}
