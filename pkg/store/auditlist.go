package store

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
)

const (
	// lookedAtOnce lines are looked at for one page.
	lookedAtOnce = 2000
	// lineLate is how much earlier the time of a line can be than those of lines
	// that have their place before it: a commit that took long.
	lineLate = time.Hour
)

// AuditFilter selects lines; what is empty selects nothing away.
type AuditFilter struct {
	Person, Row, Outcome string
	// Method is the full name, or its end.
	Method      string
	AddressHash []byte
	// From is included, Until is not.
	From, Until time.Time
}

func (f AuditFilter) takes(row *typev1.AuditRow) bool {
	at := row.GetTime().AsTime()
	return (f.Person == "" || row.GetPerson() == f.Person) &&
		(f.Row == "" || slices.Contains(row.GetRows(), f.Row)) &&
		(f.Outcome == "" || row.GetOutcome() == f.Outcome) &&
		(f.Method == "" || row.GetMethod() == f.Method || strings.HasSuffix(row.GetMethod(), "/"+f.Method)) &&
		(f.AddressHash == nil || bytes.Equal(row.GetAddressHash(), f.AddressHash)) &&
		(f.From.IsZero() || !at.Before(f.From)) && (f.Until.IsZero() || at.Before(f.Until))
}

// IndexedLine is a line and its number in the log.
type IndexedLine struct {
	Index uint64
	Row   *typev1.AuditRow
}

// AuditLines answers up to limit lines that the filter takes, the newest first,
// of those before a number (0 = of all), and the number before which the next
// page goes on; 0 = there is no more. It looks at a bounded number of lines, so
// a page may be short or empty and go on all the same.
func AuditLines(r kv.Reader, f AuditFilter, before uint64, limit int) (lines []IndexedLine, next uint64, err error) {
	log, err := auditLog(r)
	if err != nil {
		return nil, 0, err
	}
	if before == 0 || before > log.GetSize() {
		if before, err = f.end(r, log); err != nil {
			return nil, 0, err
		}
	}
	for looked := 0; looked < lookedAtOnce && before > log.GetFirst(); {
		items, err := r.Scan(kv.Range{From: logKey(log.GetFirst()), To: logKey(before), Limit: walkPage, Reverse: true})
		if err != nil {
			return nil, 0, err
		}
		for _, it := range items {
			row, err := auditRowOf(it.Value)
			if err != nil {
				return nil, 0, err
			}
			before = indexOf(it.Key)
			looked++
			if !f.From.IsZero() && row.GetTime().AsTime().Before(f.From.Add(-lineLate)) {
				return lines, 0, nil
			}
			if !f.takes(row) {
				continue
			}
			if lines = append(lines, IndexedLine{before, row}); len(lines) == limit {
				return lines, goesOn(before, log), nil
			}
		}
		if len(items) == 0 {
			return lines, 0, nil
		}
	}
	return lines, goesOn(before, log), nil
}

// goesOn is where the next page goes on; 0 when there is none.
func goesOn(before uint64, log *typev1.AuditLogRow) uint64 {
	if before <= log.GetFirst() {
		return 0
	}
	return before
}

// end answers the number before which lines of the filter's time stand. Times
// grow with the numbers, but for commits that took long.
func (f AuditFilter) end(r kv.Reader, log *typev1.AuditLogRow) (uint64, error) {
	if f.Until.IsZero() {
		return log.GetSize(), nil
	}
	var failed error
	first, until := log.GetFirst(), f.Until.Add(lineLate)
	n := sort.Search(int(log.GetSize()-first), func(i int) bool {
		it, err := r.Get(logKey(first + uint64(i)))
		if err != nil {
			failed = err
			return true
		}
		var row typev1.AuditRow
		if err := proto.Unmarshal(it.Value, &row); err != nil {
			failed = fmt.Errorf("%w: audit line: %w", kv.ErrCorrupt, err)
		}
		return row.GetTime().AsTime().After(until)
	})
	return first + uint64(n), failed
}

// Readings answers up to limit lines of readings of a person's sealed facts, the
// newest first, of those before a number (0 = of all), and where the next page
// goes on; 0 = there is no more.
func Readings(r kv.Reader, person string, before uint64, limit int) (lines []IndexedLine, next uint64, err error) {
	log, err := auditLog(r)
	if err != nil {
		return nil, 0, err
	}
	prefix := readingsOf(person)
	rng := kv.Range{From: prefix.Uint(log.GetFirst()), To: prefix.End(), Limit: limit + 1, Reverse: true, KeysOnly: true}
	if before > 0 {
		rng.To = prefix.Uint(before)
	}
	at, err := r.Scan(rng)
	if err != nil {
		return nil, 0, err
	}
	for i, it := range at {
		if i == limit {
			return lines, lines[limit-1].Index, nil
		}
		index := indexOf(it.Key)
		line, err := r.Get(logKey(index))
		if err != nil {
			return nil, 0, err
		}
		row, err := auditRowOf(line.Value)
		if err != nil {
			return nil, 0, err
		}
		lines = append(lines, IndexedLine{index, row})
	}
	return lines, 0, nil
}

// rightInLog says whether a row of the log, or of what proves it, is what stands
// under its key. Whether it is the right one VerifyAudit says.
func rightInLog(_ kv.Reader, k, v []byte) bool {
	table, rest, err := key.Table(k)
	if err != nil {
		return false
	}
	if table == tableAuditLog {
		row, err := auditRowOf(v)
		return err == nil && row.GetId() != "" && len(rest) == 8
	}
	kind, rest, err := key.TakeString(rest)
	if err != nil {
		return false
	}
	switch kind {
	case "key", "log":
		return len(rest) == 0
	case "head":
		return len(rest) == 8
	case "node":
		return len(rest) == 16 && len(v) == treeHasher.Size()
	case "reading":
		_, rest, err = key.TakeString(rest)
		return err == nil && len(rest) == 8
	case "witness":
		_, rest, err = key.TakeString(rest)
		return err == nil && len(rest) == 0
	}
	return false
}
