package rights_test

import (
	"context"
	"sync"
	"testing"

	"github.com/linli-project/linli/cmd/rights"
	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
)

// signedIn takes the tokens that tests write. Who stands in it has an account and
// a session as well, which a written token does not name.
type signedIn struct{ of sync.Map } // access.Caller by the name in the token

func (s *signedIn) Authenticate(ctx context.Context, token string) (access.Caller, error) {
	c, err := accesstest.Authenticator().Authenticate(ctx, token)
	if known, there := s.of.Load(c.Person); there && err == nil {
		k := known.(access.Caller)
		c.Person, c.Account, c.Session = k.Person, k.Account, k.Session
	}
	return c, err
}

const (
	stranger = "nobody-of-them"
	an       = "an" // whose account and session are the world's
)

// accountSteps make the account that the calls are about, a colleague's, and
// one of the stranger, who has business elsewhere.
func accountSteps() []step {
	const staff = `"displayName":"某工作人员","grants":[{"role":"ROLE_COMMITTEE_STAFF","organizationId":`
	return []step{
		{"keeper", "POST", "/v1/accounts", `{"login":"an.ning",` + staff + `"430101002001"}]}`,
			[]string{"accounts=account.id", "accountPerson=account.person", "grants=account.grants.0.id", "password=firstPassword"}},
		{"", "POST", "/v1/sessions:signIn", `{"login":"an.ning","password":"{password}"}`, []string{"sessions=id"}},
		{"keeper", "POST", "/v1/accounts", `{"login":"he.li",` + staff + `"430101002001"}]}`, []string{"colleague=account.id"}},
		{"keeper", "POST", "/v1/accounts", `{"login":"lu.ren",` + staff + `"430102001001"}]}`,
			[]string{"strangerAccount=account.id", "strangerPerson=account.person", "password=firstPassword"}},
		{"", "POST", "/v1/sessions:signIn", `{"login":"lu.ren","password":"{password}"}`, []string{"strangerSession=id"}},
	}
}

// signIn has who calls as one of the two be who signed in.
func (w *world) signIn() {
	w.callers.of.Store(an, access.Caller{Person: w.ids["accountPerson"], Account: w.ids["accounts"], Session: w.ids["sessions"]})
	w.callers.of.Store(stranger, access.Caller{Person: w.ids["strangerPerson"], Account: w.ids["strangerAccount"], Session: w.ids["strangerSession"]})
}

// wrongSecrets are the answers to who may call, but shows no secret that opens
// anything: the calls of these tests know none.
func wrongSecrets() map[string]string {
	return map[string]string{
		"AccountService/ClaimFirst": "FIRST_LINK_NOT_VALID", "SessionService/SignIn": "NOT_SIGNED_IN", "SessionService/Refresh": "SESSION_ENDED",
		"SessionService/ChangePassword": "WRONG_PASSWORD", "SessionService/BeginSecondFactor": "WRONG_PASSWORD",
	}
}

// TestMethods_AreAllServed: a row of the table that nobody could call would be
// judged by nobody.
func TestMethods_AreAllServed(t *testing.T) {
	for _, m := range rights.Methods() {
		if served, err := shared.served(m); err != nil || !served {
			t.Errorf("%s: %v, %v", m.Name(), served, err)
		}
	}
}
