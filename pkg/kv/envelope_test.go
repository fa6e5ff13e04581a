package kv_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/linli-project/linli/pkg/kv"
)

func TestUnseal_FindsEveryFlippedBit(t *testing.T) {
	key, value := []byte("key"), []byte("the value")
	sealed := kv.Seal(key, 42, value)
	if v, got, err := kv.Unseal(key, sealed); err != nil || v != 42 || !bytes.Equal(got, value) {
		t.Fatalf("%d, %q, %v", v, got, err)
	}
	for i := range len(sealed) * 8 {
		broken := bytes.Clone(sealed)
		broken[i/8] ^= 1 << (i % 8)
		if _, _, err := kv.Unseal(key, broken); !errors.Is(err, kv.ErrCorrupt) {
			t.Fatalf("bit %d flipped: %v", i, err)
		}
	}
	if _, _, err := kv.Unseal([]byte("another"), sealed); !errors.Is(err, kv.ErrCorrupt) {
		t.Errorf("under another key: %v", err)
	}
}

func FuzzUnseal(f *testing.F) {
	f.Add([]byte("k"), kv.Seal([]byte("k"), 1, []byte("v")))
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, key, stored []byte) {
		v, value, err := kv.Unseal(key, stored)
		if err == nil && !bytes.Equal(kv.Seal(key, v, value), stored) {
			t.Fatal("took what Seal does not make")
		}
	})
}
