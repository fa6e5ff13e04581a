package house_test

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	devv1 "github.com/linli-project/linli/proto/gen/linli/dev/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/cmd/house"
	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/scope"
)

// shape is linli in six parts, each a house of its own that finds the others
// over TCP, or one house that is the whole.
type shape struct {
	t      *testing.T
	config map[house.Role]house.Config
	up     map[house.Role]*house.House
}

// begin is where the clocks of all folders begin.
func begin() time.Time { return time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC) }

// newShape has ports and folders for roles, and starts nothing.
func newShape(t *testing.T, roles ...house.Role) *shape {
	t.Helper()
	s := &shape{t: t, config: map[house.Role]house.Config{}, up: map[house.Role]*house.House{}}
	data, peers, broker := t.TempDir(), map[string]string{}, "nats://"+freeAddress(t)
	for _, role := range roles {
		s.config[role] = house.Config{
			Role: role, Data: filepath.Join(data, "data", cmp.Or(string(role), "whole")), HTTP: freeAddress(t), GRPC: freeAddress(t), Broker: broker,
			BrokerKeyFile: filepath.Join(data, "broker.key"), Peers: peers, Dev: true, Clock: begin(), Authenticator: accesstest.Authenticator(), Log: slog.New(slog.DiscardHandler),
		}
		peers[string(role)] = s.config[role].GRPC
	}
	t.Cleanup(func() {
		for role := range s.up {
			s.stop(role)
		}
	})
	return s
}

// six starts all parts, the ones that others need last.
func six(t *testing.T) *shape {
	t.Helper()
	s := newShape(t, house.Roles()...)
	for _, role := range []house.Role{house.Gateway, house.Evaluation, house.Projects, house.Requests, house.Registry, house.Broker} {
		s.start(role)
	}
	return s
}

func (s *shape) start(role house.Role) *house.House {
	s.t.Helper()
	h, err := house.Start(s.t.Context(), s.config[role])
	if err != nil {
		s.t.Fatalf("start %s: %v", role, err)
	}
	s.up[role] = h
	return h
}

func (s *shape) stop(role house.Role) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.up[role].Close(ctx); err != nil {
		s.t.Errorf("stop %s: %v", role, err)
	}
	delete(s.up, role)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// answer is what came back over HTTP.
type answer struct {
	code   int
	header http.Header
	body   string
}

// call sends a request to the REST of the shape; headers are name, value, ….
func (s *shape) call(method, path, token, body string, headers ...string) answer {
	s.t.Helper()
	role := house.Gateway
	if _, one := s.config[house.Whole]; one {
		role = house.Whole
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.config[role].HTTP+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	reply, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = reply.Body.Close() }()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{code: reply.StatusCode, header: reply.Header, body: string(text)}
}

// want fails the test when the answer is another, or lacks a text.
func (s *shape) want(what string, a answer, code int, texts ...string) {
	s.t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			s.t.Errorf("%s: without %q", what, text)
		}
	}
	if a.code != code || s.t.Failed() {
		s.t.Fatalf("%s: %d, want %d: %s", what, a.code, code, a.body)
	}
}

// until calls again until the answer has the code.
func (s *shape) until(what string, code int, call func() answer) answer {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		a := call()
		if a.code == code {
			return a
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatalf("%s: still %d: %s", what, a.code, a.body)
		}
	}
}

const organizations = "编码,名称,类别,上级编码,亮身份\n1,市,city,,是\n11,区,district,1,是\n111,街道,street,11,是\n1111,社区,community,111,是\n"

func (s *shape) importOrganizations() {
	s.t.Helper()
	s.want("import", s.until("import", http.StatusOK, func() answer {
		return s.call("POST", "/v1/organizations:import", admin(), organizations, "Content-Type", "text/csv")
	}), http.StatusOK, `"created":4`)
}

func (s *shape) drain() {
	s.t.Helper()
	s.until("drain", http.StatusOK, func() answer { return s.call("POST", "/v1/dev/events:drain", admin(), "{}") })
}

func token(role typev1.Role, person, path string) string {
	return accesstest.Token(person, access.Grant{Role: role, Path: scope.Path(path)})
}

func admin() string { return token(typev1.Role_ROLE_SYSTEM_ADMIN, "admin", "/") }

// clockOf asks one part for its clock.
func (s *shape) clockOf(role house.Role) time.Time {
	s.t.Helper()
	c, err := grpc.NewClient(s.config[role].GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	ctx := metadata.NewOutgoingContext(s.t.Context(), metadata.Pairs("authorization", "Bearer "+admin()))
	reply, err := devv1.NewClockServiceClient(c).GetClock(ctx, &devv1.GetClockRequest{})
	if err != nil {
		s.t.Fatalf("the clock of %s: %v", role, err)
	}
	return reply.GetTime().AsTime()
}
