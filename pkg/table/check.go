package table

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
)

const (
	// checkPage bounds what a check holds at a time.
	checkPage = 500
	// mostProblems bounds what a report lists: of a table that lost an index
	// nobody reads a million lines.
	mostProblems = 100
)

// Report is what a check found. Problems name tables, indexes and kinds of
// damage, never what a row holds.
type Report struct {
	Tables   map[string]int // rows, by table
	Problems []string       // the first hundred; the last line counts the others
	unlisted int
}

// Checker is a table as fsck sees it.
type Checker interface {
	Name() string
	// Numbers answers the table's number and those of its indexes.
	Numbers() []uint16
	// Check reads in pages by view, each on a snapshot of its own.
	Check(view func(func(kv.Reader) error) error) (Report, error)
}

// Merge adds another report to r.
func (r *Report) Merge(o Report) {
	for t, n := range o.Tables {
		r.Count(t, n)
	}
	for i, p := range o.Problems {
		if o.unlisted > 0 && i == mostProblems {
			break // the line that counts the others
		}
		r.Problem(p)
	}
	r.more(o.unlisted)
}

// Count adds n rows of a table.
func (r *Report) Count(table string, n int) {
	if r.Tables == nil {
		r.Tables = map[string]int{}
	}
	r.Tables[table] += n
}

// Problem adds a problem. It names tables, indexes and kinds of damage only.
func (r *Report) Problem(p string) {
	if len(r.Problems) < mostProblems {
		r.Problems = append(r.Problems, p)
		return
	}
	r.more(1)
}

func (r *Report) more(n int) {
	if n == 0 {
		return
	}
	r.unlisted += n
	r.Problems = append(r.Problems[:min(len(r.Problems), mostProblems)], fmt.Sprintf("and %d more", r.unlisted))
}

// Check walks rows and indexes both ways: every row decodes, stands under its
// own key and has all its index entries; every entry leads to a row that has it.
func (t *Table[T]) Check(view func(func(kv.Reader) error) error) (Report, error) {
	var report Report
	report.Count(t.spec.Name, 0)
	err := walk(view, key.New(t.spec.Number), func(r kv.Reader, items []kv.Item) error {
		for _, it := range items {
			if err := t.checkRow(r, it, &report); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return report, err
	}
	for _, ix := range t.spec.Indexes {
		err := walk(view, key.New(ix.Number), func(r kv.Reader, items []kv.Item) error {
			for _, it := range items {
				if err := t.checkEntry(r, ix, it, &report); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return report, err
		}
	}
	return report, nil
}

// walk calls fn with every page of a prefix.
func walk(view func(func(kv.Reader) error) error, prefix key.Key, fn func(kv.Reader, []kv.Item) error) error {
	rng := kv.Range{From: prefix, To: prefix.End(), Limit: checkPage}
	for more := true; more; {
		err := view(func(r kv.Reader) error {
			items, err := r.Scan(rng)
			if err != nil {
				return err
			}
			if more = len(items) == checkPage; more {
				rng.From = append(bytes.Clone(items[len(items)-1].Key), 0)
			}
			return fn(r, items)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *Table[T]) checkRow(r kv.Reader, it kv.Item, report *Report) error {
	report.Count(t.spec.Name, 1)
	row, err := t.read(it, &skimming{})
	if err != nil {
		report.problem("%s: a row does not decode", t.spec.Name)
		return nil
	}
	parts := t.spec.Key(row.Value)
	if !bytes.Equal(t.key(parts), it.Key) {
		report.problem("%s: a row stands under another row's key", t.spec.Name)
		return nil
	}
	var keys [][]byte
	entries := t.entries(row.Value, parts)
	for _, e := range entries {
		keys = append(keys, []byte(e.key))
	}
	if len(keys) == 0 {
		return nil
	}
	found, err := r.GetMany(keys)
	if err != nil {
		return err
	}
	for i, f := range found {
		if f.Version == 0 || entries[i].unique && string(f.Value) != entries[i].value {
			report.problem("%s: a row lacks its index entry", t.spec.Name)
		}
	}
	return nil
}

func (t *Table[T]) checkEntry(r kv.Reader, ix Index[T], it kv.Item, report *Report) error {
	parts, err := rowParts(ix, it)
	if err != nil {
		report.problem("%s: malformed entry in index %s", t.spec.Name, ix.Name)
		return nil
	}
	row, ok, err := t.Get(r, scope.All(), parts)
	if errors.Is(err, kv.ErrCorrupt) {
		return nil // told once, with the row
	}
	if err != nil {
		return err
	}
	if !ok {
		report.problem("%s: index %s leads to no row", t.spec.Name, ix.Name)
		return nil
	}
	for _, e := range t.entries(row.Value, parts) {
		if e.key == string(it.Key) {
			return nil
		}
	}
	report.problem("%s: index %s leads to a row that is not under it", t.spec.Name, ix.Name)
	return nil
}

func (r *Report) problem(format string, args ...any) { r.Problem(fmt.Sprintf(format, args...)) }
