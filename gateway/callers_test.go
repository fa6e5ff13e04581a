package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/linli-project/linli/pkg/admit"
)

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
		if e.asked > 120 || refused < guesses-120 {
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

// Pages that were left open overnight ask for a session that has ended: nobody can
// guess a refresh token, and the office behind the address signs in all the same.
func TestLimits_EndedSessionsLockNobodyOut(t *testing.T) {
	e := newEntrance(t, false, "127.0.0.1/32")
	for range 500 {
		if a := e.call("POST", "/v1/sessions:refresh", "{}", "X-Forwarded-For", "203.0.113.1"); a.status != http.StatusUnauthorized {
			t.Fatalf("refresh: %d %s", a.status, a.body)
		}
	}
	if a := e.call("POST", "/v1/sessions:signIn", rightPassword, "X-Forwarded-For", "203.0.113.1"); a.status != http.StatusOK {
		t.Errorf("sign in: %d %s", a.status, a.body)
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
	for i := range 400 {
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
	for range 2100 {
		if last = e.call("GET", "/nowhere", "", "X-Forwarded-For", "203.0.113.1", "Accept-Language", "zh-CN"); last.status == 404 {
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
		if cache := a.header.Get("Cache-Control"); cache != map[bool]string{true: "public, max-age=60", false: "no-store"}[path == "/.well-known/jwks.json"] {
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
