package rpc

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/certs"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
)

// openServices answer anybody: they say nothing about anyone.
func openService(name string) bool {
	return name == "grpc.health.v1.Health" || strings.HasPrefix(name, "grpc.reflection.")
}

// methodRule is the access rule of one method, with the service that knows
// its organizations.
type methodRule struct {
	access  *typev1.Access
	service Service
	flow    flow
}

// rules is the policy table: the options of all methods of the services, by
// full method name. What is not in it is refused.
type rules map[string]methodRule

// readRules reads the options of every method that the services register.
func readRules(services []Service) (rules, error) {
	out := rules{}
	for _, svc := range services {
		names := &registrar{}
		svc.Register(names)
		for _, name := range names.services {
			d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
			if err != nil {
				return nil, fmt.Errorf("descriptor of %s: %w", name, err)
			}
			methods := d.(protoreflect.ServiceDescriptor).Methods()
			for i := range methods.Len() {
				full, r, err := readRule(name, methods.Get(i))
				if err != nil {
					return nil, err
				}
				out[full] = methodRule{access: r, service: svc, flow: flowOf(methods.Get(i))}
			}
		}
	}
	return out, nil
}

func readRule(service string, m protoreflect.MethodDescriptor) (string, *typev1.Access, error) {
	full := "/" + service + "/" + string(m.Name())
	a, _ := proto.GetExtension(m.Options(), typev1.E_Access).(*typev1.Access)
	switch {
	case a.GetScope() == typev1.ScopeKind_SCOPE_KIND_UNSPECIFIED:
		return "", nil, fmt.Errorf("%s has no access rule", full)
	case a.GetAnonymous() && (a.GetScope() != typev1.ScopeKind_SCOPE_KIND_NONE || len(a.GetRoles()) > 0 || a.GetMutates()):
		return "", nil, fmt.Errorf("%s: who is nobody has no role, no organization and no audit line", full)
	case !partsExist(a.GetCallers()):
		return "", nil, fmt.Errorf("%s: its access rule names a part that linli does not have: %v", full, a.GetCallers())
	case a.GetScope() != typev1.ScopeKind_SCOPE_KIND_FIELD:
		return full, a, nil
	case m.IsStreamingClient():
		return "", nil, fmt.Errorf("%s: a stream has no one request whose field could be checked", full)
	}
	if _, ok := fieldByPath(m.Input(), a.GetField()); !ok {
		return "", nil, fmt.Errorf("%s: the access rule names the field %q, which is not in %s", full, a.GetField(), m.Input().FullName())
	}
	return full, a, nil
}

func partsExist(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(certs.Parts(), name) })
}

// registrar collects the names of services.
type registrar struct{ services []string }

func (r *registrar) RegisterService(d *grpc.ServiceDesc, _ any) {
	r.services = append(r.services, d.ServiceName)
}

// complete refuses a server on which a method stands without a rule.
func (t rules) complete(info map[string]grpc.ServiceInfo) error {
	for name, svc := range info {
		for _, m := range svc.Methods {
			if _, ok := t["/"+name+"/"+m.Name]; !ok && !openService(name) {
				return fmt.Errorf("/%s/%s has no access rule", name, m.Name)
			}
		}
	}
	return nil
}

// decide answers the call with the scope that the method gives its caller, or
// why it is refused. req is nil for streams.
func (t rules) decide(ctx context.Context, call access.Call, dev bool, req any) (access.Call, error) {
	m, ok := t[call.Method]
	if !ok || m.access.GetDevOnly() && !dev {
		return call, rule.New(rule.Denied, "METHOD_CLOSED", "")
	}
	if err := withinLimit(call, m.access); err != nil {
		return call, err
	}
	if !m.access.GetOpen() && !m.access.GetAnonymous() && !call.Admitted(m.access) {
		return call, rule.New(rule.Denied, "ROLE_NOT_ALLOWED", "")
	}
	if (m.access.GetStrong() || onlyAdministers(call, m.access)) && !call.Strong {
		return call, rule.New(rule.Denied, "STRONG_SESSION_WANTED", "")
	}
	call.Rule = m.access
	call.Scope = call.ScopeUnder(m.access)
	if m.access.GetScope() == typev1.ScopeKind_SCOPE_KIND_FIELD {
		return call, inScope(ctx, m, call.Scope, req)
	}
	return call, nil
}

// withinLimit refuses everything but its one thing to a session that may do one
// thing only.
func withinLimit(call access.Call, a *typev1.Access) error {
	if call.Limit == "" || slices.Contains(a.GetLimits(), string(call.Limit)) {
		return nil
	}
	if call.Limit == access.LimitPassword {
		return rule.New(rule.Denied, "PASSWORD_MUST_CHANGE", "")
	}
	return rule.New(rule.Denied, "SECOND_FACTOR_MUST_BE_SET", "")
}

// onlyAdministers says whether nothing but roles of administrators lets the
// caller in.
func onlyAdministers(call access.Call, a *typev1.Access) bool {
	if len(a.GetRoles()) == 0 {
		return false
	}
	return !slices.ContainsFunc(call.Grants, func(g access.Grant) bool {
		return slices.Contains(a.GetRoles(), g.Role) && !administrator(g.Role)
	})
}

func administrator(r typev1.Role) bool {
	return r == typev1.Role_ROLE_SYSTEM_ADMIN || r == typev1.Role_ROLE_SECURITY_ADMIN || r == typev1.Role_ROLE_AUDIT_ADMIN
}

// inScope resolves the organization that the request names. One that is not
// known and one outside the grants get the same answer.
func inScope(ctx context.Context, m methodRule, s scope.Scope, req any) error {
	msg, ok := req.(proto.Message)
	if !ok {
		return rule.New(rule.Denied, "METHOD_CLOSED", "")
	}
	field := m.access.GetField()
	id := stringAt(msg.ProtoReflect(), field)
	if id == "" {
		return rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", "required")
	}
	path, known, err := m.service.OrganizationPath(ctx, id)
	if err != nil {
		return err
	}
	if !known || !s.Covers(path) {
		return rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", field, "id", id)
	}
	return nil
}

func fieldByPath(m protoreflect.MessageDescriptor, path string) (protoreflect.FieldDescriptor, bool) {
	head, rest, nested := strings.Cut(path, ".")
	f := m.Fields().ByName(protoreflect.Name(head))
	switch {
	case f == nil || f.IsList() || f.IsMap():
		return nil, false
	case !nested:
		return f, f.Kind() == protoreflect.StringKind
	case f.Message() == nil:
		return nil, false
	}
	return fieldByPath(f.Message(), rest)
}

func stringAt(m protoreflect.Message, path string) string {
	head, rest, nested := strings.Cut(path, ".")
	f := m.Descriptor().Fields().ByName(protoreflect.Name(head))
	if nested {
		return stringAt(m.Get(f).Message(), rest)
	}
	return m.Get(f).String()
}
