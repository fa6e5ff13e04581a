package store

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/seal"
)

// mostDataKeys bounds how many data keys a store has at a time: with more, rows
// come off the old ones slower than new ones are made.
const mostDataKeys = 8

// keys are a store's wrapped keys as its keyring has them now.
type keys struct {
	provider seal.Provider
	now      atomic.Pointer[typev1.KeysRow]
	changed  chan struct{} // signalled when there is something to seal anew
	// adopted is when the keyring last took a new data key, by the wall clock in
	// Unix nanoseconds; zero when it has had its newest since the store was opened.
	adopted atomic.Int64
}

// keysKey is where the wrapped keys lie. Its name is that of before versions,
// so that a linli of that time finds what it cannot read, and not nothing.
func keysKey() key.Key { return key.New(tableMeta).String("data key") }

// openKeys reads the store's keys, or makes them in a new store.
func openKeys(ctx context.Context, c Config) (*keys, *seal.Keyring, error) {
	var row *typev1.KeysRow
	fresh, err := seal.MakeKeys(ctx, c.Master, max(c.Profile, seal.AES), c.Wall.Now())
	if err != nil {
		return nil, nil, err
	}
	err = c.DB.Update(ctx, func(tx kv.Tx) error {
		stored, err := tx.Get(keysKey())
		if err != nil {
			return err
		}
		row = fresh
		if stored.Version != 0 {
			if row, err = seal.UnpackKeys(ctx, c.Master, stored.Value); err != nil {
				return err
			}
		}
		packed, err := seal.PackKeys(row)
		if err == nil && string(packed) != string(stored.Value) {
			tx.Put(keysKey(), packed)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	ring, err := seal.Unlock(ctx, c.Master, row)
	if err != nil {
		return nil, nil, err
	}
	k := &keys{provider: c.Master, changed: make(chan struct{}, 1)}
	k.now.Store(row)
	return k, ring, nil
}

// Keys are the store's wrapped keys. They are not to be changed.
func (s *Store) Keys() *typev1.KeysRow { return s.keys.now.Load() }

// KeysChanged is signalled when there is a new data key, and values of before
// are to be sealed anew.
func (s *Store) KeysChanged() <-chan struct{} { return s.keys.changed }

// MasterKeys are the ids of the master keys that wrap the store's keys: one, or
// two while the keys of a store are wrapped by different ones.
func (s *Store) MasterKeys() []string {
	row := s.Keys()
	ids := []string{row.GetIndexKey().GetMasterKey()}
	for _, k := range row.GetDataKeys() {
		ids = append(ids, k.GetMasterKey())
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// RotateMaster wraps the store's keys under the provider's current master key,
// in the given transaction, and answers them. AfterKeys belongs after its commit.
func (tx *Tx) RotateMaster(ctx context.Context) (*typev1.KeysRow, error) {
	row, err := tx.keysRow()
	if err != nil {
		return nil, err
	}
	next, changed, err := seal.Rewrapped(ctx, tx.store.keys.provider, row)
	if err != nil {
		return nil, tx.store.noMaster(err)
	}
	if changed {
		err = tx.putKeys(next)
	}
	tx.Audit(Record{Rows: []string{next.GetIndexKey().GetMasterKey()}})
	return next, err
}

// RotateData gives the store a new data key, in the given transaction, and
// answers its keys. AfterKeys belongs after its commit. RESEALING when there
// are as many as there may be.
func (tx *Tx) RotateData(ctx context.Context, profile seal.Profile) (*typev1.KeysRow, error) {
	row, err := tx.keysRow()
	if err != nil {
		return nil, err
	}
	if n := len(row.GetDataKeys()); n >= mostDataKeys {
		return nil, rule.New(rule.Precondition, "RESEALING", "", "service", tx.store.service, "versions", fmt.Sprint(n))
	}
	next, err := seal.WithDataKey(ctx, tx.store.keys.provider, row, profile, tx.wall)
	if err != nil {
		return nil, tx.store.noMaster(err)
	}
	tx.Audit(Record{Rows: []string{dataKeyID(seal.Newest(next))}})
	return next, tx.putKeys(next)
}

func dataKeyID(version uint32) string { return fmt.Sprintf("data key %d", version) }

// noMaster tells who asked that it is the master keys; what it was exactly, a
// path perhaps, is for the log.
func (s *Store) noMaster(err error) error {
	s.log.Error("master keys cannot be used", "error", err)
	return rule.New(rule.Precondition, "MASTER_KEY_UNAVAILABLE", "")
}

func (tx *Tx) keysRow() (*typev1.KeysRow, error) {
	it, err := tx.Get(keysKey())
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	row, err := seal.UnpackKeys(context.Background(), tx.store.keys.provider, it.Value)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", kv.ErrCorrupt, err)
	}
	return row, nil
}

func (tx *Tx) putKeys(row *typev1.KeysRow) error {
	packed, err := seal.PackKeys(row)
	if err == nil {
		tx.Put(keysKey(), packed)
	}
	return err
}

// AfterKeys has the store use the keys that it holds now. It belongs after every
// commit that changes them, also one of unknown outcome.
func (s *Store) AfterKeys(ctx context.Context) error {
	var row *typev1.KeysRow
	err := s.View(ctx, func(r kv.Reader) error {
		it, err := r.Get(keysKey())
		if err != nil {
			return err
		}
		row, err = seal.UnpackKeys(ctx, s.keys.provider, it.Value)
		return err
	})
	if err == nil {
		err = s.keyring.Use(ctx, s.keys.provider, row)
	}
	if err != nil {
		return fmt.Errorf("use the keys of %s: %w", s.service, err)
	}
	before := s.keys.now.Swap(row)
	if seal.Newest(row) != seal.Newest(before) {
		s.keys.adopted.Store(s.wall.Now().UnixNano())
		select {
		case s.keys.changed <- struct{}{}:
		default:
		}
	}
	return nil
}

// Resealing is how far the last pass over the store's rows has come.
func (s *Store) Resealing(ctx context.Context) (row *typev1.ResealRow, err error) {
	err = s.View(ctx, func(r kv.Reader) error {
		row, err = readReseal(r)
		return err
	})
	return row, err
}

func resealKey() key.Key { return key.New(tableMeta).String("reseal") }

func readReseal(r kv.Reader) (*typev1.ResealRow, error) {
	it, err := r.Get(resealKey())
	if err != nil {
		return nil, err
	}
	row := &typev1.ResealRow{}
	if err := proto.Unmarshal(it.Value, row); err != nil {
		return nil, fmt.Errorf("%w: reseal: %w", kv.ErrCorrupt, err)
	}
	return row, nil
}

// settled is how long after the keyring took a new data key a value may still
// come to be stored under the one of before: longer than any call lasts.
const settled = 15 * time.Minute
