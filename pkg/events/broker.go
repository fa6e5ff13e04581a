// Package events delivers what commits announce: a relay from each outbox to
// the broker, and consumers from the broker into each store. The broker
// delivers and is never the record; the outbox is.
package events

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

const (
	keptFor        = 30 * 24 * time.Hour
	largestStream  = 8 << 30
	duplicateTime  = 10 * time.Minute
	brokerPatience = 10 * time.Second
	// syncedBy stands in the metadata of every stream: the id of the server that
	// serves it and syncs each write. The id is a new one at each start, so a
	// server of other settings over the same files does not bear it.
	syncedBy = "linli-synced-by"
)

// BrokerConfig of the embedded broker.
type BrokerConfig struct {
	// Dir holds its files.
	Dir string
	// Services have a stream each.
	Services []string
	// Listen is the address for other processes, "127.0.0.1:4222", port 0 takes
	// any; empty = none, the broker is for this process alone.
	Listen string
	// Key is what other processes show; a listener needs one.
	Key Key
	// TLS secures the listener; nil = it is plain.
	TLS *tls.Config
	Log *slog.Logger
	// NoSync has the broker acknowledge what is not on disk yet. It exists for
	// the controls of crash tests.
	NoSync bool
}

// Broker is the client of a NATS server: of one inside the process, made by
// StartBroker, or of one in another, made by Connect.
type Broker struct {
	server *server.Server // nil in a client of another process
	mender *mender        // of the server
	conn   *nats.Conn
	js     jetstream.JetStream
	log    *slog.Logger
	// trusted: whether it syncs is not asked.
	trusted bool

	mu     sync.Mutex
	proven string         // id of the server that has proven to sync
	missed map[int]func() // of the watches, called when the connection was away
	next   int
}

// StartBroker starts the server over its folder and makes the streams. Writes
// are synced before they are acknowledged: with the default a power cut loses
// what was acknowledged.
func StartBroker(c BrokerConfig) (*Broker, error) {
	options := &server.Options{
		ServerName: "linli", DontListen: true, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: c.Dir, SyncAlways: !c.NoSync, DisableJetStreamBanner: true,
		// Without a limit of its own the server takes one from what is free on the
		// disk now, and does not start where the streams could outgrow that.
		JetStreamMaxStore: int64(len(c.Services)) * largestStream,
	}
	connect := []nats.Option{nats.MaxReconnects(-1)}
	if c.Listen != "" {
		if err := listen(options, c.Listen, c.Key); err != nil {
			return nil, err
		}
		if c.TLS != nil {
			options.TLS, options.TLSVerify, options.TLSConfig, options.TLSTimeout = true, true, c.TLS, dialPatience.Seconds()
		}
		connect = append(connect, c.Key.option())
	}
	s, err := server.NewServer(options)
	if err != nil {
		return nil, fmt.Errorf("configure: %w", err)
	}
	b := &Broker{server: s, mender: newMender(s, c.Dir, c.Log), log: c.Log, trusted: true}
	go s.Start()
	if !s.ReadyForConnections(brokerPatience) {
		return nil, errors.Join(errors.New("the broker did not become ready"), b.Close())
	}
	if err := b.connect("", append(connect, nats.InProcessServer(s))...); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	if err := b.makeStreams(c.Services); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// listen opens the server to other processes that have the key.
func listen(o *server.Options, address string, key Key) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	if !key.set {
		return fmt.Errorf("the broker listens on %s only with a key", address)
	}
	public, err := key.public()
	if err != nil {
		return err
	}
	// The server would try for as long as it is waited for.
	probe, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("cannot listen on %s (taken by another program?): %w", address, err)
	}
	if err := probe.Close(); err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	if o.Port, err = strconv.Atoi(port); err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	if o.Port == 0 {
		o.Port = server.RANDOM_PORT
	}
	o.DontListen, o.Host, o.Nkeys = false, host, []*server.NkeyUser{{Nkey: public}}
	return nil
}

// connect opens the client side.
func (b *Broker) connect(url string, options ...nats.Option) error {
	b.missed = map[int]func(){}
	var err error
	b.conn, err = nats.Connect(url, append(options,
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.log.Warn("broker connection", "error", err)
			if errors.Is(err, nats.ErrSlowConsumer) {
				b.returned() // it dropped some
			}
		}),
		nats.ConnectHandler(func(*nats.Conn) { b.returned() }),
		nats.ReconnectHandler(func(*nats.Conn) { b.returned() }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Warn("the broker is away", "error", err)
			}
		}))...)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if b.js, err = jetstream.New(b.conn, jetstream.WithPublishAsyncMaxPending(4*relayWindow)); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}

func (b *Broker) makeStreams(services []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), brokerPatience)
	defer cancel()
	for _, service := range services {
		_, err := b.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
			Name: streamName(service), Subjects: []string{"linli." + service + ".>"},
			Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy,
			MaxAge: keptFor, MaxBytes: largestStream, Discard: jetstream.DiscardNew,
			Duplicates: duplicateTime, DenyDelete: true, AllowAtomicPublish: true,
			Metadata: map[string]string{syncedBy: b.server.ID()},
		})
		if err != nil {
			return fmt.Errorf("make the stream of %s: %w", service, err)
		}
	}
	return nil
}

const streamPrefix = "LINLI_"

func streamName(service string) string { return streamPrefix + strings.ToUpper(service) }

// JetStream is the broker's client.
func (b *Broker) JetStream() jetstream.JetStream { return b.js }

// Addr is where the broker of this process listens, "127.0.0.1:4222"; empty when
// it does not.
func (b *Broker) Addr() string {
	if b.server == nil || b.server.Addr() == nil {
		return ""
	}
	return b.server.Addr().String()
}

// Connections is how many clients the server of this process has.
func (b *Broker) Connections() int {
	if b.server == nil {
		return 0
	}
	return b.server.NumClients()
}

// Close ends the connection, then the server, and waits for its files.
func (b *Broker) Close() error {
	if b.mender != nil { // closed twice, the server does not mind
		b.mender.close()
		b.mender = nil
	}
	if b.conn != nil {
		b.conn.Close()
	}
	if b.server != nil {
		b.server.Shutdown()
		b.server.WaitForShutdown()
	}
	return nil
}

// Watch calls fn with every event from now on, until stop is called; with nil
// when events may have been missed. It is for those who may miss one: nothing
// is kept for them. fn must not wait.
func (b *Broker) Watch(fn func(*typev1.EventRow)) (stop func() error, err error) {
	sub, err := b.conn.Subscribe("linli.>", func(m *nats.Msg) {
		if e, err := eventOf(m.Subject, m.Header, m.Data); err == nil {
			fn(e)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	forget := b.whenMissed(func() { fn(nil) })
	return func() error {
		forget()
		return sub.Unsubscribe()
	}, nil
}

// whenMissed has fn called when something may have been missed, until forget is.
func (b *Broker) whenMissed(fn func()) (forget func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := b.next
	b.next++
	b.missed[id] = fn
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.missed, id)
	}
}
