package events

import (
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// message is one of which the broker had so many more when it sent it.
type message struct {
	jetstream.Msg
	more uint64
}

func (m message) Metadata() (*jetstream.MsgMetadata, error) {
	return &jetstream.MsgMetadata{NumPending: m.more}, nil
}

func TestCollect_TheLastWaitsForNobody(t *testing.T) {
	queue := make(chan jetstream.Msg, 1)
	queue <- message{more: 0}
	never := func() <-chan time.Time {
		t.Error("it waits")
		return nil
	}
	if got := collect(message{more: 1}, queue, never); len(got) != 2 {
		t.Errorf("%d messages of the 2 that are there", len(got))
	}
}

// TestCollect_WaitsForWhatIsOnItsWay: a window comes in pieces, and its pieces
// are one batch; what does not come in time is another's.
func TestCollect_WaitsForWhatIsOnItsWay(t *testing.T) {
	for _, c := range []struct{ more, want []uint64 }{
		{[]uint64{2, 1, 0}, []uint64{2, 1, 0}},
		{[]uint64{9, 8}, []uint64{9, 8}},
	} {
		queue, late, batch := make(chan jetstream.Msg), make(chan time.Time), make(chan []jetstream.Msg)
		go func() { batch <- collect(message{more: c.more[0]}, queue, func() <-chan time.Time { return late }) }()
		for _, more := range c.more[1:] {
			queue <- message{more: more}
		}
		if c.more[len(c.more)-1] > 0 {
			late <- time.Time{}
		}
		var got []uint64
		for _, m := range <-batch {
			got = append(got, m.(message).more)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("collected %v, want %v", got, c.want)
		}
	}
}

func TestCollect_AFullBatchWaitsForNobody(t *testing.T) {
	queue := make(chan jetstream.Msg, batchSize)
	for range batchSize {
		queue <- message{more: 1}
	}
	if got := collect(message{more: 1}, queue, nil); len(got) != batchSize || len(queue) != 1 {
		t.Errorf("%d messages, %d are left", len(got), len(queue))
	}
}
