package access_test

import (
	"errors"
	"testing"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
)

func reason(err error) string {
	var r *rule.Error
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

func TestNoAuthenticator_TakesNothing(t *testing.T) {
	for _, token := range []string{"", "x", "dev.eyJwZXJzb24iOiJhIn0"} {
		if _, err := access.NoAuthenticator().Authenticate(t.Context(), token); reason(err) != "UNAUTHENTICATED" {
			t.Errorf("%q: %v", token, err)
		}
	}
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

// What is about the whole house is for who holds the role everywhere: the system
// administrator of a district takes no backup of the other districts.
func TestAdmitted_TheWholeHouseWantsTheRoleEverywhere(t *testing.T) {
	const system = typev1.Role_ROLE_SYSTEM_ADMIN
	house := &typev1.Access{Roles: []typev1.Role{system}, Scope: typev1.ScopeKind_SCOPE_KIND_NONE, Everywhere: true}
	for _, tc := range []struct {
		grants []access.Grant
		want   bool
	}{
		{[]access.Grant{{Role: system, Path: scope.Root}}, true},
		{[]access.Grant{{Role: system, Path: "/430100/430101/"}}, false},
		{[]access.Grant{{Role: system, Path: "/430100/430101/"}, {Role: typev1.Role_ROLE_AUDIT_ADMIN, Path: scope.Root}}, false},
		{[]access.Grant{{Role: system, Path: "/430100/430101/"}, {Role: system, Path: scope.Root}}, true},
		{nil, false},
	} {
		if got := (access.Caller{Person: "p", Grants: tc.grants}).Admitted(house); got != tc.want {
			t.Errorf("%v is admitted: %v", tc.grants, got)
		}
	}
}
