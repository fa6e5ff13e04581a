package events

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/seal"
)

const (
	redialEvery   = 200 * time.Millisecond
	redialJitter  = 100 * time.Millisecond
	dialPatience  = 2 * time.Second
	pingEvery     = 5 * time.Second
	pingsUnheard  = 2
	proofPatience = 2 * time.Second
)

// Errors of a broker in another process. Both pass by themselves: what waits
// lies in the outbox until the broker is there, and proves to sync.
var (
	ErrAway     = fmt.Errorf("events: the broker is away: %w", kv.ErrUnavailable)
	ErrUnsynced = fmt.Errorf("events: the broker does not prove that it syncs each write: %w", kv.ErrUnavailable)
)

// Key is what a process shows to the broker of another: a pair of keys made from
// a secret. The secret itself never travels.
type Key struct {
	seed [32]byte
	set  bool
}

// String keeps the key out of whatever prints a configuration.
func (Key) String() string { return "events.Key" }

// GoString does the same for %#v.
func (Key) GoString() string { return "events.Key" }

// LoadKey reads the secret: 32 bytes in base64, in a file that nobody but its
// owner can read.
func LoadKey(path string) (Key, error) {
	secret, err := seal.LoadSecret("broker key", path)
	if err != nil {
		return Key{}, err
	}
	return keyOf(secret)
}

// LoadOrCreateKey reads the secret, or makes it when the file is not there.
func LoadOrCreateKey(path string) (k Key, made bool, err error) {
	secret, made, err := seal.LoadOrCreateSecret("broker key", path)
	if err != nil {
		return Key{}, false, err
	}
	k, err = keyOf(secret)
	return k, made, err
}

func keyOf(secret []byte) (Key, error) {
	seed, err := hkdf.Key(sha256.New, secret, nil, "linli broker", len(Key{}.seed))
	if err != nil {
		return Key{}, fmt.Errorf("broker key: %w", err)
	}
	return Key{seed: [32]byte(seed), set: true}, nil
}

func (k Key) pair() (nkeys.KeyPair, error) { return nkeys.FromRawSeed(nkeys.PrefixByteUser, k.seed[:]) }

func (k Key) public() (string, error) {
	pair, err := k.pair()
	if err != nil {
		return "", fmt.Errorf("broker key: %w", err)
	}
	return pair.PublicKey()
}

// option signs the server's challenge.
func (k Key) option() nats.Option {
	return func(o *nats.Options) error {
		public, err := k.public()
		if err != nil {
			return err
		}
		return nats.Nkey(public, func(challenge []byte) ([]byte, error) {
			pair, err := k.pair()
			if err != nil {
				return nil, err
			}
			return pair.Sign(challenge)
		})(o)
	}
}

// ClientConfig of a connection to a broker in another process.
type ClientConfig struct {
	// URL is where it listens, "nats://127.0.0.1:4222".
	URL string
	// Name tells it who connects: "registry".
	Name string
	Key  Key
	// TLS secures the connection; nil = it is plain.
	TLS *tls.Config
	// Trusted takes a broker that does not prove to sync each write: for
	// development only.
	Trusted bool
	Log     *slog.Logger
}

// Connect makes the client of a broker in another process. It returns at once,
// with or without the broker being there, and connects again for ever.
func Connect(c ClientConfig) (*Broker, error) {
	b := &Broker{log: c.Log, trusted: c.Trusted}
	options := []nats.Option{
		nats.Name("linli " + c.Name), nats.Timeout(dialPatience),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(redialEvery), nats.ReconnectJitter(redialJitter, redialJitter),
		// What cannot go out now fails now: the outbox keeps it, not a buffer.
		nats.ReconnectBufSize(-1),
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(pingsUnheard),
	}
	if c.Key.set {
		options = append(options, c.Key.option())
	}
	if c.TLS != nil {
		options = append(options, nats.Secure(c.TLS))
	}
	if err := b.connect(c.URL, options...); err != nil {
		return nil, err
	}
	return b, nil
}

// Connected says whether the broker can be reached now.
func (b *Broker) Connected() bool { return b.conn.IsConnected() }

// returned tells the watches that they may have missed something.
func (b *Broker) returned() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, fn := range b.missed {
		fn()
	}
}

// usable answers nil when the broker is there and syncs each write. What a
// server proved holds until another answers.
func (b *Broker) usable(ctx context.Context) error {
	switch {
	case b.server != nil:
		return nil
	case !b.conn.IsConnected():
		return ErrAway
	case b.trusted:
		return nil
	}
	id := b.conn.ConnectedServerId()
	b.mu.Lock()
	proven := b.proven
	b.mu.Unlock()
	if id == proven {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, proofPatience)
	defer cancel()
	if err := b.prove(ctx, id); err != nil {
		return err
	}
	b.mu.Lock()
	b.proven = id
	b.mu.Unlock()
	return nil
}

// prove looks for the server's id in the metadata of the streams: only a broker
// of linli writes it there, at each of its starts, and it always syncs.
func (b *Broker) prove(ctx context.Context, id string) error {
	streams, found := b.js.ListStreams(ctx), 0
	for info := range streams.Info() {
		if !strings.HasPrefix(info.Config.Name, streamPrefix) {
			continue
		}
		if info.Config.Metadata[syncedBy] != id {
			return ErrUnsynced
		}
		found++
	}
	if err := streams.Err(); err != nil {
		return fmt.Errorf("ask the broker for its streams: %w", err)
	}
	if found == 0 {
		return ErrUnsynced
	}
	return nil
}
