package access_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
)

// source answers what a test sets, and counts how often it is asked.
type source struct {
	keys  []access.PublicKey
	err   error
	wait  time.Duration
	asked atomic.Int32
}

func (s *source) Keys(ctx context.Context) ([]access.PublicKey, error) {
	s.asked.Add(1)
	select {
	case <-time.After(s.wait):
		return s.keys, s.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestKeys_RotatedWithoutAnybodySignedOut(t *testing.T) {
	old, next := seeded(1), seeded(2)
	s := &source{keys: []access.PublicKey{{ID: "k1", Key: public(old)}}}
	wall := &moved{time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}
	v := verifier(t, s, access.NewEnded(wall, 8), wall)
	first, err := access.Sign(access.NewClaims(staff(), "a", wall.Now()), "k1", old)
	if err != nil {
		t.Fatal(err)
	}
	take := func(what, token, want string) {
		t.Helper()
		if _, err := v.Authenticate(t.Context(), token); reason(err) != want || err != nil && want == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	take("the first", first, "")
	wall.forward(10 * time.Second)
	s.keys = append(s.keys, access.PublicKey{ID: "k2", Key: public(next)})
	second, err := access.Sign(access.NewClaims(staff(), "b", wall.Now()), "k2", next)
	if err != nil {
		t.Fatal(err)
	}
	take("of the new key", second, "")
	take("of the old key, all the while", first, "")
	if n := s.asked.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}
	// The old key is withdrawn: its tokens go as soon as the keys are asked for.
	s.keys = s.keys[1:]
	wall.forward(2 * time.Minute)
	third, err := access.Sign(access.NewClaims(staff(), "c", wall.Now()), "k1", old)
	if err != nil {
		t.Fatal(err)
	}
	take("of the withdrawn key", third, "UNAUTHENTICATED")
}

// A clock that goes back must not leave the source alone until it is there again:
// who signs in meanwhile, by a key made meanwhile, would be signed out.
func TestKeys_AskedForAfterTheClockWentBack(t *testing.T) {
	old, next := seeded(1), seeded(2)
	s := &source{keys: []access.PublicKey{{ID: "k1", Key: public(old)}}}
	wall := &moved{time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}
	v := verifier(t, s, access.NewEnded(wall, 8), wall)
	before, err := access.Sign(access.NewClaims(staff(), "a", wall.Now()), "k1", old)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Authenticate(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	wall.forward(-11 * time.Hour)
	s.keys = append(s.keys, access.PublicKey{ID: "k2", Key: public(next)})
	after, err := access.Sign(access.NewClaims(staff(), "b", wall.Now()), "k2", next)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Authenticate(t.Context(), after); err != nil || s.asked.Load() != 2 {
		t.Errorf("%v, asked %d times", err, s.asked.Load())
	}
}

func TestKeys_ForgedIdsDoNotFloodTheSource(t *testing.T) {
	s := &source{keys: []access.PublicKey{{ID: "k1", Key: public(seeded(1))}}}
	wall := &moved{time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}
	v := verifier(t, s, access.NewEnded(wall, 8), wall)
	for range 1000 {
		forged := raw(seeded(9), `{"alg":"EdDSA","typ":"at+jwt","kid":"unknown"}`, encode(t, access.NewClaims(staff(), "a", wall.Now())))
		if _, err := v.Authenticate(t.Context(), forged); reason(err) != "UNAUTHENTICATED" {
			t.Fatal(err)
		}
		wall.forward(10 * time.Millisecond)
	}
	if n := s.asked.Load(); n < 2 || n > 3 { // ten seconds, one question in five
		t.Errorf("asked %d times", n)
	}
}

func TestKeys_AskersShareOneQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{keys: []access.PublicKey{{ID: "k1", Key: public(seeded(1))}}, wait: time.Second}
		wall := clock.Wall()
		v := verifier(t, s, access.NewEnded(wall, 8), wall)
		token, err := access.Sign(access.NewClaims(staff(), "a", wall.Now()), "k1", seeded(1))
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, err := v.Authenticate(t.Context(), token); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := s.asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestKeys_WhileTheSourceIsAwayKnownOnesStayGood(t *testing.T) {
	s := &source{err: errAway}
	wall := &moved{time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}
	v := verifier(t, s, access.NewEnded(wall, 8), wall)
	sign := func(id string) string {
		token, err := access.Sign(access.NewClaims(staff(), id, wall.Now()), "k1", seeded(1))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	token := sign("a")
	for range 3 {
		if _, err := v.Authenticate(t.Context(), token); !errors.Is(err, kv.ErrUnavailable) {
			t.Fatalf("without keys: %v", err)
		}
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	wall.forward(6 * time.Second)
	s.err, s.keys = nil, []access.PublicKey{{ID: "k1", Key: public(seeded(1))}}
	if _, err := v.Authenticate(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	s.err = errAway
	wall.forward(5 * time.Minute)
	for _, still := range []string{token, sign("b")} {
		if _, err := v.Authenticate(t.Context(), still); err != nil {
			t.Errorf("while the source is away: %v", err)
		}
	}
	s.err, s.keys = nil, nil
}

func TestEnded_ForgetsByItself(t *testing.T) {
	now := &moved{time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}
	e := access.NewEnded(now, 100)
	for i := range 40 {
		e.EndSession(string(rune('a'+i)), now.Now().Add(access.TokenLife))
		e.ChangeAccount(string(rune('a'+i)), now.Now())
	}
	if e.Entries() != 80 {
		t.Fatalf("%d entries", e.Entries())
	}
	signed := now.Now().Add(-time.Second)
	if e.Holds("a", "none", signed) || e.Holds("none", "a", signed) || !e.Holds("none", "none", signed) {
		t.Error("it does not know what it was told")
	}
	now.forward(2 * access.TokenLife)
	e.EndSession("last", time.Time{})
	if e.Entries() != 1 {
		t.Errorf("%d entries after all tokens ran out", e.Entries())
	}
	e.EndSession("old", now.Now().Add(-time.Second))
	e.ChangeAccount("old", now.Now().Add(-time.Hour))
	if e.Entries() != 1 {
		t.Error("it keeps what cannot matter")
	}
}

func TestEnded_WithoutRoomEverythingOfBeforeIsRefused(t *testing.T) {
	now := &moved{time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}
	e := access.NewEnded(now, 10)
	for i := range 25 {
		e.EndSession(string(rune('a'+i)), now.Now().AddDate(1, 0, 0))
		if e.Holds("acc", string(rune('a'+i)), now.Now()) {
			t.Fatalf("session %d goes on", i)
		}
		if e.Entries() > 10 {
			t.Fatalf("%d entries", e.Entries())
		}
	}
	if e.Holds("acc", "a stranger to it", now.Now()) {
		t.Error("what was forgotten is taken")
	}
	if now.forward(10 * time.Second); !e.Holds("acc", "new", now.Now()) {
		t.Error("a new token is refused")
	}
}
