package roster

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/linli-project/linli/pkg/rule"
)

// Limits keep a workbook from being more than a roster can be. They are those
// of what comes out, counted while it does: what a file says of itself is
// nothing to go by.
type Limits struct {
	// Packed bytes of the file.
	Packed int64
	// Unpacked bytes of the sheet, which is read in a stream and never held.
	Unpacked int64
	// Strings is how many unpacked bytes of shared strings are held.
	Strings int64
	// Rows below the header.
	Rows int
}

// DefaultLimits hold 100,000 members twice over.
func DefaultLimits() Limits {
	return Limits{Packed: 24 << 20, Unpacked: 256 << 20, Strings: 64 << 20, Rows: 200_000}
}

// smallPart is how large a part may be that is read whole: the workbook's own
// page, its links and its styles.
const smallPart = 4 << 20

// Workbook reads the rows of the first visible sheet of an XLSX workbook, the
// header in its first row. It is read here and not by the library that writes
// letters, because what matters of a cell is what it is: a number with a date's
// format is that day, a number that has lost digits is a fault, and 2013 typed
// as a number is not a day in 1905. The library answers texts alone, unpacks
// what a file says that it holds, and puts large sheets, with their names and
// numbers, into files of its own.
type Workbook struct {
	layout
	sheet  *sheet
	header string
	rows   int
	limits Limits
}

// NewWorkbook reads the header of a workbook. WORKBOOK_UNREADABLE,
// WORKBOOK_TOO_LARGE before any row is answered; else as NewReader.
func NewWorkbook(file []byte, columns []Column, limits Limits) (*Workbook, error) {
	if int64(len(file)) > limits.Packed {
		return nil, tooLarge(fmt.Sprintf("%d MiB", limits.Packed>>20))
	}
	p, err := openPackage(file)
	if err != nil {
		return nil, err
	}
	book, err := p.book(limits)
	if err != nil {
		return nil, err
	}
	part, err := book.sheet(limits)
	if err != nil {
		return nil, err
	}
	w := &Workbook{sheet: newSheet(part, book), limits: limits}
	return w, w.readHeader(columns)
}

func (w *Workbook) readHeader(columns []Column) error {
	first, err := w.sheet.next()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var names []string
	if first.number == 1 {
		names = first.texts()
	}
	w.header = strings.Join(names, unitSeparator)
	w.layout, err = newLayout(names, columns)
	return err
}

// unitSeparator stands between the cells of a row that is told from others; no
// cell that comes in holds it.
const unitSeparator = "\x1f"

// Header answers the names of the columns.
func (w *Workbook) Header() string { return w.header }

// Next answers the next row, as Reader does. A row that has something to the
// right of the header's last column is faulted whole.
func (w *Workbook) Next() (Record, error) {
	for {
		row, err := w.sheet.next()
		if err != nil {
			return Record{}, err
		}
		if row.blank() {
			continue
		}
		if w.rows++; w.rows > w.limits.Rows {
			return Record{}, tooManyRows(w.limits.Rows)
		}
		return w.record(row), nil
	}
}

func (w *Workbook) record(row sheetRow) Record {
	texts := row.texts()
	rec := Record{Line: row.number, Raw: strings.Join(texts, unitSeparator)}
	if len(texts) > w.width || row.wide {
		rec.refuse("ROSTER_FIELD_COUNT", "got", fmt.Sprint(len(texts)), "want", fmt.Sprint(w.width))
		return rec
	}
	for len(texts) < w.width {
		texts = append(texts, "")
	}
	w.fill(&rec, texts)
	for _, c := range w.columns {
		at, ok := w.at[c.Name]
		if !ok || at >= len(row.cells) || row.cells[at].fault == "" {
			continue
		}
		rec.Raw += unitSeparator + row.cells[at].fault
		rec.blame(c.Name, row.cells[at].fault)
	}
	return rec
}

// blame faults a cell for what it is, in place of what its text would be
// faulted for.
func (r *Record) blame(column, reason string) {
	for i, f := range r.Faults {
		if f.Field == column {
			r.Faults[i] = rule.New(rule.Invalid, reason, column)
			return
		}
	}
	r.Faults = append(r.Faults, rule.New(rule.Invalid, reason, column))
}

func unreadable() error { return rule.New(rule.Invalid, "WORKBOOK_UNREADABLE", "chunk") }

func tooLarge(limit string) error {
	return rule.New(rule.Invalid, "WORKBOOK_TOO_LARGE", "chunk", "limit", limit)
}

func tooManyRows(most int) error { return tooLarge(fmt.Sprintf("%d rows", most)) }

// pack is the package of a workbook: a zip of parts that name each other.
type pack struct{ files map[string]*zip.File }

func openPackage(file []byte) (*pack, error) {
	z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, unreadable()
	}
	p := &pack{files: map[string]*zip.File{}}
	for _, f := range z.File {
		p.files[strings.ToLower(strings.TrimPrefix(f.Name, "/"))] = f
	}
	return p, nil
}

// open answers a part, of which no more than a limit comes out.
func (p *pack) open(name string, limit int64) (io.ReadCloser, error) {
	f, ok := p.files[strings.ToLower(name)]
	if !ok {
		return nil, unreadable()
	}
	in, err := f.Open()
	if err != nil {
		return nil, unreadable()
	}
	return &bounded{in: in, left: limit, limit: limit}, nil
}

// bounded refuses to go on over a limit, and takes a broken part for one that
// cannot be read.
type bounded struct {
	in          io.ReadCloser
	left, limit int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.in.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, tooLarge(fmt.Sprintf("%d MiB", b.limit>>20))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = unreadable()
	}
	return n, err
}

func (b *bounded) Close() error { return b.in.Close() }

// decode reads a small part whole.
func (p *pack) decode(name string, into any) error {
	in, err := p.open(name, smallPart)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // read only
	return readable(xml.NewDecoder(in).Decode(into))
}

// readable takes every error of the file's text for one that cannot be read.
func readable(err error) error {
	var broken *rule.Error
	if err == nil || errors.As(err, &broken) {
		return err
	}
	return unreadable()
}
