package store

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/table"
)

const checkPage = 500

// Check verifies the store: the file and its checksums, the house's own rows
// (outbox, marks, audit, remembered replies, parked events), the given tables
// against their indexes, and that no other table holds rows: one that was
// forgotten would never be checked. Problems are in the report; an error means
// that it could not look.
func (s *Store) Check(ctx context.Context, tables ...table.Checker) (table.Report, error) {
	var report table.Report
	if err := s.db.Check(ctx); err != nil {
		return report, fmt.Errorf("check the file: %w", err)
	}
	known := []uint16{tableMeta}
	for _, rows := range s.houseRows() {
		known = append(known, rows.table)
		report.Count(rows.name, 0)
		if err := s.checkRows(ctx, rows, &report); err != nil {
			return report, err
		}
	}
	for _, t := range tables {
		r, err := t.Check(func(fn func(kv.Reader) error) error { return s.db.View(ctx, fn) })
		if err != nil {
			return report, fmt.Errorf("check %s: %w", t.Name(), err)
		}
		report.Merge(r)
		known = append(known, t.Numbers()...)
	}
	return report, s.checkNumbers(ctx, known, &report)
}

// checkNumbers looks at the first key of every table number there is.
func (s *Store) checkNumbers(ctx context.Context, known []uint16, report *table.Report) error {
	return s.db.View(ctx, func(r kv.Reader) error {
		for rng := (kv.Range{Limit: 1, KeysOnly: true}); ; {
			items, err := r.Scan(rng)
			if err != nil || len(items) == 0 {
				return err
			}
			number, _, err := key.Table(items[0].Key)
			switch {
			case err != nil:
				report.Problem("a key is too short to name a table")
				rng.From = append(items[0].Key, 0)
				continue
			case !slices.Contains(known, number):
				report.Problem(fmt.Sprintf("table %d holds rows and is not declared", number))
			}
			if rng.From = key.New(number).End(); rng.From == nil {
				return nil
			}
		}
	})
}

// houseRows is one table of the house: its name, and whether a row is what
// stands under such a key.
type houseRows struct {
	table uint16
	name  string
	right func(r kv.Reader, k, value []byte) bool
}

func (s *Store) houseRows() []houseRows {
	eventAt := func(at func(*typev1.EventRow) []byte) func(kv.Reader, []byte, []byte) bool {
		return func(_ kv.Reader, k, v []byte) bool {
			var e typev1.EventRow
			return proto.Unmarshal(v, &e) == nil && bytes.Equal(k, at(&e))
		}
	}
	return []houseRows{
		{tablePending, "outbox pending", eventAt(pendingKey)},
		{tableSent, "outbox sent", eventAt(sentKey)},
		{tableInbox, "inbox", func(_ kv.Reader, k, v []byte) bool {
			// consumer, day, event id
			parts, ok := stringParts(k, 3)
			return ok && isDay(parts[1]) && len(v) == 1
		}},
		{tableAudit, "audit", func(_ kv.Reader, k, v []byte) bool {
			var row typev1.AuditRow
			return proto.Unmarshal(v, &row) == nil && row.GetId() != "" && bytes.Equal(k, auditKey(&row))
		}},
		{tableAuditLog, "audit log", rightInLog},
		{tableAuditHeads, "audit heads", rightInLog},
		{tableRemembered, "remembered replies", s.rightReply},
		{tableParked, "parked events", func(_ kv.Reader, k, v []byte) bool {
			var row typev1.ParkedRow
			return proto.Unmarshal(v, &row) == nil && bytes.Equal(k, parkedKey(row.GetConsumer(), row.GetEvent().GetId()))
		}},
	}
}

// rightReply: a row stands under day, person, method and idempotency key, and
// opens together with the rows it goes on in; those have a number behind, and
// the row they belong to before them.
func (s *Store) rightReply(r kv.Reader, k, v []byte) bool {
	var row typev1.RememberedRow
	if parts, ok := stringParts(k, 4); ok {
		if !isDay(parts[0]) || proto.Unmarshal(v, &row) != nil {
			return false
		}
		_, err := s.openReply(r, k, &row)
		return err == nil
	}
	at := k[:max(0, len(k)-8)]
	if _, ok := stringParts(at, 4); !ok {
		return false
	}
	head, err := r.Get(at)
	if err != nil || head.Version == 0 || proto.Unmarshal(head.Value, &row) != nil {
		return false
	}
	n, _, err := key.TakeUint(k[len(at):])
	return err == nil && n < uint64(row.GetMore())
}

// stringParts answers the n string parts that follow a key's table number;
// false when there are more, fewer or others.
func stringParts(k []byte, n int) ([]string, bool) {
	_, rest, err := key.Table(k)
	parts := make([]string, n)
	for i := range parts {
		if err == nil {
			parts[i], rest, err = key.TakeString(rest)
		}
	}
	return parts, err == nil && len(rest) == 0
}

func isDay(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

func (s *Store) checkRows(ctx context.Context, rows houseRows, report *table.Report) error {
	prefix := key.New(rows.table)
	rng := kv.Range{From: prefix, To: prefix.End(), Limit: checkPage}
	for more := true; more; {
		err := s.db.View(ctx, func(r kv.Reader) error {
			items, err := r.Scan(rng)
			if err != nil {
				return err
			}
			for _, it := range items {
				report.Count(rows.name, 1)
				if !rows.right(r, it.Key, it.Value) {
					report.Problem(rows.name + ": a row is not what stands under its key")
				}
			}
			if more = len(items) == checkPage; more {
				rng.From = append(bytes.Clone(items[len(items)-1].Key), 0)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("check %s: %w", rows.name, err)
		}
	}
	return nil
}
