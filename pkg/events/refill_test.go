package events_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/store"
)

// run starts a broker over a folder, with a relay of things and the adder in
// sums, drains, and stops all of it.
func run(t *testing.T, dir string, things, sums *store.Store) {
	t.Helper()
	b, err := events.StartBroker(events.BrokerConfig{Dir: dir, Services: []string{"things", "sums"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	c, err := events.NewConsumers(t.Context(), sums, b, slog.New(slog.DiscardHandler), adder("sums-adder"))
	if err != nil {
		t.Fatal(err)
	}
	stop := deliver(t, c)
	if err := events.Drain(t.Context(), []*events.Relay{events.NewRelay(things, b, slog.New(slog.DiscardHandler))}, []*events.Consumers{c}); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRelay_RefillsAStreamThatIsNew: the broker's folder is lost when some
// events had their effects, some were sent and had none yet, and some wait.
// Each has its effect once.
func TestRelay_RefillsAStreamThatIsNew(t *testing.T) {
	things, _ := newStore(t, "things")
	sums, _ := newStore(t, "sums")
	emit(t, things, 1, 2, 3)
	run(t, t.TempDir(), things, sums)
	if got := sumOf(t, sums); got != 6 {
		t.Fatalf("sum %d", got)
	}
	emit(t, things, 10, 20)
	lost := startBroker(t, t.TempDir())
	if _, err := events.NewRelay(things, lost, slog.New(slog.DiscardHandler)).Flush(t.Context()); err != nil {
		t.Fatal(err) // sent, and applied by nobody
	}
	emit(t, things, 100)
	dir := t.TempDir()
	for range 3 { // once refilled, a restart publishes nothing again
		run(t, dir, things, sums)
		if got := sumOf(t, sums); got != 136 {
			t.Errorf("sum %d, not 136", got)
		}
	}
	b := startBroker(t, dir)
	if n := messages(t, b); n != 6 {
		t.Errorf("%d messages of 6 events", n)
	}
}

func messages(t *testing.T, b *events.Broker) uint64 {
	t.Helper()
	s, err := b.JetStream().Stream(t.Context(), "LINLI_THINGS")
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

// TestRelay_ABrokenRefillBeginsAgain: more events than one window, and the
// relay ends in the middle.
func TestRelay_ABrokenRefillBeginsAgain(t *testing.T) {
	things, _ := newStore(t, "things")
	sums, _ := newStore(t, "sums")
	want := int64(0)
	for v := range int64(600) {
		emit(t, things, v)
		want += v
	}
	run(t, t.TempDir(), things, sums)
	dir := t.TempDir()
	b := startBroker(t, dir)
	ctx, die := context.WithCancel(t.Context())
	defer die()
	var seen atomic.Int64
	stop, err := b.Watch(func(*typev1.EventRow) {
		if seen.Add(1) == 300 {
			die()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := events.NewRelay(things, b, slog.New(slog.DiscardHandler)).Flush(ctx); err == nil && seen.Load() < 600 {
		t.Error("the relay did not notice its end")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	fresh, _ := newStore(t, "sums") // one that has no marks, to see that all came
	c, err := events.NewConsumers(t.Context(), fresh, b, slog.New(slog.DiscardHandler), adder("sums-other"))
	if err != nil {
		t.Fatal(err)
	}
	defer deliver(t, c)()
	relay := events.NewRelay(things, b, slog.New(slog.DiscardHandler))
	if err := events.Drain(t.Context(), []*events.Relay{relay}, []*events.Consumers{c}); err != nil {
		t.Fatal(err)
	}
	if got := sumOf(t, fresh); got != want || sumOf(t, sums) != want {
		t.Errorf("sum %d and %d, not %d", got, sumOf(t, sums), want)
	}
}
