package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
)

// The refresh token lives in a cookie that no page can read and that goes to no
// other site. Over TLS its name has the prefix that browsers take from the host
// itself only, over TLS and for the whole of it; on plain loopback that prefix
// would be refused.
const (
	cookieSecure = "__Host-linli"
	cookiePlain  = "linli-session"
	// headerDelivery: "body" is for programs that keep no cookies. A page of
	// another site cannot set it.
	headerDelivery = "X-Linli-Token-Delivery"
)

func cookieName(secure bool) string {
	if secure {
		return cookieSecure
	}
	return cookiePlain
}

func newCookie(c caller, value string) *http.Cookie {
	return &http.Cookie{
		Name: cookieName(c.secure), Value: value, Path: "/", HttpOnly: true, Secure: c.secure, SameSite: http.SameSiteStrictMode,
	}
}

// beginsSession is a reply that holds a session.
type beginsSession interface{ GetSession() *registryv1.Session }

// keepToken takes the refresh token out of a reply and puts it into the cookie.
// It is called for every reply of a generated route.
func keepToken(ctx context.Context, w http.ResponseWriter, m proto.Message) error {
	c := callerOf(ctx)
	switch m := m.(type) {
	case beginsSession:
		s := m.GetSession()
		if s.GetRefreshToken() == "" || c.tokenInBody {
			return nil
		}
		cookie := newCookie(c, s.GetRefreshToken())
		if s.GetEndsAt().IsValid() {
			cookie.Expires = s.GetEndsAt().AsTime()
		}
		s.RefreshToken = ""
		http.SetCookie(w, cookie)
	case *registryv1.SignOutResponse:
		cookie := newCookie(c, "")
		cookie.MaxAge = -1
		http.SetCookie(w, cookie)
	}
	return nil
}

// refreshed gives POST /v1/sessions:refresh the token of the cookie. What a body
// says counts only from a program that asked for it there.
func refreshed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callerOf(r.Context())
		if !c.tokenInBody {
			var request struct {
				RefreshToken string `json:"refreshToken,omitempty"`
			}
			if cookie, err := r.Cookie(cookieName(c.secure)); err == nil {
				request.RefreshToken = cookie.Value
			}
			body, err := json.Marshal(request)
			if err != nil {
				writeProblem(w, r, problem{Status: http.StatusInternalServerError, Reason: "INTERNAL", Params: []string{"call_id", "-"}})
				return
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		}
		next.ServeHTTP(w, r)
	})
}

// longestOrigin is as long as the name of a host may be, and a little more.
const longestOrigin = 300

// sameSite refuses what a page of another site has a browser send: the cookie is
// not sent by it either, this refuses the rest. No service hears of it, so the log
// says that it was tried, and from which site.
func sameSite(log *slog.Logger, next http.Handler) http.Handler {
	p := http.NewCrossOriginProtection()
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		log.Warn("cross-site call refused", "method", r.Method, "origin", origin[:min(len(origin), longestOrigin)])
		w.Header().Set("Connection", "close") // its body is not read
		writeProblem(w, r, problem{Status: http.StatusForbidden, Reason: "CROSS_SITE"})
	}))
	return p.Handler(next)
}

// keySet: GET /.well-known/jwks.json, the keys that verify access tokens.
func keySet(conn grpc.ClientConnInterface) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		reply, err := registryv1.NewSessionServiceClient(conn).GetKeys(outgoing(r), &registryv1.GetKeysRequest{})
		if err != nil {
			writeProblem(w, r, problemOf(err))
			return
		}
		type key struct {
			KeyType   string `json:"kty"`
			Curve     string `json:"crv"`
			ID        string `json:"kid"`
			X         string `json:"x"`
			Algorithm string `json:"alg,omitempty"`
			Use       string `json:"use,omitempty"`
		}
		set := struct {
			Keys []key `json:"keys"`
		}{Keys: []key{}}
		for _, k := range reply.GetKeys() {
			set.Keys = append(set.Keys, key{k.GetKty(), k.GetCrv(), k.GetKid(), k.GetX(), k.GetAlg(), k.GetUse()})
		}
		text, err := json.Marshal(set)
		if err != nil {
			writeProblem(w, r, problem{Status: http.StatusInternalServerError, Reason: "INTERNAL", Params: []string{"call_id", "-"}})
			return
		}
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Header().Set("Cache-Control", "public, max-age=60")
		_, _ = w.Write(text) // the caller is gone when this fails
	}
}
