package boltkv

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/linli-project/linli/pkg/kv"
)

// guard runs fn with memory faults and bbolt's panics on a damaged page turned
// into kv.ErrCorrupt: a damaged file must end one call, not the process.
func guard(fn func() error) (err error) {
	before := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(before)
	defer func() {
		if r := recover(); r != nil {
			err = &damage{r}
		}
	}()
	return fn()
}

// damage is what a read of a damaged page ended in.
type damage struct{ cause any }

func (d *damage) Error() string {
	return fmt.Sprintf("%v: reading the file: %v", kv.ErrCorrupt, d.cause)
}

func (d *damage) Unwrap() error { return kv.ErrCorrupt }

// watermark is the newest bbolt transaction that is known to be on disk. bbolt
// shows a transaction to readers once its meta page is written, a moment before
// that page is synced; a reader that told others of it would have told them of
// what a power cut takes back.
type watermark struct {
	id      atomic.Int64
	mu      sync.Mutex
	changed chan struct{} // closed and replaced by each change
}

func newWatermark() *watermark { return &watermark{changed: make(chan struct{})} }

// raise says that transaction id is on disk.
func (w *watermark) raise(id int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.id.Store(max(w.id.Load(), int64(id)))
	close(w.changed)
	w.changed = make(chan struct{})
}

// release lets everybody through from now on.
func (w *watermark) release() { w.raise(math.MaxInt) }

// await returns when transaction id is on disk.
func (w *watermark) await(ctx context.Context, id int) error {
	for w.id.Load() < int64(id) {
		w.mu.Lock()
		changed := w.changed
		w.mu.Unlock()
		if w.id.Load() >= int64(id) {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
