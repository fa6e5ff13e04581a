package rpc

import (
	"errors"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	projectsv1 "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
)

// bringing answers, for each field of a type that only linli sets, a message
// that brings it and nothing else, by the field's path.
func bringing(m protoreflect.MessageDescriptor, depth int) map[string]protoreflect.Message {
	out := map[string]protoreflect.Message{}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		msg := dynamicpb.NewMessage(m)
		switch {
		case isFixed(f) && !f.IsList() && f.Message() == nil:
			msg.Set(f, other(f))
			out[string(f.Name())] = msg
		case isFixed(f):
			put(msg, f, nil)
			out[string(f.Name())] = msg
		case f.Message() != nil && !f.IsMap() && depth < 4:
			for path, inner := range bringing(f.Message(), depth+1) {
				outer := dynamicpb.NewMessage(m)
				out[put(outer, f, inner)+path] = outer
			}
		}
	}
	return out
}

// other is a value of a field that is not its default.
func other(f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString("planted")
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(7)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(7)
	}
	panic("a fixed field of kind " + f.Kind().String())
}

// put sets a field to one message and answers the path to it.
func put(m protoreflect.Message, f protoreflect.FieldDescriptor, inner protoreflect.Message) string {
	if !f.IsList() {
		if inner == nil {
			inner = m.NewField(f).Message()
		}
		m.Set(f, protoreflect.ValueOfMessage(inner))
		return string(f.Name()) + "."
	}
	list := m.Mutable(f).List()
	switch {
	case f.Message() == nil:
		list.Append(other(f))
	case inner == nil:
		list.Append(list.NewElement())
	default:
		list.Append(protoreflect.ValueOfMessage(inner))
	}
	return string(f.Name()) + "[0]."
}

// TestShapes_RefuseWhatOnlyLinliSets goes through every request of the house:
// state, person, sum or path of a row cannot be brought along, however deep.
func TestShapes_RefuseWhatOnlyLinliSets(t *testing.T) {
	s, err := newShapes()
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, m := range requestTypes() {
		for path, msg := range bringing(m, 0) {
			tried++
			if got := brought(s.fixed, msg); !slices.Equal(got, []string{path}) {
				t.Errorf("%s: %s brought along: found %q", m.FullName(), path, got)
			}
			var broken *shape
			if err := s.check(msg.Interface(), "en"); !errors.As(err, &broken) {
				t.Errorf("%s: %s brought along: %v", m.FullName(), path, err)
			}
		}
	}
	if tried < 8 {
		t.Errorf("only %d fields were tried", tried)
	}
}

func TestShapes_AnEtagMayComeBack(t *testing.T) {
	s, err := newShapes()
	if err != nil {
		t.Fatal(err)
	}
	back := &requestsv1.SetMyAvailabilityRequest{Availability: &requestsv1.Availability{Consent: true, Etag: "3"}}
	if err := s.check(back, "en"); err != nil {
		t.Errorf("a resource as it was read: %v", err)
	}
	promise := &projectsv1.Promise{Kind: projectsv1.PromiseKind_PROMISE_KIND_PEOPLE, People: 1, Due: "2013-04-30"}
	begin := &projectsv1.BeginProjectRequest{ApplicationId: "a", Promises: []*projectsv1.Promise{promise, promise, promise},
		Budget: []*projectsv1.BudgetLine{{Key: "k", Name: "n"}}}
	if err := s.check(begin, "en"); err != nil {
		t.Fatal(err)
	}
	delivered := proto.CloneOf(promise)
	delivered.State = projectsv1.PromiseState(2)
	begin.Promises[1] = delivered
	var broken *shape
	if err := s.check(begin, "en"); !errors.As(err, &broken) || broken.violations[0].GetField() != "promises[1].state" ||
		broken.violations[0].GetDescription() != "left out: linli sets it" {
		t.Errorf("a promise that says it was delivered: %v", err)
	}
}
