// Package key builds order-preserving keys: tuples whose bytewise order is the
// order of their parts. The first part is always a table number.
package key

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"
)

// Key is a key or a prefix of keys under construction. Each method answers a
// new Key with one part more, so a prefix can be shared.
type Key []byte

// New begins a key with its table number.
func New(table uint16) Key { return binary.BigEndian.AppendUint16(nil, table) }

// String appends a string part. A zero byte inside is escaped and the part is
// closed, so "a" sorts before "ab" and no part runs into the next.
func (k Key) String(s string) Key {
	out := k.Prefix(s)
	return append(out, 0x00, 0x01)
}

// Prefix appends the beginning of a string part without closing it: the prefix
// of all keys whose part begins with s. It is meant for organization paths,
// whose closing slash keeps neighbours apart.
func (k Key) Prefix(s string) Key {
	out := append(make(Key, 0, len(k)+len(s)+2), k...)
	for i := range len(s) {
		out = append(out, s[i])
		if s[i] == 0x00 {
			out = append(out, 0xFF)
		}
	}
	return out
}

// Uint appends a 64-bit unsigned part, smallest first.
func (k Key) Uint(n uint64) Key {
	return binary.BigEndian.AppendUint64(bytes.Clone(k), n)
}

// Time appends an instant, earliest first, to the nanosecond. Instants before
// 1678 and after 2262 are not kept apart.
func (k Key) Time(t time.Time) Key { return k.Uint(uint64(t.UnixNano()) ^ 1<<63) }

// TimeDesc appends an instant, latest first.
func (k Key) TimeDesc(t time.Time) Key { return k.Uint(^(uint64(t.UnixNano()) ^ 1<<63)) }

// End answers the first key after every key that begins with k: the exclusive
// end of the range "all keys with this prefix". Nil means no end.
func (k Key) End() []byte {
	out := bytes.Clone(k)
	for len(out) > 0 {
		if out[len(out)-1]++; out[len(out)-1] != 0 {
			return out
		}
		out = out[:len(out)-1]
	}
	return nil
}

// ErrMalformed says that the bytes are not a key of the asked shape.
var ErrMalformed = errors.New("key: malformed")

// Table reads the table number off the front of a key.
func Table(k []byte) (table uint16, rest []byte, err error) {
	if len(k) < 2 {
		return 0, nil, ErrMalformed
	}
	return binary.BigEndian.Uint16(k), k[2:], nil
}

// TakeString reads a string part off the front of what is left of a key.
func TakeString(k []byte) (s string, rest []byte, err error) {
	var out []byte
	for i := 0; i < len(k); i++ {
		if k[i] != 0x00 {
			out = append(out, k[i])
			continue
		}
		if i+1 >= len(k) {
			break
		}
		switch k[i+1] {
		case 0x01:
			return string(out), k[i+2:], nil
		case 0xFF:
			out = append(out, 0x00)
			i++
		default:
			return "", nil, ErrMalformed
		}
	}
	return "", nil, ErrMalformed
}

// TakeUint reads a 64-bit part off the front of what is left of a key.
func TakeUint(k []byte) (n uint64, rest []byte, err error) {
	if len(k) < 8 {
		return 0, nil, ErrMalformed
	}
	return binary.BigEndian.Uint64(k), k[8:], nil
}

// TakeTime reads an instant written by Time off the front of what is left.
func TakeTime(k []byte) (t time.Time, rest []byte, err error) {
	n, rest, err := TakeUint(k)
	if err != nil {
		return time.Time{}, nil, err
	}
	return time.Unix(0, int64(n^1<<63)).UTC(), rest, nil
}
