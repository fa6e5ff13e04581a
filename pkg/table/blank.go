package table

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

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
