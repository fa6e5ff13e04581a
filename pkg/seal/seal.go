// Package seal keeps what must not lie about in plain: AES-256-GCM for fields,
// replies and tokens, and keyed hashes to find equal values again.
//
// A Keyring holds one data key, wrapped by a master key that lives outside the
// store. Every use derives a key of its own from the data key, so that what is
// sealed for one purpose opens for no other.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

const (
	keyBytes      = 32
	formatVersion = 1
	blindBytes    = 16
)

// ErrSealed says that the bytes were not sealed by this keyring for this place, or were
// changed since.
var ErrSealed = errors.New("seal: does not open")

// MasterKey wraps data keys.
type MasterKey [keyBytes]byte

// LoadMaster reads a master key: 32 bytes in base64, in a file that nobody but
// its owner can read.
func LoadMaster(path string) (MasterKey, error) {
	var m MasterKey
	info, err := os.Stat(path)
	if err != nil {
		return m, fmt.Errorf("master key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return m, fmt.Errorf("master key: %s can be read by others; its mode must be 0600", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return m, fmt.Errorf("master key: %w", err)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != keyBytes {
		return m, fmt.Errorf("master key: %s does not hold 32 bytes in base64", path)
	}
	return MasterKey(raw), nil
}

// CreateMaster makes a new master key in a file that must not exist yet.
func CreateMaster(path string) (MasterKey, error) {
	m := MasterKey(random(keyBytes))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return m, fmt.Errorf("make master key: %w", err)
	}
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(m[:]) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return m, fmt.Errorf("make master key: %w", err)
	}
	return m, nil
}

// LoadOrCreateMaster answers the key at path and whether it was made now.
func LoadOrCreateMaster(path string) (m MasterKey, made bool, err error) {
	m, err = LoadMaster(path)
	if errors.Is(err, fs.ErrNotExist) {
		m, err = CreateMaster(path)
		return m, true, err
	}
	return m, false, err
}

// Keyring seals and opens for one service. It is safe for concurrent use.
type Keyring struct {
	fields cipher.AEAD
	blind  [keyBytes]byte
}

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
	fields, err := hkdf.Key(sha256.New, data, nil, "linli fields", keyBytes)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	blind, err := hkdf.Key(sha256.New, data, nil, "linli blind indexes", keyBytes)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return &Keyring{fields: aead(fields), blind: [keyBytes]byte(blind)}, nil
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
// hashes within one purpose, and tell nothing across two. An empty value has none.
func (k *Keyring) Blind(purpose string, value ...string) []byte {
	if strings.Join(value, "") == "" {
		return nil
	}
	mac := hmac.New(sha256.New, k.blind[:])
	_, _ = mac.Write(aad(append([]string{purpose}, value...))) // a hash never fails
	return mac.Sum(nil)[:blindBytes]
}

// MaskIDNumber shows the area and the end of an ID number: "430***********123X".
func MaskIDNumber(s string) string { return mask(s, 3, 4) }

// MaskPhone shows the head and the end of a phone number: "138****1234".
func MaskPhone(s string) string { return mask(s, 3, 4) }

func mask(s string, head, tail int) string {
	if len(s) <= head+tail {
		return strings.Repeat("*", len(s))
	}
	return s[:head] + strings.Repeat("*", len(s)-head-tail) + s[len(s)-tail:]
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
