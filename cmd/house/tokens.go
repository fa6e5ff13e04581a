package house

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/admit"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/rpc"
)

const (
	// mostTokens is how many verified tokens are remembered: more than a district
	// has people at their desks.
	mostTokens = 8192
	// mostEnded is how many sessions and accounts are remembered whose tokens hold
	// no more: more than a district signs out in ten minutes.
	mostEnded = 50_000
	// lookBack is how far back a process looks for sessions that ended while it
	// was not there: as long as a token holds, and what clocks may differ.
	lookBack = access.TokenLife + 2*time.Minute
)

// openTokens makes what tells good tokens from others: the registry's keys, which
// its own process asks through its own door, and the list of what ended, which
// the broker fills.
func (h *House) openTokens(ctx context.Context) error {
	h.keys = &lateConn{}
	if registry := h.peers[string(Registry)]; registry != nil {
		h.keys.set(rpc.Inner(registry))
	}
	wall := h.config.Faults.wall()
	ended := access.NewEnded(wall, mostEnded)
	verifier, err := access.NewTokenVerifier(access.VerifierConfig{
		Keys: registryKeys{registryv1.NewSessionServiceClient(h.keys)}, Ended: ended, Wall: wall, Most: mostTokens,
	})
	if err != nil {
		return err
	}
	h.authenticator = verifier
	if h.config.Authenticator != nil {
		h.authenticator = either{h.config.Authenticator, h.authenticator}
	}
	h.gauge("linli_ended_remembered", "Sessions that ended and accounts that changed within the life of a token.", func() float64 {
		return float64(ended.Entries())
	})
	h.inBackground(ctx, "what ended", func(ctx context.Context, g *errgroup.Group) {
		g.Go(func() error {
			return events.Recent{
				Service: string(Registry), Subjects: []string{"linli.registry.session.*", "linli.registry.account.*"},
				Within: lookBack, Heard: func(e *typev1.EventRow) { h.hear(ended, e) }, Wall: wall,
			}.Run(ctx, h.broker)
		})
	})
	return nil
}

// hear takes what the registry announces about sessions and accounts.
func (h *House) hear(ended *access.Ended, e *typev1.EventRow) {
	var err error
	switch e.GetSubject() {
	case "linli.registry.session.ended":
		var said registryv1.SessionEnded
		if err = events.Decode(e, &said); err == nil {
			ended.EndSession(said.GetSessionId(), lastOf(&said))
		}
	case "linli.registry.account.changed":
		var said registryv1.AccountChanged
		if err = events.Decode(e, &said); err == nil {
			ended.ChangeAccount(said.GetAccountId(), said.GetChangedAt().AsTime())
		}
	}
	if err != nil {
		h.config.Log.Error("what ended cannot be read", "type", e.GetType(), "error", err)
	}
}

// lastOf is when the last token of a session runs out; zero when that is not said.
func lastOf(e *registryv1.SessionEnded) time.Time {
	if e.GetTokensExpireAt() == nil {
		return time.Time{}
	}
	return e.GetTokensExpireAt().AsTime()
}

// registryKeys asks the registry for the keys of tokens.
type registryKeys struct {
	client registryv1.SessionServiceClient
}

// Keys answers those of the one kind that is taken.
func (r registryKeys) Keys(ctx context.Context) ([]access.PublicKey, error) {
	reply, err := r.client.GetKeys(ctx, &registryv1.GetKeysRequest{})
	if err != nil {
		return nil, fmt.Errorf("ask the registry for its keys: %w", err)
	}
	var out []access.PublicKey
	for _, k := range reply.GetKeys() {
		if k.GetKty() != "OKP" || k.GetCrv() != "Ed25519" {
			continue // of a newer release
		}
		x, err := base64.RawURLEncoding.DecodeString(k.GetX())
		if err != nil || len(x) != ed25519.PublicKeySize {
			return nil, errors.New("a key of the registry is none")
		}
		out = append(out, access.PublicKey{ID: k.GetKid(), Key: x})
	}
	return out, nil
}

// either takes what a test's authenticator takes, and real tokens.
type either struct{ test, real access.Authenticator }

func (e either) Authenticate(ctx context.Context, token string) (access.Caller, error) {
	if who, err := e.test.Authenticate(ctx, token); err == nil {
		return who, nil
	}
	return e.real.Authenticate(ctx, token)
}

// limitCallers makes the limits of each caller, which the door and the gateway of
// this process share.
func (h *House) limitCallers(context.Context) (err error) {
	if h.callers, err = admit.NewCallers(h.config.Callers, h.config.Faults.wall()); err != nil {
		return err
	}
	h.metrics.MustRegister(h.callers.Collector())
	return nil
}
