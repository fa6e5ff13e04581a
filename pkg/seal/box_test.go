package seal_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/linli-project/linli/pkg/seal"
)

func TestBox_OpensForItsPurposeOnly(t *testing.T) {
	k, master, wrapped := newKeyring(t)
	again, err := seal.Open(master, wrapped)
	if err != nil {
		t.Fatal(err)
	}
	sealed := k.Box("page token").Seal([]byte("token"), "a")
	if plain, err := again.Box("page token").Open(sealed, "a"); err != nil || string(plain) != "token" {
		t.Fatalf("%q, %v", plain, err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"another purpose": func() ([]byte, error) { return k.Box("remembered reply").Open(sealed, "a") },
		"another place":   func() ([]byte, error) { return k.Box("page token").Open(sealed, "b") },
		"a field":         func() ([]byte, error) { return k.Open(sealed, "a") },
		"nothing":         func() ([]byte, error) { return k.Box("page token").Open(nil, "a") },
	} {
		if _, err := open(); !errors.Is(err, seal.ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	field := k.Seal([]byte("430198197207155484"), "a")
	if _, err := k.Box("page token").Open(field, "a"); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("a box opened a field: %v", err)
	}
	empty := k.Box("page token").Seal(nil)
	if plain, err := k.Box("page token").Open(empty); err != nil || len(plain) != 0 || len(empty) == 0 {
		t.Errorf("nothing, sealed: %q %q %v", empty, plain, err)
	}
}

func TestSeal_NeverTheSameTwice(t *testing.T) {
	k, _, _ := newKeyring(t)
	seen := map[string]bool{}
	for range 1000 {
		seen[string(k.Seal([]byte("138"), "a")[2:14])] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d nonces of 1000 seals", len(seen))
	}
}

func TestDigest_NeedsTheKeyring(t *testing.T) {
	k, _, _ := newKeyring(t)
	other, _, _ := newKeyring(t)
	a := k.Digest("request", "/m", "13812341234")
	if len(a) != 32 || !bytes.Equal(a, k.Digest("request", "/m", "13812341234")) {
		t.Fatalf("%x", a)
	}
	for name, b := range map[string][]byte{
		"another keyring": other.Digest("request", "/m", "13812341234"),
		"another purpose": k.Digest("reply", "/m", "13812341234"),
		"other parts":     k.Digest("request", "/m1", "3812341234"),
		"a blind index":   append(k.Blind("request", "/m", "13812341234"), a[16:]...),
	} {
		if bytes.Equal(a, b) {
			t.Errorf("%s gives the same digest", name)
		}
	}
}

// TestFormat_OfTheFirstRelease opens what an earlier build sealed. If it fails,
// every store there is has become unreadable: a new format needs a new version
// byte and a migration.
func TestFormat_OfTheFirstRelease(t *testing.T) {
	k, err := seal.Open(seal.MasterKey{1, 2, 3}, unhex(t, fixtureWrapped))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := k.Open(unhex(t, fixtureField), "member", "mbr_1", "phone"); err != nil || string(plain) != "13812341234" {
		t.Errorf("field: %q, %v", plain, err)
	}
	if plain, err := k.Box("remembered reply").Open(unhex(t, fixtureBox), "type"); err != nil || string(plain) != "reply" {
		t.Errorf("box: %q, %v", plain, err)
	}
	if got := hex.EncodeToString(k.Blind("id number", "430198197207155484")); got != fixtureBlind {
		t.Errorf("blind index: %s", got)
	}
	if got := hex.EncodeToString(k.Digest("request", "/m", "a")); got != fixtureDigest {
		t.Errorf("digest: %s", got)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func FuzzOpen(f *testing.F) {
	k, _, err := seal.New(seal.MasterKey{1})
	if err != nil {
		f.Fatal(err)
	}
	box := k.Box("fuzz")
	f.Add([]byte{})
	f.Add([]byte{1})
	f.Add(bytes.Repeat([]byte{1}, 29))
	f.Add(box.Seal([]byte("x"), "another place"))
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if plain, err := box.Open(sealed); !errors.Is(err, seal.ErrSealed) || plain != nil {
			t.Fatalf("opened %x as %q, %v", sealed, plain, err)
		}
	})
}

func TestMask_LeavesTextAndLittleToGuess(t *testing.T) {
	for in, want := range map[string]string{
		"":                "",
		"1381234":         "*******",
		"1381234123":      "**********", // three hidden digits are a thousand tries
		"13812341234":     "138****1234",
		"430198720715123": "430********5123",
		"电话一三八一二三四一二三":    "电话一*****四一二三",
	} {
		if got := seal.MaskPhone(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
