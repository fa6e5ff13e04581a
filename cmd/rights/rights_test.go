package rights_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/cmd/rights"
)

// TestAccessPage_IsWhatTheProtosSay: the page that people read and the rules are
// one; `make fix-docs` prints it anew.
func TestAccessPage_IsWhatTheProtosSay(t *testing.T) {
	kept, err := os.ReadFile(filepath.Join("..", "..", "docs", "access.md"))
	if err != nil {
		t.Fatal(err)
	}
	var printed bytes.Buffer
	rights.Print(&printed, rights.Methods())
	if !bytes.Equal(kept, printed.Bytes()) {
		t.Error("docs/access.md says something else than the protos: run make fix-docs, and say in the commit why the rights change")
	}
}

// planted is a file with one service whose method has a rule, or none.
func planted(t *testing.T, rule *typev1.Access) []rights.Method {
	t.Helper()
	options := &descriptorpb.MethodOptions{}
	if rule != nil {
		proto.SetExtension(options, typev1.E_Access, rule)
	}
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("linli/planted.proto"), Package: proto.String("linli.planted.v1"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Planted")}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("PlantedService"), Method: []*descriptorpb.MethodDescriptorProto{{
			Name: proto.String("DoIt"), InputType: proto.String(".linli.planted.v1.Planted"), OutputType: proto.String(".linli.planted.v1.Planted"), Options: options,
		}}}},
	}
	d, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	files := &protoregistry.Files{}
	if err := files.RegisterFile(d); err != nil {
		t.Fatal(err)
	}
	return rights.MethodsOf(files)
}

func TestUndecided_IsFoundAndNothingElseIs(t *testing.T) {
	if got := rights.Undecided(planted(t, nil)); len(got) != 1 || got[0] != "PlantedService/DoIt" {
		t.Errorf("a method without a rule: %q", got)
	}
	if got := rights.Undecided(planted(t, &typev1.Access{Scope: typev1.ScopeKind_SCOPE_KIND_SELF})); len(got) != 0 {
		t.Errorf("a method with a rule: %q", got)
	}
	if got := rights.Undecided(rights.Methods()); len(got) != 0 {
		t.Errorf("nobody decided who may call %s", strings.Join(got, ", "))
	}
}

// The administrators keep the house and have no business in it: nothing is theirs
// but what they are there for, the public tree of organizations, and their own.
func TestAdministrators_HaveNoBusiness(t *testing.T) {
	theirs := map[typev1.Role][]string{
		typev1.Role_ROLE_SYSTEM_ADMIN:   {"linli.ops.", "linli.dev.", "SeedService/", "RegistryService/ImportOrganizations"},
		typev1.Role_ROLE_SECURITY_ADMIN: {"AccountService/", "KeysService/"},
		typev1.Role_ROLE_AUDIT_ADMIN:    {"AuditService/"},
	}
	everybodys := []string{"GetOrganization", "BatchGetOrganizations", "ListOrganizations", "NamePeople", "GetClock", "Drain"}
	for role, own := range theirs {
		for _, m := range rights.Methods() {
			cell := m.Cell(role)
			allowed := cell == rights.No || cell == rights.Own || cell == rights.Anybody
			for _, name := range own {
				allowed = allowed || strings.Contains(m.Full(), name)
			}
			for _, name := range everybodys {
				allowed = allowed || m.Descriptor.Name() == protoreflect.Name(name)
			}
			if !allowed {
				t.Errorf("%v may call %s: %s", role, m.Name(), cell)
			}
		}
	}
}
