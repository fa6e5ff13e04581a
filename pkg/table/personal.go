package table

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/seal"
)

// A text that its proto says is personal lies sealed, whatever the service that
// writes the row does: the table seals it when it is written and opens it when
// it is read. Rows of an older linli have it in plain until they are written
// again.

// sealedText leads a sealed text; no text of people begins with it.
const sealedText = "\x02sealed:"

// personal is where a message type holds personal texts: its own, and the
// messages in it that have such. A type that has none has no plan, and its rows
// cost nothing.
type personal struct {
	texts []protoreflect.FieldDescriptor
	below []below
}

type below struct {
	field protoreflect.FieldDescriptor
	plan  *personal
}

// planOf answers the plan of a type, nil for none. Types that hold themselves
// are followed once.
func planOf(d protoreflect.MessageDescriptor, above ...protoreflect.FullName) *personal {
	p := &personal{}
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		switch {
		case f.Kind() == protoreflect.StringKind && liesSealed(f):
			p.texts = append(p.texts, f)
		case f.Kind() == protoreflect.MessageKind && !f.IsMap() && !slices.Contains(above, f.Message().FullName()):
			if inner := planOf(f.Message(), append(slices.Clone(above), d.FullName())...); inner != nil {
				p.below = append(p.below, below{f, inner})
			}
		}
	}
	if len(p.texts) == 0 && len(p.below) == 0 {
		return nil
	}
	return p
}

// liesSealed says whether a field's sort of personal data is sealed where it is
// stored. Names are what lists are of; who may see them is decided by scope.
func liesSealed(f protoreflect.FieldDescriptor) bool {
	class, _ := proto.GetExtension(f.Options(), typev1.E_Personal).(typev1.Personal)
	return class != typev1.Personal_PERSONAL_UNSPECIFIED && class != typev1.Personal_PERSONAL_NAME
}

// each calls fn with every personal text there is, and puts what it answers in
// its place.
func (p *personal) each(m protoreflect.Message, fn func(field, text string) (string, error)) error {
	for _, f := range p.texts {
		if !m.Has(f) {
			continue
		}
		if f.IsList() {
			list := m.Mutable(f).List()
			for i := range list.Len() {
				text, err := fn(string(f.FullName()), list.Get(i).String())
				if err != nil {
					return err
				}
				list.Set(i, protoreflect.ValueOfString(text))
			}
			continue
		}
		text, err := fn(string(f.FullName()), m.Get(f).String())
		if err != nil {
			return err
		}
		m.Set(f, protoreflect.ValueOfString(text))
	}
	for _, b := range p.below {
		if err := p.eachBelow(m, b, fn); err != nil {
			return err
		}
	}
	return nil
}

func (*personal) eachBelow(m protoreflect.Message, b below, fn func(field, text string) (string, error)) error {
	switch {
	case !m.Has(b.field):
		return nil
	case !b.field.IsList():
		return b.plan.each(m.Mutable(b.field).Message(), fn)
	}
	list := m.Mutable(b.field).List()
	for i := range list.Len() {
		if err := b.plan.each(list.Get(i).Message(), fn); err != nil {
			return err
		}
	}
	return nil
}

// Seal has every table that is to hold personal texts seal them under a keyring.
// It belongs to the making of a service, before a row is read or written.
func Seal(k *seal.Keyring, tables []Checker) {
	for _, t := range tables {
		if t, ok := t.(interface{ sealUnder(*seal.Keyring) }); ok {
			t.sealUnder(k)
		}
	}
}

func (t *Table[T]) sealUnder(k *seal.Keyring) {
	if t.personal != nil || t.spec.Sealed != nil {
		t.keyring = k
	}
}

// place is what a text is sealed for: its table, its row and its field.
func (t *Table[T]) place(parts key.Key, field string) []string {
	return []string{"personal text", t.spec.Name, string(parts), field}
}

// closed answers a row as it is stored. A table that holds personal texts and
// has no keyring stores none.
func (t *Table[T]) closed(v T, parts key.Key) (T, error) {
	if t.personal == nil {
		return v, nil
	}
	out := proto.CloneOf(v)
	err := t.personal.each(out.ProtoReflect(), func(field, text string) (string, error) {
		if t.keyring == nil {
			return "", fmt.Errorf("table %s: %s is personal, and the table has no keyring", t.spec.Name, field)
		}
		return sealedText + base64.RawStdEncoding.EncodeToString(t.keyring.Seal([]byte(text), t.place(parts, field)...)), nil
	})
	return out, err
}

// open opens the texts of a row that was read.
func (t *Table[T]) open(v T, parts key.Key) error {
	if t.personal == nil {
		return nil
	}
	return t.personal.each(v.ProtoReflect(), func(field, text string) (string, error) {
		sealed, ok, err := sealedIn(text)
		if err != nil || !ok {
			return text, err
		}
		if t.keyring == nil {
			return "", fmt.Errorf("table %s: %s is sealed, and the table has no keyring", t.spec.Name, field)
		}
		plain, err := t.keyring.Open(sealed, t.place(parts, field)...)
		if err != nil {
			return "", fmt.Errorf("%w: %s: %w", kv.ErrCorrupt, field, err)
		}
		return string(plain), nil
	})
}

// sealedIn answers what is sealed in a text; a text of an older linli is not.
func sealedIn(text string) (sealed []byte, ok bool, err error) {
	coded, ok := strings.CutPrefix(text, sealedText)
	if !ok {
		return nil, false, nil
	}
	if sealed, err = base64.RawStdEncoding.DecodeString(coded); err != nil {
		return nil, false, fmt.Errorf("%w: a sealed text", kv.ErrCorrupt)
	}
	return sealed, true, nil
}

// resealTexts seals the texts of a stored row anew, also those of an older linli
// that lie in plain, and answers how many.
func (t *Table[T]) resealTexts(v T, parts key.Key) (n int, err error) {
	if t.personal == nil || t.keyring == nil {
		return 0, nil
	}
	err = t.personal.each(v.ProtoReflect(), func(field, text string) (string, error) {
		sealed, ok, err := sealedIn(text)
		if err != nil {
			return "", err
		}
		done := !ok
		if ok {
			done, err = t.keyring.Reseal(seal.Field(&sealed, t.place(parts, field)...))
		} else {
			sealed = t.keyring.Seal([]byte(text), t.place(parts, field)...)
		}
		if err != nil || !done {
			return text, err
		}
		n++
		return sealedText + base64.RawStdEncoding.EncodeToString(sealed), nil
	})
	return n, err
}
