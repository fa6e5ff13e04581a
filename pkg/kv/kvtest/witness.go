package kvtest

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// witness is a testing.TB that notes failures instead of failing.
type witness struct {
	testing.TB
	mu     sync.Mutex
	failed []string
}

func (w *witness) note(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = append(w.failed, s)
}

func (w *witness) Helper()                   {}
func (w *witness) Log(...any)                {}
func (w *witness) Logf(string, ...any)       {}
func (w *witness) Error(args ...any)         { w.note(fmt.Sprint(args...)) }
func (w *witness) Errorf(f string, a ...any) { w.note(fmt.Sprintf(f, a...)) }
func (w *witness) Fail()                     { w.note("failed") }
func (w *witness) FailNow()                  { w.note("failed"); runtime.Goexit() }
func (w *witness) Fatal(args ...any)         { w.Error(args...); runtime.Goexit() }
func (w *witness) Fatalf(f string, a ...any) { w.Errorf(f, a...); runtime.Goexit() }

func (w *witness) Failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.failed) > 0
}

// Failures runs one category on engines that break the contract, and answers
// what it found instead of failing: the control of a suite. None means that the
// category did not notice.
func Failures(t testing.TB, c Category, f Factory) []string {
	t.Helper()
	w := &witness{TB: t}
	for _, p := range parts() {
		if p.category != c {
			continue
		}
		done := make(chan struct{})
		go func() { defer close(done); p.test(w, f) }()
		<-done
	}
	return w.failed
}
