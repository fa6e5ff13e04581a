package kvtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/linli-project/linli/pkg/kv"
)

// EveryOperation finds out whether something is done as a whole. It does it
// once to see what that comes to, and then again and again on a new engine, of
// which the first, the second and every further operation fails, until there is
// none left: a read, a scan, a commit without effect, a commit whose answer is
// lost. What failed left nothing, or everything where only the answer was lost;
// and done once more it comes to the same.
//
// arrange puts on the engine what has to be there and answers what is to be
// done. That must be safe to do twice: it is sent under an idempotency key.
// EveryOperation answers how many operations it let fail.
func EveryOperation(t testing.TB, open func() kv.Engine, arrange func(testing.TB, kv.Engine) (do func() error)) int {
	t.Helper()
	sound := open()
	do := arrange(t, sound)
	before := contents(t, sound)
	if err := do(); err != nil {
		t.Fatalf("without a failure: %v", err)
	}
	whole := difference(before, contents(t, sound))
	if len(whole) == 0 {
		t.Fatal("without a failure it changed nothing")
	}
	failed := 0
	for _, applied := range []bool{false, true} {
		for n := int64(1); ; n++ {
			engine := open()
			faults := NewFaults(engine)
			do := arrange(t, faults)
			before := contents(t, engine)
			faults.FailAt(n, applied)
			err := do()
			if !faults.Fired() {
				break
			}
			failed++
			faults.FailAt(0, false)
			left := difference(before, contents(t, engine))
			isWhole := maps.Equal(left, whole)
			if len(left) > 0 && (!isWhole || err != nil && !applied) || err == nil && !isWhole {
				t.Errorf("operation %d failed (commit applied: %v), it said %v and left %v; the whole is %v", n, applied, err, left, whole)
			}
			if err := do(); err != nil {
				t.Errorf("operation %d failed (commit applied: %v), and done once more: %v", n, applied, err)
			} else if again := difference(before, contents(t, engine)); !maps.Equal(again, whole) {
				t.Errorf("operation %d failed (commit applied: %v), done once more it comes to %v, not %v", n, applied, again, whole)
			}
		}
	}
	return failed
}

// contents answers everything that an engine holds.
func contents(t testing.TB, e kv.Engine) map[string]string {
	t.Helper()
	s, err := e.Snapshot(context.Background())
	if err != nil {
		t.Fatalf("look at an engine: %v", err)
	}
	items, err := s.Scan(context.Background(), kv.Range{})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatalf("look at an engine: %v", err)
	}
	out := make(map[string]string, len(items))
	for _, it := range items {
		out[string(it.Key)] = fmt.Sprintf("%d %s", it.Version, it.Value)
	}
	return out
}

// difference says what happened to how many rows of which table, "0004 new".
// Keys hold ids, which differ from one try to the next.
func difference(before, after map[string]string) map[string]int {
	out := map[string]int{}
	count := func(key, what string) { out[fmt.Sprintf("%x %s", key[:min(len(key), 2)], what)]++ }
	for k, v := range after {
		if was, there := before[k]; !there {
			count(k, "new")
		} else if was != v {
			count(k, "changed")
		}
	}
	for k := range before {
		if _, there := after[k]; !there {
			count(k, "gone")
		}
	}
	return out
}
