package rpc

import (
	"fmt"
	"strings"
	"sync"
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

// wanted is what a type of message demands: its own fields, and the fields that
// lead to messages which demand something.
type wanted struct {
	texts, within []protoreflect.FieldDescriptor
}

// demands keeps what each type of message demands, by its descriptor.
type demands struct{ known sync.Map }

func (d *demands) of(m protoreflect.MessageDescriptor) wanted {
	if w, ok := d.known.Load(m); ok {
		return w.(wanted)
	}
	var w wanted
	for i := range m.Fields().Len() {
		switch f := m.Fields().Get(i); {
		case demandsText(f):
			w.texts = append(w.texts, f)
		case demandsWithin(f, map[protoreflect.FullName]bool{}):
			w.within = append(w.within, f)
		}
	}
	d.known.Store(m, w)
	return w
}

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

// demandsWithin: a message, or a list or map of them, that demands a text at
// some depth. Types that hold themselves are looked at once.
func demandsWithin(f protoreflect.FieldDescriptor, seen map[protoreflect.FullName]bool) bool {
	m := f.Message()
	if f.IsMap() {
		m = f.MapValue().Message()
	}
	if m == nil || seen[m.FullName()] {
		return false
	}
	seen[m.FullName()] = true
	for i := range m.Fields().Len() {
		if inner := m.Fields().Get(i); demandsText(inner) || demandsWithin(inner, seen) {
			return true
		}
	}
	return false
}

// blanks answers the paths of the demanded texts that say nothing. An empty
// text is left to the rules of the proto.
func (d *demands) blanks(m protoreflect.Message, path string) (out []string) {
	w := d.of(m.Descriptor())
	for _, f := range w.texts {
		each(m, f, path, func(v protoreflect.Value, at string) {
			if blank(v.String()) {
				out = append(out, at)
			}
		})
	}
	for _, f := range w.within {
		each(m, f, path, func(v protoreflect.Value, at string) {
			out = append(out, d.blanks(v.Message(), at+".")...)
		})
	}
	return out
}

// each visits what a field holds: one value, or those of a list or map. A path
// is only put together for what is there.
func each(m protoreflect.Message, f protoreflect.FieldDescriptor, path string, visit func(protoreflect.Value, string)) {
	if !m.Has(f) {
		return
	}
	path += string(f.Name())
	switch v := m.Get(f); {
	case f.IsMap():
		v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			visit(v, fmt.Sprintf("%s[%q]", path, k.String()))
			return true
		})
	case f.IsList():
		for i := range v.List().Len() {
			visit(v.List().Get(i), fmt.Sprintf("%s[%d]", path, i))
		}
	default:
		visit(v, path)
	}
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
