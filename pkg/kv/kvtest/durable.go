package kvtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/linli-project/linli/pkg/kv"
)

// testOutcome: an answer that was lost says so, and an operation that failed
// wrote nothing.
func testOutcome(t testing.TB, f Factory) {
	faulty := NewFaults(f.Open(t))
	db := closing(t, faulty)
	write := func(value string) error {
		return db.Update(context.Background(), func(tx kv.Tx) error {
			if _, err := tx.Get([]byte("a")); err != nil {
				return err
			}
			if _, err := tx.Scan(kv.Range{Limit: 10}); err != nil {
				return err
			}
			tx.Put([]byte("a"), []byte(value))
			return nil
		})
	}
	if err := write("0"); err != nil {
		t.Fatal(err)
	}
	const operations = 4 // snapshot, read, scan, commit
	for n := int64(1); n <= operations; n++ {
		faulty.FailAt(n, false)
		if err := write("lost"); !errors.Is(err, ErrInjected) {
			t.Errorf("operation %d failed, and the update says %v", n, err)
		}
		if v, _ := get(t, db, "a"); v != "0" {
			t.Errorf("operation %d failed, and %q was written", n, v)
		}
	}
	faulty.FailAt(operations, true)
	if err := write("1"); !errors.Is(err, kv.ErrUnknownOutcome) {
		t.Errorf("an answer that was lost: %v", err)
	}
	if v, _ := get(t, db, "a"); v != "1" {
		t.Errorf("the commit whose answer was lost wrote %q", v)
	}
	testSwallowed(t, db, faulty)
	testCancelled(t, db)
}

// testSwallowed: a closure that forgets that a read failed writes nothing.
func testSwallowed(t testing.TB, db kv.DB, faulty *Faults) {
	faulty.FailAt(2, false)
	err := db.Update(context.Background(), func(tx kv.Tx) error {
		_, _ = tx.Get([]byte("a"))
		tx.Put([]byte("a"), []byte("blind"))
		return nil
	})
	if v, _ := get(t, db, "a"); v != "1" || !errors.Is(err, ErrInjected) {
		t.Errorf("a read failed unheard, and %q was written: %v", v, err)
	}
}

// testCancelled ends the context before, during and after the commit. Unless
// the answer is that nobody knows, it is the truth.
func testCancelled(t testing.TB, db kv.DB) {
	for round := range rounds(200) {
		ctx, cancel := context.WithCancel(context.Background())
		left, right := fmt.Sprintf("cancelled %d left", round), fmt.Sprintf("cancelled %d right", round)
		gone := make(chan struct{})
		err := db.Update(ctx, func(tx kv.Tx) error {
			tx.Put([]byte(left), []byte("1"))
			tx.Put([]byte(right), []byte("1"))
			switch round % 3 {
			case 0:
				cancel()
				close(gone)
			default:
				go func() { defer close(gone); cancel() }()
			}
			return nil
		})
		<-gone
		// On one snapshot: a commit whose outcome is not known may land between two.
		wroteLeft, wroteRight := false, false
		mustView(t, db, func(r kv.Reader) error {
			items, err := r.GetMany([][]byte{[]byte(left), []byte(right)})
			if err == nil {
				wroteLeft, wroteRight = items[0].Version != 0, items[1].Version != 0
			}
			return err
		})
		switch {
		case wroteLeft != wroteRight:
			t.Fatalf("round %d: half of a transaction is there", round)
		case err == nil && !wroteLeft:
			t.Fatalf("round %d: acknowledged and not there", round)
		case err != nil && !errors.Is(err, kv.ErrUnknownOutcome) && wroteLeft:
			t.Fatalf("round %d: said not to be written and there: %v", round, err)
		case err != nil && !errors.Is(err, kv.ErrUnknownOutcome) && !errors.Is(err, context.Canceled):
			t.Fatalf("round %d: a context that is over: %v", round, err)
		case err == nil && round%3 == 0:
			t.Fatalf("round %d: committed under a context that was over", round)
		}
	}
}

// need ends the test of a category that the engine neither can do nor said it
// cannot.
func need(t testing.TB, can bool, c Category) {
	t.Helper()
	if !can {
		t.Fatalf("the factory cannot %q; name the category to Run if the engine cannot", c)
	}
}

func testReopen(t testing.TB, f Factory) {
	need(t, f.Reopen != nil, Reopen)
	e := f.Open(t)
	db := kv.New(e, kv.Options{})
	put(t, db, "a", "1", "b", "2", "gone", "3")
	mustUpdate(t, db, func(tx kv.Tx) error { tx.Delete([]byte("gone")); return nil })
	before := item(t, db, "b")
	e = f.Reopen(t, e)
	db = kv.New(e, kv.Options{})
	if after := item(t, db, "b"); after.Version != before.Version || string(after.Value) != "2" {
		t.Errorf("after opening again b is %q", after.Value)
	}
	if _, ok := get(t, db, "gone"); ok {
		t.Error("what was deleted came back")
	}
	if err := db.Check(context.Background()); err != nil {
		t.Errorf("check: %v", err)
	}
	put(t, db, "a", "3")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(context.Background(), func(tx kv.Tx) error { tx.Put([]byte("a"), nil); return nil }); !errors.Is(err, kv.ErrUnavailable) {
		t.Errorf("a write after closing: %v", err)
	}
	if err := db.View(context.Background(), func(kv.Reader) error { return nil }); !errors.Is(err, kv.ErrUnavailable) {
		t.Errorf("a read after closing: %v", err)
	}
}

// testChecksums: a value that changed behind the engine's back is an error
// wherever it is read, and its neighbours are not.
func testChecksums(t testing.TB, f Factory) {
	need(t, f.Damage != nil, Checksums)
	e := f.Open(t)
	put(t, kv.New(e, kv.Options{}), "a", "1", "b", "a value that will be changed", "c", "3")
	db := closing(t, f.Damage(t, e, []byte("b")))
	background := context.Background()
	for name, err := range map[string]error{
		"get": db.View(background, func(r kv.Reader) error { _, err := r.Get([]byte("b")); return err }),
		"get many": db.View(background, func(r kv.Reader) error {
			_, err := r.GetMany([][]byte{[]byte("a"), []byte("b")})
			return err
		}),
		"scan":      db.View(background, func(r kv.Reader) error { _, err := r.Scan(kv.Range{}); return err }),
		"keys only": db.View(background, func(r kv.Reader) error { _, err := r.Scan(kv.Range{KeysOnly: true}); return err }),
		"update": db.Update(background, func(tx kv.Tx) error {
			_, err := tx.Get([]byte("b"))
			return err
		}),
		"expect": db.Update(background, func(tx kv.Tx) error { tx.Expect([]byte("b"), 1); return nil }),
		"check":  db.Check(background),
	} {
		if !errors.Is(err, kv.ErrCorrupt) {
			t.Errorf("%s of a changed value: %v", name, err)
		}
	}
	if v, _ := get(t, db, "c"); v != "3" {
		t.Errorf("beside a changed value c is %q", v)
	}
	put(t, db, "b", "2")
	if v, _ := get(t, db, "b"); v != "2" {
		t.Errorf("a changed value that was written anew is %q", v)
	}
	if err := db.Check(background); err != nil {
		t.Errorf("check after the changed value was written anew: %v", err)
	}
}

// testBackup copies while writers move amounts between accounts: the copy holds
// one moment, not before the backup began.
func testBackup(t testing.TB, f Factory) {
	need(t, f.Restore != nil, Backup)
	db := f.database(t)
	const accounts, each = 10, 100
	account := func(i int) string { return fmt.Sprintf("account %d", i) }
	for i := range accounts {
		put(t, db, account(i), string(bytesOf(each)))
	}
	ctx, stop := context.WithCancel(context.Background())
	g := errgroup.Group{}
	for w := range 2 {
		g.Go(func() error {
			for n := w; ctx.Err() == nil; n++ {
				if err := move(db, account(n%accounts), account((n*7+1)%accounts)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for round := range 5 {
		mark := fmt.Sprintf("before backup %d", round)
		put(t, db, mark, "1")
		var copied bytes.Buffer
		if err := db.Backup(context.Background(), &copied); err != nil {
			t.Errorf("backup: %v", err)
			break
		}
		restored := closing(t, f.Restore(t, &copied))
		if err := restored.Check(context.Background()); err != nil {
			t.Errorf("check of a backup: %v", err)
		}
		if _, ok := get(t, restored, mark); !ok {
			t.Error("a backup lacks what was written before it began")
		}
		sum := uint64(0)
		for i := range accounts {
			v, _ := get(t, restored, account(i))
			sum += number([]byte(v))
		}
		if sum != accounts*each {
			t.Errorf("a backup holds a state that never was: %d in all", sum)
		}
	}
	stop()
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

func move(db kv.DB, from, to string) error {
	err := db.Update(context.Background(), func(tx kv.Tx) error {
		items, err := tx.GetMany([][]byte{[]byte(from), []byte(to)})
		if err != nil || from == to || number(items[0].Value) == 0 {
			return err
		}
		tx.Put(items[0].Key, bytesOf(number(items[0].Value)-1))
		tx.Put(items[1].Key, bytesOf(number(items[1].Value)+1))
		return nil
	})
	if errors.Is(err, kv.ErrConflict) {
		return nil
	}
	return err
}
