// Package access says who calls and what the call may see. The chain of
// package rpc puts it into the context; methods take it out once, at the top.
package access

import (
	"context"
	"slices"
	"strings"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/scope"
)

// Grant is a role at an organization.
type Grant struct {
	Role typev1.Role
	Path scope.Path
}

// Caller is an authenticated person.
type Caller struct {
	Person string
	Grants []Grant
	// Account and Session are empty in a development token.
	Account, Session string
	// Chosen is the number in Grants, from 1, of the one that the person acts
	// under; 0 = none was chosen.
	Chosen int
	// Strong says that the session has shown a second factor.
	Strong bool
	// Limit is what the session may do only.
	Limit Limit
}

// Scope answers what the caller may see with any of the roles; with none
// named, with any role at all. The caller's own rows are always in it.
func (c Caller) Scope(roles ...typev1.Role) scope.Scope {
	s := scope.Scope{Person: c.Person}
	for _, g := range c.Grants {
		if len(roles) == 0 || slices.Contains(roles, g.Role) {
			s.Paths = append(s.Paths, g.Path)
		}
	}
	return s
}

// Has says whether the caller has one of the roles anywhere.
func (c Caller) Has(roles ...typev1.Role) bool {
	return slices.ContainsFunc(c.Grants, func(g Grant) bool { return slices.Contains(roles, g.Role) })
}

// Call is what the chain knows of one call. The zero Call sees nothing.
type Call struct {
	Caller
	// Method is the full name, "/linli.registry.v1.RegistryService/GetMember".
	Method string
	// Rule is the method's access option.
	Rule *typev1.Access
	// Scope is what this method may see: the grants with one of its roles.
	Scope scope.Scope
	// ID finds the call in the log.
	ID string
	// Language of texts for the caller: "zh" or "en".
	Language string
	// IdempotencyKey as sent; empty when none was.
	IdempotencyKey string
	// TraceParent is the W3C trace context as sent.
	TraceParent string
	// Address is where the call came from: the network address that the gateway
	// or the listener saw. It goes into the audit, never into a log or an event.
	Address string
	// Program is the caller's User-Agent, as sent, at most 256 bytes.
	Program string
}

// Acting answers the grant that the call acts under: the chosen one if the
// method takes it, else the first that the method takes.
func (c Call) Acting() Grant {
	if c.Chosen > 0 && c.Chosen <= len(c.Grants) && c.takes(c.Grants[c.Chosen-1]) {
		return c.Grants[c.Chosen-1]
	}
	for _, g := range c.Grants {
		if c.takes(g) {
			return g
		}
	}
	return Grant{}
}

func (c Call) takes(g Grant) bool {
	return c.Rule == nil || g.admittedBy(c.Rule)
}

// ScopeOf narrows the call's scope to grants with one of the roles, for a
// method whose roles see different rows. What the method's rule does not open by
// place is in none.
func (c Call) ScopeOf(roles ...typev1.Role) scope.Scope {
	s := scope.Scope{Person: c.Person}
	for _, g := range c.Grants {
		if slices.Contains(roles, g.Role) && ByPlace(c.Rule, g.Role) {
			s.Paths = append(s.Paths, g.Path)
		}
	}
	return s
}

type contextKey struct{}

// NewContext puts a call into a context.
func NewContext(ctx context.Context, c Call) context.Context {
	return context.WithValue(ctx, contextKey{}, c)
}

// From takes the call out of a context; the zero Call when there is none.
func From(ctx context.Context) Call {
	c, _ := ctx.Value(contextKey{}).(Call)
	return c
}

// RoleName is a role as tokens and texts write it: "committee_staff".
func RoleName(r typev1.Role) string {
	return strings.ToLower(strings.TrimPrefix(r.String(), "ROLE_"))
}

// RoleOf reads a role name; false for an unknown one.
func RoleOf(name string) (typev1.Role, bool) {
	n, ok := typev1.Role_value["ROLE_"+strings.ToUpper(name)]
	return typev1.Role(n), ok && n != 0
}
