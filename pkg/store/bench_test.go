package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

// BenchmarkCreate creates rows of 1.7 kB with three indexes, an event and an
// audit line, durably, by so many at once, while the audit gets its places in
// the log once a second as in a running house.
func BenchmarkCreate(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) { benchmarkCreate(b, callers) })
	}
}

func benchmarkCreate(b *testing.B, callers int) {
	engine, err := boltkv.Open(filepath.Join(b.TempDir(), "things.db"), boltkv.Options{})
	if err != nil {
		b.Fatal(err)
	}
	s, err := store.Open(b.Context(), store.Config{Service: "things", DB: kv.New(engine, kv.Options{}), Master: seal.MasterKey{1},
		Civil: clock.Wall(), Wall: clock.Wall(), IDs: ids.New, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	sequencing := make(chan struct{})
	go func() {
		defer close(sequencing)
		sequence(ctx, s)
	}()
	ctxCall := access.NewContext(b.Context(), access.Call{
		Caller: access.Caller{Person: "per_1", Account: "acc_1", Session: "ses_1", Grants: []access.Grant{{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: "/1/"}}},
		Method: "/linli.things.v1.Things/Create", Rule: &typev1.Access{Mutates: true}, ID: "call_1", Address: "203.0.113.7",
	})
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range callers {
		all.Go(func() {
			for next.Add(1) <= int64(b.N) {
				if err := create(ctxCall, s); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	stop()
	<-sequencing
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// sequence is what a running house does beside the calls.
func sequence(ctx context.Context, s *store.Store) {
	for tick := time.NewTicker(store.SequenceEvery); ; {
		select {
		case <-tick.C:
			_, _ = s.SequenceAudit(ctx) // what stays gets its place the next time
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

func create(ctx context.Context, s *store.Store) error {
	id := ids.New("thg")
	row := make([]byte, 1700)
	_, err := store.Do(ctx, s, wrapperspb.Int64(1), func(tx *store.Tx) (*wrapperspb.Int64Value, error) {
		at := key.New(store.FirstServiceTable).String(id)
		if _, err := tx.Get(at); err != nil {
			return nil, err
		}
		tx.Create(at, row)
		for i := range uint16(3) {
			tx.Create(key.New(store.FirstServiceTable+1+i).String("/1/").String(id), nil)
		}
		tx.Audit(store.Record{Rows: []string{id}})
		return wrapperspb.Int64(1), tx.Emit(store.Event{Name: "thing.made", EntityID: id, Revision: 1, Data: wrapperspb.Int64(1)})
	})
	return err
}
