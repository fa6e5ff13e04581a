package store_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/store"
)

// merkle is RFC 6962, section 2.1, word by word.
func merkle(lines [][]byte) [32]byte {
	if len(lines) == 0 {
		return sha256.Sum256(nil)
	}
	if len(lines) == 1 {
		return sha256.Sum256(append([]byte{0}, lines[0]...))
	}
	k := 1
	for 2*k < len(lines) {
		k *= 2
	}
	left, right := merkle(lines[:k]), merkle(lines[k:])
	return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
}

func TestAuditTree_IsThatOfTheRFC(t *testing.T) {
	audit := key.New(4)
	for n := range 40 {
		tree, lines := store.NewAuditTree(), [][]byte{}
		for i := range n {
			line := fmt.Appendf(nil, "line %d", i)
			lines = append(lines, line)
			if err := tree.Add(audit.Uint(uint64(i)), line); err != nil {
				t.Fatal(err)
			}
			if err := tree.Add(counterKey(), []byte("no line of the audit")); err != nil {
				t.Fatal(err)
			}
		}
		want := merkle(lines)
		if count, root, err := tree.Root(); err != nil || count != uint64(n) || !bytes.Equal(root, want[:]) {
			t.Errorf("%d lines: %d, %x, %v, want %x", n, count, root, err, want)
		}
	}
	_, empty, _ := store.NewAuditTree().Root()
	if hex.EncodeToString(empty) != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Errorf("the root of nothing: %x", empty)
	}
}

// TestAuditRoot_ChangesWithEveryLine also goes over more than one page.
func TestAuditRoot_ChangesWithEveryLine(t *testing.T) {
	f := newFixture(t, false)
	seen := map[string]bool{}
	for n := range 450 {
		if err := f.Update(t.Context(), func(tx *store.Tx) error { tx.Audit(store.Record{Reason: "again"}); return nil }); err != nil {
			t.Fatal(err)
		}
		if n%50 != 0 && n < 448 {
			continue
		}
		lines, root, err := f.AuditRoot(t.Context())
		if err != nil || lines != uint64(n+1) || seen[string(root)] {
			t.Errorf("%d lines: %d, %x, %v", n+1, lines, root, err)
		}
		seen[string(root)] = true
	}
	var all [][]byte
	f.view(t, func(r kv.Reader) error {
		prefix := key.New(4)
		return store.Walk(r, kv.Range{From: prefix, To: prefix.End()}, func(it kv.Item) error { all = append(all, it.Value); return nil })
	})
	want := merkle(all)
	if _, root, err := f.AuditRoot(t.Context()); err != nil || !bytes.Equal(root, want[:]) {
		t.Errorf("%x, %v, want %x", root, err, want)
	}
}
