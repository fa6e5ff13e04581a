package kvtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/linli-project/linli/pkg/kv"
)

// testHistory runs random transactions beside a sorted map. A transaction may
// be refused by its closure, and then changed nothing.
func testHistory(t testing.TB, f Factory) {
	for range rounds(1) { // rapid runs a hundred histories a time
		rapid.Check(t, func(rt *rapid.T) { history(t, rt, f) })
	}
}

func history(t testing.TB, rt *rapid.T, f Factory) {
	db := kv.New(f.Open(t), kv.Options{})
	defer func() {
		if err := db.Close(); err != nil {
			rt.Errorf("close: %v", err)
		}
	}()
	refused := errors.New("refused")
	model := map[string]string{}
	for range rapid.IntRange(1, 12).Draw(rt, "transactions") {
		var next map[string]string
		plan, refuse := drawPlan(rt), rapid.IntRange(0, 4).Draw(rt, "refuse") == 0
		err := db.Update(context.Background(), func(tx kv.Tx) error {
			next = maps.Clone(model)
			for _, s := range plan {
				if err := s.do(tx, next); err != nil {
					return err
				}
			}
			if refuse {
				return refused
			}
			return nil
		})
		switch {
		case refuse && errors.Is(err, refused):
		case err != nil:
			rt.Fatalf("update: %v", err)
		default:
			model = next
		}
		if err := db.View(context.Background(), func(r kv.Reader) error { return compareScan(r, kv.Range{}, model) }); err != nil {
			rt.Fatal(err)
		}
	}
}

// step is one thing that a random closure does, and compares with the model.
type step struct {
	kind  int
	key   string
	value string
	rng   kv.Range
}

func keys() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"k", "ka", "ka\x00", "kab", "kb", "k\xff", "k\xff\x00"})
}

func drawPlan(rt *rapid.T) []step {
	plan := make([]step, rapid.IntRange(0, 8).Draw(rt, "steps"))
	for i := range plan {
		plan[i] = step{
			kind: rapid.IntRange(0, 6).Draw(rt, "kind"), key: keys().Draw(rt, "key"),
			value: fmt.Sprint(rapid.IntRange(0, 99).Draw(rt, "value")), rng: drawRange(rt),
		}
	}
	return plan
}

func drawRange(rt *rapid.T) kv.Range {
	r := kv.Range{
		Limit: rapid.IntRange(0, 3).Draw(rt, "limit"), Reverse: rapid.Bool().Draw(rt, "reverse"),
		KeysOnly: rapid.IntRange(0, 3).Draw(rt, "keys only") == 0,
	}
	if rapid.Bool().Draw(rt, "has from") {
		r.From = []byte(keys().Draw(rt, "from"))
	}
	if rapid.Bool().Draw(rt, "has to") {
		r.To = []byte(keys().Draw(rt, "to"))
	}
	return r
}

func (s step) do(tx kv.Tx, model map[string]string) error {
	key := []byte(s.key)
	_, present := model[s.key]
	switch s.kind {
	case 0:
		tx.Put(key, []byte(s.value))
		model[s.key] = s.value
	case 1:
		tx.Delete(key)
		delete(model, s.key)
	case 2:
		if !present {
			tx.Create(key, []byte(s.value))
			model[s.key] = s.value
		}
	case 3:
		return tx.Prefetch(key, []byte("k"))
	case 4:
		return compareScan(tx, s.rng, model)
	case 5:
		items, err := tx.GetMany([][]byte{key, []byte("absent"), key})
		if err != nil || len(items) != 3 || items[1].Version != 0 {
			return fmt.Errorf("get many: %v, %w", items, err)
		}
		return errors.Join(compareItem(items[0], s.key, model), compareItem(items[2], s.key, model))
	default:
		it, err := tx.Get(key)
		if err != nil {
			return err
		}
		tx.Expect(key, it.Version)
		return compareItem(it, s.key, model)
	}
	return nil
}

func compareItem(it kv.Item, key string, model map[string]string) error {
	want, present := model[key]
	if present != (it.Version != 0) || want != string(it.Value) || string(it.Key) != key {
		return fmt.Errorf("get %q: %q at %q, want %q, %v", key, it.Value, it.Key, want, present)
	}
	return nil
}

func compareScan(r kv.Reader, rng kv.Range, model map[string]string) error {
	var want []string
	for _, k := range slices.Sorted(maps.Keys(model)) {
		if (rng.From != nil && k < string(rng.From)) || (rng.To != nil && k >= string(rng.To)) {
			continue
		}
		if rng.KeysOnly {
			want = append(want, k+"=")
		} else {
			want = append(want, k+"="+model[k])
		}
	}
	if rng.Reverse {
		slices.Reverse(want)
	}
	if rng.Limit > 0 && len(want) > rng.Limit {
		want = want[:rng.Limit]
	}
	items, err := r.Scan(rng)
	if err != nil {
		return err
	}
	var got []string
	for _, it := range items {
		if it.Version == 0 {
			return fmt.Errorf("scan %+v: an absent item %q", rng, it.Key)
		}
		got = append(got, string(it.Key)+"="+string(it.Value))
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("scan %+v: %q, want %q", rng, got, want)
	}
	return nil
}
