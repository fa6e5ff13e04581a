package events_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/store"
)

// counting counts an engine's commits.
type counting struct {
	kv.Engine
	commits atomic.Int64
}

func (c *counting) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	c.commits.Add(1)
	return c.Engine.Commit(ctx, r)
}

// TestConsumer_HalvesWhatIsTooLargeForOneCommit: events that write much do not
// fit into one commit by the batch, and are still applied by the dozen.
func TestConsumer_HalvesWhatIsTooLargeForOneCommit(t *testing.T) {
	const n, writes = 200, 25
	things, _ := newStore(t, "things")
	engine := &counting{Engine: memkv.New()}
	sums := storeOn(t, "sums", kvtest.Rerun(kv.New(engine, kv.Options{})))
	b := startBroker(t, t.TempDir())
	large := adder("sums-large")
	add := large.Apply
	var first sync.Once
	large.Apply = func(tx *store.Tx, e *typev1.EventRow) error {
		first.Do(func() { awaitDelivered(t, b, n) }) // else a slow machine hands them over one by one
		for i := range writes {
			tx.Put(key.New(store.FirstServiceTable).String("of").Uint(e.GetRevision()).Uint(uint64(i)), nil)
		}
		return add(tx, e)
	}
	var want int64
	for i := range int64(n) {
		emit(t, things, i+1)
		want += i + 1
	}
	relays := []*events.Relay{events.NewRelay(things, b, quiet())}
	if _, err := relays[0].Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := engine.commits.Load()
	c := consumers(t, sums, b, quiet(), large)
	stop := deliver(t, c)
	defer stop()
	drain(t, relays, c)
	if got := sumOf(t, sums); got != want {
		t.Errorf("the sum is %d, want %d", got, want)
	}
	if commits := engine.commits.Load() - before; commits > n/4 {
		t.Errorf("%d events took %d commits", n, commits)
	}
}

// awaitDelivered waits until so many events are on their way to the consumer.
func awaitDelivered(t *testing.T, b *events.Broker, n int) {
	t.Helper()
	durable, err := b.JetStream().Consumer(t.Context(), "LINLI_THINGS", "sums-large")
	if err != nil {
		t.Error(err)
		return
	}
	for {
		info, err := durable.Info(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		if info.NumAckPending >= n {
			return
		}
	}
}
