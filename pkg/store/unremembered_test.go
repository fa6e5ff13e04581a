package store_test

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

// TestDoUnremembered_IsDoneAgain: under one idempotency key the second call is
// another one, with its own audit line, and nothing of a reply is kept.
func TestDoUnremembered_IsDoneAgain(t *testing.T) {
	s, err := store.Open(t.Context(), store.Config{
		Service: "things", DB: kvtest.Rerun(kv.New(memkv.New(), kv.Options{})), Master: seal.MasterKey{1}, Civil: clock.Wall(), Wall: clock.Wall(), IDs: ids.New,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, done, before := caller("p", "/m", "k"), 0, rowsIn(t, s)
	for i := range 2 {
		reply, err := store.DoUnremembered(ctx, s, wrapperspb.Int64(1), func(tx *store.Tx) (*wrapperspb.StringValue, error) {
			if tx.Wall().IsZero() {
				t.Error("a commit without a time")
			}
			done++
			return wrapperspb.String("token"), nil
		})
		if err != nil || reply.GetValue() != "token" || done < i+1 {
			t.Errorf("call %d: %v, %v, done %d times", i, reply, err, done)
		}
	}
	refusal := errors.New("refused")
	reply, err := store.DoUnremembered(ctx, s, wrapperspb.Int64(2), func(tx *store.Tx) (*wrapperspb.StringValue, error) {
		tx.Put([]byte("somewhere"), []byte("written"))
		return wrapperspb.String("token"), refusal
	})
	if !errors.Is(err, refusal) || reply != nil {
		t.Errorf("refused: %v, %v", reply, err)
	}
	if _, err := store.DoUnremembered(caller("p", "/m", "a b"), s, wrapperspb.Int64(1), func(*store.Tx) (*wrapperspb.StringValue, error) {
		return nil, nil
	}); err == nil {
		t.Error("a malformed idempotency key was taken")
	}
	if n := rowsIn(t, s) - before; n != 2 { // an audit line of each call that was done
		t.Errorf("%d rows more than before", n)
	}
}

func rowsIn(t *testing.T, s *store.Store) (n int) {
	t.Helper()
	err := s.View(t.Context(), func(r kv.Reader) error {
		items, err := r.Scan(kv.Range{})
		n = len(items)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
