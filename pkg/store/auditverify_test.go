package store_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/store"
)

// TestVerifyAudit_FindsEveryChange makes ten thousand random changes to stored
// rows, each by itself, and each is found. A log of more than one block has hashes
// that are kept beside its lines.
func TestVerifyAudit_FindsEveryChange(t *testing.T) {
	for seed, grew := range [][]int{{9, 1, 30}, {30, 2}, {1, 1, 20}, {40}, {190, 69}} {
		changes := 2_400
		if seed == 4 {
			changes = 400
		}
		t.Run(fmt.Sprint(grew), func(t *testing.T) {
			t.Parallel()
			findEveryChange(t, uint64(seed), changes, grew...)
		})
	}
}

// findEveryChange makes so many changes to a log that grew by so many lines each
// time.
func findEveryChange(t *testing.T, seeded uint64, changes int, grew ...int) {
	t.Helper()
	f := openFixture(t, false)
	for _, n := range grew {
		f.write(t, n)
		f.sequence(t, n)
	}
	h, _, err := f.AuditHead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	held := store.HeldHead{Service: "things", Note: h.Note, Holder: "others"}
	if r := f.verify(t, held); len(r.Problems) > 0 {
		t.Fatalf("whole: %q", r.Problems)
	}
	other := openFixture(t, false) // signs with another key
	other.write(t, 30)
	other.sequence(t, 30)
	forged, _, err := other.AuditHead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.New(rand.NewPCG(seeded, 2))
	found := map[string]int{}
	rows := logRows(t, f)
	for range changes {
		name, change := randomChange(seed, rows, forged.Note)
		undo := apply(t, f, change)
		if r := f.verify(t, held); len(r.Problems) == 0 {
			t.Fatalf("%s was not found: %v", name, change)
		}
		found[name]++
		apply(t, f, undo)
	}
	if r := f.verify(t, held); len(r.Problems) > 0 || len(found) < 9 {
		t.Errorf("after all was undone: %q; kinds of changes: %v", r.Problems, found)
	}
}

func TestVerifyAudit_FindsARollBackByWhatOthersHold(t *testing.T) {
	f := openFixture(t, false)
	f.write(t, 5)
	f.sequence(t, 5)
	before := map[string][]byte{}
	for _, it := range logRows(t, f) {
		before[string(it.Key)] = it.Value
	}
	f.write(t, 4)
	f.sequence(t, 4)
	h, _, err := f.AuditHead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	back := map[string][]byte{}
	for _, it := range logRows(t, f) {
		back[string(it.Key)] = before[string(it.Key)]
	}
	apply(t, f, back)
	f.sound(t, 0, 5) // by itself it is one of its own earlier states
	r := f.verify(t, store.HeldHead{Service: "things", Note: h.Note, Holder: "others"})
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "others holds is over 9") {
		t.Errorf("%q", r.Problems)
	}
	f.write(t, 6) // and it goes on from there
	f.sequence(t, 6)
	r = f.verify(t, store.HeldHead{Service: "things", Note: h.Note, Holder: "others"})
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "are not those that the head held by others is over") {
		t.Errorf("%q", r.Problems)
	}
}

// logRows are the rows of the log and of what proves it, in order.
func logRows(t *testing.T, f fixture) (rows []kv.Item) {
	t.Helper()
	f.view(t, func(r kv.Reader) error {
		return store.Walk(r, kv.Range{From: key.New(14), To: key.New(15).End()}, func(it kv.Item) error { rows = append(rows, it); return nil })
	})
	return rows
}

// apply sets values under keys, nil removes; it answers what puts it back.
func apply(t *testing.T, f fixture, change map[string][]byte) (undo map[string][]byte) {
	t.Helper()
	err := f.DB().Update(t.Context(), func(tx kv.Tx) error {
		undo = map[string][]byte{}
		for k, v := range change {
			it, err := tx.Get([]byte(k))
			if err != nil {
				return err
			}
			if undo[k] = it.Value; it.Version != 0 && it.Value == nil {
				undo[k] = []byte{}
			}
			if v == nil {
				tx.Delete([]byte(k))
			} else {
				tx.Put([]byte(k), v)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return undo
}

// randomChange is one that somebody could make who has the file: to a line, a
// head, a hash, the key, or where the log stands.
func randomChange(rnd *rand.Rand, rows []kv.Item, forged string) (name string, change map[string][]byte) {
	lines := 0
	for lines < len(rows) && rows[lines].Key[1] == 14 {
		lines++
	}
	any := func(n int) kv.Item { return rows[rnd.IntN(n)] }
	line, other := any(lines), any(lines)
	flipped := func(it kv.Item) []byte {
		if len(it.Value) == 0 {
			return []byte{byte(rnd.IntN(256))}
		}
		v := bytes.Clone(it.Value)
		v[rnd.IntN(len(v))] ^= 1 << rnd.IntN(8)
		return v
	}
	head := key.New(15).String("head")
	switch rnd.IntN(9) {
	case 0:
		return "line changed", map[string][]byte{string(line.Key): flipped(line)}
	case 1:
		return "line removed", map[string][]byte{string(line.Key): nil}
	case 2:
		if bytes.Equal(line.Value, other.Value) {
			return "line removed", map[string][]byte{string(line.Key): nil}
		}
		return "lines exchanged", map[string][]byte{string(line.Key): other.Value, string(other.Key): line.Value}
	case 3: // all behind it move up
		at := rnd.IntN(lines)
		change = map[string][]byte{string(key.New(14).Uint(uint64(lines))): rows[lines-1].Value, string(rows[at].Key): flipped(rows[at])}
		for i := at + 1; i < lines; i++ {
			change[string(rows[i].Key)] = rows[i-1].Value
		}
		return "line inserted", change
	case 4: // all behind it move down
		at := rnd.IntN(lines)
		change = map[string][]byte{string(rows[lines-1].Key): nil}
		for i := at; i+1 < lines; i++ {
			change[string(rows[i].Key)] = rows[i+1].Value
		}
		return "line removed, those behind moved", change
	case 5:
		return "line added", map[string][]byte{string(key.New(14).Uint(uint64(lines + rnd.IntN(3)))): other.Value}
	case 6:
		return "head forged", map[string][]byte{string(head.Uint(uint64(rnd.IntN(lines + 2)))): []byte(forged)}
	case 7:
		proof := rows[lines+rnd.IntN(len(rows)-lines)]
		return "proof changed", map[string][]byte{string(proof.Key): flipped(proof)}
	}
	return "proof removed", map[string][]byte{string(rows[lines+rnd.IntN(len(rows)-lines)].Key): nil}
}
