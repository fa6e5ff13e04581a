package house

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

// keyDesk is a registry that knows its keys.
type keyDesk struct {
	registryv1.UnimplementedSessionServiceServer
	keys  []*registryv1.PublicKey
	asked atomic.Int32
}

func (*keyDesk) Name() string                       { return "registry" }
func (d *keyDesk) Register(r grpc.ServiceRegistrar) { registryv1.RegisterSessionServiceServer(r, d) }
func (*keyDesk) OrganizationPath(context.Context, string) (scope.Path, bool, error) {
	return "", false, nil
}

func (d *keyDesk) GetKeys(context.Context, *registryv1.GetKeysRequest) (*registryv1.GetKeysResponse, error) {
	d.asked.Add(1)
	return &registryv1.GetKeysResponse{Keys: d.keys}, nil
}

// listening is a process with a broker, keys of a fake registry, and the store
// of one that announces.
type listening struct {
	*House
	desk   *keyDesk
	key    ed25519.PrivateKey
	store  *store.Store
	broker *events.Broker
}

func newListening(t *testing.T, announce ...store.Event) *listening {
	t.Helper()
	l := &listening{desk: &keyDesk{}, key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
	l.desk.keys = []*registryv1.PublicKey{
		{Kty: "EC", Crv: "P-256", Kid: "later", X: "AAAA"},
		{Kty: "OKP", Crv: "Ed25519", Kid: "k1", X: base64.RawURLEncoding.EncodeToString(l.key.Public().(ed25519.PublicKey))},
	}
	quiet := slog.New(slog.DiscardHandler)
	var err error
	if l.broker, err = events.StartBroker(events.BrokerConfig{Dir: t.TempDir(), Services: []string{"registry"}, Log: quiet}); err != nil {
		t.Fatal(err)
	}
	l.store, err = store.Open(t.Context(), store.Config{
		Service: "registry", DB: kv.New(memkv.New(), kv.Options{}), Master: seal.MasterKey{1}, Civil: clock.NewCivil(clock.Wall(), time.Time{}),
		Wall: clock.Wall(), IDs: ids.New, Log: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range announce {
		l.announce(t, e)
	}
	door, err := rpc.NewServer(rpc.Config{Services: []rpc.Service{l.desk}, Authenticator: access.NoAuthenticator(), Wall: clock.Wall(), IDs: ids.New, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	l.House = &House{config: Config{Log: quiet}, broker: l.broker, metrics: prometheus.NewRegistry(), failed: make(chan error, 1)}
	if err := l.openTokens(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.keys.set(door.Conn())
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := l.store.Close(); err != nil {
			t.Error(err)
		}
		if err := l.broker.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func (l *listening) announce(t *testing.T, e store.Event) {
	t.Helper()
	if err := l.store.Update(t.Context(), func(tx *store.Tx) error { return tx.Emit(e) }); err != nil {
		t.Fatal(err)
	}
	if _, err := events.NewRelay(l.store, l.broker, slog.New(slog.DiscardHandler)).Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (l *listening) token(t *testing.T, account, session string) string {
	t.Helper()
	token, err := access.Sign(access.NewClaims(access.Caller{Person: "per_1", Account: account, Session: session}, ids.New("tok"), clock.Wall().Now()), "k1", l.key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// refused waits until a token is.
func (l *listening) refused(t *testing.T, what, token string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := l.authenticator.Authenticate(ctx, token)
		if err != nil && err.Error() == "TOKEN_EXPIRED" {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: still taken, %v", what, err)
		}
	}
}

func (l *listening) taken(t *testing.T, what, token string) {
	t.Helper()
	if _, err := l.authenticator.Authenticate(t.Context(), token); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func announced(name, id string, m proto.Message) store.Event {
	return store.Event{Name: name, EntityID: id, Revision: 1, Data: m}
}

// TestTokens_WhatEndedIsRefusedAtOnce: what the registry announces while the
// process listens, and what it had announced before.
func TestTokens_WhatEndedIsRefusedAtOnce(t *testing.T) {
	l := newListening(t, announced("session.ended", "ses_0", &registryv1.SessionEnded{SessionId: "ses_0"}))
	l.refused(t, "a session that ended before the process began", l.token(t, "acc_0", "ses_0"))
	first, second, third := l.token(t, "acc_1", "ses_1"), l.token(t, "acc_2", "ses_2"), l.token(t, "acc_3", "ses_3")
	for _, token := range []string{first, second, third} {
		l.taken(t, "at first", token)
	}
	l.announce(t, announced("session.ended", "ses_1", &registryv1.SessionEnded{
		SessionId: "ses_1", TokensExpireAt: timestamppb.New(clock.Wall().Now().Add(access.TokenLife))}))
	l.announce(t, announced("account.changed", "acc_2", &registryv1.AccountChanged{
		AccountId: "acc_2", Person: "per_1", ChangedAt: timestamppb.New(clock.Wall().Now().Add(time.Second))}))
	l.refused(t, "a session that ended", first)
	l.refused(t, "an account that changed", second)
	l.taken(t, "another", third)
	if n := l.desk.asked.Load(); n != 1 {
		t.Errorf("the registry was asked %d times for its keys", n)
	}
}

func TestTokens_WhatCannotBeReadIsSaid(t *testing.T) {
	l := newListening(t)
	ended := access.NewEnded(clock.Wall(), 10)
	l.hear(ended, &typev1.EventRow{Subject: "linli.registry.session.ended", DataSchema: "linli.registry.v1.SessionEnded", Data: []byte{0xff}})
	l.hear(ended, &typev1.EventRow{Subject: "linli.registry.session.began"})
	if ended.Entries() != 0 {
		t.Error("it remembers what it could not read")
	}
}
