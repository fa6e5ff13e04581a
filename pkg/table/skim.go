package table

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Skim reads rows without what is long and not looked at: a list of beginnings
// need not decode every text to its end. What was skimmed is not written again.
// It is safe for concurrent use.
type Skim struct{ fields map[protowire.Number]skimmed }

// skimmed is what is done with a field: within is for one that leads further.
type skimmed struct {
	first  int
	within *Skim
}

// NewSkim makes a skim of a type of row. A path is of proto names with dots
// ("request.text"), with how many bytes of its text are read: 0 = the field is
// left out, whatever it is; else as many whole characters as fit. What has the
// number of such a field and is of another kind is left out too. It panics when
// a path leads nowhere, since it is a constant of the program.
func NewSkim(row proto.Message, first map[string]int) *Skim {
	s := &Skim{fields: map[protowire.Number]skimmed{}}
	for path, n := range first {
		s.add(row.ProtoReflect().Descriptor(), path, n)
	}
	return s
}

func (s *Skim) add(d protoreflect.MessageDescriptor, path string, first int) {
	name, rest, further := strings.Cut(path, ".")
	f := d.Fields().ByName(protoreflect.Name(name))
	switch {
	case f == nil, f.IsList() && (further || first > 0), f.Kind() != protoreflect.MessageKind && further,
		f.Kind() != protoreflect.StringKind && first > 0 && !further:
		panic(fmt.Sprintf("skim of %s: there is no %q to be cut", d.FullName(), path))
	case !further && first > 0 && liesSealed(f):
		panic(fmt.Sprintf("skim of %s: %q is sealed, of which a beginning does not open", d.FullName(), path))
	case !further:
		s.fields[f.Number()] = skimmed{first: first}
		return
	}
	at := s.fields[f.Number()]
	if at.within == nil {
		at.within = &Skim{fields: map[protowire.Number]skimmed{}}
	}
	at.within.add(f.Message(), rest, first)
	s.fields[f.Number()] = at
}

// Row answers what is read of a row with this skim.
func (s *Skim) Row(whole proto.Message) (proto.Message, error) {
	message, err := proto.Marshal(whole)
	if err == nil {
		message, err = (&skimming{Skim: s}).of(message)
	}
	short := whole.ProtoReflect().New().Interface()
	if err == nil {
		err = proto.Unmarshal(message, short)
	}
	return short, err
}

// skimming reads rows one after the other in the same room.
type skimming struct {
	*Skim
	room []byte
}

// of answers the encoded message without what is left out. It is overwritten by
// the next one.
func (s *skimming) of(message []byte) ([]byte, error) {
	if s.Skim == nil {
		return message, nil
	}
	out, err := s.append(s.room[:0], message)
	s.room = out
	return out, err
}

func (s *Skim) append(out, message []byte) ([]byte, error) {
	kept := 0 // where what is taken as it stands begins
	for at := 0; at < len(message); {
		number, kind, n := protowire.ConsumeField(message[at:])
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		cut, ok := s.fields[number]
		if !ok {
			at += n
			continue
		}
		out = append(out, message[kept:at]...)
		if kind == protowire.BytesType {
			var err error
			if out, err = cut.append(out, number, message[at:at+n]); err != nil {
				return nil, err
			}
		}
		at += n
		kept = at
	}
	return append(out, message[kept:]...), nil
}

// append adds what is kept of a field with its tag.
func (c skimmed) append(out []byte, number protowire.Number, field []byte) ([]byte, error) {
	_, _, tag := protowire.ConsumeTag(field)
	value, _ := protowire.ConsumeBytes(field[tag:])
	switch {
	case c.within == nil && c.first == 0:
		return out, nil
	case c.within == nil:
		return protowire.AppendBytes(protowire.AppendTag(out, number, protowire.BytesType), beginning(value, c.first)), nil
	}
	// The length is known afterwards: it is written in five bytes, which is a
	// number with zeros in front.
	const lengthBytes = 5
	out = protowire.AppendTag(out, number, protowire.BytesType)
	length := len(out)
	out, err := c.within.append(append(out, make([]byte, lengthBytes)...), value)
	if err != nil {
		return nil, err
	}
	n := len(out) - length - lengthBytes
	for i := range lengthBytes {
		out[length+i] = byte(n>>(7*i))&0x7f | 0x80
	}
	out[length+lengthBytes-1] &= 0x7f
	return out, nil
}

// beginning cuts a text after whole characters.
func beginning(text []byte, first int) []byte {
	if len(text) <= first {
		return text
	}
	for first > 0 && !utf8.RuneStart(text[first]) {
		first--
	}
	return text[:first]
}
