package registry

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/idp"
	"github.com/linli-project/linli/pkg/idp/idptest"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/registry/internal/session"
)

// newProviderGate is a gate with a provider, and an account that it leads to.
func newProviderGate(t testing.TB) (*gate, *idptest.Server, *pb.AccountRow) {
	t.Helper()
	g, s := newGate(t), idptest.Start(t)
	var err error
	g.provider, err = idp.New(idp.Config{Issuer: s.Issuer, ClientID: idptest.Client, Secret: idptest.Secret, Redirects: []string{idptest.Redirect}, Wall: g})
	must(t, err)
	a := g.account("chen", typev1.Role_ROLE_CITY_OFFICER)
	g.change(a.GetAccount().GetId(), func(_ *store.Tx, row *pb.AccountRow) error {
		row.ProviderHash = g.store.Keyring().Blind(blindProvider, s.Issuer, idptest.Subject)
		row.Account.MustChangePassword = true // the first password, which nobody used
		return nil
	})
	return g, s, a
}

// away goes to the provider and comes back with state and code.
func (g *gate) away(s *idptest.Server) *pb.EnterWithProviderRequest {
	g.t.Helper()
	begun, err := g.BeginProvider(g.nobody(), &pb.BeginProviderRequest{RedirectUri: idptest.Redirect})
	must(g.t, err)
	back := s.SignIn(begun.GetAuthorizationUrl())
	if back.Get("state") != begun.GetState() || back.Get("code") == "" {
		g.t.Fatalf("came back with %v", back)
	}
	return &pb.EnterWithProviderRequest{State: back.Get("state"), Code: back.Get("code")}
}

func TestEnterWithProvider_BeginsASessionOfTheAccount(t *testing.T) {
	g, s, a := newProviderGate(t)
	req := g.away(s)
	reply, err := g.EnterWithProvider(g.nobody(), req)
	must(t, err)
	who, err := g.verify(reply.GetSession().GetAccessToken())
	must(t, err)
	if who.Person != a.GetAccount().GetPerson() || who.Strong || who.Limit != "" || reply.GetSession().GetMustChangePassword() {
		t.Errorf("%+v, %v", who, reply.GetSession())
	}
	me, err := g.GetMe(g.by(reply.GetSession().GetAccessToken()), &pb.GetMeRequest{})
	must(t, err)
	if me.GetMethod() != pb.SignInMethod_SIGN_IN_METHOD_PROVIDER || me.GetMustChangePassword() {
		t.Errorf("me: %v", me)
	}
	if withPassword := g.enter("chen"); !withPassword.GetMustChangePassword() {
		t.Error("the first password need not be changed")
	}
	if got := strings.Join(g.outcomes()[:3], "|"); got != "sent to the provider |came back from the provider |signed in " {
		t.Errorf("audit %q", got)
	}
	for _, text := range []string{req.GetState(), req.GetCode(), s.Issuer} {
		if g.lies(text) {
			t.Errorf("%q lies in the store", text)
		}
	}
}

func TestEnterWithProvider_Attacks(t *testing.T) {
	for what, attack := range map[string]func(g *gate, s *idptest.Server) *pb.EnterWithProviderRequest{
		"a state that was made up": func(g *gate, s *idptest.Server) *pb.EnterWithProviderRequest {
			req := g.away(s)
			req.State = idp.NewFlow("").State
			return req
		},
		"a state a second time": func(g *gate, s *idptest.Server) *pb.EnterWithProviderRequest {
			req := g.away(s)
			_, err := g.EnterWithProvider(g.nobody(), req)
			must(g.t, err)
			return req
		},
		"a state a second time, with another code": func(g *gate, s *idptest.Server) *pb.EnterWithProviderRequest {
			req := g.away(s)
			_, err := g.EnterWithProvider(g.nobody(), req)
			must(g.t, err)
			req.Code = g.away(s).GetCode()
			return req
		},
		"after a wrong code": func(g *gate, s *idptest.Server) *pb.EnterWithProviderRequest {
			req := g.away(s)
			_, err := g.EnterWithProvider(g.nobody(), &pb.EnterWithProviderRequest{State: req.GetState(), Code: "made up"})
			refused(g.t, err, "NOT_SIGNED_IN")
			return req
		},
		"the code of another sign-in": func(g *gate, s *idptest.Server) *pb.EnterWithProviderRequest {
			req := g.away(s)
			req.Code = g.away(s).GetCode()
			return req
		},
		"too late": func(g *gate, s *idptest.Server) *pb.EnterWithProviderRequest {
			req := g.away(s)
			g.pass(session.ProviderHolds)
			return req
		},
		"the nonce of another sign-in": func(g *gate, s *idptest.Server) *pb.EnterWithProviderRequest {
			s.Forge(func(t *idptest.Token) { t.Claims["nonce"] = idp.NewFlow("").Nonce })
			return g.away(s)
		},
		"no signature": func(g *gate, s *idptest.Server) *pb.EnterWithProviderRequest {
			s.Forge(func(t *idptest.Token) { t.Alg = "none" })
			return g.away(s)
		},
		"somebody without an account": func(g *gate, s *idptest.Server) *pb.EnterWithProviderRequest {
			s.Forge(func(t *idptest.Token) { t.Claims["sub"] = "somebody else" })
			return g.away(s)
		},
		"a locked account": func(g *gate, s *idptest.Server) *pb.EnterWithProviderRequest {
			must(g.t, g.store.Update(g.t.Context(), func(tx *store.Tx) error {
				row, _, err := g.accounts.By(tx, scope.All(), byLogin, idKey("chen"))
				if err != nil {
					return err
				}
				row.Value.Account.State = pb.AccountState_ACCOUNT_STATE_LOCKED
				_, err = g.accounts.Replace(tx, row, row.Value)
				return err
			}))
			return g.away(s)
		},
	} {
		g, s, _ := newProviderGate(t)
		_, err := g.EnterWithProvider(g.nobody(), attack(g, s))
		if reasonIn(err) != "NOT_SIGNED_IN" {
			t.Errorf("%s: %v", what, err)
		}
		if got := g.outcomes(); got[len(got)-1] != "refused NOT_SIGNED_IN" {
			t.Errorf("%s: audit %q", what, got)
		}
	}
}

func TestEnterWithProvider_AtOnceAndFlooded(t *testing.T) {
	g, s, _ := newProviderGate(t)
	req := g.away(s)
	var let atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := g.EnterWithProvider(g.nobody(), req); err == nil {
				let.Add(1)
			} else {
				refused(t, err, "NOT_SIGNED_IN")
			}
		})
	}
	all.Wait()
	if let.Load() != 1 {
		t.Errorf("one state let %d in", let.Load())
	}
	slowed := 0
	for range 100 {
		if _, err := g.EnterWithProvider(g.nobody(), req); reasonIn(err) == "SLOW_DOWN" {
			slowed++
		}
	}
	if slowed != 100-13 { // 20 failures are judged, 7 of them above
		t.Errorf("%d of 100 were slowed down", slowed)
	}
}

func TestProvider_AwayOrNone(t *testing.T) {
	g, s, _ := newProviderGate(t)
	var out bytes.Buffer
	g.log = slog.New(slog.NewTextHandler(&out, nil))
	req := g.away(s)
	s.Break(http.StatusServiceUnavailable)
	_, err := g.EnterWithProvider(g.nobody(), req)
	refused(t, err, "PROVIDER_AWAY")
	s.Break(0)
	s.Forge(func(t *idptest.Token) { t.Claims["nonce"] = "another" })
	second := g.away(s)
	_, err = g.EnterWithProvider(g.nobody(), second)
	refused(t, err, "NOT_SIGNED_IN")
	if log := out.String(); !strings.Contains(log, "another sign-in") || strings.Contains(log, req.GetCode()) ||
		strings.Contains(log, second.GetCode()) || strings.Contains(log, second.GetState()) {
		t.Errorf("logged %s", log)
	}
	_, err = g.BeginProvider(g.nobody(), &pb.BeginProviderRequest{RedirectUri: idptest.Redirect + "/"})
	refused(t, err, "UNKNOWN_REDIRECT")
	g.provider = nil
	_, err = g.BeginProvider(g.nobody(), &pb.BeginProviderRequest{RedirectUri: idptest.Redirect})
	refused(t, err, "NO_PROVIDER")
	_, err = g.EnterWithProvider(g.nobody(), req)
	refused(t, err, "NO_PROVIDER")
}

// TestCreateAccount_ForTheProvider: the whole way through the door, from the
// account that names a subject to its session.
func TestCreateAccount_ForTheProvider(t *testing.T) {
	h, s := start(t).withDistrict(), idptest.Start(t)
	var err error
	h.service.provider, err = idp.New(idp.Config{
		Issuer: s.Issuer, ClientID: idptest.Client, Secret: idptest.Secret, Redirects: []string{idptest.Redirect}, Wall: h.store.Wall(),
	})
	must(t, err)
	made, err := h.accounts().CreateAccount(h.security("/"), &pb.CreateAccountRequest{
		Login: "chen.hua", DisplayName: "陈华", OidcIssuer: s.Issuer, OidcSubject: idptest.Subject,
		Grants: []*pb.RoleGrant{roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID)},
	})
	must(t, err)
	begun, err := h.sessions().BeginProvider(h.stranger(), &pb.BeginProviderRequest{RedirectUri: idptest.Redirect})
	must(t, err)
	back := s.SignIn(begun.GetAuthorizationUrl())
	reply, err := h.sessions().EnterWithProvider(h.stranger(), &pb.EnterWithProviderRequest{State: back.Get("state"), Code: back.Get("code")})
	must(t, err)
	caller := h.callerOf(reply.GetSession().GetAccessToken())
	if caller.Account != made.GetAccount().GetId() || len(caller.Grants) != 1 || caller.Grants[0] != (access.Grant{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: communityA}) {
		t.Errorf("%+v", caller)
	}
	_, err = h.sessions().EnterWithProvider(h.stranger(), &pb.EnterWithProviderRequest{State: back.Get("state"), Code: back.Get("code")})
	wantReason(t, err, "NOT_SIGNED_IN")
}

// TestSweepSessions_ForgetsWhoDidNotComeBack from the provider.
func TestSweepSessions_ForgetsWhoDidNotComeBack(t *testing.T) {
	g, s, _ := newProviderGate(t)
	req := g.away(s)
	left := func() (there bool) {
		must(t, g.store.Update(t.Context(), func(tx *store.Tx) (err error) {
			_, there, err = g.providerStates.Get(tx, scope.All(), hashKey(g.stateHash(req.GetState())))
			return err
		}))
		return there
	}
	g.pass(session.ProviderHolds)
	must(t, g.sweepSessions(t.Context()))
	if !left() {
		t.Error("forgotten too early")
	}
	g.pass(time.Second)
	must(t, g.sweepSessions(t.Context()))
	if left() {
		t.Error("kept")
	}
}
