package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/gateway"
	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
)

// registry answers as a test says; evaluation renders one letter.
type registry struct {
	registryv1.UnimplementedRegistryServiceServer
	err     error
	imports []byte
	header  *registryv1.ImportRosterHeader
}

func (r *registry) Name() string { return "registry" }
func (r *registry) Register(s grpc.ServiceRegistrar) {
	registryv1.RegisterRegistryServiceServer(s, r)
	registryv1.RegisterAccountServiceServer(s, accounts{})
	registryv1.RegisterMemberFactsServiceServer(s, registryv1.UnimplementedMemberFactsServiceServer{})
	registryv1.RegisterPrivacyServiceServer(s, registryv1.UnimplementedPrivacyServiceServer{})
	registryv1.RegisterCampaignServiceServer(s, registryv1.UnimplementedCampaignServiceServer{})
}
func (r *registry) OrganizationPath(context.Context, string) (scope.Path, bool, error) {
	return "/C1/", true, nil
}

func (r *registry) GetReportIn(_ context.Context, in *registryv1.GetReportInRequest) (*registryv1.GetReportInResponse, error) {
	return &registryv1.GetReportInResponse{ReportIn: &registryv1.ReportIn{Id: in.GetId(), MemberId: "m", Etag: "1"}}, r.err
}

func (r *registry) SubmitReportIn(ctx context.Context, in *registryv1.SubmitReportInRequest) (*registryv1.SubmitReportInResponse, error) {
	return &registryv1.SubmitReportInResponse{ReportIn: &registryv1.ReportIn{MemberId: in.GetMemberId(), DecidedBy: access.From(ctx).IdempotencyKey}}, r.err
}

func (r *registry) ListMembers(context.Context, *registryv1.ListMembersRequest) (*registryv1.ListMembersResponse, error) {
	return &registryv1.ListMembersResponse{}, r.err
}

func (r *registry) ImportRoster(s grpc.ClientStreamingServer[registryv1.ImportRosterRequest, registryv1.ImportRosterResponse]) error {
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return s.SendAndClose(&registryv1.ImportRosterResponse{Rows: int32(len(r.imports))})
		}
		if err != nil {
			return err
		}
		if m.GetHeader() != nil {
			if r.header = m.GetHeader(); r.err != nil {
				return r.err
			}
		}
		r.imports = append(r.imports, m.GetChunk()...)
	}
}

type evaluation struct {
	evaluationv1.UnimplementedEvaluationServiceServer
}

func (e evaluation) Name() string { return "evaluation" }
func (e evaluation) Register(s grpc.ServiceRegistrar) {
	evaluationv1.RegisterEvaluationServiceServer(s, e)
	evaluationv1.RegisterLedgerServiceServer(s, evaluationv1.UnimplementedLedgerServiceServer{})
	evaluationv1.RegisterHonorServiceServer(s, evaluationv1.UnimplementedHonorServiceServer{})
	evaluationv1.RegisterSheetServiceServer(s, evaluationv1.UnimplementedSheetServiceServer{})
	evaluationv1.RegisterReplyServiceServer(s, evaluationv1.UnimplementedReplyServiceServer{})
	evaluationv1.RegisterCardServiceServer(s, evaluationv1.UnimplementedCardServiceServer{})
	evaluationv1.RegisterBranchServiceServer(s, evaluationv1.UnimplementedBranchServiceServer{})
	evaluationv1.RegisterConductServiceServer(s, evaluationv1.UnimplementedConductServiceServer{})
	evaluationv1.RegisterLedgerExportServiceServer(s, ledgerExport{})
}
func (e evaluation) OrganizationPath(context.Context, string) (scope.Path, bool, error) {
	return "", false, nil
}

func (e evaluation) RenderLetter(_ context.Context, in *evaluationv1.RenderLetterRequest) (*evaluationv1.RenderLetterResponse, error) {
	return &evaluationv1.RenderLetterResponse{ContentType: "text/csv; charset=utf-8", FileName: "信.csv", Content: []byte(in.GetId())}, nil
}

type fixture struct {
	*registry
	ready  bool
	server *httptest.Server
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{registry: &registry{}, ready: true}
	door, err := rpc.NewServer(rpc.Config{
		Services: []rpc.Service{f.registry, evaluation{}, projects{}}, Authenticator: accesstest.Authenticator(), Wall: clock.Wall(), IDs: ids.New,
		Log: slog.New(slog.DiscardHandler), Dev: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	h, err := gateway.New(gateway.Config{
		Conn: door.Conn(), Dev: true, Ready: func() bool { return f.ready }, Wall: clock.Wall(), Log: slog.New(slog.DiscardHandler),
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") }),
	})
	if err != nil {
		t.Fatal(err)
	}
	f.server = httptest.NewServer(h)
	t.Cleanup(f.server.Close)
	return f
}

func token() string {
	return accesstest.Token("staff", access.Grant{Role: typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, Path: "/C1/"})
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// problem reads the body as RFC 9457.
func (a answer) problem(t *testing.T) (p struct {
	Type, Title, Detail, Instance, Reason, Field string
	Status                                       int
	Errors                                       []struct{ Field, Message string }
	Params                                       map[string]string
}) {
	t.Helper()
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %s: %s", got, a.body)
	}
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
	if p.Status != a.status || p.Type != "urn:linli:reason:"+p.Reason || p.Detail == "" {
		t.Errorf("not a whole problem: %s", a.body)
	}
	return p
}

func (f *fixture) do(t *testing.T, method, path, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, f.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token())
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	reply, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reply.Body.Close() }()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{reply.StatusCode, reply.Header, text}
}

func TestREST_BareResourceInCamelCase(t *testing.T) {
	f := newFixture(t)
	got := f.do(t, "GET", "/v1/reportIns/rpt_1", "")
	var resource map[string]any
	if err := json.Unmarshal(got.body, &resource); err != nil || got.status != 200 || resource["memberId"] != "m" || resource["etag"] != "1" {
		t.Errorf("%d %s %v", got.status, got.body, err)
	}
	if got.header.Get("X-Call-Id") == "" {
		t.Error("the answer does not name its call")
	}
	got = f.do(t, "POST", "/v1/reportIns", `{"memberId":"m9"}`, "Idempotency-Key", "k1")
	if got.status != 200 || !bytes.Contains(got.body, []byte(`"k1"`)) || !bytes.Contains(got.body, []byte(`"m9"`)) {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestREST_BadInput(t *testing.T) {
	f := newFixture(t)
	huge := `{"memberId":"` + strings.Repeat("x", 1<<20) + `"}`
	for name, c := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		reason, field      string
	}{
		"unknown field":       {"POST", "/v1/reportIns", `{"memberId":"m","nickname":"x"}`, nil, 400, "UNKNOWN_FIELD", "nickname"},
		"wrong type":          {"POST", "/v1/reportIns", `{"memberId":7}`, nil, 400, "MALFORMED_BODY", "memberId"},
		"not JSON":            {"POST", "/v1/reportIns", `{"memberId":`, nil, 400, "MALFORMED_BODY", ""},
		"oversized":           {"POST", "/v1/reportIns", huge, nil, 413, "BODY_TOO_LARGE", ""},
		"too long":            {"POST", "/v1/reportIns", `{"memberId":"` + strings.Repeat("x", 65) + `"}`, nil, 400, "INVALID_FIELD", "memberId"},
		"missing":             {"POST", "/v1/reportIns", `{}`, nil, 400, "INVALID_FIELD", "memberId"},
		"no body":             {"POST", "/v1/reportIns", ``, nil, 400, "INVALID_FIELD", "memberId"},
		"malformed token":     {"GET", "/v1/reportIns/r", "", []string{"Authorization", "Bearer nonsense"}, 401, "UNAUTHENTICATED", ""},
		"no token":            {"GET", "/v1/reportIns/r", "", []string{"Authorization", ""}, 401, "UNAUTHENTICATED", ""},
		"wrong enum":          {"POST", "/v1/organizations/C1/campaigns", `{"kinds":["MEMBER_KIND_X"]}`, nil, 400, "MALFORMED_BODY", "kinds[0]"},
		"no list":             {"POST", "/v1/organizations/C1/campaigns", `{"kinds":"MEMBER_KIND_RETIRED"}`, nil, 400, "MALFORMED_BODY", "kinds"},
		"unknown parameter":   {"GET", "/v1/organizations/C1/members?page_sise=5", "", nil, 400, "UNKNOWN_PARAMETER", "pageSise"},
		"beside the path":     {"GET", "/v1/reportIns/r?view=all", "", nil, 400, "UNKNOWN_PARAMETER", "view"},
		"beside a body":       {"POST", "/v1/reportIns?memberId=m", `{"memberId":"m"}`, nil, 400, "UNKNOWN_PARAMETER", "memberId"},
		"of an import":        {"POST", "/v1/organizations/C1/rosters:import?dry-run=true", "x", []string{"Content-Type", "text/csv"}, 400, "UNKNOWN_PARAMETER", "dry-run"},
		"page too large":      {"GET", "/v1/organizations/C1/members?pageSize=5000", "", nil, 400, "INVALID_FIELD", "pageSize"},
		"page size no number": {"GET", "/v1/organizations/C1/members?pageSize=many", "", nil, 400, "INVALID_FIELD", "pageSize"},
		"no such route":       {"GET", "/v1/nothing", "", nil, 404, "METHOD_CLOSED", ""},
		"nothing there":       {"GET", "/nothing", "", nil, 404, "METHOD_CLOSED", ""},
		"wrong method":        {"DELETE", "/v1/reportIns/r", "", nil, 405, "METHOD_CLOSED", ""},
		"a role too little":   {"POST", "/v1/organizations/C1/cycles", `{"year":2013}`, nil, 403, "ROLE_NOT_ALLOWED", ""},
	} {
		for _, language := range []string{"zh", "en"} {
			got := f.do(t, c.method, c.path, c.body, append([]string{"Accept-Language", language}, c.header...)...)
			p := got.problem(t)
			if got.status != c.status || p.Reason != c.reason || p.Field != c.field {
				t.Errorf("%s: %d %s in field %q, want %d %s in %q: %s", name, got.status, p.Reason, p.Field, c.status, c.reason, c.field, got.body)
			}
			chinese := strings.ContainsFunc(p.Detail, func(r rune) bool { return r > 0x4E00 && r < 0x9FA5 })
			if chinese != (language == "zh") {
				t.Errorf("%s in %s: %s", name, language, p.Detail)
			}
		}
	}
}

// TestREST_ProblemsSpeakAsTheJSONDoes: the field by its name there, in the text
// too, and what it wants; never the value that was sent.
func TestREST_ProblemsSpeakAsTheJSONDoes(t *testing.T) {
	f := newFixture(t)
	for body, want := range map[string]string{
		`{}`:                              `field memberId breaks its rule: at least 1 characters`,
		`{"memberId":"   "}`:              `field memberId breaks its rule: not blank`,
		`{"memberId":430198197207155484}`: `the body is not JSON of this message: memberId: a text "…"`,
		`{"memberId":["m"]}`:              `the body is not JSON of this message: memberId: a text "…"`,
		`{"memberId":`:                    `the body is not JSON of this message: it is not JSON`,
	} {
		p := f.do(t, "POST", "/v1/reportIns", body, "Accept-Language", "en").problem(t)
		if p.Detail != want {
			t.Errorf("%s: %s, want %s", body, p.Detail, want)
		}
	}
	p := f.do(t, "POST", "/v1/organizations/C1/campaigns", `{"kinds":["X"]}`, "Accept-Language", "en").problem(t)
	if want := "kinds[0]: one of: MEMBER_KIND_IN_SERVICE, MEMBER_KIND_RETIRED"; !strings.Contains(p.Detail, want) {
		t.Errorf("%s, want %s", p.Detail, want)
	}
	f.err = rule.New(rule.Invalid, "INVALID_FIELD", `values["requests.pay_for_points"].the_value`, "field", `values["requests.pay_for_points"].the_value`, "rule", "x")
	p = f.do(t, "GET", "/v1/reportIns/r", "", "Accept-Language", "en").problem(t)
	if want := `values["requests.pay_for_points"].theValue`; p.Field != want || !strings.Contains(p.Detail, want) || p.Params["field"] != want {
		t.Errorf("a key of a map: %q, %s", p.Field, p.Detail)
	}
}

func TestREST_StatusOfAReason(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		err        error
		status     int
		retryAfter string
	}{
		{rule.New(rule.Stale, "STALE_ETAG", "etag"), 409, ""},
		{rule.New(rule.Precondition, "WRONG_STATE", "", "state", "accepted"), 409, ""},
		{rule.New(rule.Exists, "ALREADY_EXISTS", ""), 409, ""},
		{rule.New(rule.Invalid, "IDEMPOTENCY_KEY_REUSED", ""), 422, ""},
		{rule.New(rule.Stale, "IMPORT_DIFFERS", "Idempotency-Key"), 422, ""},
		{rule.New(rule.Denied, "CONFLICT_OF_INTEREST", ""), 403, ""},
		{rule.New(rule.Exhausted, "OVERLOADED", ""), 429, "1"},
		{kv.ErrUnavailable, 503, "1"},
		{fmt.Errorf("about %s", "430198197207155484"), 500, ""},
	} {
		f.err = c.err
		got := f.do(t, "GET", "/v1/reportIns/r", "")
		p := got.problem(t)
		if got.status != c.status || got.header.Get("Retry-After") != c.retryAfter || p.Instance == "" {
			t.Errorf("%v: %d, retry after %q: %s", c.err, got.status, got.header.Get("Retry-After"), got.body)
		}
		if bytes.Contains(got.body, []byte("430198197207155484")) {
			t.Error("the cause of an error was sent")
		}
	}
}

func FuzzBody(f *testing.F) {
	fx := &fixture{registry: &registry{}, ready: true}
	door, err := rpc.NewServer(rpc.Config{
		Services: []rpc.Service{fx.registry}, Authenticator: accesstest.Authenticator(), Wall: clock.Wall(), IDs: ids.New,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		f.Fatal(err)
	}
	h, err := gateway.New(gateway.Config{Conn: door.Conn(), Ready: func() bool { return true }, Wall: clock.Wall(), Log: slog.New(slog.DiscardHandler), Metrics: http.NotFoundHandler()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"memberId":"m"}`))
	f.Add([]byte(`{"memberId":7,"x":[{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		req := httptest.NewRequest("POST", "/v1/reportIns", bytes.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token())
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != 200 && w.Code != 400 && w.Code != 413 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}
