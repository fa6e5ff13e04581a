package memkv_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
)

func TestContract(t *testing.T) {
	kvtest.Run(t, kvtest.Factory{
		Open: func(testing.TB) kv.Engine { return memkv.New() },
		Reopen: func(t testing.TB, e kv.Engine) kv.Engine {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			e.(*memkv.Engine).Reopen()
			return e
		},
		Damage: func(t testing.TB, e kv.Engine, key []byte) kv.Engine {
			if !e.(*memkv.Engine).Damage(key) {
				t.Fatalf("no value under %q", key)
			}
			return e
		},
		Restore: func(t testing.TB, r io.Reader) kv.Engine {
			e, err := memkv.Restore(r)
			if err != nil {
				t.Fatal(err)
			}
			return e
		},
	}, kvtest.Crash) // what it holds ends with its process
}

func TestRestore_RefusesWhatBackupDidNotWrite(t *testing.T) {
	for _, text := range []string{"61", "61 01\n", "6 01\n", "61 0\n", "61 01000000000000000000000000\n"} {
		if _, err := memkv.Restore(strings.NewReader(text)); !errors.Is(err, kv.ErrCorrupt) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
