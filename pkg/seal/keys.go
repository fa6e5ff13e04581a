package seal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// keysFormat leads the keys of a service as its store keeps them. A store of
// before versions has formatFirst there: its one wrapped data key. A linli of
// that time refuses this byte instead of beginning anew.
const keysFormat = 2

// hashKeyBytes is how long each of the two keys in an index key is: for blind
// indexes, and for digests.
const hashKeyBytes = keyBytes

// New makes a keyring with new keys under a master key, and the wrapped keys to
// keep.
func New(master MasterKey) (*Keyring, []byte, error) {
	ctx := context.Background()
	keys, err := MakeKeys(ctx, master, AES, time.Time{})
	if err != nil {
		return nil, nil, err
	}
	k, err := Unlock(ctx, master, keys)
	if err != nil {
		return nil, nil, err
	}
	packed, err := PackKeys(keys)
	return k, packed, err
}

// Open makes the keyring of what New or PackKeys answered. A wrong master key is
// ErrSealed or ErrNoMasterKey.
func Open(master MasterKey, packed []byte) (*Keyring, error) {
	ctx := context.Background()
	keys, err := UnpackKeys(ctx, master, packed)
	if err != nil {
		return nil, err
	}
	return Unlock(ctx, master, keys)
}

// PackKeys answers the bytes of keys that a store keeps.
func PackKeys(keys *typev1.KeysRow) ([]byte, error) {
	out, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend([]byte{keysFormat}, keys)
	if err != nil {
		return nil, fmt.Errorf("encode keys: %w", err)
	}
	return out, nil
}

// UnpackKeys reads what a store keeps. What a linli of before versions left is
// brought to the form of today: its data key is version 1, and its index key is
// what it hashed by, so that every hash there is stays what it is.
func UnpackKeys(ctx context.Context, p Provider, packed []byte) (*typev1.KeysRow, error) {
	if len(packed) == 0 {
		return nil, fmt.Errorf("keys: %w", ErrSealed)
	}
	if packed[0] == formatFirst {
		return fromFirst(ctx, p, packed)
	}
	keys := &typev1.KeysRow{}
	if err := proto.Unmarshal(packed[1:], keys); packed[0] != keysFormat || err != nil || len(keys.GetDataKeys()) == 0 {
		return nil, fmt.Errorf("keys: %w", ErrSealed) // the cause says nothing more
	}
	return keys, nil
}

func fromFirst(ctx context.Context, p Provider, wrapped []byte) (*typev1.KeysRow, error) {
	data, err := p.Unwrap(ctx, "", wrapped, useDataKey)
	if err != nil {
		return nil, err
	}
	id, err := p.Current(ctx)
	if err != nil {
		return nil, err
	}
	index := append(AES.derive(data, "linli blind indexes", hashKeyBytes), AES.derive(data, "linli digests", hashKeyBytes)...)
	keys := &typev1.KeysRow{
		DataKeys: []*typev1.WrappedKeyRow{{Version: 1, Profile: typev1.SealProfile(AES)}},
		IndexKey: &typev1.WrappedKeyRow{Profile: typev1.SealProfile(AES)},
	}
	if err := wrapInto(ctx, p, id, keys.GetDataKeys()[0], data, useDataKey); err != nil {
		return nil, err
	}
	return keys, wrapInto(ctx, p, id, keys.GetIndexKey(), index, useIndexKey)
}

func wrapInto(ctx context.Context, p Provider, id string, row *typev1.WrappedKeyRow, key []byte, use string) (err error) {
	row.MasterKey = id
	row.Wrapped, err = p.Wrap(ctx, id, key, use)
	return err
}

// MakeKeys makes the keys of a new store.
func MakeKeys(ctx context.Context, p Provider, profile Profile, at time.Time) (*typev1.KeysRow, error) {
	id, err := p.Current(ctx)
	if err != nil {
		return nil, err
	}
	keys := &typev1.KeysRow{IndexKey: &typev1.WrappedKeyRow{Profile: typev1.SealProfile(profile), MasterKey: id, MadeAt: timestamppb.New(at)}}
	if _, keys.IndexKey.Wrapped, err = p.Generate(ctx, id, 2*hashKeyBytes, useIndexKey); err != nil {
		return nil, err
	}
	return WithDataKey(ctx, p, keys, profile, at)
}

// WithDataKey answers keys with a new data key beside those there are: the
// newest from then on. Unset, its profile is that of the newest before.
func WithDataKey(ctx context.Context, p Provider, keys *typev1.KeysRow, profile Profile, at time.Time) (*typev1.KeysRow, error) {
	id, err := p.Current(ctx)
	if err != nil {
		return nil, err
	}
	next := proto.CloneOf(keys)
	row := &typev1.WrappedKeyRow{Version: 1, Profile: typev1.SealProfile(profile), MasterKey: id, MadeAt: timestamppb.New(at)}
	if n := len(next.GetDataKeys()); n > 0 {
		newest := next.GetDataKeys()[n-1]
		row.Version = newest.GetVersion() + 1
		if profile == 0 {
			row.Profile = newest.GetProfile()
		}
	}
	if _, row.Wrapped, err = p.Generate(ctx, id, keyBytes, useDataKey); err != nil {
		return nil, err
	}
	next.DataKeys = append(next.DataKeys, row)
	return next, nil
}

// Rewrapped answers keys with every one wrapped under the current master key.
// changed is false when each was.
func Rewrapped(ctx context.Context, p Provider, keys *typev1.KeysRow) (next *typev1.KeysRow, changed bool, err error) {
	id, err := p.Current(ctx)
	if err != nil {
		return nil, false, err
	}
	next = proto.CloneOf(keys)
	for i, row := range append(slices.Clone(next.GetDataKeys()), next.GetIndexKey()) {
		if row.GetMasterKey() == id {
			continue
		}
		use := useDataKey
		if i == len(next.GetDataKeys()) {
			use = useIndexKey
		}
		key, err := p.Unwrap(ctx, row.GetMasterKey(), row.GetWrapped(), use)
		if err != nil {
			return nil, false, err
		}
		if err := wrapInto(ctx, p, id, row, key, use); err != nil {
			return nil, false, err
		}
		changed = true
	}
	return next, changed, nil
}

// WithoutBefore answers keys without the data keys of versions before one. The
// newest stays in any case.
func WithoutBefore(keys *typev1.KeysRow, version uint32) *typev1.KeysRow {
	next := proto.CloneOf(keys)
	newest := Newest(keys)
	next.DataKeys = slices.DeleteFunc(next.DataKeys, func(row *typev1.WrappedKeyRow) bool {
		return row.GetVersion() < version && row.GetVersion() != newest
	})
	return next
}

// Newest is the version of the data key that seals.
func Newest(keys *typev1.KeysRow) uint32 {
	all := keys.GetDataKeys()
	return all[len(all)-1].GetVersion()
}

// Unlock makes the keyring of wrapped keys.
func Unlock(ctx context.Context, p Provider, keys *typev1.KeysRow) (*Keyring, error) {
	row := keys.GetIndexKey()
	index, err := p.Unwrap(ctx, row.GetMasterKey(), row.GetWrapped(), useIndexKey)
	if err != nil {
		return nil, err
	}
	if len(index) != 2*hashKeyBytes {
		return nil, errors.New("seal: an index key of another length")
	}
	profile := profileOf(row)
	k := &Keyring{blind: newMACs(profile, index[:hashKeyBytes]), digests: newMACs(profile, index[hashKeyBytes:])}
	k.lasting = newDataKey(0, profile, profile.derive(index, "linli lasting", keyBytes))
	return k, k.Use(ctx, p, keys)
}

// Use takes the data keys of a row in place of those there are. Values that
// were sealed under a version that the row lacks open no more.
func (k *Keyring) Use(ctx context.Context, p Provider, keys *typev1.KeysRow) error {
	before, next := k.state.Load(), &dataKeys{all: map[uint32]*dataKey{}}
	for _, row := range keys.GetDataKeys() {
		if before != nil && before.all[row.GetVersion()] != nil {
			next.newest = before.all[row.GetVersion()]
		} else {
			data, err := p.Unwrap(ctx, row.GetMasterKey(), row.GetWrapped(), useDataKey)
			if err != nil {
				return err
			}
			if len(data) != keyBytes {
				return errors.New("seal: a data key of another length")
			}
			next.newest = newDataKey(row.GetVersion(), profileOf(row), data)
		}
		next.all[row.GetVersion()] = next.newest
	}
	k.state.Store(next)
	return nil
}

func profileOf(row *typev1.WrappedKeyRow) Profile {
	if p := Profile(row.GetProfile()); p != 0 {
		return p
	}
	return AES
}
