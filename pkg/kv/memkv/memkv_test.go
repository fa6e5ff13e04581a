package memkv_test

import (
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
	})
}
