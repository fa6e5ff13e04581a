package kvtest

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/memkv"
)

// The controls are engines that break the contract. A suite that does not
// catch them proves nothing.

// on makes a factory of engines that are memkv with something broken about it.
func on(breakIt func(*memkv.Engine) kv.Engine) Factory {
	return Factory{
		Open: func(testing.TB) kv.Engine { return breakIt(memkv.New()) },
		Restore: func(t testing.TB, r io.Reader) kv.Engine {
			e, err := memkv.Restore(r)
			if err != nil {
				t.Fatal(err)
			}
			return e
		},
	}
}

func TestControls_AreCaught(t *testing.T) {
	// A history that fails on purpose is neither made shorter nor kept.
	for name, value := range map[string]string{"rapid.shrinktime": "1ns", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	left := map[Category]bool{}
	for _, p := range parts() {
		left[p.category] = p.category != Crash // its control needs a file: boltkv has it
	}
	for name, c := range map[string]struct {
		category Category
		factory  Factory
	}{
		"checks ignored: write skew":       {WriteSkew, on(func(e *memkv.Engine) kv.Engine { return unchecked{e} })},
		"checks ignored: lost updates":     {LostUpdate, on(func(e *memkv.Engine) kv.Engine { return unchecked{e} })},
		"checks ignored: linearizability":  {Linearizable, on(func(e *memkv.Engine) kv.Engine { return unchecked{e} })},
		"checks ignored: demands":          {Demands, on(func(e *memkv.Engine) kv.Engine { return unchecked{e} })},
		"live reads":                       {Snapshot, on(func(e *memkv.Engine) kv.Engine { return live{e} })},
		"old reads":                        {Linearizable, on(func(e *memkv.Engine) kv.Engine { return &stale{Engine: e} })},
		"every 7th write lost":             {History, on(func(e *memkv.Engine) kv.Engine { return &forgetful{Engine: e} })},
		"deletions lost":                   {Basic, on(func(e *memkv.Engine) kv.Engine { return keeping{e} })},
		"reverse ignored":                  {Scan, on(func(e *memkv.Engine) kv.Engine { return forward{e} })},
		"commits under a dead context":     {Outcome, on(func(e *memkv.Engine) kv.Engine { return undead{e} })},
		"an engine that cannot be damaged": {Checksums, on(func(e *memkv.Engine) kv.Engine { return e })},
		"wrong values after damage": {Checksums, Factory{
			Open: func(testing.TB) kv.Engine { return memkv.New() },
			Damage: func(_ testing.TB, e kv.Engine, key []byte) kv.Engine {
				e.(*memkv.Engine).Damage(key)
				return trusting{e}
			},
		}},
		"the last commit lost by opening again": {Reopen, Factory{
			Open:   func(testing.TB) kv.Engine { return &stale{Engine: memkv.New()} },
			Reopen: func(_ testing.TB, e kv.Engine) kv.Engine { return e },
		}},
		"empty backups":                     {Backup, on(func(e *memkv.Engine) kv.Engine { return secretive{e} })},
		"own writes beside reverse ignored": {OwnWrites, on(func(e *memkv.Engine) kv.Engine { return forward{e} })},
		"takes whatever it is given":        {Limits, on(func(e *memkv.Engine) kv.Engine { return careless{e} })},
		"names the wrong key":               {Demands, on(func(e *memkv.Engine) kv.Engine { return misleading{e} })},
		"sorts bytes as signed":             {ByteOrder, on(func(e *memkv.Engine) kv.Engine { return signed{e} })},
	} {
		left[c.category] = false
		found := Failures(t, c.category, c.factory)
		if len(found) == 0 {
			t.Errorf("%s: went unnoticed by %q", name, c.category)
			continue
		}
		t.Logf("%s: %s", name, found[0])
	}
	for c, uncontrolled := range left {
		if uncontrolled {
			t.Errorf("%q has no control", c)
		}
	}
}

// TestControls_SoundEngine: what catches the controls does not cry wolf.
func TestControls_SoundEngine(t *testing.T) {
	f := on(func(e *memkv.Engine) kv.Engine { return e })
	for _, c := range []Category{ByteOrder, Demands, Limits, OwnWrites, WriteSkew, LostUpdate, Linearizable, Snapshot, Outcome, Backup} {
		if found := Failures(t, c, f); len(found) > 0 {
			t.Errorf("%q: %s", c, strings.Join(found, "; "))
		}
	}
}

// unchecked applies commits without validating them. It lets others in between
// reading and writing, or on few cores nobody would ever be overtaken.
type unchecked struct{ kv.Engine }

func (u unchecked) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	for range 20 {
		runtime.Gosched()
	}
	r.Checks = nil
	return u.Engine.Commit(ctx, r)
}

// live reads each key from the present state instead of one snapshot.
type live struct{ kv.Engine }

func (l live) Snapshot(context.Context) (kv.Snapshot, error) { return liveSnapshot{l.Engine}, nil }

type liveSnapshot struct{ e kv.Engine }

func (l liveSnapshot) Read(ctx context.Context, keys [][]byte) ([]kv.Item, error) {
	s, err := l.e.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return s.Read(ctx, keys)
}

func (l liveSnapshot) Scan(ctx context.Context, r kv.Range) ([]kv.Item, error) {
	s, err := l.e.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return s.Scan(ctx, r)
}

func (l liveSnapshot) Close() error { return nil }

// stale shows the state before the last commit. Its writers are found out by
// their checks; its readers believe it.
type stale struct {
	kv.Engine
	mu     sync.Mutex
	before kv.Snapshot
}

func (s *stale) Snapshot(ctx context.Context) (kv.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before == nil {
		return s.Engine.Snapshot(ctx)
	}
	return s.before, nil
}

func (s *stale) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, err := s.Engine.Snapshot(ctx)
	if err != nil {
		return 0, err
	}
	v, err := s.Engine.Commit(ctx, r)
	if err == nil || errors.Is(err, kv.ErrConflict) {
		s.before = before
	}
	return v, err
}

// forgetful acknowledges every seventh commit without making it.
type forgetful struct {
	kv.Engine
	commits atomic.Int64
}

func (f *forgetful) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	if f.commits.Add(1)%7 == 0 {
		return kv.NewVersion(), nil
	}
	return f.Engine.Commit(ctx, r)
}

// keeping deletes nothing.
type keeping struct{ kv.Engine }

func (k keeping) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	var writes []kv.Write
	for _, w := range r.Writes {
		if !w.Delete {
			writes = append(writes, w)
		}
	}
	r.Writes = writes
	return k.Engine.Commit(ctx, r)
}

// forward scans forward, whatever it is asked.
type forward struct{ kv.Engine }

func (f forward) Snapshot(ctx context.Context) (kv.Snapshot, error) {
	s, err := f.Engine.Snapshot(ctx)
	return forwardSnapshot{s}, err
}

type forwardSnapshot struct{ kv.Snapshot }

func (f forwardSnapshot) Scan(ctx context.Context, r kv.Range) ([]kv.Item, error) {
	r.Reverse = false
	return f.Snapshot.Scan(ctx, r)
}

// careless puts in order what it is given, and cuts what is too long.
type careless struct{ kv.Engine }

func (c careless) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	slices.SortFunc(r.Writes, func(a, b kv.Write) int { return bytes.Compare(a.Key, b.Key) })
	r.Writes = slices.CompactFunc(r.Writes, func(a, b kv.Write) bool { return bytes.Equal(a.Key, b.Key) })
	for i, w := range r.Writes {
		r.Writes[i].Value = w.Value[:min(len(w.Value), c.Limits().ValueBytes)]
	}
	return c.Engine.Commit(ctx, r)
}

// misleading says of every conflict that it was about the first key.
type misleading struct{ kv.Engine }

func (m misleading) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	v, err := m.Engine.Commit(ctx, r)
	if errors.Is(err, kv.ErrConflict) {
		return 0, &kv.ConflictError{Key: r.Checks[0].Key}
	}
	return v, err
}

// signed answers pages in the order of bytes from -128 to 127.
type signed struct{ kv.Engine }

func (s signed) Snapshot(ctx context.Context) (kv.Snapshot, error) {
	inner, err := s.Engine.Snapshot(ctx)
	return signedSnapshot{inner}, err
}

type signedSnapshot struct{ kv.Snapshot }

func (s signedSnapshot) Scan(ctx context.Context, r kv.Range) ([]kv.Item, error) {
	items, err := s.Snapshot.Scan(ctx, r)
	slices.SortFunc(items, func(a, b kv.Item) int {
		return slices.CompareFunc(a.Key, b.Key, func(x, y byte) int { return int(int8(x)) - int(int8(y)) })
	})
	return items, err
}

// undead commits under a context that is over, and says that it did not.
type undead struct{ kv.Engine }

func (u undead) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	v, err := u.Engine.Commit(context.WithoutCancel(ctx), r)
	return v, errors.Join(err, ctx.Err())
}

// trusting answers a value whose checksum is wrong.
type trusting struct{ kv.Engine }

func (e trusting) Snapshot(ctx context.Context) (kv.Snapshot, error) {
	s, err := e.Engine.Snapshot(ctx)
	return trustingSnapshot{s}, err
}

type trustingSnapshot struct{ kv.Snapshot }

func (s trustingSnapshot) Read(ctx context.Context, keys [][]byte) ([]kv.Item, error) {
	items, err := s.Snapshot.Read(ctx, keys)
	if !errors.Is(err, kv.ErrCorrupt) {
		return items, err
	}
	items = make([]kv.Item, len(keys))
	for i, k := range keys {
		items[i] = kv.Item{Key: k, Value: []byte("wrong"), Version: 1}
	}
	return items, nil
}

// secretive writes empty backups.
type secretive struct{ kv.Engine }

func (s secretive) Backup(context.Context, io.Writer) error { return nil }

func TestRerun_RunsEachClosureTwiceAndKeepsOne(t *testing.T) {
	db := Rerun(kv.New(memkv.New(), kv.Options{}))
	runs := 0
	mustUpdate(t, db, func(tx kv.Tx) error {
		runs++
		it, err := tx.Get([]byte("a"))
		if it.Version != 0 {
			t.Error("the first run left something")
		}
		tx.Put([]byte("a"), bytesOf(uint64(runs)))
		return err
	})
	if v, _ := get(t, db, "a"); runs != 2 || number([]byte(v)) != 2 {
		t.Errorf("%d runs, the value is of run %d", runs, number([]byte(v)))
	}
}

func TestRerun_RefusesAnUpdateInsideAnUpdate(t *testing.T) {
	db, other := Rerun(kv.New(memkv.New(), kv.Options{})), Rerun(kv.New(memkv.New(), kv.Options{}))
	for _, inner := range []kv.DB{db, other} {
		err := db.Update(context.Background(), func(kv.Tx) error {
			return inner.Update(context.Background(), func(kv.Tx) error { return nil })
		})
		if !errors.Is(err, kv.ErrNested) {
			t.Errorf("an update inside an update: %v", err)
		}
	}
	put(t, db, "a", "1") // and one after the other is fine
}

func TestFaults_FailsTheNthOperation(t *testing.T) {
	f := NewFaults(memkv.New())
	db := kv.New(f, kv.Options{})
	f.FailAt(3, false)
	put(t, db, "a", "1") // snapshot, commit
	if err := db.View(context.Background(), func(kv.Reader) error { return nil }); !errors.Is(err, ErrInjected) {
		t.Errorf("the third operation: %v", err)
	}
	var dump bytes.Buffer
	if err := db.Backup(context.Background(), &dump); err != nil || dump.Len() == 0 {
		t.Errorf("backup: %v", err)
	}
}
