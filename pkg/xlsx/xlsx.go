// Package xlsx writes workbooks of one sheet of texts. They are written here and
// not by a library: a letter is five small parts, of which four never change.
package xlsx

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
)

// ContentType is the media type of a workbook.
const ContentType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

// What a sheet can hold.
const (
	mostRows    = 1 << 20
	mostColumns = 1 << 14
)

// writeAt is how many bytes of a sheet are held before they are packed.
const writeAt = 32 << 10

const head = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"

// part of a workbook that is the same in all of them.
type part struct{ name, text string }

func parts() []part {
	const (
		office    = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
		packages  = "http://schemas.openxmlformats.org/package/2006/"
		documents = "application/vnd.openxmlformats-officedocument.spreadsheetml."
	)
	return []part{
		{"[Content_Types].xml", head + `<Types xmlns="` + packages + `content-types">` +
			`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
			`<Default Extension="xml" ContentType="application/xml"/>` +
			`<Override PartName="/xl/workbook.xml" ContentType="` + documents + `sheet.main+xml"/>` +
			`<Override PartName="/xl/worksheets/sheet1.xml" ContentType="` + documents + `worksheet+xml"/></Types>`},
		{"_rels/.rels", head + `<Relationships xmlns="` + packages + `relationships">` +
			`<Relationship Id="rId1" Type="` + office + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
		{"xl/workbook.xml", head + `<workbook xmlns="` + namespace + `" xmlns:r="` + office + `">` +
			`<sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", head + `<Relationships xmlns="` + packages + `relationships">` +
			`<Relationship Id="rId1" Type="` + office + `/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`},
	}
}

const namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"

// Render writes rows into a workbook. Every cell is a text, so that none is taken
// for a formula, a number or a day.
func Render(rows [][]string) ([]byte, error) { return RenderSeq(slices.Values(rows)) }

// RenderSeq writes rows as they come, so that a large sheet is held packed only.
func RenderSeq(rows iter.Seq[[]string]) (content []byte, err error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, p := range parts() {
		w, err := z.CreateHeader(&zip.FileHeader{Name: p.name, Method: zip.Store})
		if err == nil {
			_, err = io.WriteString(w, p.text)
		}
		if err != nil {
			return nil, fmt.Errorf("write workbook: %s: %w", p.name, err)
		}
	}
	w, err := z.Create("xl/worksheets/sheet1.xml")
	if err == nil {
		err = writeSheet(w, rows)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("write workbook: %w", err)
	}
	return out.Bytes(), nil
}

func writeSheet(w io.Writer, rows iter.Seq[[]string]) error {
	b := append([]byte(nil), head+`<worksheet xmlns="`+namespace+`"><sheetData>`...)
	at := 0
	for row := range rows {
		if at++; at > mostRows || len(row) > mostColumns {
			return fmt.Errorf("row %d of %d cells does not fit into a sheet", at, len(row))
		}
		b = appendRow(b, at, row)
		if len(b) < writeAt {
			continue
		}
		if _, err := w.Write(b); err != nil {
			return fmt.Errorf("row %d: %w", at, err)
		}
		b = b[:0]
	}
	_, err := w.Write(append(b, `</sheetData></worksheet>`...))
	return err
}

func appendRow(b []byte, at int, row []string) []byte {
	b = append(b, `<row r="`...)
	b = strconv.AppendInt(b, int64(at), 10)
	b = append(b, `">`...)
	for i, text := range row {
		if text == "" {
			continue
		}
		b = append(b, `<c r="`...)
		b = appendColumn(b, i)
		b = strconv.AppendInt(b, int64(at), 10)
		b = append(b, `" t="inlineStr"><is><t xml:space="preserve">`...)
		b = appendText(b, text)
		b = append(b, `</t></is></c>`...)
	}
	return append(b, `</row>`...)
}

// appendColumn writes the letters of a column: 0 is A, 26 is AA.
func appendColumn(b []byte, i int) []byte {
	if i >= 26 {
		b = appendColumn(b, i/26-1)
	}
	return append(b, byte('A'+i%26))
}
