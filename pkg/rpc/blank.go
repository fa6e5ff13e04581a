package rpc

import (
	"strings"
	"unicode"

	bufvalidate "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// ruleNotBlank is the name of the rule below among those of protovalidate.
const ruleNotBlank = "not_blank"

// A text that a proto demands has to say something: a minimal length counts
// white space too, and a reason of three spaces would open what is sealed. The
// rule is read from what the proto demands anyhow, so no field can forget it.

// demandsText: a text that must be there or has a least length, and a list or
// map of such texts. A reason counts always: where a proto leaves it out, a rule
// further in demands it of some callers.
func demandsText(f protoreflect.FieldDescriptor) bool {
	rules, _ := proto.GetExtension(f.Options(), bufvalidate.E_Field).(*bufvalidate.FieldRules)
	switch {
	case f.IsMap():
		return f.MapValue().Kind() == protoreflect.StringKind && rulesDemandText(rules.GetMap().GetValues())
	case f.Kind() != protoreflect.StringKind:
		return false
	case f.IsList():
		return rulesDemandText(rules.GetRepeated().GetItems())
	}
	isReason := f.Name() == "reason" || strings.HasSuffix(string(f.Name()), "_reason")
	return isReason || rulesDemandText(rules) || behavesRequired(f)
}

func rulesDemandText(r *bufvalidate.FieldRules) bool {
	s := r.GetString()
	return r.GetRequired() || s.GetMinLen() > 0 || s.GetLen() > 0 || s.GetMinBytes() > 0 || s.GetLenBytes() > 0
}

func behavesRequired(f protoreflect.FieldDescriptor) bool {
	behaviors, _ := proto.GetExtension(f.Options(), annotations.E_FieldBehavior).([]annotations.FieldBehavior)
	for _, b := range behaviors {
		if b == annotations.FieldBehavior_REQUIRED {
			return true
		}
	}
	return false
}

// blanks answers the paths of the demanded texts that say nothing. An empty
// text is left to the rules of the proto.
func blanks(demanded *fields, m protoreflect.Message) (out []string) {
	demanded.visit(m, "", func(m protoreflect.Message, own []protoreflect.FieldDescriptor, path string) {
		for _, f := range own {
			each(m, f, path, func(v protoreflect.Value, at string) {
				if blank(v.String()) {
					out = append(out, at)
				}
			})
		}
	})
	return out
}

// blank says whether a text holds nothing that can be seen. Most are told by
// their first character.
func blank(text string) bool {
	for _, c := range text {
		if !unicode.In(c, unicode.Z, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			return false
		}
	}
	return text != ""
}
