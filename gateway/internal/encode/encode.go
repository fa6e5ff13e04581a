// Package encode writes messages as the JSON of protobuf, as protojson does with
// its defaults: camelCase, unset fields left out. It reads the shape of a type of
// message once, and passes over a text once.
package encode

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Encoder keeps the shapes of messages. The zero Encoder is ready; it is safe
// for concurrent use.
type Encoder struct{ shapes sync.Map } // of *shape by protoreflect.MessageType

// shape is what is written of a type of message: nil fields of one that
// protojson writes in a way of its own.
type shape struct {
	time, other bool
	fields      []field
}

type field struct {
	protoreflect.FieldDescriptor
	name string // with quotes and colon
	kind protoreflect.Kind
	// at is the place of the field in the Go struct, if its value lies there
	// plainly; else -1.
	at int
	// names of an enum's values, quoted.
	names map[protoreflect.EnumNumber]string
	// within is the shape of the messages in it, once one was seen.
	within atomic.Pointer[shape]
}

const (
	timestampName = "google.protobuf.Timestamp"
	known         = "google.protobuf" // package of the types with a form of their own
)

func (e *Encoder) shape(t protoreflect.MessageType) *shape {
	if s, ok := e.shapes.Load(t); ok {
		return s.(*shape)
	}
	d, places := t.Descriptor(), placesIn(t)
	s := &shape{time: d.FullName() == timestampName}
	s.other = !s.time && (d.ParentFile().Package() == known || d.ExtensionRanges().Len() > 0)
	s.fields = make([]field, d.Fields().Len())
	for i := range s.fields {
		f, one := d.Fields().Get(i), &s.fields[i]
		one.FieldDescriptor, one.name, one.kind, one.at = f, strconv.Quote(f.JSONName())+":", f.Kind(), -1
		if at, ok := places[f.Number()]; ok && !f.IsMap() {
			one.at = at
		}
		s.other = s.other || f.IsMap() // maps are written in the order of their keys
		if f.Kind() == protoreflect.EnumKind {
			s.other = s.other || f.Enum().ParentFile().Package() == known
			one.names = map[protoreflect.EnumNumber]string{}
			for j := range f.Enum().Values().Len() {
				v := f.Enum().Values().Get(j)
				if _, taken := one.names[v.Number()]; !taken { // of two names the first
					one.names[v.Number()] = strconv.Quote(string(v.Name()))
				}
			}
		}
	}
	if s.other {
		s.fields = nil
	}
	e.shapes.Store(t, s)
	return s
}

// Append writes a message behind out. A text that is no UTF-8 is an error, as is
// a time that RFC 3339 cannot say.
func (e *Encoder) Append(out []byte, m protoreflect.Message) ([]byte, error) {
	return e.appendMessage(out, m.Interface(), e.shape(m.Type()))
}

// appendMessage writes a message of a shape. What lies plainly in its struct is
// read from there: asking protoreflect costs more than writing does.
func (e *Encoder) appendMessage(out []byte, message proto.Message, s *shape) ([]byte, error) {
	if s.time {
		if t, ok := message.(*timestamppb.Timestamp); ok {
			return appendTime(out, t)
		}
	}
	if s.time || s.other {
		return protojson.MarshalOptions{}.MarshalAppend(out, message)
	}
	value := reflect.ValueOf(message).Elem() // invalid for nil, which has no field
	out = append(out, '{')
	begin := len(out)
	for i := range s.fields {
		f := &s.fields[i]
		before := len(out)
		if before > begin {
			out = append(out, ',')
		}
		named := len(out)
		var err error
		switch {
		case f.at < 0:
			out, err = e.appendAsked(out, f, message.ProtoReflect())
		case value.IsValid():
			out, err = e.appendPlain(out, f, value.Field(f.at))
		}
		if err != nil {
			return out, err
		}
		if len(out) == named {
			out = out[:before]
		}
	}
	return append(out, '}'), nil
}

// appendAsked writes a field with its name, if it is set.
func (e *Encoder) appendAsked(out []byte, f *field, m protoreflect.Message) ([]byte, error) {
	if !m.Has(f.FieldDescriptor) {
		return out, nil
	}
	return e.appendField(append(out, f.name...), f, m.Get(f.FieldDescriptor))
}

func (e *Encoder) appendField(out []byte, f *field, v protoreflect.Value) ([]byte, error) {
	if !f.IsList() {
		return e.appendValue(out, f, v)
	}
	out = append(out, '[')
	list := v.List()
	for i := range list.Len() {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = e.appendValue(out, f, list.Get(i)); err != nil {
			return out, err
		}
	}
	return append(out, ']'), nil
}

func (e *Encoder) appendValue(out []byte, f *field, v protoreflect.Value) ([]byte, error) {
	switch f.kind {
	case protoreflect.StringKind:
		return appendText(out, v.String(), f)
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return e.Append(out, v.Message())
	case protoreflect.BoolKind:
		return strconv.AppendBool(out, v.Bool()), nil
	case protoreflect.EnumKind:
		if name, ok := f.names[v.Enum()]; ok {
			return append(out, name...), nil
		}
		return strconv.AppendInt(out, int64(v.Enum()), 10), nil
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return strconv.AppendInt(out, v.Int(), 10), nil
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return strconv.AppendUint(out, v.Uint(), 10), nil
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind: // as texts
		return append(strconv.AppendInt(append(out, '"'), v.Int(), 10), '"'), nil
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return append(strconv.AppendUint(append(out, '"'), v.Uint(), 10), '"'), nil
	case protoreflect.BytesKind:
		return append(base64.StdEncoding.AppendEncode(append(out, '"'), v.Bytes()), '"'), nil
	case protoreflect.FloatKind:
		return appendFloat(out, v.Float(), 32), nil
	case protoreflect.DoubleKind:
		return appendFloat(out, v.Float(), 64), nil
	}
	return out, fmt.Errorf("encode: field %s is of an unknown kind", f.FullName())
}

// appendTime writes an instant with 0, 3, 6 or 9 digits of a second.
func appendTime(out []byte, t *timestamppb.Timestamp) ([]byte, error) {
	if err := t.CheckValid(); err != nil { // years 1 to 9999
		return out, fmt.Errorf("encode: %w", err)
	}
	at := t.AsTime()
	year, month, day := at.Date()
	hour, minute, second := at.Clock()
	out = appendDigits(append(out, '"'), year, 4)
	out = appendDigits(append(out, '-'), int(month), 2)
	out = appendDigits(append(out, '-'), day, 2)
	out = appendDigits(append(out, 'T'), hour, 2)
	out = appendDigits(append(out, ':'), minute, 2)
	out = appendDigits(append(out, ':'), second, 2)
	switch n := int(t.GetNanos()); {
	case n == 0:
	case n%int(time.Millisecond) == 0:
		out = appendDigits(append(out, '.'), n/int(time.Millisecond), 3)
	case n%int(time.Microsecond) == 0:
		out = appendDigits(append(out, '.'), n/int(time.Microsecond), 6)
	default:
		out = appendDigits(append(out, '.'), n, 9)
	}
	return append(out, 'Z', '"'), nil
}

// appendDigits writes a number with zeros in front, at most nine digits.
func appendDigits(out []byte, n, digits int) []byte {
	var text [9]byte
	for i := digits - 1; i >= 0; i-- {
		text[i] = byte('0' + n%10)
		n /= 10
	}
	return append(out, text[:digits]...)
}
