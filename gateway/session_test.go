package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/gateway"
	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/admit"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
)

// desk signs in whoever knows the password, and knows one code.
type desk struct {
	registryv1.UnimplementedSessionServiceServer
	registryv1.UnimplementedAccountServiceServer
	requestsv1.UnimplementedCircleServiceServer
	evaluationv1.UnimplementedReplyServiceServer

	refreshed []string // tokens that Refresh was asked with
	asked     int      // how often a code was looked up
	from      access.Call
}

func (d *desk) Name() string { return "desk" }
func (d *desk) Register(r grpc.ServiceRegistrar) {
	registryv1.RegisterSessionServiceServer(r, d)
	requestsv1.RegisterCircleServiceServer(r, d)
	evaluationv1.RegisterReplyServiceServer(r, d)
}
func (d *desk) OrganizationPath(context.Context, string) (scope.Path, bool, error) {
	return "", false, nil
}

func (d *desk) SignIn(ctx context.Context, in *registryv1.SignInRequest) (*registryv1.SignInResponse, error) {
	d.from = access.From(ctx)
	if in.GetPassword() != "right" {
		return nil, rule.New(rule.Denied, "UNAUTHENTICATED", "")
	}
	return &registryv1.SignInResponse{Session: &registryv1.Session{AccessToken: "access", RefreshToken: "ses.first"}}, nil
}

func (d *desk) Refresh(_ context.Context, in *registryv1.RefreshRequest) (*registryv1.RefreshResponse, error) {
	d.refreshed = append(d.refreshed, in.GetRefreshToken())
	if in.GetRefreshToken() == "" {
		return nil, rule.New(rule.Denied, "UNAUTHENTICATED", "")
	}
	return &registryv1.RefreshResponse{Session: &registryv1.Session{AccessToken: "access", RefreshToken: "ses.next"}}, nil
}

func (d *desk) SignOut(context.Context, *registryv1.SignOutRequest) (*registryv1.SignOutResponse, error) {
	return &registryv1.SignOutResponse{}, nil
}

func (d *desk) GetKeys(context.Context, *registryv1.GetKeysRequest) (*registryv1.GetKeysResponse, error) {
	return &registryv1.GetKeysResponse{Keys: []*registryv1.PublicKey{{Kty: "OKP", Crv: "Ed25519", Kid: "k1", X: "eA", Alg: "EdDSA", Use: "sig"}}}, nil
}

func (d *desk) LookUpRequest(_ context.Context, in *requestsv1.LookUpRequestRequest) (*requestsv1.LookUpRequestResponse, error) {
	d.asked++
	if in.GetCode() != "right-code" {
		return nil, rule.New(rule.NotFound, "NOT_FOUND", "")
	}
	return &requestsv1.LookUpRequestResponse{}, nil
}

func (d *desk) VerifyLetter(_ context.Context, in *evaluationv1.VerifyLetterRequest) (*evaluationv1.VerifyLetterResponse, error) {
	d.asked++
	return nil, rule.New(rule.NotFound, "NOT_FOUND", "")
}

// entrance is a gateway that a proxy at 127.0.0.1 stands before, so that tests
// call from where they like.
type entrance struct {
	*desk
	t      *testing.T
	server *httptest.Server
	now    time.Time
}

func newEntrance(t *testing.T, secured bool, proxies ...string) *entrance {
	t.Helper()
	e := &entrance{desk: &desk{}, t: t, now: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}
	limits, err := admit.NewCallers(admit.CallerLimits{}, clock.Func(func() time.Time { return e.now }))
	if err != nil {
		t.Fatal(err)
	}
	door, err := rpc.NewServer(rpc.Config{
		Services: []rpc.Service{e.desk}, Authenticator: accesstest.Authenticator(), Wall: clock.Wall(), IDs: ids.New, Log: slog.New(slog.DiscardHandler),
		Callers: limits,
	})
	if err != nil {
		t.Fatal(err)
	}
	c := gateway.Config{
		Conn: door.Conn(), Ready: func() bool { return true }, Wall: clock.Wall(), Log: slog.New(slog.DiscardHandler), Callers: limits,
		Metrics: http.NotFoundHandler(),
	}
	for _, p := range proxies {
		c.Proxies = append(c.Proxies, netip.MustParsePrefix(p))
	}
	h, err := gateway.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if e.server = httptest.NewUnstartedServer(h); secured {
		e.server.EnableHTTP2 = true
		e.server.StartTLS()
	} else {
		e.server.Start()
	}
	t.Cleanup(e.server.Close)
	return e
}

// call sends a request; headers are name, value, ….
func (e *entrance) call(method, path, body string, headers ...string) answer {
	e.t.Helper()
	r, err := http.NewRequestWithContext(e.t.Context(), method, e.server.URL+path, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	reply, err := e.server.Client().Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	defer func() { _ = reply.Body.Close() }()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return answer{status: reply.StatusCode, header: reply.Header, body: text}
}

func cookies(a answer) []*http.Cookie { return (&http.Response{Header: a.header}).Cookies() }

const rightPassword = `{"login":"anna","password":"right"}`

func TestSession_TheRefreshTokenLivesInACookie(t *testing.T) {
	for _, secured := range []bool{false, true} {
		e := newEntrance(t, secured)
		name := map[bool]string{false: "linli-session", true: "__Host-linli"}[secured]
		in := e.call("POST", "/v1/sessions:signIn", rightPassword)
		got := cookies(in)
		if in.status != 200 || bytes.Contains(in.body, []byte("ses.first")) || !bytes.Contains(in.body, []byte("access")) || len(got) != 1 {
			t.Fatalf("%d %s %v", in.status, in.body, got)
		}
		c := got[0]
		if c.Name != name || c.Value != "ses.first" || !c.HttpOnly || c.Secure != secured || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("the cookie: %+v", c)
		}
		if in.header.Get("Cache-Control") != "no-store" {
			t.Errorf("a token may be kept: %q", in.header.Get("Cache-Control"))
		}
		again := e.call("POST", "/v1/sessions:refresh", `{"refreshToken":"of a body"}`, "Cookie", name+"=ses.first")
		if got := cookies(again); again.status != 200 || len(got) != 1 || got[0].Value != "ses.next" || bytes.Contains(again.body, []byte("ses.next")) {
			t.Errorf("%d %s %v", again.status, again.body, got)
		}
		e.call("POST", "/v1/sessions:refresh", `{"refreshToken":"of a body"}`)
		if got := strings.Join(e.refreshed, " "); got != "ses.first " {
			t.Errorf("refreshed with %q", got)
		}
		other := map[bool]string{false: "__Host-linli", true: "linli-session"}[secured]
		if a := e.call("POST", "/v1/sessions:refresh", `{}`, "Cookie", other+"=ses.first"); a.status != http.StatusUnauthorized {
			t.Errorf("a cookie of another name: %d", a.status)
		}
		out := e.call("POST", "/v1/sessions:signOut", `{}`, "Authorization", "Bearer "+token())
		if got := cookies(out); out.status != 200 || len(got) != 1 || got[0].Name != name || got[0].MaxAge >= 0 {
			t.Errorf("signed out: %d %v", out.status, got)
		}
	}
}

func TestSession_ProgramsMayHaveItInTheBody(t *testing.T) {
	e := newEntrance(t, false)
	in := e.call("POST", "/v1/sessions:signIn", rightPassword, "X-Linli-Token-Delivery", "body")
	if len(cookies(in)) != 0 || !bytes.Contains(in.body, []byte("ses.first")) {
		t.Errorf("%s %v", in.body, cookies(in))
	}
	again := e.call("POST", "/v1/sessions:refresh", `{"refreshToken":"of a body"}`, "X-Linli-Token-Delivery", "body", "Cookie", "linli-session=of a cookie")
	if again.status != 200 || !bytes.Contains(again.body, []byte("ses.next")) || e.refreshed[0] != "of a body" {
		t.Errorf("%d %s %v", again.status, again.body, e.refreshed)
	}
}

func TestSession_PagesOfOtherSitesAreRefused(t *testing.T) {
	e := newEntrance(t, false)
	host := strings.TrimPrefix(e.server.URL, "http://")
	for what, c := range map[string]struct {
		headers []string
		status  int
	}{
		"a program":                 {nil, 200},
		"a page of the own site":    {[]string{"Sec-Fetch-Site", "same-origin"}, 200},
		"an address that was typed": {[]string{"Sec-Fetch-Site", "none"}, 200},
		"an old browser's own page": {[]string{"Origin", "http://" + host}, 200},
		"another site":              {[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		"a sister site":             {[]string{"Sec-Fetch-Site", "same-site"}, 403},
		"an old browser's":          {[]string{"Origin", "https://evil.example"}, 403},
		"a page without origin":     {[]string{"Origin", "null"}, 403},
		"with a token":              {[]string{"Sec-Fetch-Site", "cross-site", "Authorization", "Bearer " + token()}, 403},
	} {
		a := e.call("POST", "/v1/sessions:refresh", `{}`, append(c.headers, "Cookie", "linli-session=ses.first")...)
		if a.status != c.status || c.status == 403 && !bytes.Contains(a.body, []byte("CROSS_SITE")) {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
		if len(a.header.Values("Access-Control-Allow-Origin")) > 0 {
			t.Errorf("%s: other sites may read", what)
		}
	}
	if a := e.call("OPTIONS", "/v1/sessions:refresh", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST"); a.status < 400 ||
		len(a.header.Values("Access-Control-Allow-Origin")) > 0 {
		t.Errorf("a preflight: %d", a.status)
	}
}

func TestKeySet(t *testing.T) {
	e := newEntrance(t, false)
	a := e.call("GET", "/.well-known/jwks.json", "")
	if a.status != 200 || a.header.Get("Content-Type") != "application/jwk-set+json" ||
		string(a.body) != `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"eA","alg":"EdDSA","use":"sig"}]}` {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
}

// Where a call comes from is what the gateway sees, or what a proxy says that the
// operator named; whatever the caller writes into headers is not.
func TestCaller_IsNotWhatItSays(t *testing.T) {
	sayings := []string{"Linli-Address", "203.0.113.66", "Grpc-Metadata-Linli-Address", "203.0.113.66", "X-Real-Ip", "203.0.113.66", "Forwarded", "for=203.0.113.66",
		"User-Agent", "浏览器/1 " + strings.Repeat("x", 400)}
	for _, c := range []struct {
		proxies         []string
		forwarded, from string
	}{
		{nil, "203.0.113.9", "127.0.0.1"},
		{[]string{"127.0.0.0/8"}, "203.0.113.9", "203.0.113.9"},
		{[]string{"127.0.0.0/8"}, "198.51.100.1, 203.0.113.9", "203.0.113.9"},
		{[]string{"127.0.0.0/8", "203.0.113.0/24"}, "198.51.100.1, 203.0.113.9", "198.51.100.1"},
		{[]string{"127.0.0.0/8"}, "198.51.100.1, nonsense", "127.0.0.1"},
		{[]string{"127.0.0.0/8"}, "2001:db8::1", "2001:db8::1"},
		{[]string{"127.0.0.0/8"}, "", "127.0.0.1"},
	} {
		e := newEntrance(t, false, c.proxies...)
		e.call("POST", "/v1/sessions:signIn", rightPassword, append(sayings, "X-Forwarded-For", c.forwarded)...)
		if e.from.Address != c.from || len(e.from.Program) > 256 || len(e.from.Program) < 200 || !strings.HasPrefix(e.from.Program, "?") {
			t.Errorf("%v says %q: from %q, with %q", c.proxies, c.forwarded, e.from.Address, e.from.Program)
		}
	}
}

func TestSession_SecureBehindANamedProxy(t *testing.T) {
	e := newEntrance(t, false, "127.0.0.1/32")
	a := e.call("POST", "/v1/sessions:signIn", rightPassword, "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Proto", "https")
	if got := cookies(a); len(got) != 1 || got[0].Name != "__Host-linli" || !got[0].Secure {
		t.Errorf("%v", got)
	}
	stranger := newEntrance(t, false)
	if got := cookies(stranger.call("POST", "/v1/sessions:signIn", rightPassword, "X-Forwarded-Proto", "https")); got[0].Name != "linli-session" {
		t.Errorf("a proxy that nobody named: %v", got)
	}
}

// 10,000 guesses of a code, from one address, get no further than the first few;
// who knows a code is not bothered, before and from elsewhere.
func TestLimits_GuessesOfCodesAreRefused(t *testing.T) {
	for path, guesses := range map[string]int{"/v1/requests:lookUp": 10_000, "/v1/letters:verify": 1000} {
		const body = `{"code":"guess-no-%d"}`
		e := newEntrance(t, false, "127.0.0.1/32")
		from := func(address, body string) answer {
			return e.call("POST", path, body, "X-Forwarded-For", address, "Accept-Language", "en")
		}
		if strings.Contains(path, "requests") {
			for range 100 {
				if a := from("203.0.113.1", `{"code":"right-code"}`); a.status != 200 {
					t.Fatalf("who is right: %d %s", a.status, a.body)
				}
			}
			e.asked = 0
		}
		refused := 0
		for i := range guesses {
			if i%10 == 9 {
				e.now = e.now.Add(10 * time.Millisecond)
			}
			if a := from("203.0.113.1", fmt.Sprintf(body, i)); a.status == http.StatusTooManyRequests {
				refused++
			}
		}
		if e.asked > 60 || refused < guesses-60 {
			t.Errorf("%s: %d guesses were looked up, %d refused", path, e.asked, refused)
		}
		a := from("203.0.113.1", fmt.Sprintf(body, 1))
		if a.header.Get("Retry-After") == "" || !bytes.Contains(a.body, []byte("TOO_MANY_CALLS")) || !bytes.Contains(a.body, []byte("try again in")) {
			t.Errorf("%s: %v %s", path, a.header, a.body)
		}
		if a := from("203.0.113.2", fmt.Sprintf(body, 1)); a.status != http.StatusNotFound {
			t.Errorf("%s: from elsewhere %d", path, a.status)
		}
	}
}

func TestLimits_AFloodOfSignInsIsRefused(t *testing.T) {
	e := newEntrance(t, false, "127.0.0.1/32")
	taken := 0
	for range 1000 {
		a := e.call("POST", "/v1/sessions:signIn", rightPassword, "X-Forwarded-For", "203.0.113.1")
		if a.status == 200 {
			taken++
		}
	}
	if most := admit.DefaultCallerLimits().SignIn.Burst; taken != most {
		t.Errorf("%d sign-ins at once, not %d", taken, most)
	}
	if a := e.call("POST", "/v1/sessions:signIn", rightPassword, "X-Forwarded-For", "203.0.113.2"); a.status != 200 {
		t.Errorf("from elsewhere: %d", a.status)
	}
	// Behind a proxy that nobody named all are one, and this machine's programs are free.
	unnamed := newEntrance(t, false)
	taken = 0
	for i := range 300 {
		if a := unnamed.call("POST", "/v1/sessions:signIn", rightPassword, "X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i%200)); a.status == 200 {
			taken++
		}
	}
	if most := admit.DefaultCallerLimits().SignIn.Burst; taken != most {
		t.Errorf("%d sign-ins through a proxy that nobody named", taken)
	}
	if a := unnamed.call("POST", "/v1/sessions:signIn", rightPassword); a.status != 200 {
		t.Errorf("from this machine: %d", a.status)
	}
}

func TestLimits_AnAddressThatFloodsIsRefusedInItsLanguage(t *testing.T) {
	e := newEntrance(t, false, "127.0.0.1/32")
	var last answer
	taken := 0
	for range 2500 {
		if last = e.call("GET", "/openapi.json", "", "X-Forwarded-For", "203.0.113.1", "Accept-Language", "zh-CN"); last.status == 200 {
			taken++
		}
	}
	if taken != admit.DefaultCallerLimits().Address.Burst || last.header.Get("Retry-After") != "1" || !bytes.Contains(last.body, []byte("请求过于频繁")) {
		t.Errorf("%d taken, then %v %s", taken, last.header, last.body)
	}
	if a := e.call("GET", "/healthz", "", "X-Forwarded-For", "203.0.113.1"); a.status != 200 {
		t.Errorf("health: %d", a.status)
	}
}

// TestHeaders_OnAllRoutes calls every route of the document, the plain ones and
// some that are none, over TLS.
func TestHeaders_OnAllRoutes(t *testing.T) {
	e := newEntrance(t, true)
	var doc struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal(e.call("GET", "/openapi.json", "").body, &doc); err != nil {
		t.Fatal(err)
	}
	routes := map[string]string{"/": "GET", "/docs/": "GET", "/docs/docs.js": "GET", "/healthz": "GET", "/metrics": "GET", "/nowhere": "GET", "/v1/nowhere": "POST"}
	for path, methods := range doc.Paths {
		for method := range methods {
			routes[strings.NewReplacer("{", "", "}", "").Replace(path)] = strings.ToUpper(method)
		}
	}
	if len(routes) < 200 {
		t.Fatalf("only %d routes", len(routes))
	}
	for path, method := range routes {
		if path == "/v1/changes" {
			continue // a stream; it is looked at below
		}
		a := e.call(method, path, "")
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": "max-age=31536000",
		} {
			if got := a.header.Values(name); len(got) != 1 || got[0] != want {
				t.Errorf("%s %s: %s is %q", method, path, name, got)
			}
		}
		policy := a.header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'self'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			t.Errorf("%s %s: policy %q", method, path, policy)
		}
		if cache := a.header.Get("Cache-Control"); cache != "no-store" && !(path == "/.well-known/jwks.json" && cache == "public, max-age=60") {
			t.Errorf("%s %s: may be kept: %q", method, path, cache)
		}
		if len(a.header.Values("Access-Control-Allow-Origin")) > 0 {
			t.Errorf("%s %s: other sites may read", method, path)
		}
	}
	if a := e.call("GET", "/v1/changes", ""); a.status < 400 || a.header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("changes: %d %v", a.status, a.header)
	}
	plain := newEntrance(t, false)
	if got := plain.call("GET", "/", "").header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("without TLS: %q", got)
	}
}
