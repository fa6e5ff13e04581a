// Package xlsx writes workbooks of one sheet.
package xlsx

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"

	"github.com/xuri/excelize/v2"
)

// ContentType is the media type of a workbook.
const ContentType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

// Render writes rows into a workbook. Every cell is a text, so that none is taken
// for a formula, a number or a day.
func Render(rows [][]string) ([]byte, error) { return RenderSeq(slices.Values(rows)) }

// RenderSeq writes rows as they come, so that a large sheet is not held twice.
func RenderSeq(rows iter.Seq[[]string]) (content []byte, err error) {
	f := excelize.NewFile()
	defer func() { err = errors.Join(err, f.Close()) }()
	w, err := f.NewStreamWriter(f.GetSheetName(0))
	if err != nil {
		return nil, fmt.Errorf("write workbook: %w", err)
	}
	at := 0
	for row := range rows {
		at++
		cells := make([]any, len(row))
		for i, cell := range row {
			cells[i] = cell
		}
		if err := w.SetRow("A"+strconv.Itoa(at), cells); err != nil {
			return nil, fmt.Errorf("write workbook: row %d: %w", at, err)
		}
	}
	if err := w.Flush(); err != nil {
		return nil, fmt.Errorf("write workbook: %w", err)
	}
	var out bytes.Buffer
	if err := f.Write(&out); err != nil {
		return nil, fmt.Errorf("write workbook: %w", err)
	}
	return out.Bytes(), nil
}
