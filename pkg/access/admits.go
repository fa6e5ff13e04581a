package access

import (
	"slices"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/scope"
)

// administrators keep the house: its processes, its accounts, its audit. None of
// them has business in it.
func administrators() []typev1.Role {
	return []typev1.Role{typev1.Role_ROLE_SYSTEM_ADMIN, typev1.Role_ROLE_SECURITY_ADMIN, typev1.Role_ROLE_AUDIT_ADMIN}
}

// Admits says whether a rule takes a caller for a role.
func Admits(r *typev1.Access, role typev1.Role) bool {
	if len(r.GetRoles()) > 0 {
		return slices.Contains(r.GetRoles(), role)
	}
	return r.GetScope() == typev1.ScopeKind_SCOPE_KIND_SELF || r.GetAdministrators() || !slices.Contains(administrators(), role)
}

// ByPlace says whether a role that the rule takes sees rows by the place in
// which it is held; else it sees those of the person only.
func ByPlace(r *typev1.Access, role typev1.Role) bool {
	return len(r.GetByPlace()) == 0 || slices.Contains(r.GetByPlace(), role)
}

// Admitted says whether a rule takes a caller: for one of the roles, held
// everywhere where the rule is about the whole house, or for none where it takes
// everybody.
func (c Caller) Admitted(r *typev1.Access) bool {
	if len(c.Grants) == 0 {
		return len(r.GetRoles()) == 0
	}
	return slices.ContainsFunc(c.Grants, func(g Grant) bool { return g.admittedBy(r) })
}

func (g Grant) admittedBy(r *typev1.Access) bool {
	return Admits(r, g.Role) && (!r.GetEverywhere() || g.Path == scope.Root)
}

// ScopeUnder answers what the caller may see of a method: the grants that the
// rule takes and that see by place, and the caller's own rows.
func (c Caller) ScopeUnder(r *typev1.Access) scope.Scope {
	s := scope.Scope{Person: c.Person}
	for _, g := range c.Grants {
		if Admits(r, g.Role) && ByPlace(r, g.Role) {
			s.Paths = append(s.Paths, g.Path)
		}
	}
	return s
}
