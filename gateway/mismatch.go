package gateway

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// wrongField is the first field of a body that its message does not take: one
// that it does not have, or one of another type than it wants.
type wrongField struct {
	field   string
	unknown bool
	// want is the name of a text with its params.
	want []string
}

// mismatch looks for it, field by field in the order of their names; nil when
// every value is of its type. The decoder of protojson names no field where a
// value is of another shape, and no path where it names one.
func mismatch(m protoreflect.MessageDescriptor, body any, path string) *wrongField {
	fields, ok := body.(map[string]any)
	if !ok {
		return &wrongField{field: path, want: []string{"want.object"}}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		at := strings.TrimPrefix(path+"."+name, ".")
		f := m.Fields().ByJSONName(name)
		if f == nil {
			f = m.Fields().ByTextName(name)
		}
		if f == nil {
			return &wrongField{field: at, unknown: true}
		}
		if wrong := mismatchOf(f, fields[name], at); wrong != nil {
			return wrong
		}
	}
	return nil
}

// mismatchOf looks at one field, at the items of a list and the values of a map.
func mismatchOf(f protoreflect.FieldDescriptor, value any, path string) *wrongField {
	switch {
	case value == nil:
		return nil
	case f.IsMap():
		values, ok := value.(map[string]any)
		if !ok {
			return &wrongField{field: path, want: []string{"want.object"}}
		}
		for _, k := range slices.Sorted(maps.Keys(values)) {
			if wrong := mismatchOne(f.MapValue(), values[k], fmt.Sprintf("%s[%q]", path, k)); wrong != nil {
				return wrong
			}
		}
		return nil
	case f.IsList():
		items, ok := value.([]any)
		if !ok {
			return &wrongField{field: path, want: []string{"want.list"}}
		}
		for i, item := range items {
			if wrong := mismatchOne(f, item, fmt.Sprintf("%s[%d]", path, i)); wrong != nil {
				return wrong
			}
		}
		return nil
	}
	return mismatchOne(f, value, path)
}

// mismatchOne looks at one value.
func mismatchOne(f protoreflect.FieldDescriptor, value any, path string) *wrongField {
	text, isText := value.(string)
	_, isNumber := value.(float64)
	_, isFlag := value.(bool)
	var fits bool
	want := []string{"want.text"}
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return mismatchWithin(f.Message(), value, path)
	case protoreflect.StringKind, protoreflect.BytesKind:
		fits = isText
	case protoreflect.BoolKind:
		fits, want = isFlag, []string{"want.flag"}
	case protoreflect.EnumKind:
		fits = isNumber || isText && f.Enum().Values().ByName(protoreflect.Name(text)) != nil
		want = []string{"want.one_of", "values", strings.Join(choices(f.Enum()), ", ")}
	default:
		_, err := strconv.ParseFloat(cmp.Or(text, "none"), 64)
		fits, want = isNumber || err == nil, []string{"want.number"}
	}
	if fits {
		return nil
	}
	return &wrongField{field: path, want: want}
}

// mismatchWithin looks into a message; those of the protocol have a form of
// their own.
func mismatchWithin(m protoreflect.MessageDescriptor, value any, path string) *wrongField {
	if m.FullName().Parent() != "google.protobuf" {
		return mismatch(m, value, path)
	}
	if m.Name() == "Timestamp" {
		if text, ok := value.(string); !ok || !isTime(text) {
			return &wrongField{field: path, want: []string{"want.time"}}
		}
	}
	return nil
}

// choices are the names of an enum but for the one that says nothing.
func choices(e protoreflect.EnumDescriptor) (names []string) {
	for i := range e.Values().Len() {
		if v := e.Values().Get(i); v.Number() != 0 {
			names = append(names, string(v.Name()))
		}
	}
	return names
}

func isTime(text string) bool {
	_, err := time.Parse(time.RFC3339Nano, text)
	return err == nil
}
