package store

import (
	"bytes"
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/table"
)

const checkPage = 500

// Check verifies the store: the file and its checksums, the house's own rows
// (outbox, audit, remembered replies, parked events), and the given tables
// against their indexes. Problems are in the report; an error means that it
// could not look.
func (s *Store) Check(ctx context.Context, tables ...table.Checker) (table.Report, error) {
	report := table.Report{Tables: map[string]int{}}
	if err := s.db.Check(ctx); err != nil {
		return report, fmt.Errorf("check the file: %w", err)
	}
	for _, rows := range s.houseRows() {
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
	}
	return report, nil
}

// houseRows is one table of the house: its name, and whether a row is what
// stands under such a key.
type houseRows struct {
	table uint16
	name  string
	right func(k, value []byte) bool
}

func (s *Store) houseRows() []houseRows {
	eventAt := func(at func(*typev1.EventRow) []byte) func(k, v []byte) bool {
		return func(k, v []byte) bool {
			var e typev1.EventRow
			return proto.Unmarshal(v, &e) == nil && bytes.Equal(k, at(&e))
		}
	}
	return []houseRows{
		{tablePending, "outbox pending", eventAt(pendingKey)},
		{tableSent, "outbox sent", eventAt(sentKey)},
		{tableInbox, "inbox", func(_, v []byte) bool { return len(v) == 1 }},
		{tableAudit, "audit", func(_, v []byte) bool {
			var row typev1.AuditRow
			return proto.Unmarshal(v, &row) == nil && row.GetId() != ""
		}},
		{tableRemembered, "remembered replies", func(_, v []byte) bool {
			var row typev1.RememberedRow
			if proto.Unmarshal(v, &row) != nil {
				return false
			}
			_, err := s.keyring.Open(row.GetSealedReply(), "remembered reply", row.GetReplyType())
			return err == nil
		}},
		{tableParked, "parked events", func(k, v []byte) bool {
			var row typev1.ParkedRow
			return proto.Unmarshal(v, &row) == nil && bytes.Equal(k, parkedKey(row.GetConsumer(), row.GetEvent().GetId()))
		}},
	}
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
				report.Tables[rows.name]++
				if !rows.right(it.Key, it.Value) {
					report.Problems = append(report.Problems, rows.name+": a row is not what stands under its key")
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
