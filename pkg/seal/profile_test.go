package seal_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"hash"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"

	"github.com/linli-project/linli/pkg/seal"
)

// TestSM_AgreesWithPublishedVectors: the library's SM4, SM4-GCM and SM3 answer
// what the standards print.
func TestSM_AgreesWithPublishedVectors(t *testing.T) {
	sum := sm3.Sum([]byte("abc")) // GB/T 32905-2016, appendix A.1
	if got := hex.EncodeToString(sum[:]); got != "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0" {
		t.Errorf("SM3: %s", got)
	}
	key := unhex(t, "0123456789abcdeffedcba9876543210")
	block, err := sm4.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, 16)
	block.Encrypt(out, key) // GB/T 32907-2016, appendix A.1
	if got := hex.EncodeToString(out); got != "681edf34d206965e86b3e94f536e4246" {
		t.Errorf("SM4: %s", got)
	}
	gcm, err := cipher.NewGCM(block) // RFC 8998, appendix A.1
	if err != nil {
		t.Fatal(err)
	}
	plain := unhex(t, strings.Repeat("aa", 8)+strings.Repeat("bb", 8)+strings.Repeat("cc", 8)+strings.Repeat("dd", 8)+
		strings.Repeat("ee", 8)+strings.Repeat("ff", 8)+strings.Repeat("ee", 8)+strings.Repeat("aa", 8))
	sealed := gcm.Seal(nil, unhex(t, "00001234567800000000abcd"), plain, unhex(t, "feedfacedeadbeeffeedfacedeadbeefabaddad2"))
	if got := hex.EncodeToString(sealed); got != "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"+
		"d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"+"83de3541e4c2b58177e065a9bf7b62ec" {
		t.Errorf("SM4-GCM: %s", got)
	}
	mac := hmac.New(func() hash.Hash { return sm3.New() }, []byte("key")) // OpenSSL 3.0: openssl dgst -sm3 -hmac key
	_, _ = mac.Write([]byte("abc"))
	if got := hex.EncodeToString(mac.Sum(nil)); got != "28e63256e7c5a087b1f073265dc53092163f7b82729735d06f28f10af9d52393" {
		t.Errorf("HMAC-SM3: %s", got)
	}
}

// TestAES_AgreesWithPublishedVectors: test case 16 of the paper that defines GCM.
func TestAES_AgreesWithPublishedVectors(t *testing.T) {
	block, err := aes.NewCipher(unhex(t, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	plain := unhex(t, "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39")
	sealed := gcm.Seal(nil, unhex(t, "cafebabefacedbaddecaf888"), plain, unhex(t, "feedfacedeadbeeffeedfacedeadbeefabaddad2"))
	if got := hex.EncodeToString(sealed); got != "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"+
		"76fc6ece0f4e1768cddf8853bb2d551b" {
		t.Errorf("AES-256-GCM: %s", got)
	}
}

// ringOf makes a keyring of a profile.
func ringOf(t *testing.T, p seal.Profile) *seal.Keyring {
	t.Helper()
	master := seal.MasterKey{1}
	keys, err := seal.MakeKeys(t.Context(), master, p, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	k, err := seal.Unlock(t.Context(), master, keys)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestProfiles_SealAndHash(t *testing.T) {
	for _, p := range []seal.Profile{seal.AES, seal.SM} {
		k := ringOf(t, p)
		sealed := k.Seal([]byte("430198197207155484"), "member", "mbr_1", "id_number")
		if plain, err := k.Open(sealed, "member", "mbr_1", "id_number"); err != nil || string(plain) != "430198197207155484" {
			t.Errorf("%v: %q, %v", p, plain, err)
		}
		if _, err := k.Open(sealed, "member", "mbr_2", "id_number"); !errors.Is(err, seal.ErrSealed) {
			t.Errorf("%v: opened at another place: %v", p, err)
		}
		if a := k.Blind("p", "1"); len(a) != 16 || !bytes.Equal(a, k.Blind("p", "1")) || bytes.Equal(a, k.Blind("q", "1")) {
			t.Errorf("%v: blind index %x", p, a)
		}
		if len(k.Digest("p", "1")) != 32 {
			t.Errorf("%v: digest", p)
		}
		if again, err := seal.ParseProfile(p.String()); err != nil || again != p {
			t.Errorf("%v is read as %v, %v", p, again, err)
		}
	}
	if _, err := seal.ParseProfile("rot13"); err == nil {
		t.Error("taken")
	}
}

// TestKeyring_OpensWhatEachVersionSealed, of either profile, and nothing of a
// version that went.
func TestKeyring_OpensWhatEachVersionSealed(t *testing.T) {
	ctx, master := t.Context(), seal.MasterKey{1}
	keys, err := seal.MakeKeys(ctx, master, seal.AES, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	k, err := seal.Unlock(ctx, master, keys)
	if err != nil {
		t.Fatal(err)
	}
	var sealed [][]byte
	for _, p := range []seal.Profile{seal.SM, 0, seal.AES} {
		sealed = append(sealed, k.Seal([]byte("a"), "place"))
		if keys, err = seal.WithDataKey(ctx, master, keys, p, time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := k.Use(ctx, master, keys); err != nil {
			t.Fatal(err)
		}
	}
	sealed = append(sealed, k.Seal([]byte("a"), "place"))
	for i, s := range sealed {
		if plain, err := k.Open(s, "place"); err != nil || string(plain) != "a" || seal.Version(s) != uint32(i+1) {
			t.Errorf("version %d, said to be %d: %q, %v", i+1, seal.Version(s), plain, err)
		}
	}
	moved := bytes.Clone(sealed[0])
	moved[1] = 2 // says another version
	if _, err := k.Open(moved, "place"); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("opened under another version: %v", err)
	}
	if err := k.Use(ctx, master, seal.WithoutBefore(keys, 3)); err != nil {
		t.Fatal(err)
	}
	for i, s := range sealed {
		if _, err := k.Open(s, "place"); (err == nil) != (i >= 2) {
			t.Errorf("version %d after two went: %v", i+1, err)
		}
	}
}

func TestMasterFile_HoldsSeveralKeys(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "master.key")
	file := seal.MasterFile(path)
	if _, err := file.Current(ctx); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("before it is made: %v", err)
	}
	var ids []string
	for _, p := range []seal.Profile{seal.AES, seal.SM, seal.AES} {
		id, err := file.Add(p)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if got, err := file.IDs(); err != nil || !slices.Equal(got, ids) {
		t.Fatalf("%v, %v, want %v", got, err, ids)
	}
	for _, id := range ids {
		key, wrapped, err := file.Generate(ctx, id, 32, "data key")
		if err != nil || len(key) != 32 || bytes.Contains(wrapped, key) {
			t.Fatalf("%v", err)
		}
		if again, err := file.Unwrap(ctx, id, wrapped, "data key"); err != nil || !bytes.Equal(again, key) {
			t.Errorf("%s: %v", id, err)
		}
		if again, err := file.Unwrap(ctx, "", wrapped, "data key"); err != nil || !bytes.Equal(again, key) {
			t.Errorf("of before ids: %v", err)
		}
		if _, err := file.Unwrap(ctx, id, wrapped, "index key"); !errors.Is(err, seal.ErrSealed) {
			t.Errorf("unwrapped for another use: %v", err)
		}
	}
	if err := file.Remove(ids[2]); err == nil {
		t.Error("the current key was taken out")
	}
	if err := file.Remove(ids[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Wrap(ctx, ids[0], make([]byte, 32), "data key"); !errors.Is(err, seal.ErrNoMasterKey) {
		t.Errorf("wrapped under a key that went: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left lying about: %v, %v", left, err)
	}
}

// TestLasting_OpensAfterEveryDataKeyWent, for its own purpose and place.
func TestLasting_OpensAfterEveryDataKeyWent(t *testing.T) {
	ctx, master := t.Context(), seal.MasterKey{1}
	keys, err := seal.MakeKeys(ctx, master, seal.SM, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	k, err := seal.Unlock(ctx, master, keys)
	if err != nil {
		t.Fatal(err)
	}
	sealed := k.Lasting("audit address").Seal([]byte("203.0.113.7"), "line 1")
	if keys, err = seal.WithDataKey(ctx, master, keys, seal.AES, time.Now()); err != nil {
		t.Fatal(err)
	}
	keys = seal.WithoutBefore(keys, 2)
	if k, err = seal.Unlock(ctx, master, keys); err != nil {
		t.Fatal(err)
	}
	if plain, err := k.Lasting("audit address").Open(sealed, "line 1"); err != nil || string(plain) != "203.0.113.7" {
		t.Errorf("%q, %v", plain, err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"another purpose": func() ([]byte, error) { return k.Lasting("blob").Open(sealed, "line 1") },
		"another place":   func() ([]byte, error) { return k.Lasting("audit address").Open(sealed, "line 2") },
		"a box":           func() ([]byte, error) { return k.Box("audit address").Open(sealed, "line 1") },
		"nothing":         func() ([]byte, error) { return k.Lasting("audit address").Open(nil, "line 1") },
		"what a box sealed": func() ([]byte, error) {
			return k.Lasting("audit address").Open(k.Box("audit address").Seal([]byte("x"), "line 1"), "line 1")
		},
	} {
		if _, err := open(); !errors.Is(err, seal.ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
