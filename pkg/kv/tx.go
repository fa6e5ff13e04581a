package kv

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// ownVersion marks an item that this transaction wrote itself: present, with a
// version that only the commit will give.
const ownVersion Version = 1<<63 - 1

var (
	// errContradiction: the snapshot itself says that the transaction cannot be
	// committed.
	errContradiction = fmt.Errorf("%w: a key is not at the version that was demanded", ErrConflict)

	errCreatedTwice = errors.New("kv: a key is created that the transaction wrote before")
)

// entry is what a transaction knows of one key and wants with it.
type entry struct {
	stored Item // as the snapshot has it
	known  bool // the snapshot was asked
	seen   bool // the closure was told, so the version is checked

	expects  bool // Expect was called
	expected Version
	creates  bool // the key must be absent for the write to be made

	written bool
	deleted bool // of what was written
	value   []byte
}

// transaction records what a closure read and buffers what it writes.
type transaction struct {
	*reader
	keys    map[string]*entry
	written int
	failure error // the first read that failed: there is nothing to commit
	misuse  error // the first wrong use of a writing method; surfaces at commit
}

var _ Tx = (*transaction)(nil)

func newTransaction(r *reader) *transaction {
	return &transaction{reader: r, keys: map[string]*entry{}}
}

func (t *transaction) entry(key []byte) *entry {
	e := t.keys[string(key)]
	if e == nil {
		e = &entry{}
		t.keys[string(key)] = e
	}
	return e
}

// fetch asks the snapshot, in one round trip, for those keys that it was not
// asked for yet and that keep says are wanted.
func (t *transaction) fetch(keys [][]byte, keep func(*entry) bool) error {
	var missing [][]byte
	for _, k := range keys {
		if e := t.entry(k); !e.known && keep(e) {
			missing = append(missing, bytes.Clone(k))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	items, err := t.reader.GetMany(missing)
	if err != nil {
		return t.fail(err)
	}
	for _, it := range items {
		e := t.entry(it.Key)
		e.stored, e.known = it, true
	}
	return nil
}

func (t *transaction) fail(err error) error {
	if t.failure == nil {
		t.failure = err
	}
	return err
}

func notOwn(e *entry) bool { return !e.written }

func (t *transaction) Prefetch(keys ...[]byte) error { return t.fetch(keys, notOwn) }

func (t *transaction) Get(key []byte) (Item, error) {
	items, err := t.GetMany([][]byte{key})
	if err != nil {
		return Item{}, err
	}
	return items[0], nil
}

func (t *transaction) GetMany(keys [][]byte) ([]Item, error) {
	if err := t.fetch(keys, notOwn); err != nil {
		return nil, err
	}
	out := make([]Item, len(keys))
	for i, k := range keys {
		out[i] = t.entry(k).read(k)
	}
	return out, nil
}

// read answers what the closure is to see under a key.
func (e *entry) read(key []byte) Item {
	switch {
	case !e.written:
		e.seen = true
		return Item{Key: key, Value: bytes.Clone(e.stored.Value), Version: e.stored.Version}
	default:
		return Item{Key: key, Value: bytes.Clone(e.value), Version: e.ownVersion()}
	}
}

// ownVersion answers the version under which the transaction reads what it
// wrote.
func (e *entry) ownVersion() Version {
	if e.deleted {
		return 0
	}
	return ownVersion
}

func (t *transaction) Create(key, value []byte) {
	e := t.entry(key)
	switch {
	case !e.written:
		e.creates = true
	case !e.deleted:
		t.misused(errCreatedTwice)
	}
	t.write(e, value, false)
}

func (t *transaction) Put(key, value []byte) { t.write(t.entry(key), value, false) }

func (t *transaction) Delete(key []byte) { t.write(t.entry(key), nil, true) }

func (t *transaction) write(e *entry, value []byte, deleted bool) {
	if !e.written {
		t.written++
	}
	e.written, e.deleted, e.value = true, deleted, bytes.Clone(value)
}

func (t *transaction) Expect(key []byte, v Version) {
	e := t.entry(key)
	switch {
	case e.written && v == e.ownVersion():
		// It expects what it wrote itself: nothing stored is demanded.
	case e.expects && e.expected != v:
		t.misused(errContradiction)
	default:
		e.expects, e.expected = true, v
	}
}

func (t *transaction) misused(err error) {
	if t.misuse == nil {
		t.misuse = err
	}
}

// readDemands reads the keys that the closure demands a version of and did not
// read, so that request can tell a demand that is not met.
func (t *transaction) readDemands() error {
	var keys [][]byte
	for k, e := range t.keys {
		if e.expects || e.creates {
			keys = append(keys, []byte(k))
		}
	}
	return t.fetch(keys, func(*entry) bool { return true })
}

// request makes the commit: checks of everything read or demanded, and the
// writes with what they demand if the closure agreed to them.
func (t *transaction) request(write bool) (CommitRequest, error) {
	if write && t.misuse != nil {
		return CommitRequest{}, t.misuse
	}
	var r CommitRequest
	for _, k := range slices.Sorted(maps.Keys(t.keys)) {
		e, key := t.keys[k], []byte(k)
		version, checked, err := e.check(write)
		if err != nil {
			return CommitRequest{}, err
		}
		if checked {
			r.Checks = append(r.Checks, Check{Key: key, Version: version})
		}
		if write && e.written {
			r.Writes = append(r.Writes, Write{Key: key, Value: e.value, Delete: e.deleted})
		}
	}
	return r, nil
}

// check answers the version that a key must have at commit.
func (e *entry) check(write bool) (version Version, checked bool, err error) {
	demand := func(v Version) {
		if checked && v != version || e.known && v != e.stored.Version {
			err = errContradiction
		}
		version, checked = v, true
	}
	if e.seen {
		demand(e.stored.Version)
	}
	if e.expects {
		demand(e.expected)
	}
	if e.creates && write {
		demand(0)
	}
	return version, checked, err
}
