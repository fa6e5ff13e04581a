// Package seal keeps what must not lie about in plain: AES-256-GCM for fields,
// replies and tokens, and keyed hashes to find equal values again.
//
// A Keyring holds one data key, wrapped by a master key that lives outside the
// store. Every use (fields, each Box, blind indexes, digests) derives a key of
// its own from the data key, so that what is sealed for one purpose opens for
// no other, and no key seals more than its own use asks for.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
)

const (
	keyBytes      = 32
	formatVersion = 1
	blindBytes    = 16
)

// ErrSealed says that the bytes were not sealed by this keyring for this place, or were
// changed since.
var ErrSealed = errors.New("seal: does not open")

// Keyring seals and opens for one service. It is safe for concurrent use.
type Keyring struct {
	fields  cipher.AEAD
	boxes   [keyBytes]byte // keys of boxes derive from it
	blind   *macs
	digests *macs
}

// String keeps the keys out of whatever prints a keyring.
func (*Keyring) String() string { return "seal.Keyring" }

// GoString does the same for %#v.
func (*Keyring) GoString() string { return "seal.Keyring" }

// New makes a keyring with a new data key, and the wrapped key to keep.
func New(master MasterKey) (k *Keyring, wrapped []byte, err error) {
	data := random(keyBytes)
	wrapped = sealWith(aead(master[:]), data, aad([]string{"data key"}))
	k, err = fromData(data)
	return k, wrapped, err
}

// Open makes the keyring of a wrapped data key. A wrong master key is ErrSealed.
func Open(master MasterKey, wrapped []byte) (*Keyring, error) {
	data, err := openWith(aead(master[:]), wrapped, aad([]string{"data key"}))
	if err != nil {
		return nil, fmt.Errorf("unwrap the data key (another master key?): %w", err)
	}
	return fromData(data)
}

func fromData(data []byte) (*Keyring, error) {
	var keys [4][keyBytes]byte
	for i, use := range []string{"linli fields", "linli boxes", "linli blind indexes", "linli digests"} {
		raw, err := hkdf.Key(sha256.New, data, nil, use, keyBytes)
		if err != nil {
			return nil, fmt.Errorf("derive key: %w", err)
		}
		keys[i] = [keyBytes]byte(raw)
	}
	return &Keyring{fields: aead(keys[0][:]), boxes: keys[1], blind: newMACs(keys[2]), digests: newMACs(keys[3])}, nil
}

// Seal encrypts plain for one place, named by parts (table, key, field). An
// empty plain stays empty: that nothing was given is no secret.
func (k *Keyring) Seal(plain []byte, place ...string) []byte {
	if len(plain) == 0 {
		return nil
	}
	return sealWith(k.fields, plain, aad(place))
}

// Open decrypts what Seal made for the same place, else answers ErrSealed.
func (k *Keyring) Open(sealed []byte, place ...string) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, nil
	}
	return openWith(k.fields, sealed, aad(place))
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

func newMACs(k [keyBytes]byte) *macs {
	return &macs{pool: sync.Pool{New: func() any { return hmac.New(sha256.New, k[:]) }}}
}

func keyedHash(m *macs, purpose string, value []string) []byte {
	mac := m.pool.Get().(hash.Hash)
	defer m.pool.Put(mac)
	mac.Reset()
	_, _ = mac.Write(aad(append([]string{purpose}, value...))) // a hash never fails
	return mac.Sum(nil)
}

// Box seals for one purpose under a key of its own. It is safe for concurrent
// use.
type Box struct{ aead cipher.AEAD }

// Box answers the box of a purpose. It derives a key: make it once and keep it.
func (k *Keyring) Box(purpose string) *Box {
	raw, err := hkdf.Key(sha256.New, k.boxes[:], nil, purpose, keyBytes)
	if err != nil {
		panic("seal: a key of 32 bytes could not be derived: " + err.Error())
	}
	return &Box{aead: aead(raw)}
}

// Seal encrypts plain for one place. Unlike a field, an empty plain is sealed
// as well.
func (b *Box) Seal(plain []byte, place ...string) []byte { return sealWith(b.aead, plain, aad(place)) }

// Open decrypts what this box sealed for the same place, else answers ErrSealed.
func (b *Box) Open(sealed []byte, place ...string) ([]byte, error) {
	return openWith(b.aead, sealed, aad(place))
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

func aead(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("seal: a key of 32 bytes was refused: " + err.Error())
	}
	g, err := cipher.NewGCM(block)
	if err != nil {
		panic("seal: " + err.Error())
	}
	return g
}

func sealWith(a cipher.AEAD, plain, ad []byte) []byte {
	nonce := random(a.NonceSize())
	out := append(make([]byte, 0, 1+len(nonce)+len(plain)+a.Overhead()), formatVersion)
	out = append(out, nonce...)
	return a.Seal(out, nonce, plain, ad)
}

func openWith(a cipher.AEAD, sealed, ad []byte) ([]byte, error) {
	if len(sealed) < 1+a.NonceSize() || sealed[0] != formatVersion {
		return nil, ErrSealed
	}
	nonce, box := sealed[1:1+a.NonceSize()], sealed[1+a.NonceSize():]
	plain, err := a.Open(nil, nonce, box, ad)
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
