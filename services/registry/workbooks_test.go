package registry

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
)

// workbook writes rows of cells with the library that others use.
func workbook(t testing.TB, rows [][]any) string {
	t.Helper()
	f := excelize.NewFile()
	for i, row := range rows {
		must(t, f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &row))
	}
	var out bytes.Buffer
	must(t, f.Write(&out))
	return out.String()
}

// cellsOf makes cells of a CSV, all of them text.
func cellsOf(t testing.TB, text string) (out [][]any) {
	t.Helper()
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	rows, err := r.ReadAll()
	must(t, err)
	for _, row := range rows {
		var cells []any
		for _, c := range row {
			cells = append(cells, c)
		}
		out = append(out, cells)
	}
	return out
}

// TestImportRoster_Workbook: the bad roster as a workbook has the faults of the
// CSV, by line and column, and the same rows come in.
func TestImportRoster_Workbook(t *testing.T) {
	h := start(t).withDistrict()
	done, err := h.sendRoster(h.districtOfficer(), "430101", true, workbook(t, cellsOf(t, badRoster(t))))
	must(t, err)
	var got []string
	for _, f := range done.GetFaults() {
		got = append(got, fmt.Sprintf("%d %s", f.GetLine(), f.GetMessage()))
	}
	if diff := cmp.Diff(expectedFaults(t), got); diff != "" {
		t.Error(diff)
	}
	if want, got := [4]int32{200, 187, 13, 181}, [4]int32{done.GetRows(), done.GetCreated(), done.GetRefused(), done.GetReportIns()}; got != want {
		t.Errorf("rows, created, refused, report-ins: %v", got)
	}
	if done.GetEncoding() != "XLSX" {
		t.Errorf("encoding %s", done.GetEncoding())
	}
	again, err := h.sendRoster(h.districtOfficer(), "430101", true, badRoster(t))
	must(t, err)
	if again.GetUnchanged() != 187 {
		t.Errorf("the CSV says something else than the workbook: %s", outcomeOf(again))
	}
}

// TestImportRoster_TypedCells: days typed as days, numbers typed as numbers; an
// ID number that lost its digits is refused and never guessed.
func TestImportRoster_TypedCells(t *testing.T) {
	h := start(t).withDistrict()
	header, first := cellsOf(t, rosterOf(person(1)))[0], cellsOf(t, rosterOf(person(1)))[1]
	at := func(name string) int {
		for i, c := range header {
			if c == name {
				return i
			}
		}
		t.Fatalf("no column %s", name)
		return 0
	}
	joined, reported, phone, number := at("入党日期"), at("报到日期"), at("手机号"), at("身份证号")
	row := func(n int, cells map[int]any) []any {
		out := append([]any(nil), cellsOf(t, rosterOf(person(n)))[1]...)
		for i, c := range cells {
			out[i] = c
		}
		return out
	}
	text := workbook(t, [][]any{header, first,
		row(2, map[int]any{joined: time.Date(2001, 7, 1, 0, 0, 0, 0, time.UTC), reported: time.Date(2013, 9, 1, 15, 4, 0, 0, time.UTC), phone: int64(13900000002)}),
		row(3, map[int]any{number: float64(430198197501010060)}),
		row(4, map[int]any{joined: 2001}),
		row(5, map[int]any{number: int64(0)}),
	})
	done, err := h.sendRoster(h.officer(workplace), "W00005", true, text)
	must(t, err)
	want := "2 0 0 2 | 4:身份证号:ROSTER_DIGITS_LOST 5:入党日期:ROSTER_DATE 6:身份证号:ROSTER_ID_LENGTH"
	if got := outcomeOf(done); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	again, err := h.sendRoster(h.officer(workplace), "W00005", true, rosterOf(person(1), person(2)))
	must(t, err)
	if got := outcomeOf(again); got != "0 0 2 0 |" {
		t.Errorf("typed cells say something else than text: %s", got)
	}
}

// TestImportRoster_WorkbookGoesOn: broken off and sent again with its key, a
// workbook goes on; other content under the key is refused.
func TestImportRoster_WorkbookGoesOn(t *testing.T) {
	h := start(t).withDistrict()
	cells := cellsOf(t, mixed(2*sliceRows))
	ctx := keyed(h.officer(workplace), "book")
	whole, err := h.sendRoster(ctx, "W00005", true, workbook(t, cells))
	must(t, err)
	again, err := h.sendRoster(ctx, "W00005", true, workbook(t, cells))
	must(t, err)
	if diff := diffProto(whole, again); diff != "" {
		t.Error(diff)
	}
	_, err = h.sendRoster(ctx, "W00005", true, workbook(t, cells[:len(cells)-1]))
	wantReason(t, err, "IMPORT_DIFFERS")
}
