// Package held knows what a service holds of a person: it collects it for the
// person's own copy, and erases it when a claim was accepted. A service declares,
// table by table, which rows are about whom and what is left of them.
package held

import (
	"bytes"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// Effect is what an erasure does to a row.
type Effect int

// The effects. What a row keeps in any case are ids, places, days and counts:
// nothing maps the id to a person any more.
const (
	// Leave: nothing in the row is the person's.
	Leave Effect = iota
	// Remove takes the row and its index entries away.
	Remove
	// Blank takes out everything personal, names too, and every sealed value.
	Blank
	// Write writes the row as it was changed, for rows that hold several persons.
	Write
)

// Holding is a table with rows of persons.
type Holding interface {
	// Table is what it is called.
	Table() string
	// Keeps says what stays after an erasure, and why; empty = nothing does.
	Keeps() string
	collect(r kv.Reader, k *seal.Keyring, person string, after key.Key) (page, error)
	find(r kv.Reader, person string, after key.Key) (found, error)
	erase(tx *store.Tx, person string, row key.Key) (Effect, error)
	findPast(r kv.Reader, now time.Time, after key.Key) (found, error)
	expire(tx *store.Tx, now time.Time, row key.Key) (Effect, error)
}

// page is a slice of rows for a copy; next is nil at the end of the table.
type page struct {
	rows []*structpb.Struct
	next key.Key
}

// found is a slice of rows that an erasure is to look at.
type found struct {
	rows []key.Key
	next key.Key
}

// scanned is how many rows are read at once.
const scanned = 200

// Of declares how the rows of a table are persons'.
type Of[T proto.Message] struct {
	Rows *table.Table[T]
	// Key answers the key parts of a row, as the table's own.
	Key func(T) key.Key
	// Near answers where the rows of a person are looked for; nil = in the whole
	// table, row by row. Index and prefix are used.
	Near func(person string) table.Query
	// Copied says whether a row belongs into the person's copy; nil = none does.
	Copied func(row T, person string) bool
	// Whose answers whose a row is that another row says; it stands in for Copied
	// and Touches where it is given.
	Whose func(r kv.Reader, row T) (person string, err error)
	// Touches says whether an erasure has to look at the row; nil = at those that
	// are copied.
	Touches func(row T, person string) bool
	// Erase says what becomes of a row that is touched. next is a copy that it may
	// change before it is blanked or written. It may write other rows of the
	// service too, and runs again after a conflict.
	Erase func(tx *store.Tx, row table.Row[T], next T, person string) (Effect, error)
	// Past says whether the time of what is personal in a row is over, by the clock
	// of people and the policy of its place; nil = it has no such time.
	Past func(r kv.Reader, row T, now time.Time) (bool, error)
	// Expire is what becomes of such a row; nil = what Erase does, for nobody.
	Expire func(tx *store.Tx, row table.Row[T], next T) (Effect, error)
	// Kept says what stays, and why, for the page of privacy.
	Kept string
	// Opens answers what the sealed values of a copied row are, by their field:
	// a message, or nil for a text. Others are left out of the copy.
	Opens map[string]proto.Message
	// Hide takes out of an opened row what is somebody else's, or not for the person
	// yet; may be nil.
	Hide func(r kv.Reader, row T, person string) error
}

var _ Holding = Of[*typev1.ErasureRow]{}

// Table is what the table is called.
func (o Of[T]) Table() string { return o.Rows.Name() }

// Keeps says what stays after an erasure.
func (o Of[T]) Keeps() string { return o.Kept }

// list answers the next rows that may be the person's.
func (o Of[T]) list(r kv.Reader, person string, after key.Key) (table.Listing[T], error) {
	q := table.Query{}
	if o.Near != nil {
		q = o.Near(person)
	}
	q.After, q.Limit = after, scanned
	return o.Rows.List(r, scope.All(), q)
}

func (o Of[T]) collect(r kv.Reader, k *seal.Keyring, person string, after key.Key) (page, error) {
	if o.Copied == nil && o.Whose == nil {
		return page{}, nil
	}
	listing, err := o.list(r, person, after)
	if err != nil {
		return page{}, err
	}
	out := page{next: listing.Last}
	for _, row := range listing.Rows {
		mine, err := o.copied(r, row.Value, person)
		if err != nil {
			return page{}, err
		}
		if !mine {
			continue
		}
		said, err := o.said(r, k, row.Value, person)
		if err != nil {
			return page{}, fmt.Errorf("copy a row of %s: %w", o.Table(), err)
		}
		out.rows = append(out.rows, said)
	}
	return out, nil
}

// said is a row as it stands in the person's copy.
func (o Of[T]) said(r kv.Reader, k *seal.Keyring, row T, person string) (*structpb.Struct, error) {
	opened, err := o.Rows.Opened(k, row)
	if err != nil {
		return nil, err
	}
	if o.Hide != nil {
		if err := o.Hide(r, opened, person); err != nil {
			return nil, err
		}
	}
	return inWords(opened, o.Opens)
}

func (o Of[T]) copied(r kv.Reader, row T, person string) (bool, error) {
	if o.Whose != nil {
		whose, err := o.Whose(r, row)
		return whose == person, err
	}
	return o.Copied != nil && o.Copied(row, person), nil
}

func (o Of[T]) touches(r kv.Reader, row T, person string) (bool, error) {
	switch {
	case o.Erase == nil:
		return false, nil
	case o.Touches != nil:
		return o.Touches(row, person), nil
	}
	return o.copied(r, row, person)
}

func (o Of[T]) find(r kv.Reader, person string, after key.Key) (found, error) {
	if o.Erase == nil {
		return found{}, nil
	}
	listing, err := o.list(r, person, after)
	if err != nil {
		return found{}, err
	}
	out := found{next: listing.Last}
	for _, row := range listing.Rows {
		touched, err := o.touches(r, row.Value, person)
		if err != nil {
			return found{}, err
		}
		if touched {
			out.rows = append(out.rows, o.Key(row.Value))
		}
	}
	return out, nil
}

// erase erases the person from one row, if it is still there and still touched.
func (o Of[T]) erase(tx *store.Tx, person string, at key.Key) (Effect, error) {
	row, ok, err := o.Rows.Get(tx, scope.All(), at)
	if err != nil || !ok {
		return Leave, err
	}
	if touched, err := o.touches(tx, row.Value, person); err != nil || !touched {
		return Leave, err
	}
	next := proto.CloneOf(row.Value)
	effect, err := o.Erase(tx, row, next, person)
	if err != nil {
		return Leave, fmt.Errorf("erase from %s: %w", o.Table(), err)
	}
	return o.write(tx, row, next, effect)
}

// write does to a row what was decided, and answers what that was.
func (o Of[T]) write(tx *store.Tx, row table.Row[T], next T, effect Effect) (Effect, error) {
	if effect == Remove {
		return effect, o.Rows.Delete(tx, row)
	}
	if effect == Blank {
		o.Rows.Blank(next)
	}
	if effect == Leave || same(row.Value, next) {
		return Leave, nil
	}
	_, err := o.Rows.Replace(tx, row, next)
	return effect, err
}

func (o Of[T]) findPast(r kv.Reader, now time.Time, after key.Key) (found, error) {
	if o.Past == nil {
		return found{}, nil
	}
	listing, err := o.Rows.List(r, scope.All(), table.Query{After: after, Limit: scanned})
	if err != nil {
		return found{}, err
	}
	out := found{next: listing.Last}
	for _, row := range listing.Rows {
		past, err := o.Past(r, row.Value, now)
		if err != nil {
			return found{}, fmt.Errorf("how long a row of %s is kept: %w", o.Table(), err)
		}
		if past {
			out.rows = append(out.rows, o.Key(row.Value))
		}
	}
	return out, nil
}

// expire takes what is personal out of one row, if its time is still over.
func (o Of[T]) expire(tx *store.Tx, now time.Time, at key.Key) (Effect, error) {
	row, ok, err := o.Rows.Get(tx, scope.All(), at)
	if err != nil || !ok {
		return Leave, err
	}
	if past, err := o.Past(tx, row.Value, now); err != nil || !past {
		return Leave, err
	}
	next := proto.CloneOf(row.Value)
	var effect Effect
	if o.Expire != nil {
		effect, err = o.Expire(tx, row, next)
	} else {
		effect, err = o.Erase(tx, row, next, "")
	}
	if err != nil {
		return Leave, fmt.Errorf("expire in %s: %w", o.Table(), err)
	}
	return o.write(tx, row, next, effect)
}

// same says whether there is nothing to write.
func same(a, b proto.Message) bool {
	x, errA := proto.MarshalOptions{Deterministic: true}.Marshal(a)
	y, errB := proto.MarshalOptions{Deterministic: true}.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(x, y)
}

// Removed is the Erase of rows that go.
func Removed[T proto.Message](*store.Tx, table.Row[T], T, string) (Effect, error) {
	return Remove, nil
}

// Blanked is the Erase of rows that stay without anything personal.
func Blanked[T proto.Message](*store.Tx, table.Row[T], T, string) (Effect, error) {
	return Blank, nil
}
