package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
)

// ErrKeptTooShort says that the audit would be kept for less than LeastAuditDays.
var ErrKeptTooShort = errors.New("store: the audit would be kept too short")

// RemoveOldAudit removes lines of the log that are older than so many days of
// wall time, from its beginning, 256 at a time, and answers how many. The hashes
// over them stay, so that what remains is proved as before; the head that is
// signed in the same commit says what was removed, and so does a line of the
// audit. Fewer days than LeastAuditDays are ErrKeptTooShort.
func (s *Store) RemoveOldAudit(ctx context.Context, days int) (removed int, err error) {
	if days < LeastAuditDays {
		return 0, fmt.Errorf("%w: %d days of at least %d", ErrKeptTooShort, days, LeastAuditDays)
	}
	before := s.wall.Now().AddDate(0, 0, -days)
	for {
		old, err := s.oldBlock(ctx, before)
		if err != nil || !old {
			return removed, err
		}
		keys, err := s.makeAuditKeys(ctx)
		if err != nil {
			return removed, err
		}
		rows, err := s.removeBlock(ctx, before, days, keys)
		if err == nil {
			err = s.removeReadings(ctx, rows)
		}
		if removed += len(rows); err != nil || len(rows) == 0 {
			return removed, err
		}
	}
}

// oldBlock says whether the first 256 lines are all older than a time.
func (s *Store) oldBlock(ctx context.Context, before time.Time) (old bool, err error) {
	err = s.View(ctx, func(r kv.Reader) error {
		log, err := auditLog(r)
		if err != nil {
			return err
		}
		_, newest, err := firstBlock(r, log)
		old = !newest.IsZero() && newest.Before(before)
		return err
	})
	return old, err
}

// firstBlock answers the first 256 lines and the newest of their times; the zero
// time when there are fewer.
func firstBlock(r kv.Reader, log *typev1.AuditLogRow) (rows []*typev1.AuditRow, newest time.Time, err error) {
	first := log.GetFirst()
	if log.GetSize() < first+blockLines {
		return nil, newest, nil
	}
	err = Walk(r, kv.Range{From: logKey(first), To: logKey(first + blockLines)}, func(it kv.Item) error {
		row, err := auditRowOf(it.Value)
		if err != nil {
			return err
		}
		rows = append(rows, row)
		if at := row.GetTime().AsTime(); at.After(newest) {
			newest = at
		}
		return nil
	})
	if err == nil && len(rows) != blockLines {
		err = fmt.Errorf("%w: audit log: lines are missing", kv.ErrCorrupt)
	}
	return rows, newest, err
}

// removeBlock removes the first 256 lines and answers them by their numbers.
func (s *Store) removeBlock(ctx context.Context, before time.Time, days int, keys auditKeys) (removed []IndexedLine, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		removed = nil
		log, err := auditLog(tx)
		if err != nil {
			return err
		}
		rows, newest, err := firstBlock(tx, log)
		if err != nil || newest.IsZero() || !newest.Before(before) {
			return err // another process was as fast
		}
		for i, row := range rows {
			at := log.GetFirst() + uint64(i)
			tx.Delete(logKey(at))
			if len(row.GetReasonDigest()) > 0 {
				tx.Delete(reasonKey(row.GetId()))
			}
			removed = append(removed, IndexedLine{at, row})
		}
		if err := tx.removeHeads(log, log.GetFirst()+blockLines); err != nil {
			return err
		}
		if until := log.GetRemovedUntil().AsTime(); until.After(newest) {
			newest = until
		}
		log.First, log.RemovedUntil = log.GetFirst()+blockLines, timestamppb.New(newest)
		return tx.appendRemoval(log, days, keys)
	})
	return removed, err
}

// removeReadings removes what points to lines that are no more, in bounded
// slices. What a stop leaves is looked at by nobody: it lies before the log.
func (s *Store) removeReadings(ctx context.Context, lines []IndexedLine) error {
	var all [][]byte
	for _, l := range lines {
		for _, person := range l.Row.GetSubjects() {
			all = append(all, readingsOf(person).Uint(l.Index))
		}
	}
	for part := range slices.Chunk(all, sweptAtOnce) {
		err := s.db.Update(ctx, func(tx kv.Tx) error {
			for _, k := range part {
				tx.Delete(k)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("remove readings: %w", err)
		}
	}
	return nil
}

// removeHeads removes the heads over fewer lines than were removed: what they
// say cannot be compared with anything any more.
func (tx *Tx) removeHeads(log *typev1.AuditLogRow, first uint64) error {
	heads, err := tx.Scan(kv.Range{From: headPrefix(), To: headKey(first)})
	if err != nil {
		return err
	}
	for _, it := range heads {
		log.RemovedHeadDigest = digestOf(string(it.Value))
		tx.Delete(it.Key)
	}
	return nil
}

// appendRemoval writes the line about a removal straight into the log, with a
// head over it: from this commit on the log says where it begins. Its reason names
// nobody and stays in it, for those who read the log alone.
func (tx *Tx) appendRemoval(log *typev1.AuditLogRow, days int, keys auditKeys) error {
	row := tx.store.auditRow(tx.base, tx.wall, access.Call{}, Record{
		Rows:   []string{"audit/" + strconv.FormatUint(log.GetFirst()-blockLines, 10) + "-" + strconv.FormatUint(log.GetFirst()-1, 10)},
		Reason: "older than " + strconv.Itoa(days) + " days", Outcome: "removed", Person: houseItself + tx.store.service,
	})
	value, err := proto.Marshal(row)
	if err != nil {
		return fmt.Errorf("encode audit line: %w", err)
	}
	if err := tx.appendToLog(log, logLine{value: value}); err != nil {
		return err
	}
	_, err = tx.signHead(log, keys)
	return err
}
