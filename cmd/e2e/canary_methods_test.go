package e2e_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
)

// everyMethod calls each method twice: with canaries in the personal fields and
// what passes in the others, and with canaries in every text.
func (s *server) everyMethod(t *testing.T, c *canaries) {
	t.Helper()
	conn, err := grpc.NewClient(s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	called, answered := 0, map[codes.Code]int{}
	everybody := s.everyRole(t)
	for _, m := range methodsForCanaries() {
		for _, everything := range []bool{false, true} {
			called++
			req, reply := dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
			c.fill(req, everything, 0)
			ctx := metadata.NewOutgoingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+everybody.who(m), "accept-language", "zh"))
			err := conn.Invoke(ctx, fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name()), req, reply)
			answered[status.Code(err)]++
			if err == nil {
				continue
			}
			said := prototext.Format(status.Convert(err).Proto())
			if found := c.in([]byte(said), notPersonal); len(found) > 0 {
				t.Errorf("the error of %s holds %v: %s", m.FullName(), found, said)
			}
		}
	}
	t.Logf("%d calls: %v", called, answered)
	if called < 300 || answered[codes.NotFound]+answered[codes.OK]+answered[codes.FailedPrecondition] < called/4 {
		t.Errorf("%d calls, of which too few came to a row: %v", called, answered)
	}
}

// methodsForCanaries are those that answer once. What ends the session of the
// caller comes last.
func methodsForCanaries() (all []protoreflect.MethodDescriptor) {
	eachMethod(func(m protoreflect.MethodDescriptor) {
		if m.IsStreamingClient() || m.IsStreamingServer() || m.ParentFile().Package() == "linli.dev.v1" || rotates(m) {
			return
		}
		all = append(all, m)
	})
	slices.SortStableFunc(all, func(a, b protoreflect.MethodDescriptor) int {
		return cmp.Compare(ofSessions(a), ofSessions(b))
	})
	return all
}

func ofSessions(m protoreflect.MethodDescriptor) int {
	if m.Parent().Name() == "SessionService" {
		return 1
	}
	return 0
}

// rotates says whether a method changes the house and not a row.
func rotates(m protoreflect.MethodDescriptor) bool {
	return m.Parent().Name() == "KeysService" || m.Parent().Name() == "BackupService"
}

// callers are tokens of somebody in each role of the golden district.
type callers map[typev1.Role]string

func (s *server) everyRole(t *testing.T) callers {
	t.Helper()
	const community = "/430100/430101/430101002/430101002001/"
	const branch = "编码,名称,类别,上级编码,亮身份\nB00001,第一支部,branch,W00001,是\n"
	if code, body := s.do(t, "POST", "/v1/organizations:import", s.admin(t), "text/csv", branch); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	out := callers{}
	for n := range typev1.Role_name {
		name, at := access.RoleName(typev1.Role(n)), community
		switch {
		case n == 0 || name == "member": // members enter with the code of their card
			continue
		case strings.HasSuffix(name, "_admin"):
			at = "/"
		case name == "city_officer":
			at = "/430100/"
		case name == "district_officer":
			at = "/430100/430101/"
		case name == "street_officer":
			at = "/430100/430101/430101002/"
		case name == "workplace_officer":
			at = "/430100/430101/W00001/"
		case name == "branch_officer":
			at = "/430100/430101/W00001/B00001/"
		}
		out[typev1.Role(n)] = s.as(t, "canary", name+"="+at)
	}
	return out
}

// who answers the token of somebody whom a method takes.
func (r callers) who(m protoreflect.MethodDescriptor) string {
	rule, _ := proto.GetExtension(m.Options(), typev1.E_Access).(*typev1.Access)
	for _, role := range slices.Sorted(maps.Keys(r)) {
		if access.Admits(rule, role) {
			return r[role]
		}
	}
	return r[typev1.Role_ROLE_RESIDENT]
}

// fill gives every field a value: canaries where it is personal, or in every
// text, and what passes elsewhere.
func (c *canaries) fill(m protoreflect.Message, everything bool, deep int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if o := f.ContainingOneof(); o != nil && m.WhichOneof(o) != nil {
			continue
		}
		switch {
		case f.IsMap(), f.Kind() == protoreflect.MessageKind && (deep > 3 || strings.HasPrefix(string(f.Message().FullName()), "google.")):
		case f.IsList() && f.Kind() == protoreflect.MessageKind:
			c.fill(m.Mutable(f).List().AppendMutable().Message(), everything, deep+1)
		case f.Kind() == protoreflect.MessageKind:
			c.fill(m.Mutable(f).Message(), everything, deep+1)
		case f.IsList() && f.Kind() == protoreflect.StringKind:
			m.Mutable(f).List().Append(protoreflect.ValueOfString(c.text(f, everything)))
		case f.IsList():
		case f.Kind() == protoreflect.StringKind:
			m.Set(f, protoreflect.ValueOfString(c.text(f, everything)))
		case f.Kind() == protoreflect.EnumKind:
			m.Set(f, protoreflect.ValueOfEnum(f.Enum().Values().Get(min(1, f.Enum().Values().Len()-1)).Number()))
		case f.Kind() == protoreflect.Int32Kind && f.Name() != "page_size":
			m.Set(f, protoreflect.ValueOfInt32(2013))
		}
	}
}

// names says whether a field names a row or a place in a list: an error says
// which one is not there.
func names(field string) bool {
	for _, end := range []string{"id", "ids", "page_token", "etag"} {
		if field == end || strings.HasSuffix(field, "_"+end) {
			return true
		}
	}
	return false
}

// text is what a field of text is given.
func (c *canaries) text(f protoreflect.FieldDescriptor, everything bool) string {
	name, field := string(f.Name()), string(f.FullName())
	switch {
	case personalOf(f) == typev1.Personal_PERSONAL_EMAIL && !everything:
		return c.put(field, "mail") + "@example.org"
	case personalOf(f) == typev1.Personal_PERSONAL_DATE && !everything:
		return "2013-01-02"
	case everything && !names(name) && personalOf(f) == 0:
		return c.put(untagged+field, "every text")
	case personalOf(f) != 0:
		return c.put(field, fmt.Sprint("every ", everything))
	case name == "community_id":
		return "430101002001"
	case name == "organization_id":
		return "430101"
	case strings.HasSuffix(name, "page_token"), strings.HasSuffix(name, "etag"):
		return ""
	case strings.HasSuffix(name, "_on"), strings.HasSuffix(name, "day"), strings.HasSuffix(name, "until"):
		return "2013-01-02"
	}
	return "x1"
}
