package store_test

import (
	"testing"
	"time"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

// TestDo_ClockSetBack: a clock that ran ahead over midnight is set right
// between a call and its repeat. There is one effect.
func TestDo_ClockSetBack(t *testing.T) {
	w := &wall{at: time.Date(2026, 1, 6, 9, 0, 0, 0, time.UTC)}
	s, err := store.Open(t.Context(), store.Config{
		Service: "things", DB: kv.New(memkv.New(), kv.Options{}), Master: seal.MasterKey{1}, Civil: clock.Func(w.Now), Wall: w, IDs: ids.New,
	})
	if err != nil {
		t.Fatal(err)
	}
	call := caller("p", "/m", "k")
	for _, back := range []time.Duration{0, -12 * time.Hour, -12 * time.Hour, 36 * time.Hour} {
		w.add(back)
		if got, err := increase(call, s, 1); err != nil || got.GetValue() != 1 {
			t.Errorf("with the clock at %s: %v, %v", w.Now(), got, err)
		}
	}
}
