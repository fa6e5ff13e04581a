// Package roster reads the CSV files and workbooks that offices send: columns by
// name, in any order, with extra ones ignored; every fault named by line and
// column; a bad row never hides the good ones after it.
package roster

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/linli-project/linli/pkg/rule"
)

// Column is one column that a file has.
type Column struct {
	Name string
	// Longest cell, in characters.
	Longest int
	// Text says that people write it freely, so that it could be a formula.
	Text bool
	// Optional says that the file may come without it; its cells are empty then.
	Optional bool
}

// Record is one row of the file.
type Record struct {
	// Line where it begins, from 1; the header is line 1.
	Line int
	// Raw is the row as it stood in the file, in UTF-8.
	Raw string
	// Faults of its form, in column order; the field is the column, or empty
	// for the whole row. A row whose fields cannot be told apart has no cells.
	Faults []*rule.Error

	cells map[string]string
}

// Cell answers what stands in a column, without blanks around it.
func (r Record) Cell(column string) string { return r.cells[column] }

// Readable says whether the fields could be told apart.
func (r Record) Readable() bool { return r.cells != nil }

// Rows are those of one file, read one at a time.
type Rows interface {
	// Header answers the header as it stood in the file.
	Header() string
	// Next answers the next row, and io.EOF after the last. Rows without anything
	// in them are passed over. Other errors are those of the file.
	Next() (Record, error)
}

// Reader reads the rows of one CSV file.
type Reader struct {
	layout
	lines  *lines
	header string
}

// layout is where the columns stand in a file.
type layout struct {
	columns []Column
	at      map[string]int // position of each column
	width   int
}

// NewReader reads the header of a file in UTF-8 without a byte order mark.
// ROSTER_COLUMN_MISSING names the columns that are not there; ROSTER_UNREADABLE
// when the header is no CSV or names a column twice.
func NewReader(in io.Reader, columns []Column) (*Reader, error) {
	r := &Reader{lines: newLines(in)}
	first, err := r.lines.next()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	names, s := split(first.text)
	if s != whole || first.tooLong {
		return nil, rule.New(rule.Invalid, "ROSTER_UNREADABLE", "", "line", "1")
	}
	r.header = first.text
	r.layout, err = newLayout(names, columns)
	return r, err
}

// Header answers the header as it stood in the file.
func (r *Reader) Header() string { return r.header }

// newLayout finds the columns in the names of a header.
func newLayout(names []string, columns []Column) (layout, error) {
	l := layout{columns: columns, at: map[string]int{}, width: len(names)}
	for i, name := range names {
		name = Trim(name)
		if _, twice := l.at[name]; twice && l.wants(name) {
			return l, rule.New(rule.Invalid, "ROSTER_UNREADABLE", name, "line", "1")
		}
		l.at[name] = i
	}
	return l, l.missing()
}

func (l layout) wants(name string) bool {
	for _, c := range l.columns {
		if c.Name == name {
			return true
		}
	}
	return false
}

func (l layout) missing() error {
	var names []string
	for _, c := range l.columns {
		if _, ok := l.at[c.Name]; !ok && !c.Optional {
			names = append(names, c.Name)
		}
	}
	if names == nil {
		return nil
	}
	return rule.New(rule.Invalid, "ROSTER_COLUMN_MISSING", names[0],
		"column", names[0], "columns", strings.Join(names, "、"))
}

// Next answers the next row, and io.EOF after the last. Rows without anything
// in them are passed over. Other errors are those of the file.
func (r *Reader) Next() (Record, error) {
	for {
		first, err := r.lines.next()
		if err != nil {
			return Record{}, err
		}
		if first.tooLong || !blank(first.text) {
			return r.record(first)
		}
	}
}

// blank says whether nothing stands in a line but commas.
func blank(text string) bool { return Trim(strings.ReplaceAll(text, ",", "")) == "" }

// record reads the row that begins with a line. A row of several lines that is
// no good is refused by its first line only and the others are read again: a
// stray quote must not swallow the rows after it.
func (r *Reader) record(first line) (Record, error) {
	rec := Record{Line: first.number, Raw: first.text}
	if first.tooLong {
		rec.refuse("ROSTER_UNREADABLE")
		return rec, nil
	}
	var more []line
	fields, s := split(rec.Raw)
	for s == open && len(more) < longestRecord && len(rec.Raw) < longestLine {
		next, err := r.lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return rec, err
		}
		more = append(more, next)
		if next.tooLong {
			break
		}
		rec.Raw += "\n" + next.text
		fields, s = split(rec.Raw)
	}
	if s == whole && len(fields) == r.width {
		r.fill(&rec, fields)
		return rec, nil
	}
	r.lines.unread(more)
	rec.Raw = first.text
	if s == whole && more == nil {
		rec.refuse("ROSTER_FIELD_COUNT", "got", strconv.Itoa(len(fields)), "want", strconv.Itoa(r.width))
	} else {
		rec.refuse("ROSTER_UNREADABLE")
	}
	return rec, nil
}

// fill puts the fields where the columns are, and faults what cannot stand
// there.
func (l layout) fill(rec *Record, fields []string) {
	rec.cells = make(map[string]string, len(l.columns))
	for _, c := range l.columns {
		at, ok := l.at[c.Name]
		if !ok {
			continue
		}
		text := Trim(fields[at])
		rec.cells[c.Name] = text
		if fault := c.check(text); fault != nil {
			rec.Faults = append(rec.Faults, fault)
		}
	}
}

// refuse faults the whole row.
func (r *Record) refuse(reason string, params ...string) {
	r.Faults = append(r.Faults, rule.New(rule.Invalid, reason, "", params...))
}

// check answers why a text cannot stand in the column, or nil.
func (c Column) check(text string) *rule.Error {
	switch {
	case !utf8.ValidString(text), strings.ContainsFunc(text, unprintable):
		return rule.New(rule.Invalid, "ROSTER_UNREADABLE", c.Name)
	case utf8.RuneCountInString(text) > c.Longest:
		return rule.New(rule.Invalid, "ROSTER_TOO_LONG", c.Name, "limit", strconv.Itoa(c.Longest))
	case c.Text && IsFormula(text):
		return rule.New(rule.Invalid, "ROSTER_FORMULA", c.Name)
	}
	return nil
}

// unprintable: the mark of bytes that were no text, or a control character.
func unprintable(c rune) bool { return c == utf8.RuneError || unicode.IsControl(c) }

// IsFormula says whether a spreadsheet would take a text for a formula when it
// is exported again; the full-width signs count as well.
func IsFormula(text string) bool {
	first, _ := utf8.DecodeRuneInString(text)
	return strings.ContainsRune("=+-@＝＋－＠", first)
}

// Trim takes blanks off both ends: spaces of every width, tabs, and the marks
// of no width that copying brings along.
func Trim(s string) string {
	return strings.TrimFunc(s, func(c rune) bool { return unicode.IsSpace(c) || c == '\uFEFF' || c == '\u200B' })
}
