// Package table keeps typed rows over package kv: revisions, indexes, reads
// through a scope, sealed page tokens, and a check of all of it.
//
// A Table is declared once, in a service's tables.go, and says where the bytes
// go. Rows are proto messages; an index is a function from row to keys.
package table

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/seal"
)

// Row is a stored message with its revision, a counter from 1.
type Row[T proto.Message] struct {
	Value    T
	Revision uint64
}

// Etag is the revision as the API shows it.
func (r Row[T]) Etag() string { return strconv.FormatUint(r.Revision, 10) }

// Match refuses a stale etag with STALE_ETAG. An empty one matches whatever
// the row is now.
func (r Row[T]) Match(etag string) error {
	if etag == "" || etag == r.Etag() {
		return nil
	}
	return rule.New(rule.Stale, "STALE_ETAG", "etag", "current", r.Etag())
}

// Index answers, for a row, the key parts that follow the index's number. A
// row without keys is not in it. In a unique index one key has one row.
type Index[T proto.Message] struct {
	Number uint16
	Name   string
	Keys   func(T) []key.Key
	Unique bool
}

// Spec declares a table. Numbers are never reused.
type Spec[T proto.Message] struct {
	Number uint16
	// Name is the entity's word, as errors and the audit say it.
	Name string
	// Key answers the key parts that follow the number.
	Key func(T) key.Key
	// Paths answers the organizations from which the row may be seen; nil for
	// a row that nobody sees by path. A scope that holds the root sees every
	// row, whatever this says.
	Paths func(T) []scope.Path
	// Owners answers the persons whose own the row is; nil for none.
	Owners func(T) []string
	// Sealed answers every sealed value of the row, and how it was sealed; nil
	// for a table that has none. It goes by what the row holds besides.
	Sealed  func(T) []seal.Slot
	Indexes []Index[T]
}

// Table reads and writes the rows of one declaration. It holds no state but the
// keyring that Seal gave it, and is safe for concurrent use.
type Table[T proto.Message] struct {
	spec     Spec[T]
	personal *personal     // where rows hold personal texts, nil for nowhere
	keyring  *seal.Keyring // seals them; set once, see Seal
}

// New makes the table of a declaration. It panics when the declaration is
// wrong (a number or an index name twice, no name, no key), since it is a
// constant of the program.
func New[T proto.Message](spec Spec[T]) *Table[T] {
	if spec.Number == 0 || spec.Name == "" || spec.Key == nil {
		panic(fmt.Sprintf("table %q needs a number, a name and a key", spec.Name))
	}
	numbers, names := []uint16{spec.Number}, []string{""}
	for _, ix := range spec.Indexes {
		if ix.Number == 0 || ix.Keys == nil {
			panic(fmt.Sprintf("table %s: index %q needs a number and keys", spec.Name, ix.Name))
		}
		if slices.Contains(numbers, ix.Number) {
			panic(fmt.Sprintf("table %s: number %d is taken twice", spec.Name, ix.Number))
		}
		if slices.Contains(names, ix.Name) {
			panic(fmt.Sprintf("table %s: an index has no name, or %q twice", spec.Name, ix.Name))
		}
		numbers, names = append(numbers, ix.Number), append(names, ix.Name)
	}
	var none T
	return &Table[T]{spec: spec, personal: planOf(none.ProtoReflect().Descriptor())}
}

// Name answers the entity's word.
func (t *Table[T]) Name() string { return t.spec.Name }

// Numbers answers the table's number and those of its indexes.
func (t *Table[T]) Numbers() []uint16 {
	numbers := []uint16{t.spec.Number}
	for _, ix := range t.spec.Indexes {
		numbers = append(numbers, ix.Number)
	}
	return numbers
}

func (t *Table[T]) key(parts key.Key) []byte {
	return append(key.New(t.spec.Number), parts...)
}

// indexKey: a unique index maps its parts to the row's parts; a plain one has
// both in the key, so that rows with equal parts stand side by side.
func indexKey[T proto.Message](ix Index[T], parts, row key.Key) []byte {
	k := append(key.New(ix.Number), parts...)
	if ix.Unique {
		return k
	}
	k = append(k, row...)
	return binary.BigEndian.AppendUint16(k, uint16(len(row)))
}

// rowParts answers the row's key parts of an index entry.
func rowParts[T proto.Message](ix Index[T], it kv.Item) (key.Key, error) {
	if ix.Unique {
		return it.Value, nil
	}
	if len(it.Key) < 4 {
		return nil, key.ErrMalformed
	}
	n := int(binary.BigEndian.Uint16(it.Key[len(it.Key)-2:]))
	end := len(it.Key) - 2
	if n > end-2 {
		return nil, key.ErrMalformed
	}
	return it.Key[end-n : end], nil
}

// encode answers a row as it is stored, its personal texts sealed.
func (t *Table[T]) encode(r Row[T], parts key.Key) ([]byte, error) {
	closed, err := t.closed(r.Value, parts)
	if err != nil {
		return nil, err
	}
	return encode(Row[T]{Value: closed, Revision: r.Revision})
}

// read answers a stored row, its personal texts open.
func (t *Table[T]) read(it kv.Item, skim *skimming) (Row[T], error) {
	r, err := decode[T](it.Value, skim)
	if err == nil {
		err = t.open(r.Value, it.Key[2:])
	}
	return r, err
}

func encode[T proto.Message](r Row[T]) ([]byte, error) {
	out, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(binary.AppendUvarint(nil, r.Revision), r.Value)
	if err != nil {
		return nil, fmt.Errorf("encode row: %w", err)
	}
	return out, nil
}

// decode keeps nothing of b.
func decode[T proto.Message](b []byte, skim *skimming) (Row[T], error) {
	var none T
	r := Row[T]{Value: none.ProtoReflect().New().Interface().(T)}
	revision, n := binary.Uvarint(b)
	if n <= 0 || revision == 0 {
		return r, fmt.Errorf("%w: row without a revision", kv.ErrCorrupt)
	}
	r.Revision = revision
	message, err := skim.of(b[n:])
	if err == nil {
		err = proto.Unmarshal(message, r.Value)
	}
	if err != nil {
		return r, fmt.Errorf("%w: row: %w", kv.ErrCorrupt, err)
	}
	return r, nil
}

// visible says whether a scope may see a row.
func (t *Table[T]) visible(s scope.Scope, v T) bool {
	if t.spec.Paths != nil && slices.ContainsFunc(t.spec.Paths(v), s.Covers) {
		return true
	}
	if slices.Contains(s.Paths, scope.Root) {
		return true
	}
	return t.spec.Owners != nil && slices.ContainsFunc(t.spec.Owners(v), s.Owns)
}

// Get answers the row with these key parts. Absent and outside the scope look
// alike: false, without an error.
func (t *Table[T]) Get(r kv.Reader, s scope.Scope, parts key.Key) (Row[T], bool, error) {
	rows, err := t.GetMany(r, s, []key.Key{parts})
	if err != nil || len(rows) == 0 {
		return Row[T]{}, false, err
	}
	return rows[0], true, nil
}

// GetMany answers the rows with these key parts in one read, in input order.
// What is absent or outside the scope is left out.
func (t *Table[T]) GetMany(r kv.Reader, s scope.Scope, parts []key.Key) ([]Row[T], error) {
	return t.many(r, s, parts, nil)
}

func (t *Table[T]) many(r kv.Reader, s scope.Scope, parts []key.Key, skim *Skim) ([]Row[T], error) {
	keys := make([][]byte, len(parts))
	for i, p := range parts {
		keys[i] = t.key(p)
	}
	read := make([]Row[T], 0, len(keys))
	reading := skimming{Skim: skim}
	err := kv.Lend(r, keys, func(it kv.Item) error {
		if it.Version == 0 {
			return nil
		}
		row, err := t.read(it, &reading)
		read = append(read, row)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", t.spec.Name, err)
	}
	rows := read[:0]
	for _, row := range read {
		if t.visible(s, row.Value) {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// By answers the row under a key of a unique index.
func (t *Table[T]) By(r kv.Reader, s scope.Scope, index string, parts key.Key) (Row[T], bool, error) {
	ix := t.index(index)
	if !ix.Unique {
		panic(fmt.Sprintf("table %s: index %s is not unique", t.spec.Name, index))
	}
	it, err := r.Get(indexKey(ix, parts, nil))
	if err != nil || it.Version == 0 {
		return Row[T]{}, false, err
	}
	return t.Get(r, s, it.Value)
}

// Place answers where the row with these key parts lies, for Prefetch.
func (t *Table[T]) Place(parts key.Key) []byte { return t.key(parts) }

// PlaceBy answers where a unique index has a key, for Prefetch.
func (t *Table[T]) PlaceBy(index string, parts key.Key) []byte {
	return indexKey(t.index(index), parts, nil)
}

func (t *Table[T]) index(name string) Index[T] {
	i := slices.IndexFunc(t.spec.Indexes, func(ix Index[T]) bool { return ix.Name == name })
	if i < 0 {
		panic(fmt.Sprintf("table %s has no index %s", t.spec.Name, name))
	}
	return t.spec.Indexes[i]
}
