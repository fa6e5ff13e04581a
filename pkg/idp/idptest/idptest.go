// Package idptest runs a real identity provider inside a test, zitadel/oidc over
// its own example of a storage, and a browser that signs in at it.
package idptest

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Client and OtherClient are what the provider knows two clients by.
const (
	Client      = "linli"
	OtherClient = "another"
)

// Secret is that of both clients, Redirect where they may have browsers sent.
const (
	Secret   = "the secret of the client"
	Redirect = "http://127.0.0.1:9/signed-in"
)

// Subject is who the ID token says the person is that the browser signs in as.
const Subject = "id2"

const user, password = "test-user2", "verysecure"

// Server is a provider.
type Server struct {
	Issuer string

	t       testing.TB
	storage *storage.Storage
	handler http.Handler
	browser *http.Client

	mu     sync.Mutex
	forge  func(t *Token)
	broken int
}

// Token is an ID token on its way out, which a test may change.
type Token struct {
	Claims map[string]any
	// Alg is what it is signed with: RS256 with the provider's key, unless changed
	// to HS256 (the client's secret), "other key" or none.
	Alg string
}

// Start runs a provider until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, browser: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.Issuer = server.URL
	s.storage = storage.NewStorageWithClients(storage.NewUserStore(s.Issuer), map[string]*storage.Client{
		Client: storage.WebClient(Client, Secret, Redirect), OtherClient: storage.WebClient(OtherClient, Secret, Redirect),
	})
	provider, err := op.NewProvider(&op.Config{CodeMethodS256: true, AuthMethodPost: true, GrantTypeRefreshToken: true}, s.storage,
		op.StaticIssuer(s.Issuer), op.WithAllowInsecure())
	if err != nil {
		t.Fatal(err)
	}
	back := op.AuthCallbackURL(provider)
	pages := http.NewServeMux()
	pages.Handle("/", provider)
	pages.HandleFunc("POST /login/username", op.NewIssuerInterceptor(provider.IssuerFromRequest).HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.FormValue("authRequestID")
		if err := s.storage.CheckUsernamePassword(r.FormValue("username"), r.FormValue("password"), id); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		http.Redirect(w, r, back(r.Context(), id), http.StatusFound)
	}))
	s.handler = pages
	return s
}

// Forge has every ID token changed from now on; nil = none.
func (s *Server) Forge(change func(t *Token)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forge = change
}

// Break has everything answered with a status from now on; 0 = nothing.
func (s *Server) Break(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = status
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	forge, broken := s.forge, s.broken
	s.mu.Unlock()
	if broken != 0 {
		http.Error(w, "broken", broken)
		return
	}
	if forge == nil || !strings.HasSuffix(r.URL.Path, "/oauth/token") {
		s.handler.ServeHTTP(w, r)
		return
	}
	kept := httptest.NewRecorder()
	s.handler.ServeHTTP(kept, r)
	body, err := s.forged(kept.Body.Bytes(), forge)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	maps.Copy(w.Header(), kept.Header())
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(kept.Code)
	_, _ = io.Copy(w, bytes.NewReader(body)) // the test sees what arrives
}

// forged changes the ID token of an answer.
func (s *Server) forged(body []byte, change func(t *Token)) ([]byte, error) {
	var answer map[string]any
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	raw, ok := answer["id_token"].(string)
	if !ok {
		return body, nil // refused
	}
	t := &Token{Alg: "RS256"}
	parsed, _, err := jwt.NewParser().ParseUnverified(raw, jwt.MapClaims{})
	if err != nil {
		return nil, err
	}
	t.Claims, _ = parsed.Claims.(jwt.MapClaims)
	change(t)
	if t.Claims == nil {
		delete(answer, "id_token")
		return json.Marshal(answer)
	}
	answer["id_token"], err = s.signed(t)
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

func (s *Server) signed(t *Token) (string, error) {
	key, err := s.storage.SigningKey(s.t.Context())
	if err != nil {
		return "", err
	}
	claims := jwt.MapClaims(t.Claims)
	switch t.Alg {
	case "none":
		return jwt.NewWithClaims(jwt.SigningMethodNone, claims).SignedString(jwt.UnsafeAllowNoneSignatureType)
	case "HS256":
		return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(Secret))
	case "RS256", "other key":
		token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
		token.Header["kid"] = key.ID()
		text, err := token.SignedString(key.Key())
		if t.Alg == "other key" && err == nil {
			signature := make([]byte, 256)
			_, _ = rand.Read(signature) // never fails
			text = text[:strings.LastIndexByte(text, '.')+1] + base64.RawURLEncoding.EncodeToString(signature)
		}
		return text, err
	}
	return "", errors.New("no such algorithm: " + t.Alg)
}

// SignIn is the browser: it goes where it was sent, signs in there, and answers
// what the provider sends it back with. Empty where the provider sends it back
// nowhere.
func (s *Server) SignIn(address string) url.Values {
	s.t.Helper()
	at := s.follow(http.MethodGet, address)
	if at == nil || !strings.HasPrefix(at.Path, "/login/") {
		return queryOf(at)
	}
	query := at.Query()
	query.Set("username", user)
	query.Set("password", password)
	at.RawQuery = query.Encode()
	back := s.follow(http.MethodPost, at.String())
	if back == nil {
		return nil
	}
	return queryOf(s.follow(http.MethodGet, back.String()))
}

func queryOf(at *url.URL) url.Values {
	if at == nil {
		return nil
	}
	return at.Query()
}

// follow answers where a page sends the browser; nil for nowhere.
func (s *Server) follow(method, address string) *url.URL {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, address, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := s.browser.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	at, err := answer.Location()
	if err != nil {
		return nil
	}
	return at
}
