package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

// interfering runs something once between a closure and its commit.
type interfering struct {
	kv.Engine
	before func()
}

func (i *interfering) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	if fn := i.before; fn != nil {
		i.before = nil
		fn()
	}
	return i.Engine.Commit(ctx, r)
}

// TestDo_AcrossMidnight: the first try began before midnight and is slow; the
// repeat comes after midnight and is through first. There is one effect.
func TestDo_AcrossMidnight(t *testing.T) {
	engine := &interfering{Engine: memkv.New()}
	w := &wall{at: time.Date(2026, 1, 5, 23, 59, 59, 0, time.UTC)}
	s, err := store.Open(t.Context(), store.Config{
		Service: "things", DB: kv.New(engine, kv.Options{}), Master: seal.MasterKey{1}, Civil: clock.Func(w.Now), Wall: w, IDs: ids.New,
	})
	if err != nil {
		t.Fatal(err)
	}
	call := caller("p", "/m", "k")
	engine.before = func() {
		w.add(2 * time.Second)
		if got, err := increase(call, s, 1); err != nil || got.GetValue() != 1 {
			t.Errorf("the repeat: %v, %v", got, err)
		}
	}
	if got, err := increase(call, s, 1); err != nil || got.GetValue() != 1 {
		t.Errorf("the first try: %v, %v", got, err)
	}
	if got, err := increase(call, s, 1); err != nil || got.GetValue() != 1 {
		t.Errorf("a third: %v, %v", got, err)
	}
}

// TestDo_RefusedAfterALostRace: the reply of the run that lost is not returned
// beside the error of the run that was refused.
func TestDo_RefusedAfterALostRace(t *testing.T) {
	engine := &interfering{Engine: memkv.New()}
	s, err := store.Open(t.Context(), store.Config{
		Service: "things", DB: kv.New(engine, kv.Options{}), Master: seal.MasterKey{1}, Civil: clock.Wall(), Wall: clock.Wall(), IDs: ids.New,
	})
	if err != nil {
		t.Fatal(err)
	}
	engine.before = func() {
		if _, err := increase(caller("q", "/m", ""), s, 1); err != nil {
			t.Error(err)
		}
	}
	no := rule.New(rule.Precondition, "WRONG_STATE", "")
	reply := wrapperspb.String("the loser's")
	got, err := store.Do(caller("p", "/m", "k"), s, wrapperspb.Int64(1), func(tx *store.Tx) (*wrapperspb.StringValue, error) {
		it, err := tx.Get(counterKey())
		if err != nil {
			return nil, err
		}
		tx.Put(counterKey(), []byte("changed"))
		if it.Version != 0 {
			return reply, no
		}
		return reply, nil
	})
	if !errors.Is(err, no) || got != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// TestDo_ALostAnswerIsNotInvented: the commit did not happen, and nothing says
// that it did; the relay is told to look all the same when it did.
func TestDo_ALostAnswerIsNotInvented(t *testing.T) {
	f := newFixture(t, false)
	f.faults.FailAt(4, true)
	got, err := increase(caller("p", "/m", "k"), f.Store, 2)
	if err != nil || got.GetValue() != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	select {
	case <-f.Emitted():
	default:
		t.Error("the commit emitted, and the relay was not told")
	}
	whole := memkv.New()
	open := func(e kv.Engine) *store.Store {
		s, err := store.Open(t.Context(), store.Config{
			Service: "things", DB: kv.New(e, kv.Options{}), Master: seal.MasterKey{1}, Civil: clock.Wall(), Wall: clock.Wall(), IDs: ids.New,
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s, losing := open(whole), open(lostCommits{whole}) // in this order: the second writes no data key
	got, err = increase(caller("p", "/m", "k"), losing, 2)
	if !errors.Is(err, kv.ErrUnknownOutcome) || got != nil {
		t.Errorf("a commit that did not happen: %v, %v", got, err)
	}
	if got, err := increase(caller("p", "/m", "k"), s, 2); err != nil || got.GetValue() != 2 {
		t.Errorf("tried again: %v, %v", got, err)
	}
}

// lostCommits drops every commit that writes, and does not say so.
type lostCommits struct{ kv.Engine }

func (l lostCommits) Commit(ctx context.Context, r kv.CommitRequest) (kv.Version, error) {
	if len(r.Writes) > 0 {
		return 0, kv.ErrUnknownOutcome
	}
	return l.Engine.Commit(ctx, r)
}

// TestDigests_CannotBeTriedOut: what is stored of a request is no plain hash
// of it, in the audit or beside the reply.
func TestDigests_CannotBeTriedOut(t *testing.T) {
	f := newFixture(t, true)
	req := wrapperspb.String("13812341234")
	_, err := store.Do(caller("p", "/m", "k"), f.Store, req, func(*store.Tx) (*wrapperspb.StringValue, error) {
		return wrapperspb.String("done"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	tried := map[[32]byte]string{
		sha256.Sum256(text):                              "the request",
		sha256.Sum256([]byte("13812341234")):             "the phone number",
		sha256.Sum256(append([]byte("/m"), text...)):     "method and request",
		sha256.Sum256(append([]byte("/m\x00"), text...)): "method, zero, request",
	}
	f.view(t, func(r kv.Reader) error {
		items, err := r.Scan(kv.Range{})
		for _, it := range items {
			for hash, what := range tried {
				if bytes.Contains(it.Value, hash[:]) {
					t.Errorf("table %d holds the plain hash of %s", it.Key[1], what)
				}
			}
		}
		return err
	})
	if d := f.audit(t)[0].GetRequestDigest(); !bytes.Equal(d, f.Keyring().Digest("request", "/m", string(text))) {
		t.Error("who holds the keyring does not find the request again")
	}
}

func TestDo_AnEmptyReplyIsRemembered(t *testing.T) {
	f := newFixture(t, true)
	runs := 0
	for range 2 {
		got, err := store.Do(caller("p", "/m", "k"), f.Store, wrapperspb.Int64(1), func(tx *store.Tx) (*wrapperspb.Int64Value, error) {
			runs++
			tx.Put(counterKey(), []byte("x"))
			return &wrapperspb.Int64Value{}, nil
		})
		if err != nil || got == nil || got.GetValue() != 0 {
			t.Fatal(got, err)
		}
	}
	if runs != 2 { // the re-run wrapper's two of the first call
		t.Errorf("%d runs", runs)
	}
}

// TestDo_ALargeReplyIsRemembered: what works without a key works with one, in
// as many rows as it takes.
func TestDo_ALargeReplyIsRemembered(t *testing.T) {
	f := newFixture(t, true)
	for _, size := range []int{1, 32 << 10, 64 << 10, 70_000, 1 << 20} {
		want := strings.Repeat("x", size)
		call := caller("p", "/m", fmt.Sprint("k", size))
		for range 2 {
			got, err := store.Do(call, f.Store, wrapperspb.Int64(1), func(tx *store.Tx) (*wrapperspb.StringValue, error) {
				return wrapperspb.String(want), nil
			})
			if err != nil || got.GetValue() != want {
				t.Fatalf("%d bytes: %d, %v", size, len(got.GetValue()), err)
			}
		}
	}
	if n := len(f.audit(t)); n != 5 {
		t.Errorf("%d audit lines of 5 calls", n)
	}
	f.wall.add(3 * 24 * time.Hour)
	if _, err := f.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	report, err := f.Check(t.Context(), counterTable{})
	if err != nil || report.Tables["remembered replies"] != 0 {
		t.Errorf("%d rows left, %v", report.Tables["remembered replies"], err)
	}
}

// TestDo_APartOfAReplyIsNoAnswer: a lost or strange part is found by who asks
// and by the check.
func TestDo_APartOfAReplyIsNoAnswer(t *testing.T) {
	for name, breakIt := range map[string]func(tx kv.Tx, items []kv.Item){
		"a part is lost": func(tx kv.Tx, items []kv.Item) { tx.Delete(items[1].Key) },
		"two parts change places": func(tx kv.Tx, items []kv.Item) {
			tx.Put(items[1].Key, items[2].Value)
			tx.Put(items[2].Key, items[1].Value)
		},
		"the beginning is lost": func(tx kv.Tx, items []kv.Item) { tx.Delete(items[0].Key) },
		"one part too many": func(tx kv.Tx, items []kv.Item) {
			tx.Put(append(slices.Clone(items[2].Key[:len(items[2].Key)-1]), 9), []byte("x"))
		},
		"more parts than are kept": func(tx kv.Tx, items []kv.Item) {
			tx.Put(items[0].Key, mustMarshal(t, &typev1.RememberedRow{More: 1 << 31}))
		},
	} {
		f := openFixture(t, false)
		_, err := store.Do(caller("p", "/m", "k"), f.Store, wrapperspb.Int64(1), func(*store.Tx) (*wrapperspb.StringValue, error) {
			return wrapperspb.String(strings.Repeat("x", 80_000)), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		err = f.DB().Update(t.Context(), func(tx kv.Tx) error {
			items, err := tx.Scan(kv.Range{From: key.New(5), To: key.New(6)})
			if err != nil || len(items) != 3 {
				return fmt.Errorf("%d rows: %w", len(items), err)
			}
			breakIt(tx, items)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if report, err := f.Check(t.Context(), counterTable{}); err != nil || len(report.Problems) == 0 {
			t.Errorf("%s: not found, %v", name, err)
		}
	}
}

func mustMarshal(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDo_ATamperedReplyIsNoAnswer: a reply that was changed or sealed
// elsewhere is corrupt, not an answer.
func TestDo_ATamperedReplyIsNoAnswer(t *testing.T) {
	f := newFixture(t, false)
	if _, err := increase(caller("p", "/m", "k"), f.Store, 1); err != nil {
		t.Fatal(err)
	}
	var at []byte
	var row typev1.RememberedRow
	f.view(t, func(r kv.Reader) error {
		items, err := r.Scan(kv.Range{From: key.New(5), To: key.New(6)})
		if err != nil || len(items) != 1 {
			t.Fatal(len(items), err)
		}
		at = items[0].Key
		return proto.Unmarshal(items[0].Value, &row)
	})
	whole := proto.CloneOf(&row)
	put := func(r *typev1.RememberedRow) {
		value, err := proto.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.DB().Update(t.Context(), func(tx kv.Tx) error { tx.Put(at, value); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for name, change := range map[string]func(*typev1.RememberedRow){
		"a flipped bit": func(r *typev1.RememberedRow) { r.SealedReply[20] ^= 1 },
		"another type":  func(r *typev1.RememberedRow) { r.ReplyType = "other" },
		"no reply":      func(r *typev1.RememberedRow) { r.SealedReply = nil },
	} {
		broken := proto.CloneOf(whole)
		change(broken)
		put(broken)
		if got, err := increase(caller("p", "/m", "k"), f.Store, 1); !errors.Is(err, kv.ErrCorrupt) || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	put(whole) // for the check at the end
}

// spyDB runs each Update's closure twice on the same state and keeps what both
// runs wrote.
type spyDB struct {
	kv.DB
	runs [][]string
}

func (d *spyDB) Update(ctx context.Context, fn func(kv.Tx) error) error {
	for range 2 {
		spy := &spyTx{}
		err := d.DB.Update(ctx, func(tx kv.Tx) error {
			*spy = spyTx{Tx: tx}
			if err := fn(spy); err != nil {
				return err
			}
			return errDropped
		})
		if !errors.Is(err, errDropped) {
			return err
		}
		d.runs = append(d.runs, spy.writes)
	}
	return d.DB.Update(ctx, fn)
}

var errDropped = errors.New("dropped")

type spyTx struct {
	kv.Tx
	writes []string
}

func (s *spyTx) Create(k, v []byte) {
	s.Tx.Create(k, v)
	// A sealed reply has a nonce of its own each time: two runs may have
	// different replies, and a nonce must not be used for two.
	if number, _, err := key.Table(k); err == nil && number == 5 {
		v = nil
	}
	s.writes = append(s.writes, string(k)+"="+string(v))
}

func (s *spyTx) Put(k, v []byte) {
	s.Tx.Put(k, v)
	s.writes = append(s.writes, string(k)+"="+string(v))
}

func TestDo_ARerunWritesTheSameRows(t *testing.T) {
	spy := &spyDB{DB: kv.New(memkv.New(), kv.Options{})}
	s, err := store.Open(t.Context(), store.Config{
		Service: "things", DB: spy, Master: seal.MasterKey{1}, Civil: clock.Wall(), Wall: clock.Wall(), IDs: ids.New,
	})
	if err != nil {
		t.Fatal(err)
	}
	spy.runs = nil
	if _, err := increase(caller("p", "/m", "k"), s, 2); err != nil {
		t.Fatal(err)
	}
	if len(spy.runs) != 2 || len(spy.runs[0]) != 4 { // counter, event, reply, audit line
		t.Fatalf("%d runs of %d writes", len(spy.runs), len(spy.runs[0]))
	}
	if !slices.Equal(spy.runs[0], spy.runs[1]) {
		t.Errorf("two runs wrote\n%q\n%q", spy.runs[0], spy.runs[1])
	}
}
