package rpc

import (
	"fmt"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// fields finds the fields of one sort in a request, at any depth. What each type
// of message has of them is worked out once and kept by its descriptor.
type fields struct {
	is    func(protoreflect.FieldDescriptor) bool
	known sync.Map
}

// ofType are the fields of the sort that a type of message has itself, and those
// that lead to messages with such.
type ofType struct {
	own, within []protoreflect.FieldDescriptor
}

func (s *fields) of(m protoreflect.MessageDescriptor) ofType {
	if t, ok := s.known.Load(m); ok {
		return t.(ofType)
	}
	var t ofType
	for i := range m.Fields().Len() {
		switch f := m.Fields().Get(i); {
		case s.is(f):
			t.own = append(t.own, f)
		case s.leads(f, map[protoreflect.FullName]bool{}):
			t.within = append(t.within, f)
		}
	}
	s.known.Store(m, t)
	return t
}

// leads says whether a message, or a list or map of them, has such a field at
// some depth. Types that hold themselves are looked at once.
func (s *fields) leads(f protoreflect.FieldDescriptor, seen map[protoreflect.FullName]bool) bool {
	m := f.Message()
	if f.IsMap() {
		m = f.MapValue().Message()
	}
	if m == nil || seen[m.FullName()] {
		return false
	}
	seen[m.FullName()] = true
	for i := range m.Fields().Len() {
		if inner := m.Fields().Get(i); s.is(inner) || s.leads(inner, seen) {
			return true
		}
	}
	return false
}

// visit calls fn with each message that has such fields, and with what leads to
// it from the request ("items[2].").
func (s *fields) visit(m protoreflect.Message, path string, fn func(m protoreflect.Message, own []protoreflect.FieldDescriptor, path string)) {
	t := s.of(m.Descriptor())
	if len(t.own) > 0 {
		fn(m, t.own, path)
	}
	for _, f := range t.within {
		each(m, f, path, func(v protoreflect.Value, at string) { s.visit(v.Message(), at+".", fn) })
	}
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
