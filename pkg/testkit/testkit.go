// Package testkit is a small house for tests: services over memory engines
// behind the re-run wrapper, a real broker, the real door, and clocks that the
// test moves.
package testkit

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/run"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// Service is what a service gives a house.
type Service interface {
	rpc.Service
	Reactions() []events.Consumer
	Jobs() []run.Job
	Tables() []table.Checker
}

// House runs services for a test. It is stopped and checked at the test's end.
type House struct {
	// Civil is the clock of people; it begins at Begin.
	Civil *clock.Civil
	// Log holds every line that was logged.
	Log *Buffer

	t         testing.TB
	master    seal.MasterKey
	logger    *slog.Logger
	broker    *events.Broker
	stores    map[string]*store.Store
	services  []Service
	server    *rpc.Server
	door      *audited
	relays    []*events.Relay
	consumers []*events.Consumers
}

// Begin is where the civil clock of a house stands at first.
func Begin() time.Time { return time.Date(2013, 9, 2, 1, 0, 0, 0, time.UTC) }

// New makes a house without services. Streams exist for all four.
func New(t testing.TB) *House {
	t.Helper()
	h := &House{t: t, Log: &Buffer{}, stores: map[string]*store.Store{}, Civil: clock.NewCivil(clock.Wall(), Begin())}
	h.logger = slog.New(slog.NewTextHandler(h.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	_, _ = rand.Read(h.master[:]) // never fails
	var err error
	h.broker, err = events.StartBroker(events.BrokerConfig{
		Dir: t.TempDir(), Services: []string{"registry", "requests", "projects", "evaluation"}, Log: h.logger,
	})
	if err != nil {
		t.Fatalf("start the broker: %v", err)
	}
	t.Cleanup(func() {
		if err := h.broker.Close(); err != nil {
			t.Errorf("close the broker: %v", err)
		}
	})
	return h
}

// Store makes or answers the store of a service, in memory and re-run.
func (h *House) Store(service string) *store.Store {
	h.t.Helper()
	if s, ok := h.stores[service]; ok {
		return s
	}
	return h.StoreOn(service, kvtest.Rerun(kv.New(memkv.New(), kv.Options{})))
}

// StoreOn makes the store of a service over a database. The house closes it.
func (h *House) StoreOn(service string, db kv.DB) *store.Store {
	h.t.Helper()
	s, err := store.Open(context.Background(), store.Config{
		Service: service, DB: db, Master: h.master, Civil: h.Civil, Wall: clock.Wall(), IDs: ids.New, Log: h.logger,
		Reveals: 1 << 20, // the tests of an hour are not one person's work
	})
	if err != nil {
		h.t.Fatalf("open the store of %s: %v", service, err)
	}
	h.stores[service] = s
	h.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			h.t.Errorf("close the store of %s: %v", service, err)
		}
	})
	return s
}

// Logger writes into Log.
func (h *House) Logger() *slog.Logger { return h.logger }

// Start serves the services and delivers events until the test ends. Every
// store made so far has a relay, so that a test can announce for a service
// that is not there.
func (h *House) Start(services ...Service) {
	h.t.Helper()
	h.services = services
	var err error
	doors := make([]rpc.Service, len(services))
	for i, s := range services {
		doors[i] = s
	}
	h.server, err = rpc.NewServer(rpc.Config{
		Services: doors, Authenticator: accesstest.Authenticator(), Log: h.logger, Wall: clock.Wall(), IDs: ids.New, Dev: true,
	})
	if err != nil {
		h.t.Fatalf("make the door: %v", err)
	}
	h.door = newAudited(h.server.Conn())
	ctx, stop := context.WithCancel(context.Background())
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range h.stores {
		h.relays = append(h.relays, events.NewRelay(s, h.broker, h.logger))
	}
	for _, s := range services {
		c, err := events.NewConsumers(ctx, h.stores[s.Name()], h.broker, h.logger, s.Reactions()...)
		if err != nil {
			h.t.Fatalf("make the consumers of %s: %v", s.Name(), err)
		}
		h.consumers = append(h.consumers, c)
		for _, j := range s.Jobs() {
			g.Go(func() error { return j.Run(ctx) })
		}
	}
	for _, r := range h.relays {
		g.Go(func() error { return r.Run(ctx) })
	}
	for _, c := range h.consumers {
		g.Go(func() error { return c.Run(ctx) })
	}
	h.t.Cleanup(func() {
		h.check()
		h.checkAudit()
		stop()
		if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			h.t.Errorf("delivery ended: %v", err)
		}
	})
}

// check looks for broken rows and parked events in every store.
func (h *House) check() {
	ctx := context.Background()
	for _, s := range h.services {
		st := h.stores[s.Name()]
		report, err := st.Check(ctx, s.Tables()...)
		if err != nil {
			h.t.Errorf("check %s: %v", s.Name(), err)
		}
		for _, p := range report.Problems {
			h.t.Errorf("check %s: %s", s.Name(), p)
		}
		err = st.View(ctx, func(r kv.Reader) error {
			parked, err := store.Parked(r, 10)
			for _, p := range parked {
				h.t.Errorf("parked by %s: %s: %s", p.GetConsumer(), p.GetEvent().GetType(), p.GetError())
			}
			return err
		})
		if err != nil {
			h.t.Errorf("read parked events of %s: %v", s.Name(), err)
		}
	}
}

// Conn is the door.
func (h *House) Conn() grpc.ClientConnInterface { return h.door }

// LateConn is the door for services that call others: it may be taken before
// Start.
func (h *House) LateConn() grpc.ClientConnInterface { return lateConn{h} }

type lateConn struct{ h *House }

func (l lateConn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return l.h.server.Conn().Invoke(ctx, method, args, reply, opts...)
}

func (l lateConn) NewStream(ctx context.Context, d *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return l.h.server.Conn().NewStream(ctx, d, method, opts...)
}

// As is a context that calls as somebody, in English.
func (h *House) As(person string, grants ...access.Grant) context.Context {
	return metadata.NewOutgoingContext(h.t.Context(), metadata.Pairs(
		rpc.HeaderAuthorization, "Bearer "+accesstest.Token(person, grants...), rpc.HeaderLanguage, "en"))
}

// Keyed adds an idempotency key to a calling context.
func Keyed(ctx context.Context, key string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, rpc.HeaderIdempotencyKey, key)
}

// Announce commits events for a service that is not there.
func (h *House) Announce(service string, all ...store.Event) {
	h.t.Helper()
	err := h.Store(service).Update(h.t.Context(), func(tx *store.Tx) error {
		for _, e := range all {
			if err := tx.Emit(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.t.Fatalf("announce for %s: %v", service, err)
	}
}

// Drain waits until everything committed has had its effects.
func (h *House) Drain() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 30*time.Second)
	defer cancel()
	if err := events.Drain(ctx, h.relays, h.consumers); err != nil {
		h.t.Fatalf("drain: %v", err)
	}
}

// Events answers what a service has announced, sent or not, as bytes: for a
// test that searches them for what must not be there.
func (h *House) Events(service string) []byte {
	h.t.Helper()
	var out bytes.Buffer
	err := h.stores[service].View(h.t.Context(), func(r kv.Reader) error {
		return store.EachEvent(r, func(data []byte) { out.Write(data) })
	})
	if err != nil {
		h.t.Fatalf("read the events of %s: %v", service, err)
	}
	return out.Bytes()
}

// Buffer is a log that a test reads. It is safe for concurrent use.
type Buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write appends.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String answers everything so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
