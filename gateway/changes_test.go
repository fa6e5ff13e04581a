package gateway_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	projectsv1 "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/gateway"
	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/admit"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/watch"
)

// spring is a source of events that a test lets flow.
type spring struct{ tell func(*typev1.EventRow) }

func (s *spring) Watch(fn func(*typev1.EventRow)) (func() error, error) {
	s.tell = fn
	return func() error { return nil }, nil
}

func (s *spring) flow(t *testing.T, kind, id string, data proto.Message) {
	t.Helper()
	raw, err := proto.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	s.tell(&typev1.EventRow{Type: kind, EntityId: id, Revision: 3, DataSchema: string(proto.MessageName(data)), Data: raw})
}

func watching(t *testing.T) (*spring, *httptest.Server) {
	t.Helper()
	return watchingWithin(t, admit.Limits{}, clock.Wall())
}

func watchingWithin(t *testing.T, l admit.Limits, wall clock.Clock) (*spring, *httptest.Server) {
	t.Helper()
	source := &spring{}
	service, stop, err := watch.New(source)
	if err != nil {
		t.Fatal(err)
	}
	door, err := rpc.NewServer(rpc.Config{Services: []rpc.Service{service}, Authenticator: accesstest.Authenticator(),
		Wall: clock.Wall(), IDs: ids.New, Log: slog.New(slog.DiscardHandler), Dev: true})
	if err != nil {
		t.Fatal(err)
	}
	h, err := gateway.New(gateway.Config{Conn: door.Conn(), Dev: true, Ready: func() bool { return true },
		Limits: l, Wall: wall, Log: slog.New(slog.DiscardHandler), Metrics: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(h)
	server.Config.ConnState = func(c net.Conn, s http.ConnState) {
		if tcp, ok := c.(*net.TCPConn); ok && s == http.StateNew {
			_ = tcp.SetWriteBuffer(4096) // a slow reader is noticed after little
		}
	}
	server.Start()
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return source, server
}

// listen opens the stream and answers its lines; it returns once the stream is
// open, so that what flows from now on arrives.
func listen(t *testing.T, server *httptest.Server, person string, grants ...access.Grant) *bufio.Scanner {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/v1/changes", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+accesstest.Token(person, grants...))
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("%s %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || lines.Text() != "retry: 2000" {
		t.Fatalf("the stream begins with %q", lines.Text())
	}
	return lines
}

// next answers the data of the next event.
func next(t *testing.T, lines *bufio.Scanner) string {
	t.Helper()
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			return data
		}
	}
	t.Fatalf("the stream ended: %v", lines.Err())
	return ""
}

func staffAt(path string) access.Grant {
	return access.Grant{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: scope.Path(path)}
}

func TestChanges_EachSeesTheOwnOrganizations(t *testing.T) {
	source, server := watching(t)
	here := listen(t, server, "anna", staffAt("/1/11/C1/"))
	member := listen(t, server, "m1", access.Grant{Role: typev1.Role_ROLE_MEMBER, Path: "/1/11/C1/"})

	source.flow(t, "linli.requests.request.posted.v1", "req_elsewhere", &requestsv1.RequestChanged{CommunityPath: "/1/11/C2/"})
	source.flow(t, "linli.requests.request.posted.v1", "req_here", &requestsv1.RequestChanged{CommunityPath: "/1/11/C1/"})
	source.flow(t, "linli.evaluation.entry.confirmed.v1", "ent_own", &evaluationv1.EntryChanged{CommunityPath: "/1/11/C3/", MemberId: "m1"})

	if got := next(t, here); !strings.Contains(got, `"entityId":"req_here"`) || strings.Contains(got, "CommunityPath") {
		t.Errorf("staff was told %s", got)
	}
	if got := next(t, member); !strings.Contains(got, `"entityId":"ent_own"`) {
		t.Errorf("the member was told %s", got)
	}
}

// An application is sealed until the window closes: the department's open page
// does not learn that there is one.
func TestChanges_WhatIsSealedStaysWithItsOffice(t *testing.T) {
	source, server := watching(t)
	district := listen(t, server, "zhao", access.Grant{Role: typev1.Role_ROLE_DISTRICT_OFFICER, Path: "/1/11/"})
	applicant := listen(t, server, "anna", staffAt("/1/11/C1/"))

	handedIn := &projectsv1.ApplicationChanged{ApplicantPath: "/1/11/C1/", DistrictPath: "/1/11/", Sealed: true}
	source.flow(t, "linli.projects.application.submitted.v1", "apl_sealed", handedIn)
	source.flow(t, "linli.projects.application.checked.v1", "apl_known", &projectsv1.ApplicationChanged{ApplicantPath: "/1/11/C1/", DistrictPath: "/1/11/"})

	if got := next(t, district); !strings.Contains(got, `"entityId":"apl_known"`) {
		t.Errorf("the department was told %s", got)
	}
	if got := next(t, applicant); !strings.Contains(got, `"entityId":"apl_sealed"`) {
		t.Errorf("the applicant was told %s", got)
	}
}

func TestChanges_ASlowReaderIsToldThatItMissed(t *testing.T) {
	source, server := watching(t)
	lines := listen(t, server, "anna", staffAt("/1/11/C1/"))
	for range 200_000 { // far more than the stream and the sockets hold
		source.flow(t, "linli.requests.request.posted.v1", "req_1", &requestsv1.RequestChanged{CommunityPath: "/1/11/C1/"})
	}
	for {
		if got := next(t, lines); got == "{}" {
			return
		}
	}
}

func TestChanges_NeedsAToken(t *testing.T) {
	_, server := watching(t)
	resp, err := server.Client().Get(server.URL + "/v1/changes")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %s", resp.Status)
	}
}

func TestCompression_OnlyForThoseWhoAsk(t *testing.T) {
	f := newFixture(t)
	get := func(encoding string) (used, text string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.server.URL+"/openapi.json", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", encoding)
		resp, err := f.server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body := io.Reader(resp.Body)
		if resp.Header.Get("Content-Encoding") == "gzip" {
			if body, err = gzip.NewReader(resp.Body); err != nil {
				t.Fatal(err)
			}
		}
		raw, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Header.Get("Content-Encoding"), string(raw)
	}
	plain, text := get("identity")
	packed, same := get("gzip")
	if plain != "" || packed != "gzip" || text != same {
		t.Errorf("plain %q, packed %q", plain, packed)
	}
}
