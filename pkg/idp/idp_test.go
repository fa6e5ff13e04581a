package idp_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/idp"
	"github.com/linli-project/linli/pkg/idp/idptest"
)

// watch is a clock that a test moves.
type watch struct {
	mu  sync.Mutex
	now time.Time
}

func (w *watch) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *watch) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func client(t *testing.T, s *idptest.Server, change func(*idp.Config)) *idp.Provider {
	t.Helper()
	c := idp.Config{Issuer: s.Issuer, ClientID: idptest.Client, Secret: idptest.Secret, Redirects: []string{idptest.Redirect}, Wall: clock.Wall()}
	if change != nil {
		change(&c)
	}
	p, err := idp.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// comeBack begins a flow, signs in at the provider and answers the code.
func comeBack(t *testing.T, s *idptest.Server, p *idp.Provider) (idp.Flow, string) {
	t.Helper()
	f := idp.NewFlow(idptest.Redirect)
	address, err := p.URL(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	back := s.SignIn(address)
	if back.Get("state") != f.State || back.Get("code") == "" {
		t.Fatalf("came back with %v", back)
	}
	return f, back.Get("code")
}

func TestProvider_SaysWhoSomebodyIs(t *testing.T) {
	s := idptest.Start(t)
	p := client(t, s, nil)
	f := idp.NewFlow(idptest.Redirect)
	address, err := p.URL(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 ||
		q.Get("nonce") != f.Nonce || q.Get("scope") != "openid" || q.Get("redirect_uri") != idptest.Redirect || strings.Contains(address, f.Verifier) {
		t.Errorf("goes to %s", address)
	}
	who, err := p.Identify(t.Context(), f, s.SignIn(address).Get("code"))
	if err != nil || who != (idp.Identity{Issuer: s.Issuer, Subject: idptest.Subject}) {
		t.Errorf("%+v, %v", who, err)
	}
	if other := idp.NewFlow(idptest.Redirect); other.State == f.State || other.Nonce == f.Nonce || other.Verifier == f.Verifier || len(f.State) != 43 {
		t.Errorf("two flows: %+v, %+v", f, other)
	}
}

// TestProvider_BelievesNothingElse: ID tokens that a provider, or who stands in
// its place, must not be believed; all but the first are signed as they say.
func TestProvider_BelievesNothingElse(t *testing.T) {
	s := idptest.Start(t)
	p := client(t, s, nil)
	for what, change := range map[string]func(t *idptest.Token){
		"another key":            func(t *idptest.Token) { t.Alg = "other key" },
		"no signature":           func(t *idptest.Token) { t.Alg = "none" },
		"signed with the secret": func(t *idptest.Token) { t.Alg = "HS256" },
		"another nonce":          func(t *idptest.Token) { t.Claims["nonce"] = "another" },
		"no nonce":               func(t *idptest.Token) { delete(t.Claims, "nonce") },
		"another issuer":         func(t *idptest.Token) { t.Claims["iss"] = "https://accounts.example.com" },
		"another client":         func(t *idptest.Token) { t.Claims["aud"] = []string{idptest.OtherClient} },
		"two clients": func(t *idptest.Token) {
			t.Claims["aud"] = []string{idptest.OtherClient, idptest.Client}
			delete(t.Claims, "azp")
		},
		"another party":  func(t *idptest.Token) { t.Claims["azp"] = idptest.OtherClient },
		"run out":        func(t *idptest.Token) { t.Claims["exp"] = time.Now().Add(-time.Second).Unix() },
		"without an end": func(t *idptest.Token) { delete(t.Claims, "exp") },
		"not yet":        func(t *idptest.Token) { t.Claims["nbf"] = time.Now().Add(time.Hour).Unix() },
		"nobody":         func(t *idptest.Token) { delete(t.Claims, "sub") },
		"no ID token":    func(t *idptest.Token) { t.Claims = nil },
	} {
		s.Forge(nil)
		f, code := comeBack(t, s, p)
		s.Forge(change)
		who, err := p.Identify(t.Context(), f, code)
		if !errors.Is(err, idp.ErrRefused) || who != (idp.Identity{}) {
			t.Errorf("%s: %+v, %v", what, who, err)
		}
		if err != nil && (strings.Contains(err.Error(), code) || strings.Contains(err.Error(), idptest.Subject)) {
			t.Errorf("%s: the error says too much: %v", what, err)
		}
	}
	s.Forge(func(*idptest.Token) {}) // the forge itself makes good ones
	f, code := comeBack(t, s, p)
	if _, err := p.Identify(t.Context(), f, code); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}

func TestProvider_CodesOfOthers(t *testing.T) {
	s := idptest.Start(t)
	p, other := client(t, s, nil), client(t, s, func(c *idp.Config) { c.ClientID = idptest.OtherClient })
	for what, prepare := range map[string]func() (idp.Flow, string){
		"made up": func() (idp.Flow, string) { return idp.NewFlow(idptest.Redirect), "made up" },
		"of another client": func() (idp.Flow, string) {
			return comeBack(t, s, other)
		},
		"without its verifier": func() (idp.Flow, string) {
			f, code := comeBack(t, s, p)
			f.Verifier = idp.NewFlow("").Verifier
			return f, code
		},
		"for another address": func() (idp.Flow, string) {
			f, code := comeBack(t, s, p)
			f.Redirect = "http://127.0.0.1:9/elsewhere"
			return f, code
		},
		"a second time": func() (idp.Flow, string) {
			f, code := comeBack(t, s, p)
			if _, err := p.Identify(t.Context(), f, code); err != nil {
				t.Fatal(err)
			}
			return f, code
		},
		"of another flow": func() (idp.Flow, string) { // signed in as somebody else
			_, code := comeBack(t, s, p)
			mine, _ := comeBack(t, s, p)
			return mine, code
		},
	} {
		f, code := prepare()
		if _, err := p.Identify(t.Context(), f, code); !errors.Is(err, idp.ErrRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestProvider_AwayAndBack(t *testing.T) {
	s := idptest.Start(t)
	w := &watch{now: time.Now()}
	p := client(t, s, func(c *idp.Config) { c.Wall = w })
	s.Break(http.StatusBadGateway)
	for range 2 {
		if _, err := p.URL(t.Context(), idp.NewFlow(idptest.Redirect)); !errors.Is(err, idp.ErrAway) {
			t.Errorf("away: %v", err)
		}
		s.Break(0) // back, but left alone for a while
	}
	w.pass(5 * time.Second)
	f, code := comeBack(t, s, p)
	s.Break(http.StatusServiceUnavailable)
	if _, err := p.Identify(t.Context(), f, code); !errors.Is(err, idp.ErrAway) {
		t.Errorf("away again: %v", err)
	}
}

// TestProvider_StrangeDescriptions: what says it is the provider and is not.
func TestProvider_StrangeDescriptions(t *testing.T) {
	var body string
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if body == "elsewhere" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	about := func(issuer, at string) string {
		return `{"issuer":"` + issuer + `","authorization_endpoint":"` + at + `/auth","token_endpoint":"` + at + `/token","jwks_uri":"` + at + `/keys"}`
	}
	for what, said := range map[string]string{
		"another issuer": about("https://accounts.example.com", server.URL), "in the clear": about(server.URL, "http://accounts.example.com"),
		"not JSON": "<html>", "too long": about(server.URL, server.URL) + strings.Repeat(" ", 2<<20), "elsewhere": "elsewhere", "nothing": "",
	} {
		body, asked = said, 0
		p, err := idp.New(idp.Config{Issuer: server.URL, ClientID: "linli", Redirects: []string{idptest.Redirect}, Wall: clock.Wall()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.URL(t.Context(), idp.NewFlow(idptest.Redirect)); !errors.Is(err, idp.ErrAway) || asked != 1 {
			t.Errorf("%s: %v, asked %d times", what, err, asked)
		}
	}
}

func TestNew_WhereSecretsMayGo(t *testing.T) {
	good := idp.Config{Issuer: "https://accounts.example.com", ClientID: "linli", Redirects: []string{"https://linli.example.com/signed-in"}}
	p, err := idp.New(good)
	if err != nil {
		t.Fatal(err)
	}
	for redirect, takes := range map[string]bool{
		"https://linli.example.com/signed-in": true, "https://linli.example.com/signed-in/": false, "https://linli.example.com/signed-in?a=b": false,
		"https://linli.example.com.evil.example/signed-in": false, "": false, "HTTPS://linli.example.com/signed-in": false,
	} {
		if p.Takes(redirect) != takes {
			t.Errorf("takes %q: %v", redirect, !takes)
		}
	}
	for what, change := range map[string]func(*idp.Config){
		"an issuer in the clear":     func(c *idp.Config) { c.Issuer = "http://accounts.example.com" },
		"no issuer":                  func(c *idp.Config) { c.Issuer = "" },
		"a redirect in the clear":    func(c *idp.Config) { c.Redirects = append(slices.Clone(c.Redirects), "http://linli.example.com/") },
		"a redirect with a fragment": func(c *idp.Config) { c.Redirects = []string{"https://linli.example.com/#signed-in"} },
		"no redirect":                func(c *idp.Config) { c.Redirects = nil },
		"no client":                  func(c *idp.Config) { c.ClientID = "" },
	} {
		c := good
		change(&c)
		if _, err := idp.New(c); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
}
