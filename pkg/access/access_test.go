package access_test

import (
	"errors"
	"reflect"
	"testing"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
)

func TestDevToken_ComesBackAsWritten(t *testing.T) {
	grants := []access.Grant{
		{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: "/430100/430101/430101002/430101002001/"},
		{Role: typev1.Role_ROLE_SYSTEM_ADMIN, Path: scope.Root},
	}
	got, err := access.DevAuthenticator().Authenticate(t.Context(), access.DevToken("熊娜", grants...))
	if err != nil {
		t.Fatal(err)
	}
	if want := (access.Caller{Person: "熊娜", Grants: grants, Strong: true}); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v", got)
	}
}

func reason(err error) string {
	var r *rule.Error
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

func TestDevAuthenticator_RefusesWhatIsNotAToken(t *testing.T) {
	for _, token := range []string{"", "dev.", "dev.%%%", "dev.e30", "Bearer", "dev.eyJwZXJzb24iOiJhIiwieCI6MX0",
		access.DevToken(""), access.DevToken("a", access.Grant{Role: typev1.Role_ROLE_MEMBER, Path: "no/slashes"}),
		access.DevToken("a", access.Grant{Role: 99, Path: "/"})} {
		if _, err := access.DevAuthenticator().Authenticate(t.Context(), token); reason(err) != "UNAUTHENTICATED" {
			t.Errorf("%q: %v", token, err)
		}
	}
}

func TestNoAuthenticator_NamesADevelopmentToken(t *testing.T) {
	if _, err := access.NoAuthenticator().Authenticate(t.Context(), access.DevToken("a")); reason(err) != "DEVELOPMENT_TOKEN" {
		t.Errorf("got %v", err)
	}
	if _, err := access.NoAuthenticator().Authenticate(t.Context(), "x"); reason(err) != "UNAUTHENTICATED" {
		t.Errorf("got %v", err)
	}
}

func FuzzDevAuthenticator(f *testing.F) {
	f.Add(access.DevToken("a", access.Grant{Role: typev1.Role_ROLE_MEMBER, Path: "/"}))
	f.Fuzz(func(t *testing.T, token string) {
		c, err := access.DevAuthenticator().Authenticate(t.Context(), token)
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

func TestCall_ActsUnderTheFirstGrantThatTheMethodTakes(t *testing.T) {
	c := access.Call{
		Caller: access.Caller{Person: "p", Grants: []access.Grant{
			{Role: typev1.Role_ROLE_RESIDENT, Path: "/a/"}, {Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: "/b/"}}},
		Rule: &typev1.Access{Roles: []typev1.Role{typev1.Role_ROLE_COMMITTEE_STAFF}},
	}
	if got := c.Acting().Path; got != "/b/" {
		t.Errorf("acts under %s", got)
	}
	if s := c.Caller.Scope(typev1.Role_ROLE_COMMITTEE_STAFF); s.Covers("/a/") || !s.Covers("/b/c/") || !s.Owns("p") {
		t.Errorf("scope %+v", s)
	}
}

func TestCall_ActsUnderTheChosenGrant(t *testing.T) {
	grants := []access.Grant{{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: "/a/"}, {Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: "/b/"},
		{Role: typev1.Role_ROLE_RESIDENT, Path: "/c/"}}
	for chosen, want := range map[int]scope.Path{0: "/a/", 1: "/a/", 2: "/b/", 3: "/a/", 4: "/a/", -1: "/a/"} {
		c := access.Call{Caller: access.Caller{Person: "p", Grants: grants, Chosen: chosen},
			Rule: &typev1.Access{Roles: []typev1.Role{typev1.Role_ROLE_COMMITTEE_STAFF}}}
		if got := c.Acting().Path; got != want {
			t.Errorf("chosen %d: acts under %s, want %s", chosen, got, want)
		}
	}
}
