package events

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

// otherBroker is a server that this house did not configure.
func otherBroker(t testing.TB, o server.Options) *nats.Conn {
	t.Helper()
	o.DontListen, o.NoSigs, o.NoLog, o.StoreDir, o.SyncAlways = true, true, true, t.TempDir(), true
	s, err := server.NewServer(&o)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(brokerPatience) {
		t.Fatal("the server did not become ready")
	}
	conn, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func clientOf(t testing.TB, conn *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(4*relayWindow))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func makeStream(t testing.TB, js jetstream.JetStream, atomic bool) {
	t.Helper()
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: streamName("things"), Subjects: []string{"linli.things.>"}, Storage: jetstream.FileStorage,
		Duplicates: duplicateTime, AllowAtomicPublish: atomic,
	})
	if err != nil {
		t.Fatal(err)
	}
}

func thingsStore(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{
		Service: "things", DB: kv.New(memkv.New(), kv.Options{}), Master: seal.MasterKey{1},
		Civil: clock.Wall(), Wall: clock.Wall(), IDs: ids.New, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// announce commits n events, each about a row of its own.
func announce(t testing.TB, s *store.Store, n int) {
	t.Helper()
	const atOnce = 200
	for from := 0; from < n; from += atOnce {
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			for i := from; i < min(n, from+atOnce); i++ {
				e := store.Event{Name: "thing.counted", EntityID: fmt.Sprintf("thing-%d", i), Revision: 1, Data: wrapperspb.Int64(int64(i))}
				if err := tx.Emit(e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// pendingOf answers how many events wait.
func pendingOf(t testing.TB, s *store.Store) (n int) {
	t.Helper()
	err := s.View(t.Context(), func(r kv.Reader) error {
		rows, err := store.Pending(r, 10_000)
		n = len(rows)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// stored answers how many messages a stream holds, and how many of them came in
// a batch.
func stored(t testing.TB, js jetstream.JetStream) (all, batched int) {
	t.Helper()
	s, err := js.Stream(t.Context(), streamName("things"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		if id := m.Header.Get(nats.MsgIdHdr); seen[id] {
			t.Errorf("event %s is there twice", id)
		} else {
			seen[id] = true
		}
		if m.Header.Get(jetstreamext.BatchIDHeader) != "" {
			batched++
		}
	}
	return len(seen), batched
}

func flush(t testing.TB, r *Relay, want int) {
	t.Helper()
	n, err := r.Flush(t.Context())
	if err != nil || n != want {
		t.Errorf("flushed %d events of %d: %v", n, want, err)
	}
	if n := pendingOf(t, r.store); n != 0 {
		t.Errorf("%d events still wait", n)
	}
}

func relayOn(s *store.Store, js jetstream.JetStream, log *strings.Builder) *Relay {
	b := &Broker{conn: js.Conn(), js: js, trusted: true}
	return NewRelay(s, b, slog.New(slog.NewTextHandler(log, nil)))
}

func TestRelay_PublishesAWindowAsOneBatch(t *testing.T) {
	js, things, log := clientOf(t, otherBroker(t, server.Options{JetStream: true})), thingsStore(t), &strings.Builder{}
	makeStream(t, js, true)
	r := relayOn(things, js, log)
	announce(t, things, 2*relayWindow+1)
	flush(t, r, 2*relayWindow+1)
	if all, batched := stored(t, js); all != 2*relayWindow+1 || batched != 2*relayWindow {
		t.Errorf("%d events arrived, %d in batches", all, batched)
	}
	if log.Len() != 0 {
		t.Errorf("logged: %s", log)
	}
}

// TestRelay_WindowWithADuplicate: a relay that died between publish and move
// leaves some that the broker has. The window goes singly, the next one as a
// batch again.
func TestRelay_WindowWithADuplicate(t *testing.T) {
	js, things, log := clientOf(t, otherBroker(t, server.Options{JetStream: true})), thingsStore(t), &strings.Builder{}
	makeStream(t, js, true)
	r := relayOn(things, js, log)
	announce(t, things, 10)
	var window []string
	err := things.View(t.Context(), func(reader kv.Reader) error {
		events, err := store.Pending(reader, relayWindow)
		if err != nil {
			return err
		}
		for _, e := range events[:3] {
			window = append(window, e.GetId())
		}
		_, err = r.publish(t.Context(), events[:3]) // and died
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	flush(t, r, 10)
	if all, batched := stored(t, js); all != 10 || batched != len(window) {
		t.Errorf("%d events arrived, %d in batches", all, batched)
	}
	announce(t, things, 5)
	flush(t, r, 5)
	if all, batched := stored(t, js); all != 15 || batched != len(window)+5 {
		t.Errorf("after the next window %d events arrived, %d in batches", all, batched)
	}
}

// TestRelay_BatchRefused: what the broker does not take as a batch goes singly,
// and for a while no batch is tried.
func TestRelay_BatchRefused(t *testing.T) {
	for name, c := range map[string]struct {
		options server.Options
		atomic  bool
	}{
		"too big":          {server.Options{JetStream: true, JetStreamLimits: server.JSLimitOpts{MaxBatchSize: 5}}, true},
		"not for a stream": {server.Options{JetStream: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			js, things, log := clientOf(t, otherBroker(t, c.options)), thingsStore(t), &strings.Builder{}
			makeStream(t, js, c.atomic)
			r := relayOn(things, js, log)
			for range 3 {
				announce(t, things, 20)
				flush(t, r, 20)
			}
			if all, batched := stored(t, js); all != 60 || batched != 0 {
				t.Errorf("%d events arrived, %d in batches", all, batched)
			}
			if n := strings.Count(log.String(), "refuses the batch"); n != 1 {
				t.Errorf("refused %d times:\n%s", n, log)
			}
		})
	}
}

// TestRelay_BrokerThatKnowsNoBatches stores each message of a batch by itself
// and acknowledges those that ask.
func TestRelay_BrokerThatKnowsNoBatches(t *testing.T) {
	conn := otherBroker(t, server.Options{})
	seen := map[string]int{}
	_, err := conn.Subscribe("linli.things.>", func(m *nats.Msg) {
		id := m.Header.Get(nats.MsgIdHdr)
		seen[id]++
		ack, _ := json.Marshal(map[string]any{"stream": streamName("things"), "seq": len(seen), "duplicate": seen[id] > 1})
		if m.Reply != "" {
			_ = m.Respond(ack) // a lost answer would fail the flush
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	things, log := thingsStore(t), &strings.Builder{}
	r := relayOn(things, clientOf(t, conn), log)
	announce(t, things, 20)
	// It answers nothing but what is published: it is not asked for its stream.
	err = things.View(t.Context(), func(reader kv.Reader) error {
		events, err := store.Pending(reader, relayWindow)
		if err != nil {
			return err
		}
		acknowledged, err := r.publish(t.Context(), events)
		if len(acknowledged) != 20 {
			t.Errorf("%d events acknowledged", len(acknowledged))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if len(seen) != 20 || !strings.Contains(log.String(), "refuses the batch") {
		t.Errorf("%d events arrived; log:\n%s", len(seen), log)
	}
}

// TestBroker_GivesOldStreamsBatches: a stream made before there were batches
// takes them once the house has started on its folder.
func TestBroker_GivesOldStreamsBatches(t *testing.T) {
	dir := t.TempDir()
	old, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir, SyncAlways: true})
	if err != nil {
		t.Fatal(err)
	}
	go old.Start()
	if !old.ReadyForConnections(brokerPatience) {
		t.Fatal("the server did not become ready")
	}
	conn, err := nats.Connect("", nats.InProcessServer(old))
	if err != nil {
		t.Fatal(err)
	}
	js, things, log := clientOf(t, conn), thingsStore(t), &strings.Builder{}
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: streamName("things"), Subjects: []string{"linli.things.>"}, Storage: jetstream.FileStorage,
		MaxAge: keptFor, MaxBytes: largestStream, Discard: jetstream.DiscardNew, Duplicates: duplicateTime, DenyDelete: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	announce(t, things, 3)
	flush(t, relayOn(things, js, log), 3)
	conn.Close()
	old.Shutdown()
	old.WaitForShutdown()

	b, err := StartBroker(BrokerConfig{Dir: dir, Services: []string{"things"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	announce(t, things, 4)
	flush(t, NewRelay(things, b, slog.New(slog.DiscardHandler)), 4)
	if all, batched := stored(t, b.JetStream()); all != 7 || batched != 4 {
		t.Errorf("%d events are there, %d of them came in a batch", all, batched)
	}
}

// BenchmarkRelay publishes and files full windows, with batches and singly, to
// a broker that syncs each write before it acknowledges.
func BenchmarkRelay(b *testing.B) {
	for _, singly := range []bool{false, true} {
		name := "batch"
		if singly {
			name = "singly"
		}
		b.Run(name, func(b *testing.B) {
			js, things, log := clientOf(b, otherBroker(b, server.Options{JetStream: true})), thingsStore(b), &strings.Builder{}
			makeStream(b, js, !singly)
			r := relayOn(things, js, log)
			announce(b, things, b.N)
			if singly {
				r.singly = b.N
			}
			b.ResetTimer()
			n, err := r.Flush(b.Context())
			if err != nil || n != b.N {
				b.Errorf("%d of %d: %v", n, b.N, err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
