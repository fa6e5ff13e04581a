package roster

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

const (
	// longestCell in bytes; more of a cell is not kept, and too long for any
	// column.
	longestCell = 128 << 10
	// mostColumns are kept of a row; whole rows that were formatted have cells
	// without anything in them up to the last of a sheet.
	mostColumns = 512
	// lastRow a sheet can have.
	lastRow = 1 << 20
	// exactDigits a number in a cell keeps.
	exactDigits = 15
)

// cell is what stands in one place of a sheet, as text.
type cell struct {
	text string
	// fault is the reason why the text is not what was meant.
	fault string
}

// sheetRow is one row with its number; cells that are not there are empty.
type sheetRow struct {
	number int
	cells  []cell
	// wide: something stands beyond the columns that are kept.
	wide bool
}

// texts answers the cells up to the last that holds something.
func (r sheetRow) texts() []string {
	last := len(r.cells)
	for last > 0 && Trim(r.cells[last-1].text) == "" && r.cells[last-1].fault == "" {
		last--
	}
	out := make([]string, last)
	for i := range out {
		out[i] = r.cells[i].text
	}
	return out
}

func (r sheetRow) blank() bool { return !r.wide && len(r.texts()) == 0 }

// sheet reads the rows of one sheet, one at a time.
type sheet struct {
	book *book
	in   *xml.Decoder
	// last is the number of the row before; done says that the data has ended.
	last int
	done bool
}

func newSheet(in io.Reader, b *book) *sheet { return &sheet{book: b, in: xml.NewDecoder(in)} }

// next answers the next row, and io.EOF after the last. A text that ends before
// its data does is torn.
func (s *sheet) next() (sheetRow, error) {
	for {
		token, err := s.in.RawToken()
		if errors.Is(err, io.EOF) && s.done {
			return sheetRow{}, io.EOF
		}
		if err != nil {
			return sheetRow{}, readable(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if t.Name.Local == "row" && !s.done {
				return s.row(t)
			}
		case xml.EndElement:
			s.done = s.done || t.Name.Local == "sheetData"
		}
	}
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// row reads to the end of a row. Rows and cells may come without a number, and
// stand behind the one before then.
func (s *sheet) row(start xml.StartElement) (sheetRow, error) {
	row := sheetRow{number: s.last + 1}
	if text := attribute(start, "r"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n <= s.last || n > lastRow {
			return row, unreadable()
		}
		row.number = n
	}
	s.last = row.number
	for {
		token, err := s.in.RawToken()
		if err != nil {
			return row, readable(err)
		}
		switch t := token.(type) {
		case xml.EndElement:
			if t.Name.Local == "row" {
				return row, nil
			}
		case xml.StartElement:
			if t.Name.Local != "c" {
				continue
			}
			at := len(row.cells)
			if ref := attribute(t, "r"); ref != "" {
				at = columnOf(ref)
			}
			if at < len(row.cells) {
				return row, unreadable()
			}
			c, err := s.cell(t)
			if err != nil {
				return row, err
			}
			if at >= mostColumns {
				row.wide = row.wide || Trim(c.text) != "" || c.fault != ""
				continue
			}
			for len(row.cells) < at {
				row.cells = append(row.cells, cell{})
			}
			row.cells = append(row.cells, c)
		}
	}
}

// columnOf reads the letters of "AB12": A is 0. Nonsense is out of every range.
func columnOf(ref string) int {
	n := 0
	for i := range len(ref) {
		c := ref[i] &^ 0x20 // upper case
		if c < 'A' || c > 'Z' {
			break
		}
		if n = n*26 + int(c-'A'+1); n > mostColumns {
			return mostColumns
		}
	}
	return n - 1
}

// cell reads to the end of a cell: its value, or the text that stands in it.
func (s *sheet) cell(start xml.StartElement) (cell, error) {
	var value, inline strings.Builder
	var into *strings.Builder
	reading := false
	for {
		token, err := s.in.RawToken()
		if err != nil {
			return cell{}, readable(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			switch t.Name.Local {
			case "v":
				into = &value
			case "t":
				into = &inline
			case "rPh":
				reading = true
			default:
				into = nil
			}
		case xml.CharData:
			if into != nil && !reading && into.Len() < longestCell {
				into.Write(t)
			}
		case xml.EndElement:
			into = nil
			switch t.Name.Local {
			case "rPh":
				reading = false
			case "c":
				return s.book.read(attribute(start, "t"), attribute(start, "s"), value.String(), inline.String()), nil
			}
		}
	}
}

// read answers what a cell of a type and style says.
func (b *book) read(kind, style, value, inline string) cell {
	switch kind {
	case "s":
		n, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil || n < 0 || n >= len(b.strings) {
			return cell{fault: "ROSTER_UNREADABLE"}
		}
		return cell{text: b.strings[n]}
	case "inlineStr":
		return cell{text: unescape(inline)}
	case "str":
		return cell{text: unescape(value)}
	case "b":
		return cell{text: map[string]string{"1": "TRUE", "0": "FALSE"}[value]}
	case "e":
		return cell{text: value, fault: "ROSTER_UNREADABLE"}
	case "d":
		return cell{text: value[:min(len(value), len(time.DateOnly))]}
	}
	value = strings.TrimSpace(value)
	if n, err := strconv.Atoi(style); err == nil && n >= 0 && n < len(b.dates) && b.dates[n] {
		if day, ok := b.day(value); ok {
			return cell{text: day}
		}
	}
	return number(value)
}

// number writes a number without an exponent. One of more digits than a number
// keeps is what was typed only if it was never kept as one: with an exponent,
// or with zeros where the digits were, they are gone.
func number(value string) cell {
	digits := strings.TrimPrefix(value, "-")
	if digits != "" && strings.Trim(digits, "0123456789") == "" {
		if len(digits) > exactDigits && strings.HasSuffix(digits, "000") {
			return cell{text: value, fault: "ROSTER_DIGITS_LOST"}
		}
		return cell{text: value}
	}
	f, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return cell{text: value}
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	whole, _, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	if len(whole) > exactDigits {
		return cell{text: value, fault: "ROSTER_DIGITS_LOST"}
	}
	return cell{text: text}
}

const (
	// falseLeapDay: Excel counts a 29 February 1900 that never was.
	falseLeapDay = 60
	lastSerial   = 2_958_465 // 9999-12-31
)

// day answers the day of a serial number; the time of day is left out.
func (b *book) day(value string) (string, bool) {
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || !(f >= 0 && f < lastSerial+1) {
		return "", false
	}
	n, first := int(f), time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	if !b.from1904 {
		if n == 0 || n == falseLeapDay {
			return "", false
		}
		first = time.Date(1899, 12, 31, 0, 0, 0, 0, time.UTC)
		if n > falseLeapDay {
			n--
		}
	}
	return first.AddDate(0, 0, n).Format(time.DateOnly), true
}

// builtInDay says whether a format that comes with the program shows a day; from
// 27 on those of Chinese programs.
func builtInDay(id int) bool {
	return id >= 14 && id <= 17 || id == 22 || id >= 27 && id <= 31 || id == 36 ||
		id >= 50 && id <= 54 || id == 57 || id == 58
}

// showsDay says whether a format writes a year or a day, outside of what it
// quotes, escapes and sets in brackets.
func showsDay(code string) bool {
	for i := 0; i < len(code); i++ {
		switch c := code[i]; c {
		case '"', '[':
			end := strings.IndexByte(code[i+1:], map[byte]byte{'"': '"', '[': ']'}[c])
			if end < 0 {
				return false
			}
			i += end + 1
		case '\\', '_', '*':
			i++
		case 'y', 'Y', 'd', 'D':
			return true
		}
	}
	return false
}

// unescape puts the characters back that XML cannot hold: "_x000D_".
func unescape(text string) string {
	if !strings.Contains(text, "_x") {
		return text
	}
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, "_x")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		if len(after) >= 5 && after[4] == '_' {
			if n, err := strconv.ParseUint(after[:4], 16, 16); err == nil {
				out.WriteRune(rune(n))
				text = after[5:]
				continue
			}
		}
		out.WriteString("_x")
		text = after
	}
}
