package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/xuri/excelize/v2"
	"golang.org/x/sync/errgroup"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
)

// letters renders every letter of a cycle through the door into a file, and has
// the library write the same rows beside it.
func (b *bench) letters(ctx context.Context, h *rooms, cycle string) error {
	ids, err := h.letterIDs(ctx, cycle)
	if err != nil {
		return err
	}
	render := func(id string, format evaluationv1.LetterFormat) ([]byte, error) {
		reply, err := h.evaluation.RenderLetter(officer(ctx), &evaluationv1.RenderLetterRequest{Id: id, Format: format})
		return reply.GetContent(), err
	}
	folder := filepath.Join(b.data, "letters")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	var own cost
	err = b.profiled("letters", func() (err error) {
		own, err = timed(func() error {
			return beside(len(ids), func(i int) error {
				content, err := render(ids[i], evaluationv1.LetterFormat_LETTER_FORMAT_XLSX)
				if err != nil {
					return err
				}
				return os.WriteFile(filepath.Join(folder, ids[i]+".xlsx"), content, 0o600)
			})
		})
		return err
	})
	if err != nil {
		return err
	}
	papers := make([][][]string, len(ids))
	for i, id := range ids {
		content, err := render(id, evaluationv1.LetterFormat_LETTER_FORMAT_CSV)
		if err != nil {
			return err
		}
		in := csv.NewReader(bytes.NewReader(content))
		in.FieldsPerRecord = -1
		if papers[i], err = in.ReadAll(); err != nil {
			return err
		}
	}
	library, err := timed(func() error {
		return beside(len(ids), func(i int) error { return writeByLibrary(filepath.Join(folder, ids[i]+"-library.xlsx"), papers[i]) })
	})
	if err != nil {
		return err
	}
	b.beside(fmt.Sprintf("%d letters as workbooks, read, named, written", len(ids)), own, library, "excelize, writing alone", "≥ 0.85×")
	fmt.Fprintf(b.out, "%-58s %s; excelize %s\n", "", own, library)
	return os.RemoveAll(folder)
}

// beside runs n pieces of work on as many goroutines as there are cores.
func beside(n int, work func(int) error) error {
	var g errgroup.Group
	g.SetLimit(runtime.NumCPU())
	for i := range n {
		g.Go(func() error { return work(i) })
	}
	return g.Wait()
}

func (h *rooms) letterIDs(ctx context.Context, cycle string) (ids []string, err error) {
	token := ""
	for {
		page, err := h.evaluation.ListLetters(officer(ctx), &evaluationv1.ListLettersRequest{CycleId: cycle, PageToken: token})
		if err != nil {
			return nil, err
		}
		for _, l := range page.GetLetters() {
			ids = append(ids, l.GetId())
		}
		if token = page.GetNextPageToken(); token == "" {
			return ids, nil
		}
	}
}

// writeByLibrary writes rows of texts into a file.
func writeByLibrary(path string, rows [][]string) (err error) {
	f := excelize.NewFile()
	defer func() { err = errors.Join(err, f.Close()) }()
	w, err := f.NewStreamWriter(f.GetSheetName(0))
	if err != nil {
		return err
	}
	for i, row := range rows {
		if err := w.SetRow("A"+strconv.Itoa(i+1), cells(row)); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.SaveAs(path)
}
