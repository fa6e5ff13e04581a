package events

import (
	"runtime"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func TestCollect_AloneWaitsForNobody(t *testing.T) {
	if lateAfter(batchCrowd-1) != nil {
		t.Error("a few are taken for a crowd")
	}
	queue := make(chan jetstream.Msg, 2)
	queue <- nil
	if got := collect(nil, queue, nil); len(got) != 2 {
		t.Errorf("%d messages of the 2 that are there", len(got))
	}
}

// TestCollect_InACrowdTakesWhatComesBeforeLate: a window comes in pieces, and
// its pieces are one batch.
func TestCollect_InACrowdTakesWhatComesBeforeLate(t *testing.T) {
	if lateAfter(batchCrowd) == nil {
		t.Error("a crowd is not taken for one")
	}
	queue, late, batch := make(chan jetstream.Msg), make(chan time.Time), make(chan []jetstream.Msg)
	go func() { batch <- collect(nil, queue, late) }()
	for range 2 {
		queue <- nil
		runtime.Gosched() // they come one by one
	}
	close(late)
	if got := <-batch; len(got) != 3 {
		t.Errorf("%d messages of the 3 that came", len(got))
	}
}

func TestCollect_AFullBatchWaitsForNobody(t *testing.T) {
	queue := make(chan jetstream.Msg, batchSize)
	for range batchSize {
		queue <- nil
	}
	if got := collect(nil, queue, make(chan time.Time)); len(got) != batchSize || len(queue) != 1 {
		t.Errorf("%d messages, %d are left", len(got), len(queue))
	}
}
