package registry

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/store"
)

// shown are the ids of the keys that the registry shows now.
func (g *gate) shown() (ids []string) {
	g.t.Helper()
	keys, err := g.Keys(g.t.Context())
	must(g.t, err)
	for _, k := range keys {
		ids = append(ids, k.ID)
	}
	return ids
}

// signs is the id of the key that signs now.
func (g *gate) signs() (id string) {
	g.t.Helper()
	must(g.t, g.store.Update(g.t.Context(), func(tx *store.Tx) (err error) {
		id, _, err = g.signer(tx)
		return err
	}))
	return id
}

// TestRotateKeys_SignsNobodyOut lives through two weeks: every token holds to
// its end, every new key was shown for an hour before it signed, and no more
// than two are shown.
func TestRotateKeys_SignsNobodyOut(t *testing.T) {
	g := newGate(t)
	g.account("chen")
	s := g.enter("chen")
	firstShown := map[string]time.Time{}
	signed, born := map[string]bool{}, g.Now()
	for g.Now().Before(born.Add(2*keySigns + time.Hour)) {
		must(t, g.rotateKeys(t.Context()))
		shown := g.shown()
		if len(shown) > 2 {
			t.Fatalf("at %v %d keys are shown", g.Now(), len(shown))
		}
		for _, id := range shown {
			if _, before := firstShown[id]; !before {
				firstShown[id] = g.Now()
			}
		}
		id := g.signs()
		if !signed[id] && len(signed) > 0 && g.Now().Sub(firstShown[id]) < keyAhead {
			t.Errorf("a key signs that was shown for %v", g.Now().Sub(firstShown[id]))
		}
		signed[id] = true
		var err error
		if !g.Now().Before(s.GetEndsAt().AsTime()) {
			s, err = g.signIn("chen", rightPassword, "")
		} else {
			s, err = g.refresh(s.GetRefreshToken())
		}
		must(t, err)
		g.pass(access.TokenLife - time.Second)
		must(t, g.rotateKeys(t.Context()))
		if _, err := g.verify(s.GetAccessToken()); err != nil {
			t.Fatalf("at %v a token of %v holds no more: %v", g.Now(), access.TokenLife, err)
		}
		g.pass(time.Second)
	}
	if len(signed) != 3 {
		t.Errorf("%d keys in two weeks", len(signed))
	}
}

// TestRotateKeys_AfterALongStop: the old key signs on until the new one was
// shown, and then holds for as long as its tokens.
func TestRotateKeys_AfterALongStop(t *testing.T) {
	g := newGate(t)
	g.account("chen")
	must(t, g.rotateKeys(t.Context()))
	old := g.signs()
	g.pass(100 * keySigns)
	g.open()
	must(t, g.rotateKeys(t.Context()))
	if shown := g.shown(); len(shown) != 2 || g.signs() != old {
		t.Fatalf("shown %v, %s signs, %s did", shown, g.signs(), old)
	}
	g.pass(keyAhead - time.Second)
	s := g.enter("chen")
	g.pass(time.Second)
	must(t, g.rotateKeys(t.Context()))
	if g.signs() == old || !slices.Contains(g.shown(), old) {
		t.Error("the new key does not sign, or the old one is gone already")
	}
	_, err := g.verify(s.GetAccessToken())
	must(t, err)
	g.pass(keyHolds)
	must(t, g.rotateKeys(t.Context()))
	if shown := g.shown(); slices.Contains(shown, old) || len(shown) != 1 {
		t.Errorf("shown %v", shown)
	}
	if got := strings.Join(g.outcomes(), "\n"); !strings.Contains(got, "key made") || !strings.Contains(got, "key withdrawn") {
		t.Errorf("audit %q", got)
	}
}

// TestSigner_AfterTheClockWentBack: the key that every process has signs, though by
// the clock it does not yet. One made at this moment would be refused until it is
// asked for.
func TestSigner_AfterTheClockWentBack(t *testing.T) {
	g := newGate(t)
	must(t, g.rotateKeys(t.Context()))
	id := g.signs()
	g.pass(-11 * time.Hour)
	must(t, g.rotateKeys(t.Context()))
	if signs, shown := g.signs(), g.shown(); signs != id || !slices.Equal(shown, []string{id}) {
		t.Errorf("%s signs, %s did before; shown are %v", signs, id, shown)
	}
}

// TestRotateKeys_TwoAtOnce: a key that came in beside another is let go like any.
func TestRotateKeys_TwoAtOnce(t *testing.T) {
	g := newGate(t)
	for range 2 {
		must(t, g.store.Update(t.Context(), func(tx *store.Tx) error {
			_, err := g.makeKey(tx, tx.Wall())
			return err
		}))
		g.pass(time.Second)
	}
	must(t, g.rotateKeys(t.Context()))
	g.pass(keyHolds)
	must(t, g.rotateKeys(t.Context()))
	if shown := g.shown(); len(shown) != 1 {
		t.Errorf("shown %v", shown)
	}
}

// TestSigner_PrivateKeysAreSealed: what signs lies nowhere in plain.
func TestSigner_PrivateKeysAreSealed(t *testing.T) {
	g := newGate(t)
	must(t, g.rotateKeys(t.Context()))
	var seed, sealed []byte
	must(t, g.store.Update(t.Context(), func(tx *store.Tx) error {
		rows, err := g.keysOf(tx)
		if err != nil {
			return err
		}
		sealed = rows[0].Value.GetSealedPrivateKey()
		_, private, err := g.signer(tx)
		seed = private.Seed()
		return err
	}))
	if g.lies(string(seed)) || !g.lies(string(sealed)) {
		t.Error("the private key lies there in plain, or not at all")
	}
	if _, err := g.store.Keyring().Open(sealed, keyPlace("another")...); err == nil {
		t.Error("it opens as another key")
	}
}
