// Package events delivers what commits announce: a relay from each outbox to
// the broker, and consumers from the broker into each store. The broker
// delivers and is never the record; the outbox is.
package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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
)

// BrokerConfig of the embedded broker.
type BrokerConfig struct {
	// Dir holds its files.
	Dir string
	// Services have a stream each.
	Services []string
	Log      *slog.Logger
	// NoSync has the broker acknowledge what is not on disk yet. It exists for
	// the controls of crash tests.
	NoSync bool
}

// Broker is a NATS server inside the process, without a listener.
type Broker struct {
	server *server.Server
	mender *mender
	conn   *nats.Conn
	js     jetstream.JetStream
}

// StartBroker starts the server over its folder and makes the streams. Writes
// are synced before they are acknowledged: with the default a power cut loses
// what was acknowledged.
func StartBroker(c BrokerConfig) (*Broker, error) {
	s, err := server.NewServer(&server.Options{
		ServerName: "linli", DontListen: true, NoSigs: true, NoLog: true,
		// Without a limit of its own the server takes one from what is free on the
		// disk now, and does not start where the streams could outgrow that.
		JetStreamMaxStore: int64(len(c.Services)) * largestStream,
		JetStream:         true, StoreDir: c.Dir, SyncAlways: !c.NoSync, DisableJetStreamBanner: true,
	})
	if err != nil {
		return nil, fmt.Errorf("configure: %w", err)
	}
	b := &Broker{server: s, mender: newMender(s, c.Dir, c.Log)}
	go s.Start()
	if !s.ReadyForConnections(brokerPatience) {
		return nil, errors.Join(errors.New("the broker did not become ready"), b.Close())
	}
	if err := b.connect(c); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (b *Broker) connect(c BrokerConfig) error {
	var err error
	b.conn, err = nats.Connect("", nats.InProcessServer(b.server), nats.MaxReconnects(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			c.Log.Warn("broker connection", "error", err)
		}))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if b.js, err = jetstream.New(b.conn, jetstream.WithPublishAsyncMaxPending(4*relayWindow)); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), brokerPatience)
	defer cancel()
	for _, service := range c.Services {
		_, err := b.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
			Name: streamName(service), Subjects: []string{"linli." + service + ".>"},
			Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy,
			MaxAge: keptFor, MaxBytes: largestStream, Discard: jetstream.DiscardNew,
			Duplicates: duplicateTime, DenyDelete: true,
		})
		if err != nil {
			return fmt.Errorf("make the stream of %s: %w", service, err)
		}
	}
	return nil
}

func streamName(service string) string { return "LINLI_" + strings.ToUpper(service) }

// JetStream is the broker's client.
func (b *Broker) JetStream() jetstream.JetStream { return b.js }

// Close ends the connection, then the server, and waits for its files.
func (b *Broker) Close() error {
	if b.mender != nil { // closed twice, the server does not mind
		b.mender.close()
		b.mender = nil
	}
	if b.conn != nil {
		b.conn.Close()
	}
	b.server.Shutdown()
	b.server.WaitForShutdown()
	return nil
}

// Watch calls fn with every event from now on, until stop is called. It is for
// those who may miss one: nothing is kept for them. fn must not wait.
func (b *Broker) Watch(fn func(*typev1.EventRow)) (stop func() error, err error) {
	sub, err := b.conn.Subscribe("linli.>", func(m *nats.Msg) {
		if e, err := eventOf(m.Subject, m.Header, m.Data); err == nil {
			fn(e)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	return sub.Unsubscribe, nil
}
