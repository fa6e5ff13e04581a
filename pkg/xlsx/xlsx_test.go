package xlsx_test

import (
	"bytes"
	"slices"
	"strconv"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/linli-project/linli/pkg/xlsx"
)

func read(t *testing.T, content []byte) (*excelize.File, [][]string) {
	t.Helper()
	book, err := excelize.OpenReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = book.Close() })
	rows, err := book.GetRows(book.GetSheetName(0))
	if err != nil {
		t.Fatal(err)
	}
	return book, rows
}

// What looks like a formula, a number or a day is written as the text it is.
func TestRender_CellsAreTexts(t *testing.T) {
	row := []string{"=1+1", "+86", "-5", "@SUM(A1)", "\tx", "007", "2013-08-01", "王一", "a<b&c", "", "end"}
	content, err := xlsx.Render([][]string{row, nil, {"last"}})
	if err != nil {
		t.Fatal(err)
	}
	book, rows := read(t, content)
	if len(rows) != 3 || !slices.Equal(rows[0], row) || rows[2][0] != "last" {
		t.Errorf("rows %q", rows)
	}
	for i := range row {
		cell, _ := excelize.CoordinatesToCellName(i+1, 1)
		formula, err := book.GetCellFormula(book.GetSheetName(0), cell)
		kind, _ := book.GetCellType(book.GetSheetName(0), cell)
		if err != nil || formula != "" || kind == excelize.CellTypeNumber || kind == excelize.CellTypeDate || kind == excelize.CellTypeFormula {
			t.Errorf("%s: formula %q, type %v, %v", cell, formula, kind, err)
		}
	}
}

// Rows come one by one, and more of them than one buffer holds.
func TestRenderSeq_ManyRows(t *testing.T) {
	const many = 20_000
	content, err := xlsx.RenderSeq(func(yield func([]string) bool) {
		for i := range many {
			if !yield([]string{strconv.Itoa(i), "党员参加社区服务情况反馈"}) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, rows := read(t, content); len(rows) != many || rows[many-1][0] != strconv.Itoa(many-1) {
		t.Errorf("%d rows", len(rows))
	}
}

func TestRender_Nothing(t *testing.T) {
	content, err := xlsx.Render(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, rows := read(t, content); len(rows) != 0 {
		t.Errorf("rows %q", rows)
	}
}
