package kv

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// A stored value is: one format byte, four bytes CRC32C over key, version and
// value, eight bytes version, the value. Engines that keep bytes on disk store
// this; the checksum finds the flipped bits that a file does not notice.
const (
	envelopeFormat = 1
	// EnvelopeBytes is what the envelope adds to a value.
	EnvelopeBytes = 1 + 4 + 8
)

// Seal wraps a value for the disk.
func Seal(key []byte, v Version, value []byte) []byte {
	out := make([]byte, EnvelopeBytes, EnvelopeBytes+len(value))
	out[0] = envelopeFormat
	binary.BigEndian.PutUint64(out[5:], uint64(v))
	out = append(out, value...)
	binary.BigEndian.PutUint32(out[1:], envelopeSum(key, out))
	return out
}

// Unseal checks and unwraps a value from the disk. The value aliases stored;
// anything that was not made by Seal for this key is ErrCorrupt. The error
// names the key's table and no more: a key can hold what is nobody's business.
func Unseal(key, stored []byte) (Version, []byte, error) {
	if len(stored) < EnvelopeBytes || stored[0] != envelopeFormat ||
		binary.BigEndian.Uint32(stored[1:]) != envelopeSum(key, stored) {
		return 0, nil, fmt.Errorf("%w: checksum of a value in table %x", ErrCorrupt, key[:min(len(key), 2)])
	}
	return Version(binary.BigEndian.Uint64(stored[5:])), stored[EnvelopeBytes:], nil
}

func envelopeSum(key, envelope []byte) uint32 {
	// Made per call: a table is a pointer to a package-wide one.
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Update(0, table, key), table, envelope[5:])
}
