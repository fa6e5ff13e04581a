// Package seal keeps what must not lie about in plain: sealed fields, replies
// and tokens, and keyed hashes to find equal values again.
//
// A Keyring holds the data keys of one service, by version, wrapped by master
// keys that live outside the store (Provider). The newest seals; those of before
// open what they sealed, until nothing is left under them. Every use (fields,
// each Box) derives a key of its own from a data key, so that what is sealed for
// one purpose opens for no other, and no key seals more than its own use asks
// for. Keyed hashes come of an index key, which stays when data keys change: a
// hash is found again for as long as what it was made of is told again.
package seal

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"hash"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	keyBytes = 32
	// formatFirst leads what was sealed before data keys had versions, under the
	// first one: the byte, the nonce, the ciphertext.
	formatFirst = 1
	// formatVersioned: the byte, the version of the data key as a uvarint, the
	// nonce, the ciphertext.
	formatVersioned = 2
	// formatLasting: the byte, the nonce, the ciphertext, under the index key.
	formatLasting = 3
	blindBytes    = 16
)

// ErrSealed says that the bytes were not sealed by this keyring for this place, were
// changed since, or were sealed under a key that is no more.
var ErrSealed = errors.New("seal: does not open")

// Keyring seals and opens for one service. It is safe for concurrent use, also
// while its keys change.
type Keyring struct {
	state   atomic.Pointer[dataKeys]
	lasting *dataKey // comes of the index key
	blind   *macs
	digests *macs
}

// dataKeys are the data keys at a moment; they are never changed in place.
type dataKeys struct {
	newest *dataKey
	all    map[uint32]*dataKey
}

// dataKey is one version.
type dataKey struct {
	version uint32
	profile Profile
	fields  cipher.AEAD
	boxes   []byte // keys of boxes derive from it
}

// String keeps the keys out of whatever prints a keyring.
func (*Keyring) String() string { return "seal.Keyring" }

// GoString does the same for %#v.
func (*Keyring) GoString() string { return "seal.Keyring" }

func newDataKey(version uint32, p Profile, data []byte) *dataKey {
	return &dataKey{
		version: version, profile: p,
		fields: p.aead(p.derive(data, "linli fields", keyBytes)), boxes: p.derive(data, "linli boxes", keyBytes),
	}
}

// Seal encrypts plain for one place, named by parts (table, key, field). An
// empty plain stays empty: that nothing was given is no secret.
func (k *Keyring) Seal(plain []byte, place ...string) []byte {
	if len(plain) == 0 {
		return nil
	}
	d := k.state.Load().newest
	return d.seal(d.fields, plain, place)
}

// Open decrypts what Seal made for the same place, else answers ErrSealed.
func (k *Keyring) Open(sealed []byte, place ...string) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, nil
	}
	d, rest, err := k.state.Load().of(sealed)
	if err != nil {
		return nil, err
	}
	return openWith(d.fields, rest, aad(place))
}

func (d *dataKey) seal(a cipher.AEAD, plain []byte, place []string) []byte {
	return sealWith(a, binary.AppendUvarint([]byte{formatVersioned}, uint64(d.version)), plain, aad(place))
}

// of answers the key that sealed something, and what follows its version.
func (s *dataKeys) of(sealed []byte) (*dataKey, []byte, error) {
	version, rest := head(sealed)
	d := s.all[version]
	if d == nil {
		return nil, nil, ErrSealed
	}
	return d, rest, nil
}

// head answers the version under which something was sealed, 0 when it was not,
// and what follows.
func head(sealed []byte) (version uint32, rest []byte) {
	if len(sealed) == 0 {
		return 0, nil
	}
	switch sealed[0] {
	case formatFirst:
		return 1, sealed[1:]
	case formatVersioned:
		v, n := binary.Uvarint(sealed[1:])
		if n <= 0 || v > 1<<31 {
			return 0, nil
		}
		return uint32(v), sealed[1+n:]
	}
	return 0, nil
}

// Blind answers a keyed hash of value (16 bytes): equal values give equal
// hashes within one purpose, and tell nothing across two. An empty value has
// none. The purpose is the first thing hashed, which keeps purposes as far
// apart as keys of their own would, without deriving one for each of the
// 100,000 rows of an import.
func (k *Keyring) Blind(purpose string, value ...string) []byte {
	if strings.Join(value, "") == "" {
		return nil
	}
	return keyedHash(k.blind, purpose, value)[:blindBytes]
}

// Digest answers a keyed hash (32 bytes) by which a value is recognised again.
// Without the key, a digest of a request could be tried out against every
// phone number there is; with it, only who holds the keyring can ask.
func (k *Keyring) Digest(purpose string, value ...string) []byte {
	return keyedHash(k.digests, purpose, value)
}

// macs hash under one key. A key is worked in once and not for each of the
// hundred thousand rows of an import.
type macs struct{ pool sync.Pool }

func newMACs(p Profile, key []byte) *macs {
	return &macs{pool: sync.Pool{New: func() any { return hmac.New(p.hash, key) }}}
}

func keyedHash(m *macs, purpose string, value []string) []byte {
	mac := m.pool.Get().(hash.Hash)
	defer m.pool.Put(mac)
	mac.Reset()
	_, _ = mac.Write(aad(append([]string{purpose}, value...))) // a hash never fails
	return mac.Sum(nil)
}

// Box seals for one purpose under a key of its own. It is safe for concurrent
// use, also while the keys of its keyring change.
type Box struct {
	keyring *Keyring
	lasting bool
	purpose string
	newest  atomic.Pointer[boxKey]
}

type boxKey struct {
	of   *dataKey
	aead cipher.AEAD
}

// Box answers the box of a purpose. It derives a key: make it once and keep it.
func (k *Keyring) Box(purpose string) *Box {
	b := &Box{keyring: k, purpose: purpose}
	b.key(k.state.Load().newest)
	return b
}

// Lasting answers the box of a purpose whose key stays when data keys change.
// It is for what cannot be sealed anew, because it must stay what it was written
// as (a line of the audit) or lies outside the store (a file); everything else
// belongs into Seal or Box, and into the declaration of its table.
func (k *Keyring) Lasting(purpose string) *Box {
	b := &Box{keyring: k, purpose: purpose, lasting: true}
	b.key(k.lasting)
	return b
}

// key derives the box's key of a data key; the one used last is kept.
func (b *Box) key(d *dataKey) cipher.AEAD {
	if last := b.newest.Load(); last != nil && last.of == d {
		return last.aead
	}
	key := &boxKey{of: d, aead: d.profile.aead(d.profile.derive(d.boxes, b.purpose, keyBytes))}
	b.newest.Store(key)
	return key.aead
}

// Seal encrypts plain for one place. Unlike a field, an empty plain is sealed
// as well.
func (b *Box) Seal(plain []byte, place ...string) []byte {
	if b.lasting {
		return sealWith(b.key(b.keyring.lasting), []byte{formatLasting}, plain, aad(place))
	}
	d := b.keyring.state.Load().newest
	return d.seal(b.key(d), plain, place)
}

// Open decrypts what this box sealed for the same place, else answers ErrSealed.
func (b *Box) Open(sealed []byte, place ...string) ([]byte, error) {
	if b.lasting {
		if len(sealed) == 0 || sealed[0] != formatLasting {
			return nil, ErrSealed
		}
		return openWith(b.key(b.keyring.lasting), sealed[1:], aad(place))
	}
	d, rest, err := b.keyring.state.Load().of(sealed)
	if err != nil {
		return nil, err
	}
	return openWith(b.key(d), rest, aad(place))
}

// aad joins parts so that no two lists of parts give the same bytes.
func aad(parts []string) []byte {
	var out []byte
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}

// sealWith puts a nonce and the ciphertext behind head.
func sealWith(a cipher.AEAD, head, plain, ad []byte) []byte {
	nonce := random(a.NonceSize())
	out := append(make([]byte, 0, len(head)+len(nonce)+len(plain)+a.Overhead()), head...)
	out = append(out, nonce...)
	return a.Seal(out, nonce, plain, ad)
}

// openWith opens a nonce and the ciphertext behind it.
func openWith(a cipher.AEAD, sealed, ad []byte) ([]byte, error) {
	if len(sealed) < a.NonceSize() {
		return nil, ErrSealed
	}
	plain, err := a.Open(nil, sealed[:a.NonceSize()], sealed[a.NonceSize():], ad)
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// random never fails: crypto/rand ends the process where there is none.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
