package accesstest_test

import (
	"errors"
	"reflect"
	"testing"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
)

func TestToken_ComesBackAsWritten(t *testing.T) {
	grants := []access.Grant{
		{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: "/430100/430101/430101002/430101002001/"},
		{Role: typev1.Role_ROLE_SYSTEM_ADMIN, Path: scope.Root},
	}
	for token, strong := range map[string]bool{accesstest.Token("熊娜", grants...): true, accesstest.WeakToken("熊娜", grants...): false} {
		got, err := accesstest.Authenticator().Authenticate(t.Context(), token)
		if want := (access.Caller{Person: "熊娜", Grants: grants, Strong: strong}); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
}

func TestAuthenticator_RefusesWhatIsNotAToken(t *testing.T) {
	for _, token := range []string{"", "test.", "test.%%%", "test.e30", "Bearer", "test.eyJwZXJzb24iOiJhIiwieCI6MX0",
		accesstest.Token(""), accesstest.Token("a", access.Grant{Role: typev1.Role_ROLE_MEMBER, Path: "no/slashes"}),
		accesstest.Token("a", access.Grant{Role: 99, Path: "/"})} {
		var refused *rule.Error
		if _, err := accesstest.Authenticator().Authenticate(t.Context(), token); !errors.As(err, &refused) || refused.Reason != "UNAUTHENTICATED" {
			t.Errorf("%q: %v", token, err)
		}
	}
}

func FuzzAuthenticator(f *testing.F) {
	f.Add(accesstest.Token("a", access.Grant{Role: typev1.Role_ROLE_MEMBER, Path: "/"}))
	f.Fuzz(func(t *testing.T, token string) {
		c, err := accesstest.Authenticator().Authenticate(t.Context(), token)
		if err == nil && c.Person == "" {
			t.Fatal("a caller without a person")
		}
		for _, g := range c.Grants {
			if !g.Path.Valid() || g.Role == 0 {
				t.Fatalf("a grant that is none: %+v", g)
			}
		}
	})
}
