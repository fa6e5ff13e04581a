package table

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/seal"
)

// resealPage is how many rows one commit looks at.
const resealPage = 100

// Sealer is a table with sealed values, as the change of a data key sees it.
type Sealer interface {
	Name() string
	// Numbers answers the table's number first.
	Numbers() []uint16
	// HasSealed says whether rows have sealed values or texts.
	HasSealed() bool
	// Reseal seals the values of some rows under the newest data key. It begins
	// at a key, or at the first row if at is nil.
	Reseal(tx kv.Tx, k *seal.Keyring, at []byte) (Resealed, error)
}

// Resealed is what one slice of rows had.
type Resealed struct {
	// Next is where the next slice begins; nil when there are no more rows.
	Next []byte
	// Resealed counts values that were sealed anew.
	Resealed int
	// Kept counts values that stay under an older key, the lowest of which is
	// KeptVersion.
	Kept        int
	KeptVersion uint32
}

// Sealers answers the tables that have sealed values, by their number.
func Sealers(tables []Checker) []Sealer {
	var out []Sealer
	for _, t := range tables {
		if s, ok := t.(Sealer); ok && s.HasSealed() {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Sealer) int { return cmp.Compare(a.Numbers()[0], b.Numbers()[0]) })
	return out
}

// HasSealed says whether rows have sealed values or texts.
func (t *Table[T]) HasSealed() bool { return t.spec.Sealed != nil || t.personal != nil }

// Filled answers a new row after fill, with its sealed values: for a check that
// the declaration names each.
func (t *Table[T]) Filled(fill func(proto.Message)) (proto.Message, []seal.Slot) {
	var none T
	row := none.ProtoReflect().New().Interface().(T)
	fill(row)
	if t.spec.Sealed == nil {
		return row, nil
	}
	return row, t.spec.Sealed(row)
}

// Reseal seals the values of some rows under the newest data key. Their
// revisions stay: nothing that anybody reads has changed.
func (t *Table[T]) Reseal(tx kv.Tx, k *seal.Keyring, at []byte) (Resealed, error) {
	var out Resealed
	prefix := key.New(t.spec.Number)
	if at == nil {
		at = prefix
	}
	items, err := tx.Scan(kv.Range{From: at, To: prefix.End(), Limit: resealPage})
	if err != nil {
		return out, fmt.Errorf("read %s: %w", t.spec.Name, err)
	}
	if len(items) == resealPage {
		out.Next = append(bytes.Clone(items[len(items)-1].Key), 0)
	}
	for _, it := range items {
		row, err := decode[T](it.Value, &skimming{})
		if err != nil {
			return out, fmt.Errorf("read %s: %w", t.spec.Name, err)
		}
		n, err := t.resealRow(k, row.Value, it.Key[len(prefix):], &out)
		if err != nil {
			return out, fmt.Errorf("%s: %w", t.spec.Name, err)
		}
		if n == 0 {
			continue
		}
		value, err := encode(row)
		if err != nil {
			return out, err
		}
		tx.Put(it.Key, value)
	}
	return out, nil
}

// resealRow seals the values and the texts of a row anew and answers how many it
// had to.
func (t *Table[T]) resealRow(k *seal.Keyring, v T, parts key.Key, out *Resealed) (n int, err error) {
	if t.spec.Sealed != nil {
		if n, err = out.row(k, t.spec.Sealed(v)); err != nil {
			return n, err
		}
	}
	texts, err := t.resealTexts(v, parts)
	out.Resealed += texts
	return n + texts, err
}

// row seals the values of one row anew and answers how many it had to.
func (r *Resealed) row(k *seal.Keyring, slots []seal.Slot) (n int, err error) {
	for _, slot := range slots {
		done, err := k.Reseal(slot)
		if err != nil {
			return n, err
		}
		if done {
			n++
		}
		if v := slot.Version(); slot.Kept && v != 0 && v < k.Newest() {
			r.Kept++
			if r.KeptVersion == 0 || v < r.KeptVersion {
				r.KeptVersion = v
			}
		}
	}
	r.Resealed += n
	return n, nil
}
