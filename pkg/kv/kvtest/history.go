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
func testHistory(t *testing.T, f Factory) {
	refused := errors.New("refused")
	rapid.Check(t, func(rt *rapid.T) {
		db := kv.New(f.Open(t), kv.Options{})
		defer func() {
			if err := db.Close(); err != nil {
				rt.Errorf("close: %v", err)
			}
		}()
		model := map[string]string{}
		keys := rapid.SampledFrom([]string{"", "a", "a\x00", "ab", "b", "\xff", "\xff\x00"})
		for range rapid.IntRange(1, 12).Draw(rt, "transactions") {
			next := maps.Clone(model)
			refuse := rapid.IntRange(0, 4).Draw(rt, "refuse") == 0
			steps := rapid.IntRange(0, 6).Draw(rt, "steps")
			type step struct {
				kind  int
				key   string
				value string
				rng   kv.Range
			}
			plan := make([]step, steps)
			for i := range plan {
				plan[i] = step{kind: rapid.IntRange(0, 3).Draw(rt, "kind"), key: "k" + keys.Draw(rt, "key"),
					value: fmt.Sprint(rapid.IntRange(0, 99).Draw(rt, "value")), rng: drawRange(rt, keys)}
			}
			err := db.Update(context.Background(), func(tx kv.Tx) error {
				next = maps.Clone(model)
				for _, s := range plan {
					switch s.kind {
					case 0:
						tx.Put([]byte(s.key), []byte(s.value))
						next[s.key] = s.value
					case 1:
						tx.Delete([]byte(s.key))
						delete(next, s.key)
					case 2:
						it, err := tx.Get([]byte(s.key))
						if want, ok := next[s.key]; err != nil || ok != (it.Version != 0) || want != string(it.Value) {
							return fmt.Errorf("get %q: %q, %w", s.key, it.Value, err)
						}
					default:
						if err := compareScan(tx, s.rng, next); err != nil {
							return err
						}
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
	})
}

func drawRange(rt *rapid.T, keys *rapid.Generator[string]) kv.Range {
	r := kv.Range{Limit: rapid.IntRange(0, 3).Draw(rt, "limit"), Reverse: rapid.Bool().Draw(rt, "reverse")}
	if rapid.Bool().Draw(rt, "has from") {
		r.From = []byte("k" + keys.Draw(rt, "from"))
	}
	if rapid.Bool().Draw(rt, "has to") {
		r.To = []byte("k" + keys.Draw(rt, "to"))
	}
	return r
}

func compareScan(r kv.Reader, rng kv.Range, model map[string]string) error {
	var want []string
	for _, k := range slices.Sorted(maps.Keys(model)) {
		if (rng.From == nil || k >= string(rng.From)) && (rng.To == nil || k < string(rng.To)) {
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
		got = append(got, string(it.Key)+"="+string(it.Value))
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("scan %+v: %q, want %q", rng, got, want)
	}
	return nil
}
