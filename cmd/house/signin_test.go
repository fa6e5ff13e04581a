package house_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/linli-project/linli/cmd/house"
)

// wayOf is a route of each service that asks for no role.
func ways() map[string]string {
	return map[string]string{
		"registry": "/v1/organizations", "requests": "/v1/organizations/1/circle/rates?year=2013", "projects": "/v1/calls/none", "evaluation": "/v1/me/cards",
	}
}

const firstLogin, firstPassword = "anna", "quiet harbour seven lamps"

// entered is a session of the first administrator.
type entered struct{ access, cookie string }

func (s *shape) enter(what string, a answer) entered {
	s.t.Helper()
	s.want(what, a, http.StatusOK)
	var session struct {
		AccessToken, RefreshToken string
	}
	if err := json.Unmarshal([]byte(a.body), &session); err != nil || session.AccessToken == "" || session.RefreshToken != "" {
		s.t.Fatalf("%s: %s", what, a.body)
	}
	cookies := (&http.Response{Header: a.header}).Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly {
		s.t.Fatalf("%s: cookies %v", what, cookies)
	}
	return entered{access: session.AccessToken, cookie: cookies[0].Name + "=" + cookies[0].Value}
}

// claim makes the first administrator with the code that the start told.
func (s *shape) claim(keeper house.Role) {
	s.t.Helper()
	code := s.up[keeper].FirstCode()
	if code == "" {
		s.t.Fatal("no first code was told")
	}
	s.want("claim", s.until("claim", http.StatusOK, func() answer {
		return s.call("POST", "/v1/accounts:claimFirst", "",
			`{"code":"`+code+`","login":"`+firstLogin+`","displayName":"安娜","password":"`+firstPassword+`"}`)
	}), http.StatusOK)
}

func (s *shape) signIn() entered {
	s.t.Helper()
	return s.enter("sign in", s.call("POST", "/v1/sessions:signIn", "", `{"login":"`+firstLogin+`","password":"`+firstPassword+`"}`))
}

// everywhere waits until every service answers a token with a code and a reason.
func (s *shape) everywhere(what, token string, code int, reason string, but ...string) {
	s.t.Helper()
	for service, way := range ways() {
		if strings.Join(but, " ") == service {
			continue
		}
		a := s.until(what+" at "+service, code, func() answer { return s.call("GET", way, token, "") })
		s.want(what+" at "+service, a, code, reason)
	}
}

// TestSignIn_InBothShapes: a real session is known to every service at once, and
// gone from all of them as soon as it ends.
func TestSignIn_InBothShapes(t *testing.T) {
	for name, keeper := range map[string]house.Role{"one process": house.Whole, "six over TLS": house.Registry} {
		t.Run(name, func(t *testing.T) {
			roles := []house.Role{house.Whole}
			if keeper != house.Whole {
				roles = house.Roles()
			}
			s := newShape(t, roles...)
			if keeper != house.Whole {
				files := certificates(t)
				for role, c := range s.config {
					c.TLS = house.TLSIn(files, string(role))
					s.config[role] = c
				}
			}
			for _, role := range roles {
				s.start(role)
			}
			s.claim(keeper)
			first := s.signIn()
			// The administrator has no second factor yet: that is what every service
			// says, and so each has taken the token.
			s.everywhere("a new session", first.access, http.StatusForbidden, "SECOND_FACTOR_MUST_BE_SET")
			s.want("who it is", s.call("GET", "/v1/me", first.access, ""), http.StatusOK, `"mustSetSecondFactor":true`)
			s.everywhere("a token with another letter", first.access[:len(first.access)-1]+"!", http.StatusUnauthorized, "UNAUTHENTICATED")

			next := s.enter("refresh", s.call("POST", "/v1/sessions:refresh", "", "{}", "Cookie", first.cookie))
			s.everywhere("a refreshed session", next.access, http.StatusForbidden, "SECOND_FACTOR_MUST_BE_SET")
			// Somebody has a copy of the first refresh token.
			s.want("a stolen cookie", s.call("POST", "/v1/sessions:refresh", "", "{}", "Cookie", first.cookie), http.StatusUnauthorized, "SESSION_ENDED")
			s.everywhere("a session whose token was replayed", next.access, http.StatusUnauthorized, "TOKEN_EXPIRED")
			s.want("its last cookie", s.call("POST", "/v1/sessions:refresh", "", "{}", "Cookie", next.cookie), http.StatusUnauthorized, "SESSION_ENDED")

			again := s.signIn()
			s.everywhere("another session", again.access, http.StatusForbidden, "SECOND_FACTOR_MUST_BE_SET")
			if keeper != house.Whole {
				s.registryAway(again)
			}
			s.want("sign out", s.until("sign out", http.StatusOK, func() answer { return s.call("POST", "/v1/sessions:signOut", again.access, "{}") }), http.StatusOK)
			s.everywhere("a session that was signed out", again.access, http.StatusUnauthorized, "TOKEN_EXPIRED")
		})
	}
}

// registryAway: without the registry known keys stay good; a service that starts
// then knows none, and says that it cannot tell.
func (s *shape) registryAway(session entered) {
	s.t.Helper()
	s.stop(house.Registry)
	s.everywhere("without the registry", session.access, http.StatusForbidden, "SECOND_FACTOR_MUST_BE_SET", "registry")
	s.stop(house.Requests)
	s.start(house.Requests)
	way := ways()["requests"]
	s.want("without keys", s.until("without keys", http.StatusServiceUnavailable, func() answer { return s.call("GET", way, session.access, "") }),
		http.StatusServiceUnavailable, "UNAVAILABLE")
	s.start(house.Registry)
	s.until("with keys again", http.StatusForbidden, func() answer { return s.call("GET", way, session.access, "") })
}

// TestStart_TakesNoTokenOfTests: without what a test sets, with --dev as without,
// only the registry's tokens are any good.
func TestStart_TakesNoTokenOfTests(t *testing.T) {
	s := newShape(t, house.Whole)
	c := s.config[house.Whole]
	c.Authenticator = nil
	s.config[house.Whole] = c
	s.start(house.Whole)
	written := "dev.eyJwZXJzb24iOiJhbm5hIiwiZ3JhbnRzIjpbeyJyb2xlIjoic3lzdGVtX2FkbWluIiwib3JnYW5pemF0aW9uIjoiLyJ9XX0"
	for what, token := range map[string]string{"a test's": admin(), "one that anybody writes": written} {
		s.want(what, s.call("GET", "/v1/organizations", token, ""), http.StatusUnauthorized, "UNAUTHENTICATED")
	}
	s.want("the clock of --dev", s.call("GET", "/v1/dev/clock", "", ""), http.StatusOK, `"movable":true`)
}
