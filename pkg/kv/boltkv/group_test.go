package boltkv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/linli-project/linli/pkg/kv"
)

func opened(t *testing.T) *Engine {
	t.Helper()
	e, err := Open(filepath.Join(t.TempDir(), "kv.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return e
}

// gate holds the committer before each bbolt transaction, or after it.
type gate struct {
	arrived, pass chan struct{}
	groups        int
}

func newGate() *gate { return &gate{arrived: make(chan struct{}), pass: make(chan struct{})} }

func (g *gate) before(update func(func(*bolt.Tx) error) error) func(func(*bolt.Tx) error) error {
	return func(fn func(*bolt.Tx) error) error {
		g.groups++
		g.arrived <- struct{}{}
		<-g.pass
		return update(fn)
	}
}

func (g *gate) after(update func(func(*bolt.Tx) error) error) func(func(*bolt.Tx) error) error {
	return func(fn func(*bolt.Tx) error) error {
		err := update(fn)
		g.arrived <- struct{}{}
		<-g.pass
		return err
	}
}

// open lets everything pass from here on, until the answered function is called.
func (g *gate) open() (shut func()) {
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case <-g.arrived:
				g.pass <- struct{}{}
			case <-ended:
				return
			}
		}
	}()
	return func() { close(ended) }
}

func put(key string, value []byte, checks ...kv.Check) *pending {
	return newPending(kv.CommitRequest{Checks: checks, Writes: []kv.Write{{Key: []byte(key), Value: value}}})
}

func absent(key string) kv.Check { return kv.Check{Key: []byte(key)} }

// commitTogether queues requests behind one that is held, and answers what
// became of them and how many bbolt transactions they took.
func commitTogether(t *testing.T, e *Engine, requests ...*pending) (outcomes []error, groups int) {
	t.Helper()
	g := newGate()
	e.update = g.before(e.db.Update)
	first := put("first", nil)
	for _, p := range append([]*pending{first}, requests...) {
		if err := e.enqueue(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if p == first {
			<-g.arrived // alone: what follows waits together
		}
	}
	g.pass <- struct{}{}
	defer g.open()()
	if err := <-first.answer; err != nil {
		t.Fatal(err)
	}
	for _, p := range requests {
		outcomes = append(outcomes, <-p.answer)
	}
	return outcomes, g.groups - 1
}

func (e *Engine) valueOf(t *testing.T, key string) string {
	t.Helper()
	s, err := e.snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	items, err := s.Read(t.Context(), [][]byte{[]byte(key)})
	if err != nil {
		t.Fatal(err)
	}
	return string(items[0].Value)
}

func TestGroup_SeesWhatItsEarlierMembersWrite(t *testing.T) {
	e := opened(t)
	one := put("a", []byte("1"), absent("a"))
	outcomes, groups := commitTogether(t, e,
		one,
		put("a", []byte("2"), absent("a")),
		put("b", []byte("1"), absent("a")),
		put("c", []byte("1"), kv.Check{Key: []byte("a"), Version: one.version}),
	)
	if groups != 1 {
		t.Fatalf("%d groups", groups)
	}
	for i, conflict := range []bool{false, true, true, false} {
		if errors.Is(outcomes[i], kv.ErrConflict) != conflict || !conflict && outcomes[i] != nil {
			t.Errorf("member %d: %v", i, outcomes[i])
		}
	}
	if a, b, c := e.valueOf(t, "a"), e.valueOf(t, "b"), e.valueOf(t, "c"); a != "1" || b != "" || c != "1" {
		t.Errorf("a %q, b %q, c %q", a, b, c)
	}
}

func TestGroup_IsCutByBytesAndByNumber(t *testing.T) {
	e := opened(t)
	var large, small []*pending
	for i := range 5 {
		writes := make([]kv.Write, 10)
		for j := range writes {
			writes[j] = kv.Write{Key: fmt.Appendf(nil, "large %d %d", i, j), Value: bytes.Repeat([]byte("x"), kv.DefaultLimits.ValueBytes)}
		}
		large = append(large, newPending(kv.CommitRequest{Writes: writes}))
	}
	for i := range groupRequests {
		small = append(small, put(fmt.Sprintf("small %d", i), nil))
	}
	if outcomes, groups := commitTogether(t, e, large...); groups != 5 || errors.Join(outcomes...) != nil {
		t.Errorf("5 requests of 640 KiB took %d groups: %v", groups, errors.Join(outcomes...))
	}
	if outcomes, groups := commitTogether(t, e, small[:groupRequests-1]...); groups != 1 || errors.Join(outcomes...) != nil {
		t.Errorf("%d small requests took %d groups: %v", groupRequests-1, groups, errors.Join(outcomes...))
	}
	if e.valueOf(t, "large 4 9") == "" {
		t.Error("the request that waited for the next group is not there")
	}
}

func TestGroup_ADamagedValueFailsOnlyWhoReadIt(t *testing.T) {
	e := opened(t)
	err := e.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketName()).Put([]byte("damaged"), []byte("x")) })
	if err != nil {
		t.Fatal(err)
	}
	outcomes, _ := commitTogether(t, e, put("a", nil), put("b", nil, absent("damaged")), put("c", nil))
	if outcomes[0] != nil || !errors.Is(outcomes[1], kv.ErrCorrupt) || outcomes[2] != nil {
		t.Errorf("got %v", outcomes)
	}
}

// TestGroup_APanicFailsOnlyWhoMeetsIt: a page that makes bbolt panic while one
// request is written does not fail those who wait with it.
func TestGroup_APanicFailsOnlyWhoMeetsIt(t *testing.T) {
	e := opened(t)
	e.update = func(fn func(*bolt.Tx) error) error {
		return e.db.Update(func(tx *bolt.Tx) error {
			if err := fn(tx); err != nil {
				return err
			}
			if v := tx.Bucket(bucketName()).Get([]byte("broken")); v != nil {
				panic("a page of another kind")
			}
			return nil
		})
	}
	group := []*pending{put("a", nil), put("broken", []byte("2")), put("b", []byte("2"))}
	e.commitGroup(group)
	var corrupt []bool
	for _, p := range group {
		corrupt = append(corrupt, errors.Is(<-p.answer, kv.ErrCorrupt))
	}
	if !slices.Equal(corrupt, []bool{false, true, false}) || e.valueOf(t, "b") != "2" || e.valueOf(t, "broken") != "" {
		t.Errorf("corrupt: %v", corrupt)
	}
}

func TestCommit_IsTakenBackWhileItWaits(t *testing.T) {
	e := opened(t)
	g := newGate()
	e.update = g.before(e.db.Update)
	commit := func(ctx context.Context, key string) chan error {
		answer := make(chan error, 1)
		go func() {
			_, err := e.Commit(ctx, kv.CommitRequest{Writes: []kv.Write{{Key: []byte(key), Value: []byte("1")}}})
			answer <- err
		}()
		return answer
	}
	first := commit(t.Context(), "first")
	<-g.arrived
	ctx, cancel := context.WithCancel(t.Context())
	waiting := commit(ctx, "waiting")
	for len(e.queue) == 0 {
		runtime.Gosched()
	}
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) || errors.Is(err, kv.ErrUnknownOutcome) {
		t.Errorf("taken back while it waited: %v", err)
	}
	g.pass <- struct{}{}
	if err := <-first; err != nil {
		t.Error(err)
	}
	defer g.open()() // whether what was taken back makes a group of its own is open
	last := commit(t.Context(), "last")
	if err := <-last; err != nil || e.valueOf(t, "waiting") != "" {
		t.Errorf("what was taken back was written (%q), %v", e.valueOf(t, "waiting"), err)
	}
}

func TestCommit_UnderWayIsUnknown(t *testing.T) {
	e := opened(t)
	g := newGate()
	e.update = g.after(e.db.Update)
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error)
	go func() {
		_, err := e.Commit(ctx, kv.CommitRequest{Writes: []kv.Write{{Key: []byte("a"), Value: []byte("1")}}})
		answer <- err
	}()
	<-g.arrived
	cancel()
	if err := <-answer; !errors.Is(err, kv.ErrUnknownOutcome) || !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ended while the commit was under way: %v", err)
	}
	g.pass <- struct{}{}
	if e.valueOf(t, "a") != "1" {
		t.Error("the commit did not go on")
	}
}

// TestSnapshot_WaitsForTheDisk: what bbolt shows before it is synced, a snapshot
// does not.
func TestSnapshot_WaitsForTheDisk(t *testing.T) {
	e := opened(t)
	g := newGate()
	e.update = g.after(e.db.Update)
	p := put("a", []byte("1"))
	if err := e.enqueue(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	<-g.arrived // written and visible, and not yet said to be synced
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Snapshot(over); !errors.Is(err, context.Canceled) {
		t.Errorf("a snapshot did not wait for the disk: %v", err)
	}
	seen := make(chan string)
	go func() { seen <- e.valueOf(t, "a") }()
	g.pass <- struct{}{}
	if v := <-seen; v != "1" {
		t.Errorf("after the sync a is %q", v)
	}
	if err := <-p.answer; err != nil {
		t.Error(err)
	}
}

func TestCommit_ADiskThatRefusesIsReadOnly(t *testing.T) {
	e := opened(t)
	commit := func(value string) error {
		_, err := e.Commit(t.Context(), kv.CommitRequest{Writes: []kv.Write{{Key: []byte("a"), Value: []byte(value)}}})
		return err
	}
	if err := commit("1"); err != nil {
		t.Fatal(err)
	}
	e.update = func(fn func(*bolt.Tx) error) error {
		return e.db.Update(func(tx *bolt.Tx) error { return errors.Join(fn(tx), syscall.ENOSPC) })
	}
	if err := commit("2"); !errors.Is(err, kv.ErrReadOnly) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("on a full disk: %v", err)
	}
	if v := e.valueOf(t, "a"); v != "1" {
		t.Errorf("on a full disk a reads as %q", v)
	}
	e.update = e.db.Update
	if err := commit("3"); err != nil || e.valueOf(t, "a") != "3" {
		t.Errorf("when there is room again: %v", err)
	}
}

func TestCommit_ASyncThatFailsLeavesNothingUsable(t *testing.T) {
	e := opened(t)
	e.update = func(fn func(*bolt.Tx) error) error { return errors.Join(e.db.Update(fn), syscall.EIO) }
	request := kv.CommitRequest{Writes: []kv.Write{{Key: []byte("a"), Value: []byte("1")}}}
	if _, err := e.Commit(t.Context(), request); !errors.Is(err, kv.ErrUnknownOutcome) || !errors.Is(err, syscall.EIO) {
		t.Errorf("a sync that failed: %v", err)
	}
	if _, err := e.Snapshot(t.Context()); !errors.Is(err, kv.ErrUnavailable) {
		t.Errorf("a snapshot after it: %v", err)
	}
	e.update = e.db.Update
	if _, err := e.Commit(t.Context(), request); !errors.Is(err, kv.ErrUnavailable) {
		t.Errorf("a commit after it: %v", err)
	}
}

// TestCommit_APanicThatKeepsTheLock: bbolt can be left with its lock taken. The
// engine then says so instead of waiting for it.
func TestCommit_APanicThatKeepsTheLock(t *testing.T) {
	e := opened(t)
	e.update = func(func(*bolt.Tx) error) error {
		if _, err := e.db.Begin(true); err != nil {
			return err
		}
		panic("and nobody rolls back")
	}
	request := kv.CommitRequest{Writes: []kv.Write{{Key: []byte("a")}}}
	for range 2 {
		if _, err := e.Commit(t.Context(), request); !errors.Is(err, kv.ErrCorrupt) {
			t.Errorf("commit: %v", err)
		}
		if _, err := e.Snapshot(t.Context()); !errors.Is(err, kv.ErrCorrupt) {
			t.Errorf("snapshot: %v", err)
		}
	}
	if err := e.Close(); !errors.Is(err, kv.ErrCorrupt) {
		t.Errorf("close: %v", err)
	}
}
