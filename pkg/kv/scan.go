package kv

import "slices"

// Scan merges one page of the snapshot with the transaction's own writes.
func (t *transaction) Scan(q Range) ([]Item, error) {
	own := t.ownKeys(q)
	page := q
	if q.Limit > 0 {
		// Each own write hides at most one stored item.
		page.Limit += len(own)
	}
	stored, err := t.reader.Scan(page)
	if err != nil {
		return nil, t.fail(err)
	}
	m := merge{t: t, q: q, own: own}
	for _, it := range stored {
		m.ownUntil(string(it.Key))
		if m.full() {
			break
		}
		m.take(it)
	}
	m.ownUntil("")
	return m.out, nil
}

// merge puts stored and own items into one page.
type merge struct {
	t   *transaction
	q   Range
	own []string // keys written, those not yet passed, in the range's order
	out []Item
}

func (m *merge) full() bool { return m.q.Limit > 0 && len(m.out) >= m.q.Limit }

// ownUntil takes the own writes that come before a stored key; "" is the end.
func (m *merge) ownUntil(key string) {
	for len(m.own) > 0 && !m.full() && (key == "" || m.before(m.own[0], key)) {
		m.takeOwn()
	}
}

func (m *merge) before(a, b string) bool {
	if m.q.Reverse {
		return a > b
	}
	return a < b
}

// take takes a stored item, or what the transaction wrote in its place. Either
// way the transaction rests on its being there. The value is not kept for a
// later Get: a page can be long.
func (m *merge) take(it Item) {
	e := m.t.entry(it.Key)
	e.seen, e.stored.Version = true, it.Version
	if len(m.own) > 0 && m.own[0] == string(it.Key) {
		m.takeOwn()
		return
	}
	m.out = append(m.out, it)
}

func (m *merge) takeOwn() {
	key := m.own[0]
	m.own = m.own[1:]
	it := m.t.keys[key].read([]byte(key))
	if it.Version == 0 {
		return
	}
	if m.q.KeysOnly {
		it.Value = nil
	}
	m.out = append(m.out, it)
}

// ownKeys answers the keys written so far inside a range, in its order.
func (t *transaction) ownKeys(q Range) []string {
	if t.written == 0 {
		return nil
	}
	var own []string
	for k, e := range t.keys {
		if e.written && (q.From == nil || k >= string(q.From)) && (q.To == nil || k < string(q.To)) {
			own = append(own, k)
		}
	}
	slices.Sort(own)
	if q.Reverse {
		slices.Reverse(own)
	}
	return own
}
