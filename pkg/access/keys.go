package access

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
)

// KeySource knows the public keys that tokens are signed with now.
type KeySource interface {
	// Keys answers all that hold.
	Keys(ctx context.Context) ([]PublicKey, error)
}

const (
	// mostKeys bounds what is taken from a source.
	mostKeys = 16
	// askAgain is how long after an answer, or none, the source is let alone:
	// anybody can write a token that names an unknown key.
	askAgain = 5 * time.Second
	// keysFresh is after how long a key that is known is asked for again: one that
	// was withdrawn is to be forgotten.
	keysFresh = time.Minute
	// keysPatience is how long a source may take.
	keysPatience = 3 * time.Second
)

// keyring keeps the keys of a source. Those who ask at once share one question;
// while the source is away the known keys stay good.
type keyring struct {
	source KeySource
	wall   clock.Clock
	keys   atomic.Pointer[map[string]ed25519.PublicKey]
	flight singleflight.Group

	mu       sync.Mutex
	asked    time.Time // when the last question ended
	had      time.Time // when the last answer came
	answered error     // what the last question ended with
}

func newKeyring(s KeySource, wall clock.Clock) *keyring {
	k := &keyring{source: s, wall: wall}
	k.keys.Store(&map[string]ed25519.PublicKey{})
	return k
}

// find answers the key with an id, nil when there is none, and an error when
// that cannot be told.
func (k *keyring) find(ctx context.Context, id string) (ed25519.PublicKey, error) {
	key := (*k.keys.Load())[id]
	k.mu.Lock()
	asked, had, answered, now := k.asked, k.had, k.answered, k.wall.Now()
	k.mu.Unlock()
	lately := within(askAgain, asked, now)
	switch {
	case key != nil && (lately || within(keysFresh, had, now)):
		return key, nil
	case lately:
		return nil, answered
	}
	err := k.ask(ctx)
	if found := (*k.keys.Load())[id]; found != nil {
		return found, nil
	}
	return nil, err
}

// within says whether something came so short a time ago. What comes later than
// now does not: the clock went back, and how far is not known.
func within(d time.Duration, came, now time.Time) bool {
	age := now.Sub(came)
	return !came.IsZero() && age >= 0 && age < d
}

// ask fetches the keys once for all who ask at this moment. It goes on when the
// one who asked first goes away.
func (k *keyring) ask(ctx context.Context) error {
	_, err, _ := k.flight.Do("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysPatience)
		defer cancel()
		all, err := k.source.Keys(ctx)
		if err != nil {
			err = fmt.Errorf("%w: the keys of tokens: %w", kv.ErrUnavailable, err)
		} else {
			keys := map[string]ed25519.PublicKey{}
			for _, one := range all[:min(len(all), mostKeys)] {
				if len(one.Key) == ed25519.PublicKeySize && one.ID != "" {
					keys[one.ID] = one.Key
				}
			}
			k.keys.Store(&keys)
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.asked, k.answered = k.wall.Now(), err
		if err == nil {
			k.had = k.asked
		}
		return nil, err
	})
	return err
}

// FixedKeys is a source whose keys do not change.
type FixedKeys []PublicKey

// Keys answers them.
func (f FixedKeys) Keys(context.Context) ([]PublicKey, error) { return slices.Clone(f), nil }
