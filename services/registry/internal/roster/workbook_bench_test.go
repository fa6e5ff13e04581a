package roster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/xuri/excelize/v2"
)

// BenchmarkWorkbook reads 10,000 rows of 14 cells, and has the library read the
// same beside it.
func BenchmarkWorkbook(b *testing.B) {
	const rows, wide = 10_000, 14
	f := excelize.NewFile()
	out, err := f.NewStreamWriter("Sheet1")
	if err != nil {
		b.Fatal(err)
	}
	var want []Column
	header := make([]any, wide)
	for i := range header {
		name := fmt.Sprintf("列%d", i)
		header[i], want = name, append(want, Column{Name: name, Longest: 60})
	}
	for n := range rows + 1 {
		cells := header
		if n > 0 {
			cells = make([]any, wide)
			for i := range cells {
				cells[i] = fmt.Sprintf("第%d行%d", n, i)
			}
		}
		if err := out.SetRow(fmt.Sprintf("A%d", n+1), cells); err != nil {
			b.Fatal(err)
		}
	}
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
	var file bytes.Buffer
	if err := f.Write(&file); err != nil {
		b.Fatal(err)
	}
	b.Run("linli", func(b *testing.B) {
		for b.Loop() {
			w, err := NewWorkbook(file.Bytes(), want, DefaultLimits())
			n := 0
			for err == nil {
				if _, err = w.Next(); err == nil {
					n++
				}
			}
			if !errors.Is(err, io.EOF) || n != rows {
				b.Fatalf("%d rows: %v", n, err)
			}
		}
	})
	b.Run("library", func(b *testing.B) {
		for b.Loop() {
			f, err := excelize.OpenReader(bytes.NewReader(file.Bytes()), excelize.Options{RawCellValue: true})
			if err != nil {
				b.Fatal(err)
			}
			in, err := f.Rows("Sheet1")
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for in.Next() {
				if _, err := in.Columns(); err != nil {
					b.Fatal(err)
				}
				n++
			}
			if n != rows+1 {
				b.Fatalf("%d rows", n)
			}
			_ = f.Close() // read only
		}
	})
}
