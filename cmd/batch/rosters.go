package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
)

// rosters brings the roster in, reads the same as a workbook, and hands what
// was announced to the evaluation.
func (b *bench) rosters(ctx context.Context) error {
	h, err := open(ctx, b.loaded())
	if err != nil {
		return err
	}
	return errors.Join(b.importOn(ctx, h), h.close())
}

func (b *bench) importOn(ctx context.Context, h *rooms) error {
	if err := h.importTree(ctx, b.tree()); err != nil {
		return err
	}
	text := []byte(b.roster())
	if err := b.workbook(ctx, h, text); err != nil {
		return err
	}
	var done *registryv1.ImportRosterResponse
	err := b.profiled("import", func() error {
		c, err := timed(func() (err error) { done, err = h.importRoster(ctx, text, false); return err })
		b.imported = c
		b.cost(fmt.Sprintf("import of %d roster rows, validated, sealed, indexed, durable", b.members), c)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "  created=%d refused=%d report-ins=%d\n", done.GetCreated(), done.GetRefused(), done.GetReportIns())
	c, err := timed(func() error { return h.handOver(ctx) })
	b.cost("what the import announced, in the evaluation's copy", c)
	return err
}

// workbook reads the roster as a workbook beside the library that makes them.
// linli's reading is a rehearsal: every row is checked as if it came in.
func (b *bench) workbook(ctx context.Context, h *rooms, text []byte) error {
	file, err := workbookOf(text)
	if err != nil {
		return err
	}
	var done *registryv1.ImportRosterResponse
	var own cost
	err = b.profiled("workbook", func() (err error) {
		own, err = timed(func() (err error) { done, err = h.importRoster(ctx, file, true); return err })
		return err
	})
	if err != nil {
		return err
	}
	rows := 0
	library, err := timed(func() (err error) { rows, err = readByLibrary(file); return err })
	if err != nil {
		return err
	}
	if int(done.GetRows()) != rows {
		return fmt.Errorf("the workbook: %d rows, the library read %d", done.GetRows(), rows)
	}
	b.beside(fmt.Sprintf("workbook of %d rows read and validated (rehearsal)", b.members), own, library, "excelize, reading alone", "≥ 0.85×")
	fmt.Fprintf(b.out, "%-58s %s; excelize %s\n", "", own, library)
	return nil
}

// workbookOf makes a workbook of a CSV.
func workbookOf(text []byte) (file []byte, err error) {
	f := excelize.NewFile()
	defer func() { err = errors.Join(err, f.Close()) }()
	w, err := f.NewStreamWriter(f.GetSheetName(0))
	if err != nil {
		return nil, err
	}
	in := csv.NewReader(bytes.NewReader(text))
	for n := 1; ; n++ {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := w.SetRow("A"+strconv.Itoa(n), cells(row)); err != nil {
			return nil, err
		}
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = f.Write(&out)
	return out.Bytes(), err
}

func cells(row []string) []any {
	out := make([]any, len(row))
	for i, c := range row {
		out[i] = c
	}
	return out
}

// readByLibrary reads every row below the header as text.
func readByLibrary(file []byte) (rows int, err error) {
	f, err := excelize.OpenReader(bytes.NewReader(file), excelize.Options{RawCellValue: true})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	in, err := f.Rows(f.GetSheetName(0))
	if err != nil {
		return 0, err
	}
	for rows = -1; in.Next(); rows++ {
		row, err := in.Columns()
		if err != nil {
			return 0, err
		}
		if rows >= 0 && strings.TrimSpace(row[0]) == "" {
			return 0, errors.New("a row without a name")
		}
	}
	return rows, in.Close()
}
