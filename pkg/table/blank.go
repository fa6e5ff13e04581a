package table

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/seal"
)

// Personal says whether rows hold anything that is personal: a text or a name
// that the proto says is, or a sealed value.
func (t *Table[T]) Personal() bool {
	var none T
	return t.spec.Sealed != nil || holdsPersonal(none.ProtoReflect().Descriptor(), nil)
}

func holdsPersonal(d protoreflect.MessageDescriptor, above []protoreflect.FullName) bool {
	for _, name := range above {
		if name == d.FullName() {
			return false
		}
	}
	above = append(above, d.FullName())
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		if isPersonal(f) || f.Kind() == protoreflect.MessageKind && holdsPersonal(f.Message(), above) {
			return true
		}
	}
	return false
}

func isPersonal(f protoreflect.FieldDescriptor) bool {
	class, _ := proto.GetExtension(f.Options(), typev1.E_Personal).(typev1.Personal)
	return class != typev1.Personal_PERSONAL_UNSPECIFIED
}

// Blank takes everything personal out of a row that is about to be written again:
// what its proto says is personal, names too, and every sealed value.
func (t *Table[T]) Blank(v T) {
	if t.spec.Sealed != nil {
		for _, slot := range t.spec.Sealed(v) {
			*slot.Value = nil
		}
	}
	blank(v.ProtoReflect())
}

func blank(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case isPersonal(f):
			m.Clear(f)
		case f.IsMap() || f.Kind() != protoreflect.MessageKind:
		case f.IsList():
			for i := range v.List().Len() {
				blank(v.List().Get(i).Message())
			}
		default:
			blank(v.Message())
		}
		return true
	})
}

// Opened answers a row with its sealed values opened where they lie, for the
// person whom they are about. What opens with something that is not in the store
// is left out.
func (t *Table[T]) Opened(k *seal.Keyring, v T) (T, error) {
	out := proto.CloneOf(v)
	if t.spec.Sealed == nil {
		return out, nil
	}
	for _, slot := range t.spec.Sealed(out) {
		plain, err := k.OpenSlot(slot)
		if err != nil {
			return out, fmt.Errorf("open a value of %s: %w", t.spec.Name, err)
		}
		*slot.Value = plain
	}
	return out, nil
}

// Each calls fn with every row, opened, in words: for a search of what a store
// still holds of somebody after an erasure.
func (t *Table[T]) Each(view func(func(kv.Reader) error) error, fn func(row string) error) error {
	q := Query{Limit: eachPage}
	for {
		var page Listing[T]
		err := view(func(r kv.Reader) (err error) {
			page, err = t.List(r, scope.All(), q)
			return err
		})
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			if err := t.each(row.Value, fn); err != nil {
				return err
			}
		}
		if q.After = page.Last; page.Last == nil {
			return nil
		}
	}
}

const eachPage = 200

// each says a row and, after it, what its sealed values hold.
func (t *Table[T]) each(v T, fn func(string) error) error {
	var out strings.Builder
	out.WriteString(prototext.MarshalOptions{}.Format(v))
	if t.spec.Sealed != nil && t.keyring != nil {
		opened := proto.CloneOf(v)
		for _, slot := range t.spec.Sealed(opened) {
			plain, err := t.keyring.OpenSlot(slot)
			if err != nil {
				return fmt.Errorf("open a value of %s: %w", t.spec.Name, err)
			}
			out.WriteByte('\n')
			out.Write(plain)
		}
	}
	return fn(out.String())
}
