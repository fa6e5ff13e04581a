package boltkv

import (
	"context"

	"golang.org/x/sync/semaphore"

	"github.com/linli-project/linli/pkg/kv"
)

// queueBytes is what requests that wait for the committer, and the group that
// it writes, may hold together. Who finds no room waits before it seals its
// values: in order, so that a large request is not overtaken for ever.
const queueBytes = 32 << 20

// room bounds the bytes of the committer's queue.
type room struct {
	bytes int64
	free  *semaphore.Weighted
}

func newRoom(bytes int64) room { return room{bytes, semaphore.NewWeighted(bytes)} }

// take waits for room for a request, until its context ends. give must follow.
func (r room) take(ctx context.Context, bytes int) error {
	return r.free.Acquire(ctx, r.share(bytes))
}

func (r room) give(bytes int) { r.free.Release(r.share(bytes)) }

// share: a request larger than the room has all of it.
func (r room) share(bytes int) int64 { return min(int64(bytes), r.bytes) }

// sizeOf is what a request will hold, sealed.
func sizeOf(r kv.CommitRequest) int {
	n := 0
	for _, w := range r.Writes {
		n += len(w.Key) + len(w.Value) + kv.EnvelopeBytes
	}
	return n
}
