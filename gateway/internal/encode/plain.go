package encode

import (
	"math"
	"reflect"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// placesIn answers where in the Go struct of a generated message the fields lie
// that are there by value, or as a message or list of them: the exported fields
// whose tag names a number. One that keeps its presence otherwise is left out.
func placesIn(t protoreflect.MessageType) map[protoreflect.FieldNumber]int {
	kind := reflect.TypeOf(t.Zero().Interface())
	if kind.Kind() != reflect.Pointer || kind.Elem().Kind() != reflect.Struct {
		return nil
	}
	out := map[protoreflect.FieldNumber]int{}
	for i := range kind.Elem().NumField() {
		place := kind.Elem().Field(i)
		_, tag, _ := strings.Cut(place.Tag.Get("protobuf"), ",")
		text, _, _ := strings.Cut(tag, ",")
		number, err := strconv.ParseInt(text, 10, 32)
		if err != nil || !place.IsExported() {
			continue
		}
		if f := t.Descriptor().Fields().ByNumber(protoreflect.FieldNumber(number)); f != nil && liesPlainly(f, place.Type) {
			out[f.Number()] = i
		}
	}
	return out
}

func liesPlainly(f protoreflect.FieldDescriptor, in reflect.Type) bool {
	isMessage := f.Message() != nil
	switch {
	case f.IsMap():
		return false
	case f.IsList():
		return in.Kind() == reflect.Slice && (!isMessage || in.Elem().Kind() == reflect.Pointer)
	case isMessage:
		return in.Kind() == reflect.Pointer
	}
	return !f.HasPresence() && in.Kind() != reflect.Pointer
}

// appendPlain writes a field with its name, if it is set, from its place in the
// struct.
func (e *Encoder) appendPlain(out []byte, f *field, v reflect.Value) ([]byte, error) {
	switch v.Kind() {
	case reflect.String:
		if v.Len() == 0 {
			return out, nil
		}
		return appendText(append(out, f.name...), v.String(), f)
	case reflect.Pointer:
		if v.IsNil() {
			return out, nil
		}
		return e.appendWithin(append(out, f.name...), f, v)
	case reflect.Slice:
		if v.Len() == 0 {
			return out, nil
		}
		if f.IsList() {
			return e.appendList(append(out, f.name...), f, v)
		}
	case reflect.Float32, reflect.Float64: // the negative zero is set
		if v.Float() == 0 && !math.Signbit(v.Float()) {
			return out, nil
		}
	default:
		if v.IsZero() {
			return out, nil
		}
	}
	return e.appendValue(append(out, f.name...), f, scalar(f.kind, v))
}

func (e *Encoder) appendList(out []byte, f *field, v reflect.Value) (_ []byte, err error) {
	out = append(out, '[')
	for i := range v.Len() {
		if i > 0 {
			out = append(out, ',')
		}
		switch one := v.Index(i); one.Kind() {
		case reflect.Pointer:
			out, err = e.appendWithin(out, f, one)
		case reflect.String:
			out, err = appendText(out, one.String(), f)
		default:
			out, err = e.appendValue(out, f, scalar(f.kind, one))
		}
		if err != nil {
			return out, err
		}
	}
	return append(out, ']'), nil
}

// appendWithin writes a message that is in a field.
func (e *Encoder) appendWithin(out []byte, f *field, v reflect.Value) ([]byte, error) {
	message := v.Interface().(proto.Message)
	s := f.within.Load()
	if s == nil {
		s = e.shape(message.ProtoReflect().Type())
		f.within.Store(s)
	}
	return e.appendMessage(out, message, s)
}

// scalar is a value as protoreflect has it.
func scalar(kind protoreflect.Kind, v reflect.Value) protoreflect.Value {
	switch kind {
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(v.Int()))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(v.Bytes())
	}
	switch v.Kind() {
	case reflect.Bool:
		return protoreflect.ValueOfBool(v.Bool())
	case reflect.Int32, reflect.Int64:
		return protoreflect.ValueOfInt64(v.Int())
	case reflect.Uint32, reflect.Uint64:
		return protoreflect.ValueOfUint64(v.Uint())
	}
	return protoreflect.ValueOfFloat64(v.Float())
}
