package house_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/linli-project/linli/cmd/house"
)

// provider of short messages: it keeps the last code of each phone.
type provider struct {
	mu     sync.Mutex
	codes  map[string]string
	opened string
}

func (p *provider) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var said struct{ Phone, Code string }
	err := json.NewDecoder(r.Body).Decode(&said)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.codes[said.Phone], p.opened = said.Code, r.Header.Get("Authorization")
	}
}

// journal is a log that a test reads.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

const phone = "13800001234"

// residents is one process with organizations, a log, and what change sets.
func residents(t *testing.T, change func(*house.Config)) (*shape, *journal) {
	t.Helper()
	s, log := newShape(t, house.Whole), &journal{}
	c := s.config[house.Whole]
	c.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	change(&c)
	s.config[house.Whole] = c
	s.start(house.Whole)
	s.importOrganizations()
	return s, log
}

// come enters by phone with a code.
func (s *shape) come(code string) {
	s.t.Helper()
	session := s.enter("enter by phone", s.call("POST", "/v1/sessions:phone", "", `{"phone":"`+phone+`","code":"`+code+`","communityId":"1111"}`))
	s.want("who it is", s.call("GET", "/v1/me", session.access, ""), http.StatusOK, `"ROLE_RESIDENT"`, `"1111"`, "SIGN_IN_METHOD_PHONE")
	s.everywhereTaken(session.access)
}

// everywhereTaken: no service says that it does not know who calls.
func (s *shape) everywhereTaken(token string) {
	s.t.Helper()
	for service, way := range ways() {
		if a := s.call("GET", way, token, ""); a.code == http.StatusUnauthorized {
			s.t.Errorf("%s does not take the token of a resident: %s", service, a.body)
		}
	}
}

// TestPhone_CodesArePostedAndNotLogged: a resident enters over REST with the code
// that was posted to the provider.
func TestPhone_CodesArePostedAndNotLogged(t *testing.T) {
	p := &provider{codes: map[string]string{}}
	server := httptest.NewServer(p)
	defer server.Close()
	key := filepath.Join(t.TempDir(), "sms.key")
	if err := os.WriteFile(key, []byte("open sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, log := residents(t, func(c *house.Config) { c.SMS, c.SMSKeyFile = server.URL, key })
	s.want("ask for a code", s.call("POST", "/v1/sessions:sendCode", "", `{"phone":"`+phone+`"}`), http.StatusOK, "againAt")
	s.want("ask at once again", s.call("POST", "/v1/sessions:sendCode", "", `{"phone":"`+phone+`"}`), http.StatusTooManyRequests, "SLOW_DOWN")
	s.want("no phone", s.call("POST", "/v1/sessions:sendCode", "", `{"phone":"+8613800001234"}`), http.StatusBadRequest, "phone")
	code := p.codes[phone]
	if code == "" || p.opened != "Bearer open sesame" {
		t.Fatalf("posted %v, opened with %q", p.codes, p.opened)
	}
	s.come(code)
	for _, secret := range []string{code, phone, "open sesame"} {
		if regexp.MustCompile(`\b` + secret + `\b`).MatchString(log.String()) { // an id may have the digits in it
			t.Errorf("%q stands in the log", secret)
		}
	}
}

// TestPhone_CodesStandInTheLogOfDevelopment, when no provider is named.
func TestPhone_CodesStandInTheLogOfDevelopment(t *testing.T) {
	s, log := residents(t, func(*house.Config) {})
	s.want("ask for a code", s.call("POST", "/v1/sessions:sendCode", "", `{"phone":"`+phone+`"}`), http.StatusOK)
	code := regexp.MustCompile(`code=([0-9]{6})\b`).FindStringSubmatch(log.String())
	if len(code) != 2 {
		t.Fatalf("no code in the log: %s", log)
	}
	s.come(code[1])
	s.want("a provider that is not there", s.call("POST", "/v1/sessions:beginProvider", "", `{"redirectUri":"https://linli.example.com/"}`),
		http.StatusConflict, "NO_PROVIDER")
}

func TestStart_RefusesEntriesThatCannotWork(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.key")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	oidc := house.OIDC{Issuer: "https://accounts.example.com", ClientID: "linli", Redirects: []string{"https://linli.example.com/signed-in"}}
	for what, c := range map[string]struct {
		change func(*house.Config)
		says   string
	}{
		"codes in the clear":         {func(c *house.Config) { c.SMS = "http://sms.example.com/" }, "https"},
		"a key that is not there":    {func(c *house.Config) { c.SMS, c.SMSKeyFile = "https://sms.example.com/", empty+".not" }, "read a secret"},
		"an empty key":               {func(c *house.Config) { c.SMS, c.SMSKeyFile = "https://sms.example.com/", empty }, "not one line"},
		"an issuer in the clear":     {func(c *house.Config) { c.OIDC = oidc; c.OIDC.Issuer = "http://accounts.example.com" }, "issuer"},
		"nowhere to come back to":    {func(c *house.Config) { c.OIDC = oidc; c.OIDC.Redirects = nil }, "come back"},
		"a secret that is not there": {func(c *house.Config) { c.OIDC = oidc; c.OIDC.SecretFile = empty + ".not" }, "read a secret"},
		"a client of nobody":         {func(c *house.Config) { c.OIDC = oidc; c.OIDC.Issuer = "" }, "LINLI_OIDC_ISSUER"},
	} {
		config := newShape(t, house.Whole).config[house.Whole]
		c.change(&config)
		if h, err := house.Start(t.Context(), config); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", what, err)
			if err == nil {
				_ = h.Close(t.Context())
			}
		}
	}
}
