package events

import (
	"log/slog"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

// TestMender_OpensWhatIsThere: after the server complained of a write, its
// streams are opened again over the same files, and take more. That the server
// complains so is seen where disks are filled, in cmd/faults.
func TestMender_OpensWhatIsThere(t *testing.T) {
	b, err := StartBroker(BrokerConfig{Dir: t.TempDir(), Services: []string{"things"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	s, err := store.Open(t.Context(), store.Config{
		Service: "things", DB: kv.New(memkv.New(), kv.Options{}), Master: seal.MasterKey{1},
		Civil: clock.Wall(), Wall: clock.Wall(), IDs: ids.New, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	relay := NewRelay(s, b, slog.New(slog.DiscardHandler))
	for round := uint64(1); round <= 3; round++ {
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			return tx.Emit(store.Event{Name: "thing.counted", EntityID: "thing", Revision: round, Data: wrapperspb.UInt64(round)})
		})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := relay.Flush(t.Context()); n != 1 || err != nil {
			t.Fatalf("round %d: published %d, %v", round, n, err)
		}
		if err := b.mender.reopen(); err != nil {
			t.Fatal(err)
		}
		if at, err := relay.standing(t.Context()); err != nil || at.Messages != round {
			t.Fatalf("round %d: %d messages after the streams were opened again, %v", round, at.Messages, err)
		}
	}
}

// TestMender_HearsOfABrokenStream: the words that the server uses are waited
// for, and others are not.
func TestMender_HearsOfABrokenStream(t *testing.T) {
	m := &mender{log: slog.New(slog.DiscardHandler), broken: make(chan struct{}, 1)}
	m.Errorf("Client %d is slow", 7)
	if len(m.broken) != 0 {
		t.Error("takes any error for a broken stream")
	}
	for range 2 {
		m.Errorf("Filestore [%s] Critical write error: %v", "LINLI_THINGS", "no space left on device")
	}
	if len(m.broken) != 1 {
		t.Error("does not hear of a broken stream")
	}
}
