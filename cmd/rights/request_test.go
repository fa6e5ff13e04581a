package rights_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	bufvalidate "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/linli-project/linli/cmd/rights"
)

// A request is made from what its proto demands: what need not be there is left
// out, and names of rows are those of the world.

// filled answers a message that its rules take; named gives the values of
// fields by their names.
func filled(m protoreflect.MessageDescriptor, named map[string]string) *dynamicpb.Message {
	out := dynamicpb.NewMessage(m)
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		value, given := named[string(f.Name())]
		rules, _ := proto.GetExtension(f.Options(), bufvalidate.E_Field).(*bufvalidate.FieldRules)
		switch {
		case f.IsList():
			least := int(rules.GetRepeated().GetMinItems())
			for n := range least {
				out.Mutable(f).List().Append(one(f, rules.GetRepeated().GetItems(), n, value, named))
			}
		case f.IsMap(), has(f, annotations.FieldBehavior_OUTPUT_ONLY):
		case f.ContainingOneof() != nil && !f.HasOptionalKeyword() && f.ContainingOneof().Fields().Get(0) != f:
		case given || wanted(f, rules):
			out.Set(f, one(f, rules, 0, value, named))
		}
	}
	return out
}

func has(f protoreflect.FieldDescriptor, b annotations.FieldBehavior) bool {
	all, _ := proto.GetExtension(f.Options(), annotations.E_FieldBehavior).([]annotations.FieldBehavior)
	return slices.Contains(all, b)
}

// wanted says whether a field has to be there.
func wanted(f protoreflect.FieldDescriptor, r *bufvalidate.FieldRules) bool {
	return r.GetRequired() || has(f, annotations.FieldBehavior_REQUIRED) || r.GetString().GetMinLen() > 0 ||
		r.GetString().GetPattern() != "" && !strings.HasSuffix(r.GetString().GetPattern(), ")?$") || f.Name() == "reason" ||
		r.GetInt32().GetGte() > 0 || r.GetUint64().GetGte() > 0 || r.GetInt64().GetGte() > 0 || r.GetEnum() != nil && (len(r.GetEnum().GetIn()) > 0 || slices.Contains(r.GetEnum().GetNotIn(), 0))
}

// one is a value that the rules of a field take; n tells the elements of a list
// apart.
func one(f protoreflect.FieldDescriptor, r *bufvalidate.FieldRules, n int, given string, named map[string]string) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(text(r, n, given))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(choice(f, r))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(max(r.GetInt32().GetGte(), atoi(given)))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(r.GetInt64().GetGte())
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(r.GetUint64().GetGte())
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(make([]byte, r.GetBytes().GetMinLen()))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(given == "true")
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(1)
	case protoreflect.MessageKind:
		if f.Message().FullName() == "google.protobuf.Timestamp" {
			m := dynamicpb.NewMessage(f.Message())
			m.Set(f.Message().Fields().ByName("seconds"), protoreflect.ValueOfInt64(time.Date(2013, 5, 9, 1, n, 0, 0, time.UTC).Unix()))
			return protoreflect.ValueOfMessage(m)
		}
		inner := map[string]string{}
		for name, v := range named { // what the request names, its parts name too, but not by "id"
			if name != "id" {
				inner[name] = v
			}
		}
		return protoreflect.ValueOfMessage(filled(f.Message(), inner))
	}
	panic(fmt.Sprintf("%s: a field of kind %v", f.FullName(), f.Kind()))
}

func atoi(s string) (n int32) {
	_, _ = fmt.Sscan(s, &n) // 0 where nothing is given
	return n
}

func text(r *bufvalidate.FieldRules, n int, given string) string {
	switch pattern := r.GetString().GetPattern(); {
	case given != "":
		return given
	case strings.Contains(pattern, "[0-9]{4}-[0-9]{2}-[0-9]{2}"):
		return "2013-05-08"
	case strings.HasPrefix(pattern, "^1[0-9]"):
		return "13800001234"
	case strings.HasPrefix(pattern, "^[a-z]"):
		return "some.body"
	case strings.Contains(pattern, "[0-9]{4}-("):
		return fmt.Sprintf("2013-%02d", n+1)
	case strings.Contains(pattern, "[0-9a-f]{64}"):
		return strings.Repeat("a", 64)
	}
	return strings.Repeat("字", max(1, int(r.GetString().GetMinLen()))) + fmt.Sprint(n)
}

func choice(f protoreflect.FieldDescriptor, r *bufvalidate.FieldRules) protoreflect.EnumNumber {
	for i := range f.Enum().Values().Len() {
		v := f.Enum().Values().Get(i).Number()
		if in := r.GetEnum().GetIn(); v != 0 && !slices.Contains(r.GetEnum().GetNotIn(), int32(v)) && (len(in) == 0 || slices.Contains(in, int32(v))) {
			return v
		}
	}
	return 0
}

// names of organization-like fields, whatever the method; the rest follows from
// the route.
func commonNames() map[string]string {
	return map[string]string{
		"community_id": "430101002001", "district_id": "430101", "home_organization_id": "W00001", "applicant_id": "430101002001",
		"organization_id": "430101002001", "year": "2013", "member_id": "{m1}", "member_ids": "{m1}", "look": "1", "topic": "campaign.opened",
		"promise_id": "p2", "number": "{cards}", "person": "R1", "service": "registry",
	}
}

// byMethod are names that do not follow from the route.
func byMethod() map[string]map[string]string {
	workplaces := map[string]string{"organization_id": "W00001"}
	out := map[string]map[string]string{
		"BranchService/ListBranchCycles": workplaces, "BranchService/OpenBranchCycle": workplaces,
		"ReplyService/GetReply": {"letter_id": "{letters}"}, "ReplyService/ReplyToLetter": {"letter_id": "{letters}"},
		"EvaluationService/RenderLetter":         {"id": "{letters}"},
		"LedgerExportService/RenderLedgerExport": {"id": "{ledgerExports}"},
		"LetterService/RenderApplicationLetter":  {"application_id": "{applications}"},
		"ProjectsService/ExportSelection":        {"call_id": "{calls}"},
		"InboxService/ReadOfficeMessage":         {"id": "{officeMessages}"},
		"AidService/OpenHardshipCase":            {"request_id": "{request3}"},
		"AidService/GetHardshipSteps":            {"request_id": "{request3}"},
		"RequestsService/RevealRequestText":      {"id": "{request3}"},
		"RequestsService/TakeOnRequest":          {"id": "{request2}"},
		"RequestsService/ResolveRequest":         {"id": "{request2}"},
		"HandlingService/AnswerOffer":            {"id": "{request2}"},
		"HandlingService/BeginRequest":           {"id": "{request2}"},
		"LedgerService/AnswerForMyself":          {"id": "{entries}"},
		"PollService/IssueBallots":               {"codes": "1"},
		"CheckService/DeclareConflict":           {"reviewer": "R1"},
		"CheckService/ReturnApplication":         {"until": "2013-06-03"},
		"ModelService/NameBrand":                 {"approval_document": "批1号"},
		"AidService/RecordAid":                   {"amount_yuan": "10", "name": "合望达", "registration": "sample-0001"},
		"AcceptanceService/OpenAcceptance":       {"organization_id": "W00003"},
		"RegistryService/GetOrganization":        {"id": "W00002"},
		"RegistryService/BatchGetOrganizations":  {"ids": "W00002"},
		"RegistryService/ListOrganizations":      {"root_id": "W00002"},
		"CampaignService/ProposeExclusion":       {"member_id": "{m2}"},
		"CampaignService/DecideExclusion":        {"member_id": "{m2}"},
		"CampaignService/RevealExclusionNote":    {"member_id": "{m2}"},
		"RegistryService/AcceptReportIns":        {"ids": "{reportIns}"},
		"CircleService/LookUpRequest":            {"code": "{requestCode}"},
		"HandlingService/MergeRequest":           {"into_id": "{request2}"},
		"CampaignService/ListPlaces":             {"organization_id": "W00001"},
		"AccountService/HandOver":                {"to_account_id": "{colleague}"},
		"AccountService/NamePeople":              {"ids": "{accountPerson}"},
		"SessionService/Act":                     {"grant_id": "{grants}"},
		"CardService/EndCard":                    {"number": "{cards}"},
		"ProjectsService/DraftApplication":       {"number": "77"},
		"CampaignService/TransferReportIn":       {"community_id": "430101002002"},
		"RequestsService/PostRequest":            {"text": "路灯坏了"},
		"CampaignService/GetCampaignCompletion":  {"organization_id": "W00001"},
		"AttachmentService/AddPicture":           {"header": "first", "request_id": "{requests}"},
		"AttachmentService/AddDocument":          {"header": "first", "application_id": "{applications}"},
		"AttachmentService/AddProof":             {"header": "first", "project_id": "{keyProjects}", "of_id": "{readings}"},
		"AttachmentService/ListProofs":           {"of_id": "{readings}"},
	}
	return out
}

// naming answers the values of a method's fields: those of its route by the
// collection that stands before each.
func naming(m rights.Method) map[string]string {
	out := commonNames()
	_, path := m.Route()
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, s := range segments {
		field, isField := strings.CutPrefix(strings.SplitN(s, "}", 2)[0], "{")
		if _, common := commonNames()[field]; !isField || common && field != "number" {
			continue
		}
		collection := strings.SplitN(segments[i-1], ":", 2)[0]
		switch collection {
		case "members":
			out[field] = "{m1}"
		case "models":
			out[field] = "{keyProjects}"
		case "received-services":
			out[field] = "{entries}"
		default:
			out[field] = "{" + collection + "}"
		}
	}
	for field, v := range byMethod()[m.Name()] {
		out[field] = v
	}
	return out
}

// call is one request ready to be sent: over its route, or over gRPC.
type call struct {
	method rights.Method
	fields map[string]string
	msg    *dynamicpb.Message
}

// newCall makes the call of a method that the world has the rows for; change
// gives fields other values.
func (w *world) newCall(m rights.Method, change map[string]string) call {
	fields := naming(m)
	for name, v := range fields {
		fields[name] = w.named(v)
	}
	for name, v := range change {
		fields[name] = v
	}
	return call{m, fields, filled(m.Descriptor.Input(), fields)}
}

// http answers the call as its route has it.
func (c call) http() (method, path, body string) {
	method, path = c.method.Route()
	left := proto.CloneOf(c.msg)
	for i := range left.Descriptor().Fields().Len() {
		f := left.Descriptor().Fields().Get(i)
		if place := "{" + string(f.Name()) + "}"; strings.Contains(path, place) {
			path = strings.ReplaceAll(path, place, fmt.Sprint(left.Get(f).Interface()))
			left.Clear(f)
		}
	}
	if method == "GET" || method == "DELETE" {
		return method, path + query(left), ""
	}
	text, err := protojson.Marshal(left)
	if err != nil {
		panic(err) // a message that was just made
	}
	return method, path, string(text)
}

// query writes the fields of one level that are set.
func query(m *dynamicpb.Message) string {
	var parts []string
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsList():
			for i := range v.List().Len() {
				parts = append(parts, f.JSONName()+"="+fmt.Sprint(v.List().Get(i).Interface()))
			}
		case f.Message() != nil:
			parts = append(parts, f.JSONName()+"=2013-05-09T01:00:00Z")
		case f.Enum() != nil:
			parts = append(parts, f.JSONName()+"="+fmt.Sprint(v.Enum()))
		default:
			parts = append(parts, f.JSONName()+"="+fmt.Sprint(v.Interface()))
		}
		return true
	})
	if len(parts) == 0 {
		return ""
	}
	slices.Sort(parts)
	return "?" + strings.Join(parts, "&")
}

func TestRequests_AreWellFormed(t *testing.T) {
	v, err := newValidator()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range rights.Methods() {
		if served, err := shared.served(m); err != nil || !served {
			continue
		}
		c := shared.newCall(m, nil)
		if err := v.Validate(c.msg); err != nil && !m.Descriptor.IsStreamingClient() {
			t.Errorf("%s: %v", m.Name(), err)
		}
		for name, value := range c.fields {
			f := c.msg.Descriptor().Fields().ByName(protoreflect.Name(name))
			if strings.HasPrefix(value, "{") && f != nil && f.Kind() == protoreflect.StringKind {
				t.Errorf("%s: nothing in the world is called %s", m.Name(), value)
			}
		}
	}
}
