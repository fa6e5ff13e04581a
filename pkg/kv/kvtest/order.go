package kvtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/linli-project/linli/pkg/kv"
)

// testByteOrder: keys are bytes. No byte is special, none is lost, and ranges
// begin and end where the bytes say: not where a collation, a length or a sign
// would have it.
func testByteOrder(t testing.TB, f Factory) {
	db := f.database(t)
	var keys [][]byte
	for b := range 256 {
		keys = append(keys, []byte{byte(b)}, []byte{'m', byte(b)}, []byte{byte(b), byte(b)})
	}
	random := rand.New(rand.NewPCG(7, 11))
	for range rounds(100) {
		key := make([]byte, 1+random.IntN(12))
		for i := range key {
			key[i] = []byte{0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff, 'a', 'A'}[random.IntN(8)]
		}
		keys = append(keys, key)
	}
	for chunk := range slices.Chunk(keys, 500) {
		mustUpdate(t, db, func(tx kv.Tx) error {
			for _, k := range chunk {
				tx.Put(k, k)
			}
			return nil
		})
	}
	slices.SortFunc(keys, bytes.Compare)
	keys = slices.CompactFunc(keys, bytes.Equal)
	checkRange(t, db, kv.Range{}, keys)
	for range rounds(200) {
		from, to := random.IntN(len(keys)), random.IntN(len(keys))
		if from > to {
			from, to = to, from
		}
		// Bounds beside a key as well as on it.
		r, want := kv.Range{From: keys[from], To: keys[to], Reverse: random.IntN(2) == 0}, keys[from:to]
		if random.IntN(2) == 0 {
			r.To, want = append(bytes.Clone(keys[to]), 0), keys[from:to+1]
		}
		checkRange(t, db, r, want)
	}
}

func checkRange(t testing.TB, db kv.DB, r kv.Range, want [][]byte) {
	t.Helper()
	want = slices.Clone(want)
	if r.Reverse {
		slices.Reverse(want)
	}
	mustView(t, db, func(reader kv.Reader) error {
		items, err := reader.Scan(r)
		if err != nil {
			return err
		}
		same := slices.EqualFunc(items, want, func(it kv.Item, k []byte) bool { return bytes.Equal(it.Key, k) && bytes.Equal(it.Value, k) })
		if !same {
			return fmt.Errorf("from %x to %x, reverse %v: %d keys of %d, or in another order", r.From, r.To, r.Reverse, len(items), len(want))
		}
		return nil
	})
}
