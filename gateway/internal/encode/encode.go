// Package encode writes messages as the JSON of protobuf, as protojson does with
// its defaults: camelCase, unset fields left out. It reads the shape of a type of
// message once, and passes over a text once.
package encode

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Encoder keeps the shapes of messages. The zero Encoder is ready; it is safe
// for concurrent use.
type Encoder struct{ shapes sync.Map } // of *shape by protoreflect.MessageDescriptor

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
	// names of an enum's values, quoted.
	names map[protoreflect.EnumNumber]string
}

const (
	timestampName = "google.protobuf.Timestamp"
	known         = "google.protobuf" // package of the types with a form of their own
)

func (e *Encoder) shape(d protoreflect.MessageDescriptor) *shape {
	if s, ok := e.shapes.Load(d); ok {
		return s.(*shape)
	}
	s := &shape{time: d.FullName() == timestampName}
	s.other = !s.time && (d.ParentFile().Package() == known || d.ExtensionRanges().Len() > 0)
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		one := field{FieldDescriptor: f, name: strconv.Quote(f.JSONName()) + ":", kind: f.Kind()}
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
		s.fields = append(s.fields, one)
	}
	if s.other {
		s.fields = nil
	}
	e.shapes.Store(d, s)
	return s
}

// Append writes a message behind out. A text that is no UTF-8 is an error, as is
// a time that RFC 3339 cannot say.
func (e *Encoder) Append(out []byte, m protoreflect.Message) ([]byte, error) {
	s := e.shape(m.Descriptor())
	if s.time {
		if t, ok := m.Interface().(*timestamppb.Timestamp); ok {
			return appendTime(out, t)
		}
	}
	if s.time || s.other {
		return protojson.MarshalOptions{}.MarshalAppend(out, m.Interface())
	}
	out = append(out, '{')
	first := true
	for i := range s.fields {
		f := &s.fields[i]
		if !m.Has(f.FieldDescriptor) {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		var err error
		if out, err = e.appendField(append(out, f.name...), f, m.Get(f.FieldDescriptor)); err != nil {
			return out, err
		}
	}
	return append(out, '}'), nil
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
	if err := t.CheckValid(); err != nil {
		return out, fmt.Errorf("encode: %w", err)
	}
	form := `"2006-01-02T15:04:05`
	switch n := t.GetNanos(); {
	case n == 0:
	case n%int32(time.Millisecond) == 0:
		form += ".000"
	case n%int32(time.Microsecond) == 0:
		form += ".000000"
	default:
		form += ".000000000"
	}
	return t.AsTime().AppendFormat(out, form+`Z"`), nil
}

// appendText writes a text. Most texts need no sign in front of any letter, and
// are taken as they are.
func appendText(out []byte, text string, f *field) ([]byte, error) {
	if !utf8.ValidString(text) {
		return out, fmt.Errorf("encode: field %s is no UTF-8", f.FullName())
	}
	out = append(out, '"')
	done := 0
	for i := plain(text, 0); i < len(text); i = plain(text, i+1) {
		out = append(out, text[done:i]...)
		out = appendEscaped(out, text[i])
		done = i + 1
	}
	return append(append(out, text[done:]...), '"'), nil
}

func appendEscaped(out []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(out, '\\', c)
	case '\b':
		return append(out, '\\', 'b')
	case '\f':
		return append(out, '\\', 'f')
	case '\n':
		return append(out, '\\', 'n')
	case '\r':
		return append(out, '\\', 'r')
	case '\t':
		return append(out, '\\', 't')
	}
	const hex = "0123456789abcdef"
	return append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// plain answers where, from a place on, the first byte stands that JSON wants
// escaped. It looks at eight bytes at once.
func plain(text string, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(text); i += 8 {
		w := uint64(text[i]) | uint64(text[i+1])<<8 | uint64(text[i+2])<<16 | uint64(text[i+3])<<24 |
			uint64(text[i+4])<<32 | uint64(text[i+5])<<40 | uint64(text[i+6])<<48 | uint64(text[i+7])<<56
		quote, slash := w^('"'*ones), w^('\\'*ones)
		if ((w-' '*ones)&^w|(quote-ones)&^quote|(slash-ones)&^slash)&highs != 0 {
			break
		}
	}
	for ; i < len(text); i++ {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' {
			break
		}
	}
	return i
}
