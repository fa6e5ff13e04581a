package kvtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/linli-project/linli/pkg/kv"
)

func testBasic(t testing.TB, f Factory) {
	db := f.database(t)
	if _, ok := get(t, db, "a"); ok {
		t.Fatal("an absent key is there")
	}
	put(t, db, "a", "1", "b", "")
	if v, ok := get(t, db, "a"); !ok || v != "1" {
		t.Fatalf("a is %q, %v", v, ok)
	}
	if v, ok := get(t, db, "b"); !ok || v != "" {
		t.Fatalf("an empty value is %q, %v", v, ok)
	}
	mustUpdate(t, db, func(tx kv.Tx) error { tx.Delete([]byte("a")); return nil })
	if _, ok := get(t, db, "a"); ok {
		t.Fatal("deleted and still there")
	}
	refusal := errors.New("no")
	err := db.Update(context.Background(), func(tx kv.Tx) error {
		tx.Put([]byte("c"), []byte("1"))
		return refusal
	})
	if _, ok := get(t, db, "c"); ok || !errors.Is(err, refusal) {
		t.Fatalf("a refused closure wrote, or lost its error: %v", err)
	}
	mustView(t, db, func(r kv.Reader) error {
		items, err := r.GetMany([][]byte{[]byte("z"), []byte("b"), []byte("z")})
		if err == nil && (len(items) != 3 || string(items[1].Key) != "b" || items[1].Version == 0 || items[0].Version != 0) {
			t.Errorf("not in input order: %v", items)
		}
		return err
	})
	before := item(t, db, "b").Version
	put(t, db, "b", "2")
	if item(t, db, "b").Version == before {
		t.Error("a write did not change the version")
	}
}

func testScan(t testing.TB, f Factory) {
	db := f.database(t)
	// Bytewise order, whatever the bytes.
	keys := []string{"\x00", "\x00\x00", "\x01", "A", "a", "a\x00", "aa", "a\xff", "b", "\xfe", "\xff", "\xff\xff"}
	for i, k := range keys {
		put(t, db, k, fmt.Sprint(i))
	}
	scan := func(r kv.Range) (out []string) {
		mustView(t, db, func(reader kv.Reader) error {
			items, err := reader.Scan(r)
			for _, it := range items {
				out = append(out, string(it.Key))
			}
			return err
		})
		return out
	}
	check := func(name string, r kv.Range, want []string) {
		t.Helper()
		if got := scan(r); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	reversed := make([]string, len(keys))
	for i, k := range keys {
		reversed[len(keys)-1-i] = k
	}
	check("all", kv.Range{}, keys)
	check("all, reversed", kv.Range{Reverse: true}, reversed)
	check("from a to b", kv.Range{From: []byte("a"), To: []byte("b")}, []string{"a", "a\x00", "aa", "a\xff"})
	check("limit", kv.Range{From: []byte("A"), Limit: 2}, []string{"A", "a"})
	check("reversed with limit", kv.Range{To: []byte("a"), Limit: 2, Reverse: true}, []string{"A", "\x01"})
	check("empty", kv.Range{From: []byte("c"), To: []byte("d")}, nil)
	mustView(t, db, func(r kv.Reader) error {
		items, err := r.Scan(kv.Range{KeysOnly: true, Limit: 1})
		if err == nil && (len(items) != 1 || items[0].Value != nil || items[0].Version == 0) {
			t.Errorf("keys only: %v", items)
		}
		return err
	})
	// Pages put together are the whole.
	var paged []string
	for from := []byte(nil); ; {
		page := scan(kv.Range{From: from, Limit: 5})
		paged = append(paged, page...)
		if len(page) < 5 {
			break
		}
		from = append([]byte(page[4]), 0)
	}
	if fmt.Sprintf("%q", paged) != fmt.Sprintf("%q", keys) {
		t.Errorf("pages: %q", paged)
	}
}

func testOwnWrites(t testing.TB, f Factory) {
	db := f.database(t)
	put(t, db, "a", "1", "b", "1", "c", "1", "d", "1")
	mustUpdate(t, db, func(tx kv.Tx) error {
		tx.Put([]byte("b"), []byte("2"))
		tx.Delete([]byte("c"))
		tx.Create([]byte("bb"), []byte("2"))
		it, err := tx.Get([]byte("b"))
		if err != nil || string(it.Value) != "2" {
			t.Errorf("own write read as %q, %v", it.Value, err)
		}
		if it, err := tx.Get([]byte("c")); err != nil || it.Version != 0 {
			t.Errorf("own deletion read as %q, %v", it.Value, err)
		}
		for _, r := range []struct {
			kv.Range
			want string
		}{
			{kv.Range{}, "a=1 b=2 bb=2 d=1"}, {kv.Range{Reverse: true}, "d=1 bb=2 b=2 a=1"},
			{kv.Range{Limit: 2}, "a=1 b=2"}, {kv.Range{From: []byte("b"), To: []byte("d")}, "b=2 bb=2"},
			{kv.Range{From: []byte("c"), Limit: 1}, "d=1"}, {kv.Range{To: []byte("d"), Limit: 1, Reverse: true}, "bb=2"},
			{kv.Range{From: []byte("b"), Limit: 2, KeysOnly: true}, "b= bb="},
		} {
			items, err := tx.Scan(r.Range)
			if err != nil {
				return err
			}
			var got []string
			for _, it := range items {
				got = append(got, string(it.Key)+"="+string(it.Value))
			}
			if fmt.Sprint(got) != "["+r.want+"]" {
				t.Errorf("scan %+v: %v, want %s", r.Range, got, r.want)
			}
		}
		tx.Delete([]byte("bb")) // made and unmade
		return nil
	})
	if _, ok := get(t, db, "bb"); ok {
		t.Error("made and unmade, and there")
	}
}
