package held

import (
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
)

// inWords answers an opened row as JSON says it. Bytes are left out, but for
// those that were sealed: opens says what each is.
func inWords(row proto.Message, opens map[string]proto.Message) (*structpb.Struct, error) {
	opened := map[string]any{}
	m := row.ProtoReflect()
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		as, known := opens[string(f.Name())]
		if !known || f.Kind() != protoreflect.BytesKind || !m.Has(f) {
			continue
		}
		said, err := openedIn(m.Get(f), f, as)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		opened[string(f.Name())] = said
	}
	withoutBytes(m)
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(row)
	if err != nil {
		return nil, fmt.Errorf("encode a row: %w", err)
	}
	out := &structpb.Struct{}
	if err := protojson.Unmarshal(text, out); err != nil {
		return nil, fmt.Errorf("encode a row: %w", err)
	}
	for name, said := range opened {
		value, err := structpb.NewValue(said)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", name, err)
		}
		out.Fields[name] = value
	}
	return out, nil
}

// openedIn says what was sealed in a field, one value or many.
func openedIn(v protoreflect.Value, f protoreflect.FieldDescriptor, as proto.Message) (any, error) {
	if !f.IsList() {
		return openedAs(v.Bytes(), as)
	}
	var all []any
	for i := range v.List().Len() {
		said, err := openedAs(v.List().Get(i).Bytes(), as)
		if err != nil {
			return nil, err
		}
		all = append(all, said)
	}
	return all, nil
}

// openedAs says what was sealed: a message or a text.
func openedAs(plain []byte, as proto.Message) (any, error) {
	if as == nil {
		if !utf8.Valid(plain) {
			return nil, fmt.Errorf("is no text")
		}
		return string(plain), nil
	}
	m := as.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(plain, m); err != nil {
		return nil, err
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	out := &structpb.Struct{}
	if err := protojson.Unmarshal(text, out); err != nil {
		return nil, err
	}
	return out.AsMap(), nil
}

// withoutBytes takes bytes out of a message and of those in it: keyed hashes,
// cursors, what was sealed.
func withoutBytes(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
		case f.Kind() == protoreflect.BytesKind:
			m.Clear(f)
		case f.Kind() != protoreflect.MessageKind:
		case f.IsList():
			for i := range v.List().Len() {
				withoutBytes(v.List().Get(i).Message())
			}
		default:
			withoutBytes(v.Message())
		}
		return true
	})
}
