package events_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/sync/errgroup"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
)

// The test's own program is the broker's process when these are set.
const (
	brokerDir     = "LINLI_TEST_BROKER_DIR"
	brokerAddress = "LINLI_TEST_BROKER_ADDRESS"
	brokerKey     = "LINLI_TEST_BROKER_KEY"
)

func brokerProcess(dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	key, err := events.LoadKey(os.Getenv(brokerKey))
	if err == nil {
		var b *events.Broker
		b, err = events.StartBroker(events.BrokerConfig{
			Dir: dir, Services: []string{"things", "sums"}, Listen: os.Getenv(brokerAddress), Key: key, Log: quiet()})
		if err == nil {
			<-ctx.Done()
			err = b.Close()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// remote is a broker in another process that a test can kill and start again.
type remote struct {
	dir, address, keyFile string
	key                   events.Key
	cmd                   *exec.Cmd
	stderr                bytes.Buffer
}

func newRemote(t *testing.T) *remote {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &remote{dir: t.TempDir(), address: l.Addr().String(), keyFile: filepath.Join(t.TempDir(), "broker.key")}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if r.key, _, err = events.LoadOrCreateKey(r.keyFile); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.kill(t) })
	return r
}

func (r *remote) start(t *testing.T) {
	t.Helper()
	r.cmd = exec.Command(os.Args[0])
	r.cmd.Env = append(os.Environ(), brokerDir+"="+r.dir, brokerAddress+"="+r.address, brokerKey+"="+r.keyFile)
	r.cmd.Stderr = &r.stderr
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// kill is kill -9.
func (r *remote) kill(t *testing.T) {
	t.Helper()
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Kill()
	var killed *exec.ExitError
	if err := r.cmd.Wait(); !errors.As(err, &killed) || killed.ExitCode() != -1 {
		t.Errorf("the broker ended by itself: %v %s", err, r.stderr.String())
	}
	r.cmd = nil
}

func (r *remote) connect(t *testing.T, key events.Key, trusted bool) *events.Broker {
	t.Helper()
	b, err := events.Connect(events.ClientConfig{URL: "nats://" + r.address, Name: "test", Key: key, Trusted: trusted, Log: quiet()})
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

// relayed runs a relay until the returned function is called.
func relayed(t *testing.T, r *events.Relay) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.Run(ctx) })
	return func() {
		cancel()
		if err := g.Wait(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

// settled drains again and again while the broker comes back.
func settled(t *testing.T, relay *events.Relay, c *events.Consumers) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := events.Drain(ctx, []*events.Relay{relay}, []*events.Consumers{c})
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("it did not settle: %v", err)
		}
	}
}

// TestConnect_BrokerKilledWhilePublishing kills the broker's process with -9
// again and again while four writers commit events and a consumer counts them.
func TestConnect_BrokerKilledWhilePublishing(t *testing.T) {
	const writers, each, kills = 4, 400, 3
	r := newRemote(t)
	things, _ := newStore(t, "things")
	sums, _ := newStore(t, "sums")
	publisher, reader := r.connect(t, r.key, false), r.connect(t, r.key, false)
	relay := events.NewRelay(things, publisher, quiet())
	count := consumers(t, sums, reader, quiet(), adder("sums-a"))
	defer relayed(t, relay)()
	defer deliver(t, count)()

	r.start(t)
	var emitted atomic.Int64
	progress := make(chan struct{}, writers*each)
	var g errgroup.Group
	for range writers {
		g.Go(func() error {
			for range each {
				v := emitted.Add(1)
				emit(t, things, v)
				progress <- struct{}{}
			}
			return nil
		})
	}
	for k := range kills {
		for range writers * each / (kills + 1) {
			<-progress
		}
		if k == 0 { // the first time it has surely published some
			awaitSum(t, sums)
		}
		r.kill(t)
		r.start(t)
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	settled(t, relay, count)
	n := int64(writers * each)
	if got, want := sumOf(t, sums), n*(n+1)/2; got != want {
		t.Errorf("the sum is %d, want %d", got, want)
	}
	err := sums.View(t.Context(), func(reader kv.Reader) error {
		parked, err := store.Parked(reader, 1)
		if len(parked) > 0 {
			t.Errorf("parked: %s", parked[0].GetError())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// awaitSum waits until something was counted.
func awaitSum(t *testing.T, sums *store.Store) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for sumOf(t, sums) == 0 {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("nothing was counted")
		}
	}
}

// TestConnect_WithoutTheBroker starts everything before the broker is there: what
// is committed waits, and arrives.
func TestConnect_WithoutTheBroker(t *testing.T) {
	r := newRemote(t)
	things, _ := newStore(t, "things")
	sums, _ := newStore(t, "sums")
	b := r.connect(t, r.key, false)
	relay := events.NewRelay(things, b, quiet())
	count := consumers(t, sums, b, quiet(), adder("sums-a"))
	defer relayed(t, relay)()
	defer deliver(t, count)()
	missed := make(chan struct{}, 8)
	stop, err := b.Watch(func(e *typev1.EventRow) {
		if e == nil {
			missed <- struct{}{}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	emit(t, things, 1, 2, 3)
	if _, err := relay.Flush(t.Context()); !errors.Is(err, events.ErrAway) || !errors.Is(err, kv.ErrUnavailable) {
		t.Errorf("without a broker: %v", err)
	}
	r.start(t)
	settled(t, relay, count)
	if got := sumOf(t, sums); got != 6 {
		t.Errorf("the sum is %d", got)
	}
	<-missed // who watched was told to look again
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestConnect_OtherKeyIsRefused: the listener takes nobody without its key.
func TestConnect_OtherKeyIsRefused(t *testing.T) {
	r := newRemote(t)
	r.start(t)
	things, _ := newStore(t, "things")
	other, _, err := events.LoadOrCreateKey(filepath.Join(t.TempDir(), "other.key"))
	if err != nil {
		t.Fatal(err)
	}
	right := events.NewRelay(things, r.connect(t, r.key, false), quiet())
	emit(t, things, 1)
	awaitFlush(t, right, nil)
	for name, key := range map[string]events.Key{"another": other, "none": {}} {
		emit(t, things, 1)
		b := r.connect(t, key, true)
		if _, err := events.NewRelay(things, b, quiet()).Flush(t.Context()); !errors.Is(err, events.ErrAway) || b.Connected() {
			t.Errorf("with %s key: %v", name, err)
		}
	}
}

// awaitFlush flushes until the answer is the wanted one.
func awaitFlush(t *testing.T, relay *events.Relay, want error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := relay.Flush(ctx)
		if errors.Is(err, want) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%v, want %v", err, want)
		}
	}
}

// TestConnect_UnsyncedBrokerIsRefused puts a server that does not sync over the
// folder of a broker that did: the streams and their marks are there, but they
// are another's.
func TestConnect_UnsyncedBrokerIsRefused(t *testing.T) {
	r := newRemote(t)
	r.start(t)
	things, _ := newStore(t, "things")
	first := events.NewRelay(things, r.connect(t, r.key, false), quiet())
	emit(t, things, 1)
	awaitFlush(t, first, nil)
	r.kill(t)

	_, port, err := net.SplitHostPort(r.address)
	if err != nil {
		t.Fatal(err)
	}
	options := &server.Options{Host: "127.0.0.1", NoSigs: true, NoLog: true, JetStream: true, StoreDir: r.dir, DisableJetStreamBanner: true}
	if _, err := fmt.Sscan(port, &options.Port); err != nil {
		t.Fatal(err)
	}
	foreign, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	go foreign.Start()
	defer foreign.WaitForShutdown()
	defer foreign.Shutdown()
	emit(t, things, 2)
	awaitFlush(t, events.NewRelay(things, r.connect(t, events.Key{}, false), quiet()), events.ErrUnsynced)
	awaitFlush(t, events.NewRelay(things, r.connect(t, events.Key{}, true), quiet()), nil) // --dev
}

func TestStartBroker_ListensOnlyWithAKey(t *testing.T) {
	b, err := events.StartBroker(events.BrokerConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0", Log: quiet()})
	if err == nil {
		t.Errorf("it listens: %v", b.Close())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	key, _, err := events.LoadOrCreateKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := events.StartBroker(events.BrokerConfig{Dir: t.TempDir(), Listen: l.Addr().String(), Key: key, Log: quiet()}); err == nil {
		t.Error("it listens on a taken port")
	}
	if text := fmt.Sprintf("%v %#v", key, key); text != "events.Key events.Key" {
		t.Errorf("a key prints as %q", text)
	}
}
