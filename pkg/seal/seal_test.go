package seal_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/linli-project/linli/pkg/seal"
)

func newKeyring(t *testing.T) (*seal.Keyring, seal.MasterKey, []byte) {
	t.Helper()
	master, err := seal.CreateMaster(filepath.Join(t.TempDir(), "master"))
	if err != nil {
		t.Fatal(err)
	}
	k, wrapped, err := seal.New(master)
	if err != nil {
		t.Fatal(err)
	}
	return k, master, wrapped
}

func TestKeyring_OpensOnlyAtItsPlace(t *testing.T) {
	k, master, wrapped := newKeyring(t)
	sealed := k.Seal([]byte("430198197207155484"), "member", "mbr_1", "id_number")
	if bytes.Contains(sealed, []byte("4301981972")) {
		t.Fatal("the sealed value holds the plain one")
	}
	again, err := seal.Open(master, wrapped)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := again.Open(sealed, "member", "mbr_1", "id_number")
	if err != nil || string(plain) != "430198197207155484" {
		t.Fatalf("got %q, %v", plain, err)
	}
	for _, place := range [][]string{
		{"member", "mbr_2", "id_number"}, {"member", "mbr_1", "phone"}, {"memberm", "br_1", "id_number"}, {"member", "mbr_1"},
	} {
		if _, err := again.Open(sealed, place...); !errors.Is(err, seal.ErrSealed) {
			t.Errorf("opened at %v: %v", place, err)
		}
	}
	for i := range sealed {
		broken := bytes.Clone(sealed)
		broken[i] ^= 1
		if _, err := k.Open(broken, "member", "mbr_1", "id_number"); !errors.Is(err, seal.ErrSealed) {
			t.Fatalf("byte %d flipped and it opened: %v", i, err)
		}
	}
}

func TestOpen_RefusesAnotherMasterKey(t *testing.T) {
	_, _, wrapped := newKeyring(t)
	_, other, _ := newKeyring(t)
	if _, err := seal.Open(other, wrapped); !errors.Is(err, seal.ErrSealed) {
		t.Fatalf("got %v", err)
	}
}

func TestBlind_JoinsWithinAPurposeOnly(t *testing.T) {
	k, _, _ := newKeyring(t)
	a, b := k.Blind("id number", "430198"), k.Blind("id number", "430198")
	if !bytes.Equal(a, b) || len(a) != 16 {
		t.Fatalf("got %x and %x", a, b)
	}
	if bytes.Equal(a, k.Blind("phone", "430198")) || bytes.Equal(k.Blind("p", "ab", "c"), k.Blind("p", "a", "bc")) {
		t.Fatal("two purposes or two lists of parts join")
	}
	if k.Blind("id number", "") != nil {
		t.Fatal("an absent value has a hash")
	}
}

func TestLoadMaster_RefusesAFileThatOthersCanRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master")
	if _, err := seal.CreateMaster(path); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o620, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.LoadMaster(path); err == nil {
			t.Errorf("took a key of mode %v", mode)
		}
	}
}

func TestMask(t *testing.T) {
	if got := seal.MaskIDNumber("43019819720715123X"); got != "430***********123X" {
		t.Errorf("got %s", got)
	}
	if got := seal.MaskPhone("13812341234"); got != "138****1234" {
		t.Errorf("got %s", got)
	}
	if got := seal.MaskPhone("123"); got != "***" {
		t.Errorf("got %s", got)
	}
}
