package boltkv

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/linli-project/linli/pkg/kv"
)

func request(key string, bytes int) kv.CommitRequest {
	return kv.CommitRequest{Writes: []kv.Write{{Key: []byte(key), Value: make([]byte, bytes)}}}
}

// TestCommit_WhatIsQueuedIsBounded: while the committer is held with most of the
// room, the next request waits outside the queue, and is let go by its context
// without an effect. Once there is room again it is written, and so is one that
// is larger than the whole of it.
func TestCommit_WhatIsQueuedIsBounded(t *testing.T) {
	e := opened(t)
	e.room = newRoom(1000)
	g := newGate()
	e.update = g.before(e.db.Update)
	first := make(chan error, 1)
	go func() {
		_, err := e.Commit(context.Background(), request("first", 600))
		first <- err
	}()
	<-g.arrived
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := e.Commit(ctx, request("second", 600)); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, kv.ErrUnknownOutcome) {
		t.Errorf("without room: %v", err)
	}
	if len(e.queue) != 0 {
		t.Error("what has no room is in the queue")
	}
	g.pass <- struct{}{}
	defer g.open()()
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if got := e.valueOf(t, "second"); got != "" {
		t.Error("what was let go had an effect")
	}
	for key, bytes := range map[string]int{"third": 600, "large": 5000} {
		if _, err := e.Commit(t.Context(), request(key, bytes)); err != nil || len(e.valueOf(t, key)) != bytes {
			t.Errorf("%s: %v", key, err)
		}
	}
	if !e.room.free.TryAcquire(1000) {
		t.Error("room was not given back")
	}
}

// TestCommit_WhatIsWithdrawnHoldsNothing: it stays in the queue until its turn,
// without what it would have written.
func TestCommit_WhatIsWithdrawnHoldsNothing(t *testing.T) {
	e := opened(t)
	g := newGate()
	e.update = g.before(e.db.Update)
	first := put("first", nil)
	if err := e.enqueue(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	<-g.arrived
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := e.Commit(ctx, request("second", 600)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	waits := <-e.queue
	if waits.writes != nil || waits.state.Load() != withdrawn {
		t.Errorf("it holds %d writes", len(waits.writes))
	}
	g.pass <- struct{}{}
	defer g.open()()
	if err := <-first.answer; err != nil {
		t.Error(err)
	}
}
