package documents_test

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
)

const (
	typesOf = `<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>%s</Types>`
	relationsOf = `<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">%s</Relationships>`
	wordMain    = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
	office      = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
	textOf      = `<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p>%s</w:p></w:body></w:document>`
)

// relation writes a line of a .rels part.
func relation(kind, target, mode string) string {
	return fmt.Sprintf(`<Relationship Id="r%d" Type="%s%s" Target="%s" TargetMode="%s"/>`, crc32.ChecksumIEEE([]byte(kind+target)), office, kind, target, mode)
}

// parts are those of a document in DOCX.
func parts() map[string]string {
	return map[string]string{
		"[Content_Types].xml":          fmt.Sprintf(typesOf, `<Override PartName="/word/document.xml" ContentType="`+wordMain+`"/>`),
		"_rels/.rels":                  fmt.Sprintf(relationsOf, relation("officeDocument", "word/document.xml", "")),
		"word/document.xml":            fmt.Sprintf(textOf, `<w:r><w:t>申报说明</w:t></w:r>`),
		"word/_rels/document.xml.rels": fmt.Sprintf(relationsOf, relation("hyperlink", "https://example.org/", "External")),
	}
}

// with answers the parts with some of them changed or added.
func with(changed map[string]string) map[string]string {
	out := parts()
	maps.Copy(out, changed)
	return out
}

func packed(t testing.TB, all map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write([]byte(all[name]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func workbook(t testing.TB) []byte {
	t.Helper()
	f := excelize.NewFile()
	if err := f.SetCellValue("Sheet1", "A1", "预算"); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := f.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// pdf writes a PDF of objects, whose first is the catalog.
func pdf(objects ...string) []byte {
	out := bytes.NewBufferString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	var at []int
	for i, o := range objects {
		at = append(at, out.Len())
		fmt.Fprintf(out, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	begin := out.Len()
	fmt.Fprintf(out, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, a := range at {
		fmt.Fprintf(out, "%010d 00000 n \n", a)
	}
	fmt.Fprintf(out, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, begin)
	return out.Bytes()
}

// page answers the objects of a page, with more in the catalog and more objects.
func page(catalog string, more ...string) []byte {
	return pdf(append([]string{
		"<< /Type /Catalog /Pages 2 0 R " + catalog + " >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents 4 0 R >>", stream("", "BT ET"),
	}, more...)...)
}

func stream(dict, content string) string {
	return fmt.Sprintf("<< %s /Length %d >>\nstream\n%s\nendstream", dict, len(content), content)
}

func deflated(content string) string {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, _ = w.Write([]byte(content)) // into memory
	_ = w.Close()
	return out.String()
}

// objectStream writes a PDF 1.5 whose catalog and more objects lie packed in a
// stream, named by a table that is a stream too.
func objectStream(catalog string, more ...string) []byte {
	inside := append([]string{
		"<< /Type /Catalog /Pages 2 0 R " + catalog + " >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] >>",
	}, more...)
	var head, body strings.Builder
	for i, o := range inside {
		fmt.Fprintf(&head, "%d %d ", i+1, body.Len())
		body.WriteString(o + "\n")
	}
	n := len(inside)
	content := deflated(head.String() + body.String())
	out := bytes.NewBufferString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	holder := out.Len()
	fmt.Fprintf(out, "%d 0 obj\n%s\nendobj\n", n+1, stream(fmt.Sprintf("/Type /ObjStm /N %d /First %d /Filter /FlateDecode", n, head.Len()), content))
	table := out.Len()
	rows := []byte{0, 0, 0, 0}
	for i := range n {
		rows = append(rows, 2, byte((n+1)>>8), byte(n+1), byte(i))
	}
	rows = append(rows, 1, byte(holder>>8), byte(holder), 0, 1, byte(table>>8), byte(table), 0)
	fmt.Fprintf(out, "%d 0 obj\n%s\nendobj\n", n+2, stream(fmt.Sprintf("/Type /XRef /Size %d /W [1 2 1] /Root 1 0 R /Filter /FlateDecode", n+3), deflated(string(rows))))
	fmt.Fprintf(out, "startxref\n%d\n%%%%EOF\n", table)
	return out.Bytes()
}

// zeros is what unpacks to so many megabytes of them: one, packed, again and
// again. Packing them all would take longer than refusing them.
func zeros(megabytes int) string {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, _ = w.Write(nil) // into memory
	_ = w.Flush()
	head := out.String()
	out.Reset()
	_, _ = w.Write(make([]byte, 1<<20))
	_ = w.Flush()
	return head + strings.Repeat(out.String(), megabytes)
}

// bomb is a document with a part that says that it unpacks to so much.
func bomb(t testing.TB, unpacked uint64, packedBytes int) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, text := range parts() {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	content := []byte(zeros(8))[2:] // without the head that deflate alone does not have
	content = content[:min(len(content), packedBytes)]
	f, err := w.CreateRaw(&zip.FileHeader{Name: "word/media/image1.bmp", Method: zip.Deflate, UncompressedSize64: unpacked, CompressedSize64: uint64(packedBytes)})
	if err == nil {
		_, err = f.Write(append(content, make([]byte, packedBytes-len(content))...))
	}
	if err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
