package rpc

import (
	"slices"
	"sync"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// ruleOutputOnly is the name of the rule below among those of protovalidate.
const ruleOutputOnly = "output_only"

// A field that only linli sets (OUTPUT_ONLY) is refused in a request, at any
// depth: left out silently, it would let a caller believe that the state, the
// organization or the person of a row had been set. An etag may come back with
// the resource that it was read with.

// fixed is what a type of message must not bring: its own fields, and the fields
// that lead to messages with such.
type fixed struct {
	fields, within []protoreflect.FieldDescriptor
}

// fixedFields keeps it for each type of message, by its descriptor.
type fixedFields struct{ known sync.Map }

func (k *fixedFields) of(m protoreflect.MessageDescriptor) fixed {
	if f, ok := k.known.Load(m); ok {
		return f.(fixed)
	}
	var out fixed
	for i := range m.Fields().Len() {
		switch f := m.Fields().Get(i); {
		case isFixed(f):
			out.fields = append(out.fields, f)
		case leadsToFixed(f, map[protoreflect.FullName]bool{}):
			out.within = append(out.within, f)
		}
	}
	k.known.Store(m, out)
	return out
}

func isFixed(f protoreflect.FieldDescriptor) bool {
	behaviors, _ := proto.GetExtension(f.Options(), annotations.E_FieldBehavior).([]annotations.FieldBehavior)
	return f.Name() != "etag" && slices.Contains(behaviors, annotations.FieldBehavior_OUTPUT_ONLY)
}

// leadsToFixed looks at types that hold themselves once.
func leadsToFixed(f protoreflect.FieldDescriptor, seen map[protoreflect.FullName]bool) bool {
	m := f.Message()
	if f.IsMap() {
		m = f.MapValue().Message()
	}
	if m == nil || seen[m.FullName()] {
		return false
	}
	seen[m.FullName()] = true
	for i := range m.Fields().Len() {
		if inner := m.Fields().Get(i); isFixed(inner) || leadsToFixed(inner, seen) {
			return true
		}
	}
	return false
}

// brought answers the paths of the fields that a request must not bring.
func (k *fixedFields) brought(m protoreflect.Message, path string) (out []string) {
	f := k.of(m.Descriptor())
	for _, d := range f.fields {
		if m.Has(d) {
			out = append(out, path+string(d.Name()))
		}
	}
	for _, d := range f.within {
		each(m, d, path, func(v protoreflect.Value, at string) {
			out = append(out, k.brought(v.Message(), at+".")...)
		})
	}
	return out
}
