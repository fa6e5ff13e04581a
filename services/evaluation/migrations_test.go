package evaluation_test

import (
	"errors"
	"testing"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/store"
)

// TestMigrations_AnOlderLinliRefusesPages: one that knows no pages of sums would
// show members without figures.
func TestMigrations_AnOlderLinliRefusesPages(t *testing.T) {
	h := newHouse(t, kv.New(memkv.New(), kv.Options{}), names{})
	st, all := h.Store("evaluation"), h.service.Migrations()
	if done, err := st.Migrate(t.Context(), all); err != nil || done != len(all) {
		t.Fatalf("%d migrations of %d: %v", done, len(all), err)
	}
	if err := st.CheckFormat(t.Context(), all); err != nil {
		t.Errorf("this linli: %v", err)
	}
	if err := st.CheckFormat(t.Context(), nil); !errors.Is(err, store.ErrNewer) {
		t.Errorf("one before pages: %v", err)
	}
}
