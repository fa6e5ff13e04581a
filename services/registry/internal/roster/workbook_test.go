package roster

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/linli-project/linli/pkg/rule"
)

// parts of a workbook by name; a test puts its own in their place.
type parts map[string]string

const ns = `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"`

func newParts(sheet string) parts {
	const relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	return parts{
		"_rels/.rels": `<Relationships><Relationship Id="r1" Type="` + relation + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
		"xl/workbook.xml": `<workbook ` + ns + ` xmlns:r="` + relation + `"><sheets>
			<sheet name="旧" sheetId="1" state="hidden" r:id="r9"/><sheet name="花名册" sheetId="2" r:id="r2"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels": `<Relationships><Relationship Id="r9" Type="` + relation + `/worksheet" Target="worksheets/hidden.xml"/>
			<Relationship Id="r2" Type="` + relation + `/worksheet" Target="/xl/worksheets/sheet2.xml"/>
			<Relationship Id="r3" Type="` + relation + `/styles" Target="styles.xml"/>
			<Relationship Id="r4" Type="` + relation + `/sharedStrings" Target="sharedStrings.xml"/></Relationships>`,
		"xl/styles.xml": `<styleSheet ` + ns + `><numFmts><numFmt numFmtId="164" formatCode="yyyy&quot;年&quot;m&quot;月&quot;d&quot;日&quot;"/>
			<numFmt numFmtId="165" formatCode="[Red]0.00&quot;day&quot;"/></numFmts>
			<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="58"/></cellXfs></styleSheet>`,
		"xl/sharedStrings.xml": `<sst ` + ns + `><si><t>名</t></si><si><t>码</t></si><si><r><t>甲</t></r><r><t>乙</t></r><rPh><t>jia</t></rPh></si>
			<si><t>_x7532_&amp;</t></si></sst>`,
		"xl/worksheets/sheet2.xml": sheet,
	}
}

// heading is the first row of most tests; body follows it.
func withHeading(body string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><worksheet ` + ns + `><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>` +
		body + `</sheetData></worksheet>`
}

func (p parts) zip() []byte {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, text := range p {
		w, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err != nil {
			panic(err)
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// readBook answers each row as "line 名|码 faults", and the reason of an error.
func readBook(file []byte, limits Limits) (out []string, reason string) {
	w, err := NewWorkbook(file, columns, limits)
	for err == nil {
		var rec Record
		if rec, err = w.Next(); err != nil {
			break
		}
		s := strconv.Itoa(rec.Line)
		if rec.Readable() {
			s += " " + rec.Cell("名") + "|" + rec.Cell("码")
		}
		for _, f := range rec.Faults {
			s += " " + f.Field + ":" + f.Reason
		}
		out = append(out, s)
	}
	var broken *rule.Error
	switch {
	case errors.Is(err, io.EOF):
		return out, ""
	case errors.As(err, &broken):
		return out, broken.Reason
	}
	return out, err.Error()
}

func TestWorkbook_Rows(t *testing.T) {
	for name, tc := range map[string]struct {
		body string
		want []string
	}{
		"shared, inline and formula texts": {`<row r="2"><c r="A2" t="s"><v>2</v></c><c r="B2" t="inlineStr"><is><t>12</t></is></c></row>
			<row r="3"><c r="A3" t="str"><f>A2</f><v>丙</v></c></row><row r="4"><c r="A4" t="s"><v>3</v></c></row>`,
			[]string{"2 甲乙|12", "3 丙|", "4 甲&|"}},
		"rows and cells without numbers": {`<row><c t="inlineStr"><is><t>甲</t></is></c><c><v>1</v></c></row>`, []string{"2 甲|1"}},
		"gaps": {`<row r="3"><c r="B3"><v>1</v></c></row><row r="7"/><row r="9" spans="1:2"><c r="A9" s="1"/><c r="B9" t="inlineStr"><is><t> </t></is></c></row>
			<row r="10"><c r="A10" t="inlineStr"><is><t>乙</t></is></c></row>`, []string{"3 |1", "10 乙|"}},
		"days by format":          {`<row r="2"><c r="B2" s="1"><v>41518</v></c></row><row r="3"><c r="B3" s="2"><v>41518.75</v></c></row><row r="4"><c r="B4" s="4"><v>59</v></c></row>`, []string{"2 |2013-09-01 码:ROSTER_TOO_LONG", "3 |2013-09-01 码:ROSTER_TOO_LONG", "4 |1900-02-28 码:ROSTER_TOO_LONG"}},
		"no days":                 {`<row r="2"><c r="B2"><v>2013</v></c></row><row r="3"><c r="B3" s="3"><v>41518</v></c></row><row r="4"><c r="B4" s="1"><v>60</v></c></row><row r="5"><c r="B5" s="1"><v>NaN</v></c></row>`, []string{"2 |2013", "3 |41518", "4 |60", "5 |NaN"}},
		"an ISO day":              {`<row r="2"><c r="B2" t="d"><v>2013-09-01T00:00:00</v></c></row>`, []string{"2 |2013-09-01 码:ROSTER_TOO_LONG"}},
		"numbers":                 {`<row r="2"><c r="B2"><v>1.39E+7</v></c></row><row r="3"><c r="B3"><v>12.50</v></c></row><row r="4"><c r="B4"><v>-7</v></c></row><row r="5"><c r="B5"><v>007</v></c></row>`, []string{"2 |13900000", "3 |12.5", "4 |-7", "5 |007"}},
		"lost digits":             {`<row r="2"><c r="B2"><v>4.30198197501010E+17</v></c></row><row r="3"><c r="B3"><v>430198197501010000</v></c></row>`, []string{"2 |4.30198197501010E+17 码:ROSTER_DIGITS_LOST", "3 |430198197501010000 码:ROSTER_DIGITS_LOST"}},
		"kept digits":             {`<row r="2"><c r="B2"><v>430198197501010061</v></c></row>`, []string{"2 |430198197501010061 码:ROSTER_TOO_LONG"}},
		"errors and switches":     {`<row r="2"><c r="A2" t="e"><v>#REF!</v></c><c r="B2" t="b"><v>1</v></c></row><row r="3"><c r="A3" t="s"><v>99</v></c></row>`, []string{"2 #REF!|TRUE 名:ROSTER_UNREADABLE", "3 | 名:ROSTER_UNREADABLE"}},
		"something to the right":  {`<row r="2"><c r="A2"><v>1</v></c><c r="C2"><v>1</v></c></row><row r="3"><c r="A3"><v>1</v></c><c r="XFD3"><v>1</v></c></row><row r="4"><c r="A4"><v>1</v></c><c r="XFD4" s="1"/></row>`, []string{"2 :ROSTER_FIELD_COUNT", "3 :ROSTER_FIELD_COUNT", "4 1|"}},
		"as in CSV":               {`<row r="2"><c r="A2" t="inlineStr"><is><t>=甲</t></is></c><c r="B2" t="inlineStr"><is><t>123456789</t></is></c></row><row r="3"><c r="A3" t="inlineStr"><is><t>甲&#10;乙</t></is></c></row>`, []string{"2 =甲|123456789 名:ROSTER_FORMULA 码:ROSTER_TOO_LONG", "3 甲\n乙| 名:ROSTER_UNREADABLE"}},
		"another prefix for rows": {`<x:row r="2"><x:c r="A2"><x:v>1</x:v></x:c></x:row>`, []string{"2 1|"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, reason := readBook(newParts(withHeading(tc.body)).zip(), DefaultLimits())
			if diff := cmp.Diff(tc.want, got); diff != "" || reason != "" {
				t.Error(diff, reason)
			}
		})
	}
}

func TestWorkbook_From1904(t *testing.T) {
	p := newParts(withHeading(`<row r="2"><c r="B2" s="1"><v>40056</v></c></row>`))
	p["xl/workbook.xml"] = strings.Replace(p["xl/workbook.xml"], "<sheets>", `<workbookPr date1904="1"/><sheets>`, 1)
	got, reason := readBook(p.zip(), DefaultLimits())
	if diff := cmp.Diff([]string{"2 |2013-09-01 码:ROSTER_TOO_LONG"}, got); diff != "" || reason != "" {
		t.Error(diff, reason)
	}
}

// TestWorkbook_Refused: what cannot be read is refused before any row of it is
// answered.
func TestWorkbook_Refused(t *testing.T) {
	row := func(n int) string { return fmt.Sprintf(`<row r="%d"><c r="A%d"><v>1</v></c></row>`, n, n) }
	whole := newParts(withHeading(row(2)))
	change := func(name, text string) []byte {
		p := newParts(withHeading(row(2)))
		if p[name] = text; text == "" {
			delete(p, name)
		}
		return p.zip()
	}
	for name, tc := range map[string]struct {
		file   []byte
		reason string
	}{
		"no zip":            {[]byte("PK\x03\x04 nothing"), "WORKBOOK_UNREADABLE"},
		"half of it":        {whole.zip()[:700], "WORKBOOK_UNREADABLE"},
		"no workbook":       {change("xl/workbook.xml", ""), "WORKBOOK_UNREADABLE"},
		"no sheet":          {change("xl/worksheets/sheet2.xml", ""), "WORKBOOK_UNREADABLE"},
		"no links":          {change("_rels/.rels", "<x/>"), "WORKBOOK_UNREADABLE"},
		"strings are torn":  {change("xl/sharedStrings.xml", "<sst><si><t>名"), "WORKBOOK_UNREADABLE"},
		"nothing is shown":  {change("xl/workbook.xml", strings.ReplaceAll(whole["xl/workbook.xml"], `sheetId="2"`, `sheetId="2" state="veryHidden"`)), "WORKBOOK_UNREADABLE"},
		"no header":         {newParts(`<worksheet><sheetData>` + row(1) + `</sheetData></worksheet>`).zip(), "ROSTER_COLUMN_MISSING"},
		"header further on": {newParts(`<worksheet><sheetData>` + row(2) + `</sheetData></worksheet>`).zip(), "ROSTER_COLUMN_MISSING"},
		"empty":             {newParts(`<worksheet><sheetData/></worksheet>`).zip(), "ROSTER_COLUMN_MISSING"},
		"another alphabet":  {newParts(`<?xml version="1.0" encoding="UTF-16"?><worksheet/>`).zip(), "WORKBOOK_UNREADABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			if rows, reason := readBook(tc.file, DefaultLimits()); reason != tc.reason || rows != nil {
				t.Errorf("%v, refused with %q", rows, reason)
			}
		})
	}
	for name, body := range map[string]string{
		"rows out of order": row(3) + row(2), "the same row twice": row(2) + row(2), "a row beyond all": row(1 << 21),
		"cells out of order": `<row r="2"><c r="B2"><v>1</v></c><c r="A2"><v>1</v></c></row>`, "broken text": `<row r="2"><c r="A2"><v>&nothing;`,
	} {
		if _, reason := readBook(newParts(withHeading(body)).zip(), DefaultLimits()); reason != "WORKBOOK_UNREADABLE" {
			t.Errorf("%s: %q", name, reason)
		}
	}
	torn := strings.TrimSuffix(withHeading(row(2)), `</sheetData></worksheet>`)
	if _, reason := readBook(newParts(torn).zip(), DefaultLimits()); reason != "WORKBOOK_UNREADABLE" {
		t.Errorf("a text that ends before its data: %q", reason)
	}
}

// TestWorkbook_Bombs: what comes out is counted while it does, whatever the file
// says of itself, and no row of one that is too large is answered.
func TestWorkbook_Bombs(t *testing.T) {
	limits := Limits{Packed: 1 << 20, Unpacked: 1 << 20, Strings: 1 << 16, Rows: 1000}
	many := &strings.Builder{}
	for i := range 4000 {
		fmt.Fprintf(many, `<row r="%d"/>`, i+2)
	}
	some := &strings.Builder{}
	for i := range 1001 {
		fmt.Fprintf(some, `<row r="%d"><c><v>1</v></c></row>`, i+2)
	}
	blanks := strings.Repeat(" ", 2<<20)
	shared := newParts(withHeading(""))
	shared["xl/sharedStrings.xml"] = `<sst><si><t>` + strings.Repeat("x", 1<<17) + `</t></si></sst>`
	for name, file := range map[string][]byte{
		"unpacked":       newParts(withHeading(blanks)).zip(),
		"shared strings": shared.zip(),
		"rows":           newParts(withHeading(many.String())).zip(),
		"lies":           lying(newParts(withHeading(blanks)).zip()),
		"packed":         append(newParts(withHeading("")).zip(), make([]byte, 1<<20)...),
	} {
		t.Run(name, func(t *testing.T) {
			want := "WORKBOOK_TOO_LARGE"
			if name == "lies" {
				want = "WORKBOOK_UNREADABLE" // found out where the size ends
			}
			if rows, reason := readBook(file, limits); rows != nil || reason != want {
				t.Errorf("%d rows, refused with %q", len(rows), reason)
			}
		})
	}
	if rows, reason := readBook(newParts(withHeading(some.String())).zip(), limits); len(rows) != 1000 || reason != "WORKBOOK_TOO_LARGE" {
		t.Errorf("%d rows, then %q", len(rows), reason)
	}
	wide := newParts(withHeading(strings.Repeat(`<row><c r="XFD1" s="1"/></row>`, 900)))
	if rows, reason := readBook(wide.zip(), limits); rows != nil || reason != "" {
		t.Errorf("rows that were formatted to their end: %d, %q", len(rows), reason)
	}
}

// lying writes small sizes into the table of contents of a zip.
func lying(file []byte) []byte {
	for i := 0; ; {
		at := bytes.Index(file[i:], []byte("PK\x01\x02"))
		if at < 0 {
			return file
		}
		i += at + 4
		if size := file[i+20 : i+24]; binary.LittleEndian.Uint32(size) > 1<<20 {
			binary.LittleEndian.PutUint32(size, 100)
		}
	}
}

// FuzzSheet: whatever stands in a sheet, reading ends, lines grow, and no cell
// holds what a cell must not.
func FuzzSheet(f *testing.F) {
	for _, body := range []string{
		`<row r="2"><c r="A2" t="s"><v>2</v></c><c r="B2" s="1"><v>41518</v></c></row>`,
		`<row><c t="inlineStr"><is><t>=甲_x000D_</t></is></c></row>`, `<row r="9"><c r="ZZZ9"><v>1e400</v></c></row></sheetData><row/>`,
		`<row r="3"><c t="e"><v>#N/A</v></c><c t="b"><v>1</v></c><c t="d"><v>2013</v></c></row>`, `<!DOCTYPE x [<!ENTITY a "b">]><row><c><v>&a;</v></c></row>`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) { wholesome(t, newParts(withHeading(body)).zip()) })
}

// FuzzWorkbook does the same with the bytes of the file.
func FuzzWorkbook(f *testing.F) {
	f.Add(newParts(withHeading(`<row r="2"><c r="A2" t="s"><v>2</v></c></row>`)).zip())
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, file []byte) { wholesome(t, file) })
}

func wholesome(t *testing.T, file []byte) {
	w, err := NewWorkbook(file, columns, Limits{Packed: 1 << 20, Unpacked: 1 << 20, Strings: 1 << 20, Rows: 1000})
	last := 1
	for err == nil {
		var rec Record
		if rec, err = w.Next(); err != nil {
			break
		}
		if rec.Line <= last || rec.Line > lastRow {
			t.Fatalf("line %d after %d", rec.Line, last)
		}
		last = rec.Line
		if !rec.Readable() && rec.Faults == nil {
			t.Fatal("a row without cells and without a fault")
		}
		if name := rec.Cell("名"); rec.Faults == nil && (IsFormula(name) || strings.ContainsAny(name, "\x00\n\ufffd")) {
			t.Fatalf("%q came in", name)
		}
	}
	var broken *rule.Error
	if !errors.Is(err, io.EOF) && !errors.As(err, &broken) {
		t.Fatalf("an error without a reason: %v", err)
	}
}
