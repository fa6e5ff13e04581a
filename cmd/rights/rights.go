// Package rights is the table of who may call what, read from the access
// options of the protos: one line a method, one column a role. `linli access`
// prints it as docs/access.md; the tests of this package make every call of it.
package rights

import (
	"cmp"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
)

// Cell says what a role opens of a method.
type Cell string

// The cells, from the narrowest.
const (
	// Open: nobody decided; the door does not open with such a method.
	Open Cell = "?"
	// No: refused wherever the role is held.
	No Cell = "no"
	// Own: what belongs to the caller as a person, wherever the role is held.
	Own Cell = "own"
	// Inside: what lies inside the organization in which the role is held, and
	// what belongs to the caller.
	Inside Cell = "inside"
	// Yes: wherever the role is held.
	Yes Cell = "yes"
	// Everywhere: for who holds the role everywhere; in a part of the tree it is
	// refused.
	Everywhere Cell = "everywhere"
	// Anybody: without signing in.
	Anybody Cell = "anybody"
)

// Method is one method with its rule.
type Method struct {
	Descriptor protoreflect.MethodDescriptor
	Rule       *typev1.Access
	// HTTP is the route, nil for one that has none.
	HTTP *annotations.HttpRule
}

// Name is "EvaluationService/GetLetter".
func (m Method) Name() string {
	return string(m.Descriptor.Parent().Name()) + "/" + string(m.Descriptor.Name())
}

// Full is the name on the wire, "/linli.evaluation.v1.EvaluationService/GetLetter".
func (m Method) Full() string {
	return "/" + string(m.Descriptor.Parent().FullName()) + "/" + string(m.Descriptor.Name())
}

// Route is the HTTP method and path of the route; empty without one.
func (m Method) Route() (method, path string) {
	switch h := m.HTTP; {
	case h.GetGet() != "":
		return "GET", h.GetGet()
	case h.GetPost() != "":
		return "POST", h.GetPost()
	case h.GetPut() != "":
		return "PUT", h.GetPut()
	case h.GetPatch() != "":
		return "PATCH", h.GetPatch()
	case h.GetDelete() != "":
		return "DELETE", h.GetDelete()
	}
	return "", ""
}

// Methods answers every method of linli's own services, by service and name.
func Methods() []Method { return MethodsOf(protoregistry.GlobalFiles) }

// MethodsOf is Methods of other files.
func MethodsOf(files *protoregistry.Files) []Method {
	var out []Method
	files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for j := range methods.Len() {
				if strings.HasPrefix(string(f.Package()), "linli.") {
					out = append(out, methodOf(methods.Get(j)))
				}
			}
		}
		return true
	})
	slices.SortFunc(out, func(a, b Method) int { return cmp.Compare(a.Full(), b.Full()) })
	return out
}

func methodOf(m protoreflect.MethodDescriptor) Method {
	rule, _ := proto.GetExtension(m.Options(), typev1.E_Access).(*typev1.Access)
	http, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
	return Method{Descriptor: m, Rule: rule, HTTP: http}
}

// Roles are the columns.
func Roles() []typev1.Role {
	var out []typev1.Role
	for n := range typev1.Role_name {
		if n != 0 {
			out = append(out, typev1.Role(n))
		}
	}
	slices.Sort(out)
	return out
}

// Undecided are the methods without a rule, by name.
func Undecided(all []Method) (names []string) {
	for _, m := range all {
		if m.Rule.GetScope() == typev1.ScopeKind_SCOPE_KIND_UNSPECIFIED {
			names = append(names, m.Name())
		}
	}
	return names
}

// Cell answers what a role opens.
func (m Method) Cell(role typev1.Role) Cell {
	r := m.Rule
	switch {
	case r.GetScope() == typev1.ScopeKind_SCOPE_KIND_UNSPECIFIED:
		return Open
	case r.GetAnonymous() || r.GetOpen():
		return Anybody
	case !access.Admits(r, role):
		return No
	case r.GetEverywhere():
		return Everywhere
	}
	switch r.GetScope() {
	case typev1.ScopeKind_SCOPE_KIND_SELF:
		return Own
	case typev1.ScopeKind_SCOPE_KIND_NONE:
		return Yes
	case typev1.ScopeKind_SCOPE_KIND_FIELD:
		return Inside
	}
	if access.ByPlace(r, role) {
		return Inside
	}
	return Own
}
