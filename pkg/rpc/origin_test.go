package rpc_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	opsv1 "github.com/linli-project/linli/proto/gen/linli/ops/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/admit"
	"github.com/linli-project/linli/pkg/certs"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/scope"
)

// served is a door on a socket.
type served struct {
	*fake
	server  *rpc.Server
	address string
}

func serve(t *testing.T, change func(*rpc.Config), more ...rpc.Service) served {
	t.Helper()
	s := served{fake: &fake{}}
	c := rpc.Config{
		Services: append([]rpc.Service{s.fake}, more...), Authenticator: accesstest.Authenticator(), Wall: clock.Wall(), IDs: ids.New,
		Log: slog.New(slog.DiscardHandler),
	}
	change(&c)
	var err error
	if s.server, err = rpc.NewServer(c); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- s.server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.server.GracefulStop(ctx)
		if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) { // it had not begun
			t.Error(err)
		}
	})
	return s
}

func (s served) dial(t *testing.T, secured *tls.Config) *grpc.ClientConn {
	t.Helper()
	transport := insecure.NewCredentials()
	if secured != nil {
		transport = credentials.NewTLS(secured)
	}
	c, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(transport), grpc.WithUserAgent("tester/1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ops answers the events of a part.
type ops struct {
	opsv1.UnimplementedEventsServiceServer
}

func (ops) Name() string                       { return "ops" }
func (o ops) Register(r grpc.ServiceRegistrar) { opsv1.RegisterEventsServiceServer(r, o) }
func (ops) OrganizationPath(context.Context, string) (scope.Path, bool, error) {
	return "", false, nil
}

func (ops) ListParked(context.Context, *opsv1.ListParkedRequest) (*opsv1.ListParkedResponse, error) {
	return &opsv1.ListParkedResponse{}, nil
}

// house is a folder of certificates.
func house(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "certs")
	if _, err := certs.Make(folder, nil, clock.Wall().Now()); err != nil {
		t.Fatal(err)
	}
	return folder
}

func secrets(t *testing.T, folder, part string) (server, client *tls.Config) {
	t.Helper()
	cert, key := certs.File(folder, part)
	server, client, err := certs.Between(cert, key, certs.CAFile(folder))
	if err != nil {
		t.Fatal(err)
	}
	return server, client
}

func adminToken() string {
	return accesstest.Token("admin", access.Grant{Role: typev1.Role_ROLE_SYSTEM_ADMIN, Path: "/"})
}

// Which part calls which method: a row for each part, what GetMember (gateway and
// evaluation), ListParked (operator) and BatchGetOrganizations (the gateway, by default)
// answer it.
func TestDoor_PartsCallWhatTheirCertificateAllows(t *testing.T) {
	folder := house(t)
	server, _ := secrets(t, folder, "registry")
	s := serve(t, func(c *rpc.Config) { c.TLS, c.Parts = server, true }, ops{})
	s.getMember = func(context.Context, *registryv1.GetMemberRequest) (*registryv1.GetMemberResponse, error) {
		return &registryv1.GetMemberResponse{}, nil
	}
	for _, part := range certs.Parts() {
		_, client := secrets(t, folder, part)
		conn := s.dial(t, certs.Of(client, "registry"))
		registry, events := registryv1.NewRegistryServiceClient(conn), opsv1.NewEventsServiceClient(conn)
		for method, c := range map[string]struct {
			call    func() error
			allowed bool
		}{
			"GetMember": {func() error {
				_, err := registry.GetMember(as(adminToken()), &registryv1.GetMemberRequest{Id: "m"})
				return err
			}, part == "gateway" || part == "evaluation"},
			"ListMembers": {func() error {
				_, err := registry.ListMembers(as(staffToken()), &registryv1.ListMembersRequest{OrganizationId: "C1"})
				return err
			}, part == "gateway" || part == "evaluation"},
			"BatchGetOrganizations": {func() error {
				_, err := registry.BatchGetOrganizations(as(staffToken()), &registryv1.BatchGetOrganizationsRequest{Ids: []string{"1"}})
				return err
			}, part == "gateway"},
			"ListParked": {func() error {
				_, err := events.ListParked(as(adminToken()), &opsv1.ListParkedRequest{})
				return err
			}, part == "operator"},
		} {
			if refusedHere := rpc.Reason(c.call()) == "PART_NOT_ALLOWED"; refusedHere == c.allowed {
				t.Errorf("%s calls %s: refused %v", part, method, refusedHere)
			}
		}
	}
}

func TestDoor_OverTLSStrangersReachNothing(t *testing.T) {
	folder := house(t)
	server, _ := secrets(t, folder, "registry")
	s := serve(t, func(c *rpc.Config) { c.TLS, c.Parts = server, true })
	_, stranger := secrets(t, house(t), "gateway")
	_, gateway := secrets(t, folder, "gateway")
	for what, secured := range map[string]*tls.Config{"plaintext": nil, "another authority": stranger, "another part's door": certs.Of(gateway, "requests")} {
		_, err := registryv1.NewRegistryServiceClient(s.dial(t, secured)).GetMember(as(adminToken()), &registryv1.GetMemberRequest{Id: "m"})
		if status.Code(err) != codes.Unavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// What a caller says of its own address counts from a part of linli only.
func TestDoor_OriginIsToldByPartsOnly(t *testing.T) {
	folder := house(t)
	server, _ := secrets(t, folder, "registry")
	var seen access.Call
	note := func(ctx context.Context, _ *registryv1.GetMemberRequest) (*registryv1.GetMemberResponse, error) {
		seen = access.From(ctx)
		return &registryv1.GetMemberResponse{}, nil
	}
	told := func() context.Context {
		return as(staffToken(), rpc.HeaderAddress, "203.0.113.9", rpc.HeaderProgram, "browser/"+strings.Repeat("9", 300))
	}
	secured := serve(t, func(c *rpc.Config) { c.TLS, c.Parts = server, true })
	open := serve(t, func(*rpc.Config) {})
	secured.getMember, open.getMember = note, note
	_, gateway := secrets(t, folder, "gateway")
	for what, c := range map[string]struct {
		conn    grpc.ClientConnInterface
		address string
	}{
		"the gateway": {secured.dial(t, gateway), "203.0.113.9"}, "from inside": {secured.server.Conn(), "203.0.113.9"},
		"a program": {open.dial(t, nil), "127.0.0.1"},
	} {
		if _, err := registryv1.NewRegistryServiceClient(c.conn).GetMember(told(), &registryv1.GetMemberRequest{Id: "m"}); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if seen.Address != c.address || len(seen.Program) > 256 || !strings.HasPrefix(seen.Program, map[bool]string{true: "tester/1", false: "browser/"}[c.address == "127.0.0.1"]) {
			t.Errorf("%s: comes from %q with %q", what, seen.Address, seen.Program)
		}
	}
}

func TestInner_HandsTheOriginOn(t *testing.T) {
	s := serve(t, func(*rpc.Config) {})
	var seen access.Call
	s.getMember = func(ctx context.Context, _ *registryv1.GetMemberRequest) (*registryv1.GetMemberResponse, error) {
		seen = access.From(ctx)
		return &registryv1.GetMemberResponse{}, nil
	}
	ctx := access.NewContext(as(staffToken()), access.Call{Address: "203.0.113.9", Program: "浏览器/1"})
	if _, err := registryv1.NewRegistryServiceClient(rpc.Inner(s.server.Conn())).GetMember(ctx, &registryv1.GetMemberRequest{Id: "m"}); err != nil {
		t.Fatal(err)
	}
	if seen.Address != "203.0.113.9" || seen.Program != "???/1" {
		t.Errorf("%q, %q", seen.Address, seen.Program)
	}
}

// reached is what a method that the fakes do not serve answers.
const reached = "INTERNAL"

// A session that may do one thing does that; exports want a second factor, and
// administrators always do.
func TestDoor_LimitedAndWeakSessions(t *testing.T) {
	grants := map[string]access.Grant{
		"admin": {Role: typev1.Role_ROLE_SYSTEM_ADMIN, Path: "/"}, "officer": {Role: typev1.Role_ROLE_DISTRICT_OFFICER, Path: "/"},
	}
	for _, c := range []struct {
		role, limit, method string
		strong              bool
		want                string
	}{
		{"officer", "", "import", false, ""}, {"officer", "password", "import", true, "PASSWORD_MUST_CHANGE"},
		{"officer", "factor", "import", true, "SECOND_FACTOR_MUST_BE_SET"}, {"admin", "", "import", false, "STRONG_SESSION_WANTED"},
		{"admin", "", "import", true, reached}, {"admin", "", "parked", false, "STRONG_SESSION_WANTED"}, {"admin", "", "parked", true, ""},
		{"officer", "password", "me", false, reached}, {"officer", "factor", "me", false, reached},
		{"officer", "password", "changePassword", false, reached}, {"officer", "factor", "changePassword", false, "SECOND_FACTOR_MUST_BE_SET"},
		{"officer", "factor", "beginFactor", false, reached}, {"officer", "password", "beginFactor", false, "PASSWORD_MUST_CHANGE"},
		{"officer", "", "changePassword", false, reached},
	} {
		who := access.Caller{Person: "p", Grants: []access.Grant{grants[c.role]}, Limit: access.Limit(c.limit), Strong: c.strong}
		s := serve(t, func(r *rpc.Config) { r.Authenticator = fixed{who} }, ops{}, sessions{})
		conn := s.server.Conn()
		err := map[string]func() error{
			"import": func() error {
				stream, err := registryv1.NewRegistryServiceClient(conn).ImportRoster(as("t"))
				if c.role == "admin" { // one of its methods that officers have too
					other, err := registryv1.NewRegistryServiceClient(conn).ImportOrganizations(as("t"))
					if err != nil {
						return err
					}
					_, err = other.CloseAndRecv()
					return err
				}
				if err != nil {
					return err
				}
				_, err = stream.CloseAndRecv()
				return err
			},
			"parked": func() error {
				_, err := opsv1.NewEventsServiceClient(conn).ListParked(as("t"), &opsv1.ListParkedRequest{})
				return err
			},
			"me": func() error {
				_, err := registryv1.NewSessionServiceClient(conn).GetMe(as("t"), &registryv1.GetMeRequest{})
				return err
			},
			"changePassword": func() error {
				_, err := registryv1.NewSessionServiceClient(conn).ChangePassword(as("t"), &registryv1.ChangePasswordRequest{OldPassword: "a", NewPassword: "b"})
				return err
			},
			"beginFactor": func() error {
				_, err := registryv1.NewSessionServiceClient(conn).BeginSecondFactor(as("t"), &registryv1.BeginSecondFactorRequest{Password: "a"})
				return err
			},
		}[c.method]()
		if got := rpc.Reason(err); got != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// fixed is an authenticator that knows one caller.
type fixed struct{ caller access.Caller }

func (f fixed) Authenticate(context.Context, string) (access.Caller, error) { return f.caller, nil }

// sessions serves no method of its service: what reaches it is Unimplemented.
type sessions struct {
	registryv1.UnimplementedSessionServiceServer
}

func (sessions) Name() string                       { return "sessions" }
func (s sessions) Register(r grpc.ServiceRegistrar) { registryv1.RegisterSessionServiceServer(r, s) }
func (sessions) OrganizationPath(context.Context, string) (scope.Path, bool, error) {
	return "", false, nil
}

func (sessions) SignIn(context.Context, *registryv1.SignInRequest) (*registryv1.SignInResponse, error) {
	return &registryv1.SignInResponse{}, nil
}

func TestDoor_CallsOftenerThanItsLimits(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	limits, err := admit.NewCallers(admit.CallerLimits{
		Person: admit.Rate{PerSecond: 1, Burst: 5}, Costly: admit.Rate{PerSecond: 1, Burst: 2}, Address: admit.Rate{PerSecond: 10, Burst: 50},
		SignIn: admit.Rate{PerSecond: 0.1, Burst: 3}, Guess: admit.Rate{PerSecond: 0.1, Burst: 4}, Loopback: true,
	}, clock.Func(func() time.Time { return now }))
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, func(c *rpc.Config) { c.Callers = limits }, sessions{})
	s.getMember = func(context.Context, *registryv1.GetMemberRequest) (*registryv1.GetMemberResponse, error) {
		return &registryv1.GetMemberResponse{}, nil
	}
	conn := s.dial(t, nil)
	registry, session := registryv1.NewRegistryServiceClient(conn), registryv1.NewSessionServiceClient(conn)
	taken := func(call func() error) (n int, last error) {
		for range 10 {
			err := call()
			if rpc.Reason(err) != "TOO_MANY_CALLS" {
				n++
				continue
			}
			last = err
		}
		return n, last
	}
	n, last := taken(func() error {
		_, err := registry.GetMember(as(adminToken(), rpc.HeaderLanguage, "en"), &registryv1.GetMemberRequest{Id: "m"})
		return err
	})
	if n != 5 || status.Code(last) != codes.ResourceExhausted || !strings.Contains(status.Convert(last).Message(), "1 seconds") {
		t.Errorf("%d calls of a person, then %v", n, last)
	}
	if wait := retryDelay(last); wait != time.Second {
		t.Errorf("told to wait %v", wait)
	}
	if n, _ = taken(func() error {
		stream, err := registry.ImportRoster(as(staffToken()))
		if err != nil {
			return err
		}
		_, err = stream.CloseAndRecv()
		return err
	}); n != 2 {
		t.Errorf("%d costly calls", n)
	}
	if n, _ = taken(func() error {
		_, err := session.SignIn(context.Background(), &registryv1.SignInRequest{Login: "a", Password: "b"})
		return err
	}); n != 3 {
		t.Errorf("%d sign-ins", n)
	}
	// A service that asks another is not charged again, and saying so does not help
	// a stranger.
	if n, _ = taken(func() error {
		_, err := registryv1.NewRegistryServiceClient(rpc.Inner(s.server.Conn())).GetMember(as(adminToken(), rpc.HeaderAddress, "203.0.113.5"), &registryv1.GetMemberRequest{Id: "m"})
		return err
	}); n != 10 {
		t.Errorf("%d inner calls", n)
	}
	if n, _ = taken(func() error {
		_, err := registryv1.NewRegistryServiceClient(rpc.Inner(conn)).GetMember(as(adminToken()), &registryv1.GetMemberRequest{Id: "m"})
		return err
	}); n != 0 {
		t.Errorf("%d calls of a stranger who says that they are inner", n)
	}
	// Spoofed: it is the same address all the same.
	now = now.Add(10 * time.Second)
	if n, _ = taken(func() error {
		ctx := metadata.NewOutgoingContext(context.Background(), metadata.Pairs(rpc.HeaderAddress, fmt.Sprint("203.0.113.", now.Second())))
		_, err := session.SignIn(ctx, &registryv1.SignInRequest{Login: "a", Password: "b"})
		return err
	}); n != 1 {
		t.Errorf("%d sign-ins with another address in the metadata", n)
	}
}
