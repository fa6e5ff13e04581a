package store

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
)

// DefaultReveals is how many sealed facts a person opens in an hour of one
// service, unless the house says otherwise.
const DefaultReveals = 30

// revealHour names an hour of wall time, the day first, so that what is past is
// a range.
const revealHour = "2006-01-02T15"

func revealsOf(day string) key.Key { return key.New(tableMeta).String("reveals").Prefix(day) }

// Reveal says that the caller opens sealed facts of rows for a reason. Every
// method that opens what another person wrote or was asked goes through here,
// before it answers: it leaves an audit line, and counts. REVEAL_LIMIT when the
// caller has opened as many in this hour as one person may; the count is kept in
// the store, so that a restart begins no new hour.
func (tx *Tx) Reveal(r Record) error {
	r.Outcome = "revealed"
	tx.Audit(r)
	if tx.call.Person == "" {
		return nil // a job; it answers nobody
	}
	at := key.New(tableMeta).String("reveals").String(tx.wall.UTC().Format(revealHour)).String(tx.call.Person)
	it, err := tx.Get(at)
	if err != nil {
		return fmt.Errorf("count what is revealed: %w", err)
	}
	var n uint64
	if it.Version != 0 {
		var read int
		if n, read = binary.Uvarint(it.Value); read <= 0 {
			return fmt.Errorf("%w: count of what is revealed", kv.ErrCorrupt)
		}
	}
	if most := tx.store.reveals; n >= uint64(most) {
		return rule.New(rule.Exhausted, "REVEAL_LIMIT", "", "most", fmt.Sprint(most))
	}
	tx.Put(at, binary.AppendUvarint(nil, n+1))
	return nil
}

// oldReveals is the range of counts of hours that are over.
func oldReveals(now time.Time) kv.Range {
	prefix := key.New(tableMeta).String("reveals")
	return kv.Range{From: prefix, To: revealsOf(now.UTC().AddDate(0, 0, -1).Format(time.DateOnly)), Limit: sweptAtOnce, KeysOnly: true}
}
