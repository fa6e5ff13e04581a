package kv

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// buffered is a write that waits for the commit.
type buffered struct {
	value  []byte
	delete bool
}

// transaction records what a closure read and buffers what it writes. It is
// used by one goroutine.
type transaction struct {
	reader
	reads  map[string]Item // as the snapshot had them
	checks map[string]Version
	writes map[string]buffered
	err    error // the first misuse; surfaces at commit
}

func newTx(r reader) *transaction {
	return &transaction{
		reader: r,
		reads:  map[string]Item{},
		checks: map[string]Version{},
		writes: map[string]buffered{},
	}
}

// note records a read: the version becomes a check, unless one stands already.
func (t *transaction) note(it Item) {
	k := string(it.Key)
	if _, known := t.checks[k]; !known {
		t.checks[k] = it.Version
	}
}

func (t *transaction) own(key []byte) (Item, bool) {
	w, ok := t.writes[string(key)]
	if !ok {
		return Item{}, false
	}
	if w.delete {
		return Item{Key: key}, true
	}
	return Item{Key: key, Value: bytes.Clone(w.value), Version: ownVersion}, true
}

// ownVersion marks an item that this transaction wrote itself: present, with a
// version that only the commit will give.
const ownVersion Version = 1<<63 - 1

func (t *transaction) Get(key []byte) (Item, error) {
	items, err := t.GetMany([][]byte{key})
	if err != nil {
		return Item{}, err
	}
	return items[0], nil
}

func (t *transaction) GetMany(keys [][]byte) ([]Item, error) {
	out := make([]Item, len(keys))
	var missing [][]byte
	var places []int
	for i, k := range keys {
		if it, ok := t.own(k); ok {
			out[i] = it
		} else if it, ok := t.reads[string(k)]; ok {
			out[i] = Item{Key: k, Value: bytes.Clone(it.Value), Version: it.Version}
		} else {
			missing, places = append(missing, k), append(places, i)
		}
	}
	if len(missing) == 0 {
		return out, nil
	}
	items, err := t.snapshot.Read(t.ctx, missing)
	if err != nil {
		return nil, err
	}
	for i, it := range items {
		t.note(it)
		t.reads[string(it.Key)] = it
		out[places[i]] = Item{Key: it.Key, Value: bytes.Clone(it.Value), Version: it.Version}
	}
	return out, nil
}

func (t *transaction) Prefetch(keys ...[]byte) error {
	_, err := t.GetMany(keys)
	return err
}

// Scan merges a page of the snapshot with the transaction's own writes. The
// snapshot is asked again while own deletions leave the page short.
func (t *transaction) Scan(q Range) ([]Item, error) {
	own := t.ownKeys(q)
	var out []Item
	full := func() bool { return q.Limit > 0 && len(out) >= q.Limit }
	emitOwn := func() {
		if it, _ := t.own([]byte(own[0])); it.Version != 0 {
			out = append(out, it)
		}
		own = own[1:]
	}
	before := func(a string, b []byte) bool {
		if q.Reverse {
			return a > string(b)
		}
		return a < string(b)
	}
	for page := q; ; {
		items, err := t.snapshot.Scan(t.ctx, page)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			for len(own) > 0 && !full() && before(own[0], it.Key) {
				emitOwn()
			}
			if full() {
				return out, nil
			}
			t.note(it)
			if len(own) > 0 && own[0] == string(it.Key) {
				emitOwn()
			} else {
				out = append(out, it)
			}
		}
		if len(items) == 0 || len(items) < page.Limit {
			break
		}
		last := items[len(items)-1].Key
		if q.Reverse {
			page.To = last
		} else {
			page.From = append(bytes.Clone(last), 0)
		}
	}
	for len(own) > 0 && !full() {
		emitOwn()
	}
	return out, nil
}

// ownKeys answers the keys written so far inside a range, in its order.
func (t *transaction) ownKeys(q Range) []string {
	var own []string
	for k := range t.writes {
		if (q.From == nil || k >= string(q.From)) && (q.To == nil || k < string(q.To)) {
			own = append(own, k)
		}
	}
	slices.Sort(own)
	if q.Reverse {
		slices.Reverse(own)
	}
	return own
}

func (t *transaction) Create(key, value []byte) {
	k := string(key)
	if w, ok := t.writes[k]; ok && !w.delete {
		t.misuse(fmt.Errorf("kv: created twice in one transaction: %x", key))
	}
	if w, ok := t.writes[k]; !ok || !w.delete {
		t.checks[k] = 0
	}
	t.writes[k] = buffered{value: bytes.Clone(value)}
}

func (t *transaction) Put(key, value []byte) {
	t.writes[string(key)] = buffered{value: bytes.Clone(value)}
}

func (t *transaction) Delete(key []byte) { t.writes[string(key)] = buffered{delete: true} }

func (t *transaction) Expect(key []byte, v Version) {
	if known, ok := t.checks[string(key)]; ok && known != v {
		t.misuse(fmt.Errorf("%w: expected another version than was read", ErrConflict))
	}
	t.checks[string(key)] = v
}

func (t *transaction) misuse(err error) {
	if t.err == nil {
		t.err = err
	}
}

// request makes the commit: checks of everything read, and the writes if the
// closure agreed to them.
func (t *transaction) request(limits Limits, write bool) (CommitRequest, error) {
	if t.err != nil {
		return CommitRequest{}, t.err
	}
	var r CommitRequest
	size := 0
	for _, k := range slices.Sorted(maps.Keys(t.checks)) {
		r.Checks = append(r.Checks, Check{Key: []byte(k), Version: t.checks[k]})
	}
	if write {
		for _, k := range slices.Sorted(maps.Keys(t.writes)) {
			w := t.writes[k]
			if len(k) > limits.KeyBytes || len(w.value) > limits.ValueBytes {
				return r, fmt.Errorf("%w: a key of %d bytes with a value of %d", ErrTooLarge, len(k), len(w.value))
			}
			size += len(k) + len(w.value)
			r.Writes = append(r.Writes, Write{Key: []byte(k), Value: w.value, Delete: w.delete})
		}
	}
	if len(r.Checks) > limits.Checks || len(r.Writes) > limits.Writes || size > limits.CommitBytes {
		return r, fmt.Errorf("%w: a transaction of %d checks, %d writes, %d bytes",
			ErrTooLarge, len(r.Checks), len(r.Writes), size)
	}
	return r, nil
}
