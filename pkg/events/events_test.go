package events_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/wrapperspb"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(brokerDir); dir != "" {
		os.Exit(brokerProcess(dir))
	}
	code := m.Run()
	if err := goleak.Find(goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon")); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func startBroker(t *testing.T, dir string) *events.Broker {
	t.Helper()
	b, err := events.StartBroker(events.BrokerConfig{Dir: dir, Services: []string{"things", "sums"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// failing lets a test stop an engine's commits at will.
type failing struct {
	kv.Engine
	broken atomic.Bool
}

var errBroken = errors.New("the relay died here")

func (f *failing) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	if f.broken.Load() {
		return 0, errBroken
	}
	return f.Engine.Commit(ctx, r)
}

func newStore(t *testing.T, service string) (*store.Store, *failing) {
	t.Helper()
	engine := &failing{Engine: memkv.New()}
	s, err := store.Open(t.Context(), store.Config{
		Service: service, DB: kvtest.Rerun(kv.New(engine, kv.Options{})), Master: seal.MasterKey{1},
		Civil: clock.Wall(), Wall: clock.Wall(), IDs: ids.New, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, engine
}

func emit(t *testing.T, s *store.Store, values ...int64) {
	t.Helper()
	for _, v := range values {
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			return tx.Emit(store.Event{Name: "thing.counted", EntityID: "thing", Revision: uint64(v), Data: wrapperspb.Int64(v)})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func sumKey() []byte { return key.New(store.FirstServiceTable).String("sum") }

// adder is a fact consumer: it adds each event's value to a sum.
func adder(name string) events.Consumer {
	return events.Consumer{Name: name, From: "things", Subjects: []string{"linli.things.thing.*"}, Kind: events.Fact,
		Apply: func(tx *store.Tx, e *typev1.EventRow) error {
			var v wrapperspb.Int64Value
			if err := events.Decode(e, &v); err != nil {
				return err
			}
			it, err := tx.Get(sumKey())
			if err != nil {
				return err
			}
			var sum int64
			if it.Version != 0 {
				if _, err := fmt.Sscan(string(it.Value), &sum); err != nil {
					return err
				}
			}
			tx.Put(sumKey(), fmt.Append(nil, sum+v.GetValue()))
			return nil
		}}
}

func sumOf(t *testing.T, s *store.Store) (sum int64) {
	t.Helper()
	err := s.View(t.Context(), func(r kv.Reader) error {
		it, err := r.Get(sumKey())
		if it.Version != 0 {
			_, err = fmt.Sscan(string(it.Value), &sum)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// deliver runs consumers until the returned function is called.
func deliver(t *testing.T, c *events.Consumers) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.Run(ctx) })
	return func() {
		cancel()
		if err := g.Wait(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

func consumers(t *testing.T, s *store.Store, b *events.Broker, log *slog.Logger, all ...events.Consumer) *events.Consumers {
	t.Helper()
	c, err := events.NewConsumers(t.Context(), s, b, log, all...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func drain(t *testing.T, relays []*events.Relay, all ...*events.Consumers) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := events.Drain(ctx, relays, all); err != nil {
		t.Fatal(err)
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// TestRelay_KilledBetweenPublishAndMove publishes every event twice: the relay
// dies each time before it can file what the broker acknowledged. The broker
// is a new one in between, so that its memory of message ids does not help.
func TestRelay_KilledBetweenPublishAndMove(t *testing.T) {
	things, engine := newStore(t, "things")
	sums, _ := newStore(t, "sums")
	b := startBroker(t, t.TempDir())
	emit(t, things, 1, 2, 3, 4)

	first := consumers(t, sums, b, quiet(), adder("sums-a"))
	stop := deliver(t, first)
	engine.broken.Store(true)
	if _, err := events.NewRelay(things, b, quiet()).Flush(t.Context()); !errors.Is(err, errBroken) {
		t.Fatalf("the relay lived: %v", err)
	}
	drain(t, nil, first)
	if got := sumOf(t, sums); got != 10 {
		t.Fatalf("published once, the sum is %d", got)
	}
	stop()

	// Another broker has never heard of these ids, so every event is stored and
	// delivered again to the same consumer.
	b2 := startBroker(t, t.TempDir())
	engine.broken.Store(false)
	again := consumers(t, sums, b2, quiet(), adder("sums-a"))
	stop = deliver(t, again)
	relay := events.NewRelay(things, b2, quiet())
	drain(t, []*events.Relay{relay}, again)
	if got := sumOf(t, sums); got != 10 {
		t.Errorf("delivered twice, the sum is %d", got)
	}
	emit(t, things, 5)
	drain(t, []*events.Relay{relay}, again)
	if got := sumOf(t, sums); got != 15 {
		t.Errorf("after one more the sum is %d", got)
	}
	stop()
}

func TestRelay_TwoDoNoHarm(t *testing.T) {
	things, _ := newStore(t, "things")
	sums, _ := newStore(t, "sums")
	b := startBroker(t, t.TempDir())
	c := consumers(t, sums, b, quiet(), adder("sums-a"))
	stop := deliver(t, c)
	defer stop()
	var want int64
	for i := range int64(300) {
		emit(t, things, i)
		want += i
	}
	g, ctx := errgroup.WithContext(t.Context())
	relays := []*events.Relay{events.NewRelay(things, b, quiet()), events.NewRelay(things, b, quiet())}
	for _, r := range relays {
		g.Go(func() error { _, err := r.Flush(ctx); return err })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	drain(t, relays, c)
	if got := sumOf(t, sums); got != want {
		t.Errorf("the sum is %d, want %d", got, want)
	}
}

func TestBroker_GoesOnAfterARestart(t *testing.T) {
	things, _ := newStore(t, "things")
	sums, _ := newStore(t, "sums")
	dir := t.TempDir()
	b := startBroker(t, dir)
	emit(t, things, 1, 2)
	if _, err := events.NewRelay(things, b, quiet()).Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = startBroker(t, dir)
	c := consumers(t, sums, b, quiet(), adder("sums-a"))
	stop := deliver(t, c)
	defer stop()
	drain(t, []*events.Relay{events.NewRelay(things, b, quiet())}, c)
	if got := sumOf(t, sums); got != 3 {
		t.Errorf("the sum is %d", got)
	}
}

func TestRelay_KeepsEventsWhileTheBrokerIsAway(t *testing.T) {
	things, _ := newStore(t, "things")
	b := startBroker(t, t.TempDir())
	emit(t, things, 1)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := events.NewRelay(things, b, quiet()).Flush(ctx); err == nil {
		t.Error("published to a broker that is gone")
	}
	err := things.View(t.Context(), func(r kv.Reader) error {
		pending, err := store.Pending(r, 10)
		if len(pending) != 1 {
			t.Errorf("%d events pending", len(pending))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// logBuffer is read after the writers have ended.
type logBuffer struct{ strings.Builder }

// TestConsumer_ParksWhatCannotBeApplied: a rule error and an event of another
// kind are parked at once, and what stands beside them is applied.
func TestConsumer_ParksWhatCannotBeApplied(t *testing.T) {
	things, _ := newStore(t, "things")
	sums, _ := newStore(t, "sums")
	b := startBroker(t, t.TempDir())
	picky := adder("sums-a")
	apply := picky.Apply
	picky.Apply = func(tx *store.Tx, e *typev1.EventRow) error {
		if e.GetRevision() == 2 {
			return rule.New(rule.Precondition, "WRONG_STATE", "")
		}
		return apply(tx, e)
	}
	emit(t, things, 1, 2, 3)
	err := things.Update(t.Context(), func(tx *store.Tx) error {
		return tx.Emit(store.Event{Name: "thing.counted", EntityID: "thing", Revision: 4, Data: wrapperspb.String("no number")})
	})
	if err != nil {
		t.Fatal(err)
	}
	c := consumers(t, sums, b, quiet(), picky)
	stop := deliver(t, c)
	defer stop()
	drain(t, []*events.Relay{events.NewRelay(things, b, quiet())}, c)
	if got := sumOf(t, sums); got != 4 {
		t.Errorf("the sum of the good ones is %d", got)
	}
	err = sums.View(t.Context(), func(r kv.Reader) error {
		parked, err := store.Parked(r, 10)
		if len(parked) != 2 {
			t.Errorf("%d parked", len(parked))
		}
		for _, p := range parked {
			if p.GetConsumer() != "sums-a" || p.GetTries() != 1 || p.GetError() == "" {
				t.Errorf("parked: %v", p)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestConsumer_TriesAgainAfterAPanic: a panic is a transient error, its value
// is not logged, and the event is applied in the end.
func TestConsumer_TriesAgainAfterAPanic(t *testing.T) {
	things, _ := newStore(t, "things")
	sums, _ := newStore(t, "sums")
	b := startBroker(t, t.TempDir())
	var panics atomic.Int32
	shaky := adder("sums-a")
	apply := shaky.Apply
	shaky.Apply = func(tx *store.Tx, e *typev1.EventRow) error {
		if panics.Add(1) <= 3 {
			panic("430198197207155484")
		}
		return apply(tx, e)
	}
	emit(t, things, 7)
	var log logBuffer
	c := consumers(t, sums, b, slog.New(slog.NewTextHandler(&log, nil)), shaky)
	stop := deliver(t, c)
	drain(t, []*events.Relay{events.NewRelay(things, b, quiet())}, c)
	if got := sumOf(t, sums); got != 7 {
		t.Errorf("the sum is %d", got)
	}
	stop()
	if !strings.Contains(log.String(), "panic") || strings.Contains(log.String(), "430198197207155484") {
		t.Errorf("the log hides the panic or tells its value:\n%s", log.String())
	}
}

// TestDrain_WaitsForEffectsOfEffects: a consumer that emits is waited for, and
// what comes of it too.
func TestDrain_WaitsForEffectsOfEffects(t *testing.T) {
	things, _ := newStore(t, "things")
	sums, _ := newStore(t, "sums")
	b := startBroker(t, t.TempDir())
	echo := events.Consumer{Name: "things-echo", From: "things", Kind: events.Fact, Subjects: []string{"linli.things.thing.counted"},
		Apply: func(tx *store.Tx, e *typev1.EventRow) error {
			if e.GetRevision() == 0 {
				return nil
			}
			return tx.Emit(store.Event{Name: "thing.counted", EntityID: "thing", Revision: e.GetRevision() - 1, Data: wrapperspb.Int64(1)})
		}}
	adding := consumers(t, sums, b, quiet(), adder("sums-a"))
	echoing := consumers(t, things, b, quiet(), echo)
	defer deliver(t, adding)()
	defer deliver(t, echoing)()
	emit(t, things, 5)
	drain(t, []*events.Relay{events.NewRelay(things, b, quiet())}, adding, echoing)
	if got := sumOf(t, sums); got != 5+5 {
		t.Errorf("the sum is %d: the drain did not wait for the whole chain", got)
	}
}

// Two reactions of one name would share what was delivered to either.
func TestConsumers_HaveNamesOfTheirOwn(t *testing.T) {
	one := events.Consumer{Name: "requests-copies", From: "registry", Subjects: []string{"linli.registry.member.*"}}
	if _, err := events.NewConsumers(t.Context(), nil, nil, slog.New(slog.DiscardHandler), one, one); err == nil {
		t.Error("one name twice was taken")
	}
}
