package store

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
)

// DefaultReveals is how many sealed facts a person opens within an hour in one
// service, unless the house says otherwise.
const DefaultReveals = 30

// revealHour names an hour of wall time, the day first, so that what is past is
// a range.
const revealHour = "2006-01-02T15"

func revealsOf(day string) key.Key { return key.New(tableMeta).String("reveals").Prefix(day) }

// Reveal says that the caller opens sealed facts of rows for a reason. Every
// method that opens what another person wrote or was asked goes through here,
// before it answers: it leaves an audit line, and counts. REVEAL_LIMIT when the
// caller has opened as many within an hour as one person may; the counts are kept
// in the store, so that a restart begins no new hour.
//
// There is a count for each hour of the clock. What was opened within the last
// sixty minutes is that of this hour and the part of the last one's that still
// lies within them, as if it had been spread evenly over it.
func (tx *Tx) Reveal(r Record) error {
	r.Outcome = "revealed"
	tx.Audit(r)
	if tx.call.Person == "" {
		return nil // a job; it answers nobody
	}
	n, err := tx.revealsIn(tx.wall)
	if err != nil {
		return err
	}
	before, err := tx.revealsIn(tx.wall.Add(-time.Hour))
	if err != nil {
		return err
	}
	left := time.Hour - tx.wall.Sub(tx.wall.Truncate(time.Hour))
	within := float64(n) + float64(before)*left.Hours()
	if most := tx.store.reveals; within >= float64(most) {
		return rule.New(rule.Exhausted, "REVEAL_LIMIT", "", "most", fmt.Sprint(most))
	}
	tx.Put(tx.revealCount(tx.wall), binary.AppendUvarint(nil, n+1))
	return nil
}

// revealCount is where the count of the caller lies for the hour of a time.
func (tx *Tx) revealCount(at time.Time) key.Key {
	return key.New(tableMeta).String("reveals").String(at.UTC().Format(revealHour)).String(tx.call.Person)
}

// revealsIn answers how many facts the caller opened in the hour of a time.
func (tx *Tx) revealsIn(at time.Time) (uint64, error) {
	it, err := tx.Get(tx.revealCount(at))
	if err != nil || it.Version == 0 {
		return 0, err
	}
	n, read := binary.Uvarint(it.Value)
	if read <= 0 {
		return 0, fmt.Errorf("%w: count of what is revealed", kv.ErrCorrupt)
	}
	return n, nil
}

// oldReveals is the range of counts of hours that are over.
func oldReveals(now time.Time) kv.Range {
	prefix := key.New(tableMeta).String("reveals")
	return kv.Range{From: prefix, To: revealsOf(now.UTC().AddDate(0, 0, -1).Format(time.DateOnly)), Limit: sweptAtOnce, KeysOnly: true}
}
