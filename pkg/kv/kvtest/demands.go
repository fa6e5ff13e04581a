package kvtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/linli-project/linli/pkg/kv"
)

// testDemands: Create and Expect hold to the stored state without a read, and
// one that can never be met ends soon.
func testDemands(t testing.TB, f Factory) {
	db := f.database(t)
	put(t, db, "a", "1")
	first := item(t, db, "a").Version
	put(t, db, "a", "2")
	tries := 0
	for name, fn := range map[string]func(kv.Tx){
		"created over a key":            func(tx kv.Tx) { tx.Create([]byte("a"), []byte("3")) },
		"wrote against another version": func(tx kv.Tx) { tx.Expect([]byte("a"), first); tx.Put([]byte("a"), []byte("3")) },
		"wrote beside another version":  func(tx kv.Tx) { tx.Expect([]byte("a"), first); tx.Put([]byte("c"), []byte("3")) },
		"expected what is absent":       func(tx kv.Tx) { tx.Expect([]byte("b"), first); tx.Put([]byte("a"), []byte("3")) },
		"expected absence":              func(tx kv.Tx) { tx.Expect([]byte("a"), 0); tx.Put([]byte("a"), []byte("3")) },
		"expected two versions":         func(tx kv.Tx) { tx.Expect([]byte("a"), 0); tx.Expect([]byte("a"), first) },
	} {
		tries = 0
		err := db.Update(context.Background(), func(tx kv.Tx) error { tries++; fn(tx); return nil })
		if v, _ := get(t, db, "a"); v != "2" || !errors.Is(err, kv.ErrConflict) || tries > 2 {
			t.Errorf("%s: %q after %d tries, %v", name, v, tries, err)
		}
	}
	if _, ok := get(t, db, "c"); ok {
		t.Error("a demand on one key was not met, and another was written")
	}
	mustUpdate(t, db, func(tx kv.Tx) error {
		it, err := tx.Get([]byte("a"))
		tx.Expect([]byte("a"), it.Version)
		tx.Expect([]byte("b"), 0)
		tx.Delete([]byte("a"))
		tx.Create([]byte("a"), []byte("4"))
		tx.Create([]byte("b"), []byte("4"))
		return err
	})
	if v, _ := get(t, db, "a"); v != "4" {
		t.Errorf("a is %q after its demands were met", v)
	}
	testRefusals(t, db)
	testConflictKey(t, f)
}

// testConflictKey: an engine that says which key a conflict was about names one
// whose check failed. Those who lost over it queue there.
func testConflictKey(t testing.TB, f Factory) {
	e := f.Open(t)
	db := closing(t, e)
	put(t, db, "a", "1", "b", "1", "c", "1")
	version := func(key string) kv.Version { return item(t, db, key).Version }
	_, err := e.Commit(context.Background(), kv.CommitRequest{
		Checks: []kv.Check{{Key: []byte("a"), Version: version("a")}, {Key: []byte("b"), Version: 1}, {Key: []byte("c"), Version: version("c")}},
		Writes: []kv.Write{{Key: []byte("d"), Value: []byte("1")}},
	})
	var c *kv.ConflictError
	if !errors.Is(err, kv.ErrConflict) || errors.As(err, &c) && string(c.Key) != "b" {
		t.Errorf("a conflict over b: %v, %+v", err, c)
	}
}

// testRefusals: a closure's own error rests on what it read and expected, and
// not on what it would have created.
func testRefusals(t testing.TB, db kv.DB) {
	refusal := errors.New("no")
	err := db.Update(context.Background(), func(tx kv.Tx) error {
		tx.Create([]byte("a"), nil)
		return refusal
	})
	if !errors.Is(err, refusal) {
		t.Errorf("a refusal beside a key that is there: %v", err)
	}
	runs := 0
	err = db.Update(context.Background(), func(tx kv.Tx) error {
		runs++
		if _, err := tx.Get([]byte("a")); err != nil {
			return err
		}
		if runs == 1 {
			done := make(chan struct{})
			go func() { defer close(done); put(t, db, "a", "5") }()
			<-done
		}
		return refusal
	})
	if !errors.Is(err, refusal) || runs != 2 {
		t.Errorf("a refusal that rested on what had changed was returned after %d runs: %v", runs, err)
	}
}

func testLimits(t testing.TB, f Factory) {
	e := f.Open(t)
	db := closing(t, e)
	l := db.Limits()
	if l != kv.DefaultLimits {
		t.Errorf("limits of its own: %+v", l)
	}
	update := func(fn func(kv.Tx)) error {
		return db.Update(context.Background(), func(tx kv.Tx) error { fn(tx); return nil })
	}
	big := func(n int) []byte { return bytes.Repeat([]byte("x"), n) }
	numbered := func(n int) (keys [][]byte) {
		for i := range n {
			keys = append(keys, fmt.Appendf(nil, "%06d", i))
		}
		return keys
	}
	full := (l.CommitBytes - l.ValueBytes) / (l.ValueBytes + 6)
	for name, fn := range map[string]func(kv.Tx){
		"key and value": func(tx kv.Tx) { tx.Put(big(l.KeyBytes), big(l.ValueBytes)) },
		"writes": func(tx kv.Tx) {
			for _, k := range numbered(l.Writes) {
				tx.Put(k, nil)
			}
		},
		"checks": func(tx kv.Tx) {
			for _, k := range numbered(l.Checks) {
				tx.Expect(append(k, 'c'), 0)
			}
		},
		"bytes": func(tx kv.Tx) {
			for _, k := range numbered(full) {
				tx.Put(k, big(l.ValueBytes))
			}
		},
	} {
		if err := update(fn); err != nil {
			t.Errorf("%s at the limit: %v", name, err)
		}
	}
	for name, fn := range map[string]func(kv.Tx){
		"key":   func(tx kv.Tx) { tx.Put(big(l.KeyBytes+1), nil) },
		"value": func(tx kv.Tx) { tx.Put([]byte("k"), big(l.ValueBytes+1)) },
		"writes": func(tx kv.Tx) {
			for _, k := range numbered(l.Writes + 1) {
				tx.Put(append(k, 'w'), nil)
			}
		},
		"checks": func(tx kv.Tx) {
			for _, k := range numbered(l.Checks + 1) {
				tx.Expect(append(k, 'c'), 0)
			}
			tx.Put([]byte("000000w"), nil)
		},
		"bytes": func(tx kv.Tx) {
			for _, k := range numbered(l.CommitBytes/l.ValueBytes + 1) {
				tx.Put(append(k, 'w'), big(l.ValueBytes))
			}
		},
	} {
		if err := update(fn); !errors.Is(err, kv.ErrTooLarge) {
			t.Errorf("%s over its limit: %v", name, err)
		}
	}
	if _, ok := get(t, db, "000000w"); ok {
		t.Error("a refused transaction wrote")
	}
	testMalformed(t, db, e)
}

// testMalformed gives the engine what the layer above never does.
func testMalformed(t testing.TB, db kv.DB, e kv.Engine) {
	w := func(k string) kv.Write { return kv.Write{Key: []byte(k), Value: []byte("malformed")} }
	for name, r := range map[string]kv.CommitRequest{
		"an empty key":         {Writes: []kv.Write{w("")}},
		"an empty key, beside": {Writes: []kv.Write{w(""), w("m")}},
		"unsorted keys":        {Writes: []kv.Write{w("n"), w("m")}},
		"a key twice":          {Writes: []kv.Write{w("m"), w("m")}},
		"unsorted checks":      {Checks: []kv.Check{{Key: []byte("n")}, {Key: []byte("m")}}, Writes: []kv.Write{w("m")}},
		"a value too large":    {Writes: []kv.Write{{Key: []byte("m"), Value: make([]byte, kv.DefaultLimits.ValueBytes+1)}}},
	} {
		if _, err := e.Commit(context.Background(), r); err == nil {
			t.Errorf("the engine took %s", name)
		}
	}
	if _, ok := get(t, db, "m"); ok {
		t.Error("a malformed request wrote")
	}
	if err := db.Update(context.Background(), func(tx kv.Tx) error { tx.Put(nil, nil); return nil }); err == nil {
		t.Error("an empty key was written")
	}
}
