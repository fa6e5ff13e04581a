package store

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
)

// Errors of a store whose format is not that of this program.
var (
	// ErrNewer: a newer linli wrote it. This one does not know what it would
	// spoil.
	ErrNewer = errors.New("store: written by a newer linli")
	// ErrOlder: an older linli wrote it, and it was not migrated yet.
	ErrOlder = errors.New("store: written by an older linli")
)

// Migration changes what an older linli stored into what this one reads. A list
// of them is only ever added to: number 1 first, and no number is left out or
// used again, for the number of the last one done stands in the store.
type Migration struct {
	Number uint64
	// What is said in the log: "sheets keep their hours by quarter".
	What string
	// Slice does a part that fits into one commit (some 300 rows), beginning
	// at a place: nil for the first slice, else what the slice before answered.
	// It answers where the next one goes on, nil when nothing is left. The
	// place is kept in the same commit, so that a start that was broken off
	// goes on from there; the closure may run again.
	Slice func(tx *Tx, at []byte) (next []byte, err error)
}

// formatKey is where the number of the last migration of the service stands.
func formatKey() key.Key { return key.New(tableMeta).String("format") }

// Migrate brings the store to the last migration of the list, in slices, and
// answers how many it did. It belongs before anything else of the service runs.
// A store that a newer linli wrote is refused with ErrNewer and left as it is.
// A new store goes the same way; there is nothing in it to change.
func (s *Store) Migrate(ctx context.Context, all []Migration) (done int, err error) {
	if err := numbered(all); err != nil {
		return 0, fmt.Errorf("migrate %s: %w", s.service, err)
	}
	for {
		began, next, err := s.migrateSlice(ctx, all)
		if err != nil {
			return done, fmt.Errorf("migrate %s: %w", s.service, err)
		}
		if next.GetNumber() == began.GetNumber() && len(next.GetAt()) == 0 {
			return done, nil // nothing was left to do
		}
		if next.GetNumber() > began.GetNumber() {
			done++
			s.log.Info("migrated", "format", next.GetNumber(), "what", all[next.GetNumber()-1].What)
		}
	}
}

func numbered(all []Migration) error {
	for i, m := range all {
		if m.Number != uint64(i)+1 {
			return fmt.Errorf("migration %d stands in the place of number %d", m.Number, i+1)
		}
	}
	return nil
}

// migrateSlice does one slice of the next migration, and answers the format
// before and after it: the same when there is nothing to do.
func (s *Store) migrateSlice(ctx context.Context, all []Migration) (began, next *typev1.FormatRow, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		if began, err = readFormat(tx); err != nil {
			return err
		}
		next = began
		if err := s.fits(began, all); !errors.Is(err, ErrOlder) {
			return err
		}
		at, err := all[began.GetNumber()].Slice(tx, began.GetAt())
		if err != nil {
			return fmt.Errorf("to format %d: %w", began.GetNumber()+1, err)
		}
		next = &typev1.FormatRow{Number: began.GetNumber(), At: at}
		if len(at) == 0 {
			next.Number++
		}
		value, err := proto.Marshal(next)
		if err != nil {
			return fmt.Errorf("encode format: %w", err)
		}
		tx.Put(formatKey(), value)
		return nil
	})
	return began, next, err
}

// CheckFormat answers ErrOlder or ErrNewer when the store does not stand at the
// last migration of the list.
func (s *Store) CheckFormat(ctx context.Context, all []Migration) error {
	return s.View(ctx, func(r kv.Reader) error {
		row, err := readFormat(r)
		if err != nil {
			return err
		}
		return s.fits(row, all)
	})
}

func (s *Store) fits(row *typev1.FormatRow, all []Migration) error {
	newest := uint64(len(all))
	switch n := row.GetNumber(); {
	case n > newest || n == newest && len(row.GetAt()) > 0:
		return fmt.Errorf("%w: the data of %s has format %d, this linli knows %d", ErrNewer, s.service, n, newest)
	case n < newest:
		return fmt.Errorf("%w: the data of %s has format %d, this linli has %d", ErrOlder, s.service, n, newest)
	}
	return nil
}

func readFormat(r kv.Reader) (*typev1.FormatRow, error) {
	it, err := r.Get(formatKey())
	if err != nil {
		return nil, err
	}
	row := &typev1.FormatRow{}
	if err := proto.Unmarshal(it.Value, row); err != nil {
		return nil, fmt.Errorf("%w: format: %w", kv.ErrCorrupt, err)
	}
	return row, nil
}
