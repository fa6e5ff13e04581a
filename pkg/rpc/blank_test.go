package rpc

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	_ "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	_ "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
)

func TestBlank(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "a": false, " 楼道灯坏了 ": false, "\u200b。": false, "👨\u200d👩": false,
		" ": true, "   ": true, "\t\r\n": true, "　": true, "\u00a0": true, "\u200b\u200b": true,
		"\ufeff": true, "\u2028\u2029": true, "\u202e": true, "\u00ad": true, "\u3164": true, "\ufe0f": true,
	} {
		if got := blank(text); got != want {
			t.Errorf("%+q: %v", text, got)
		}
	}
}

func TestShapes_BlankTexts(t *testing.T) {
	s, err := newShapes()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		req  proto.Message
		want string
	}{
		"a reason":        {&registryv1.ReturnReportInRequest{Id: "r", Reason: " "}, "reason"},
		"the second item": {&registryv1.AcceptReportInsRequest{CommunityId: "c", Ids: []string{"a", "\u200b"}}, "ids[1]"},
		"inside a stream's header": {&registryv1.ImportRosterRequest{Part: &registryv1.ImportRosterRequest_Header{
			Header: &registryv1.ImportRosterHeader{OrganizationId: "　"}}}, "header.organization_id"},
		"two fields":                  {&registryv1.ReturnReportInRequest{Id: " ", Reason: " "}, "id reason"},
		"text that need not be there": {&registryv1.ResubmitReportInRequest{Id: "r", CommunityId: " "}, ""},
		"a text":                      {&registryv1.ReturnReportInRequest{Id: "r", Reason: " 补 "}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var fields []string
			var broken *shape
			if err := s.check(tc.req, "zh"); errors.As(err, &broken) {
				for _, v := range broken.violations {
					fields = append(fields, v.GetField())
					if v.GetDescription() != "不能只有空白" {
						t.Errorf("%s: %s", v.GetField(), v.GetDescription())
					}
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(fields, " "); got != tc.want {
				t.Errorf("refused %q, want %q", got, tc.want)
			}
		})
	}
}

// requestTypes are the inputs of all methods of the house.
func requestTypes() (out []protoreflect.MessageDescriptor) {
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			if m := f.Services().Get(i).Methods(); strings.HasPrefix(string(f.Package()), "linli.") {
				for j := range m.Len() {
					out = append(out, m.Get(j).Input())
				}
			}
		}
		return true
	})
	return out
}

// TestShapes_NoDemandedTextMayBeBlank puts three spaces into each text of each
// request that its proto demands, at whatever depth, and wants it refused.
func TestShapes_NoDemandedTextMayBeBlank(t *testing.T) {
	s, err := newShapes()
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]bool{}
	for _, m := range requestTypes() {
		root := dynamicpb.NewMessage(m)
		eachText(root, nil, func(f protoreflect.FieldDescriptor) {
			if !demandsText(f) {
				return
			}
			tried[string(f.FullName())] = true
			if len(blanks(s.demanded, root)) != 1 {
				t.Errorf("%s: %s of spaces passes", m.FullName(), f.FullName())
			}
		})
	}
	for _, name := range []string{
		"linli.registry.v1.ReturnReportInRequest.reason", "linli.registry.v1.RevealExclusionNoteRequest.reason",
		"linli.requests.v1.RevealRequestTextRequest.reason", "linli.requests.v1.ReadMessagesRequest.reason",
		"linli.requests.v1.RevealAidRequest.reason", "linli.requests.v1.RevealHardshipFactsRequest.reason",
		"linli.requests.v1.PostRequestRequest.text",
	} {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		if err != nil || !tried[name] {
			t.Errorf("%s is not covered: %v (%v)", name, d, err)
		}
	}
	if len(tried) < 300 {
		t.Errorf("only %d texts", len(tried))
	}
}

// eachText puts three spaces into one text of the message after the other, at
// whatever depth, and shows each; types that hold themselves are gone into once.
func eachText(m protoreflect.Message, above []protoreflect.FullName, show func(protoreflect.FieldDescriptor)) {
	if slices.Contains(above, m.Descriptor().FullName()) {
		return
	}
	above = append(above, m.Descriptor().FullName())
	spaces, key := protoreflect.ValueOfString("   "), protoreflect.ValueOfString("k").MapKey()
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		text := f.Kind() == protoreflect.StringKind || f.IsMap() && f.MapValue().Kind() == protoreflect.StringKind
		within := !text && f.Message() != nil && (!f.IsMap() || f.MapValue().Message() != nil)
		switch {
		case text && f.IsMap():
			m.Mutable(f).Map().Set(key, spaces)
		case text && f.IsList():
			m.Mutable(f).List().Append(spaces)
		case text:
			m.Set(f, spaces)
		case within && f.IsMap():
			eachText(m.Mutable(f).Map().Mutable(key).Message(), above, show)
		case within && f.IsList():
			eachText(m.Mutable(f).List().AppendMutable().Message(), above, show)
		case within:
			eachText(m.Mutable(f).Message(), above, show)
		}
		if text {
			show(f)
		}
		m.Clear(f)
	}
}

func BenchmarkShapes(b *testing.B) {
	s, err := newShapes()
	if err != nil {
		b.Fatal(err)
	}
	accept := &registryv1.AcceptReportInsRequest{CommunityId: "430101002001"}
	for range 200 {
		accept.Ids = append(accept.Ids, "rpt_01HZZZZZZZZZZZZZZZZZZZZZZZ")
	}
	for name, m := range map[string]proto.Message{
		"small": &registryv1.ReturnReportInRequest{Id: "rpt_1", Reason: strings.Repeat("请补填楼栋", 20)}, "200 ids": accept, "a request": &requestsv1.PostRequestRequest{CommunityId: "430101002001", Text: "三单元楼道灯坏了"},
	} {
		b.Run(name+"/rules", func(b *testing.B) {
			for b.Loop() {
				_ = s.validator.Validate(m)
			}
		})
		b.Run(name+"/blanks", func(b *testing.B) {
			for b.Loop() {
				_ = blanks(s.demanded, m.ProtoReflect())
			}
		})
	}
}
