package documents

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/types"
)

const (
	mostObjects = 200_000
	// deepest is how far objects lie in one another.
	deepest = 64
	// mostTail is what may stand behind the last mark of the end.
	mostTail = 1024
)

// inspectPDF looks at the text of a PDF outside of its streams, at how much the
// streams hold, and then at every object as a viewer would find it, those that
// lie packed in streams too.
func inspectPDF(ctx context.Context, file []byte) (Kind, error) {
	end := bytes.LastIndex(file, []byte("%%EOF"))
	if end < 0 || !bytes.HasPrefix(file[5:], []byte("1.")) && !bytes.HasPrefix(file[5:], []byte("2.")) {
		return Kind{}, refused("DOCUMENT_UNREADABLE")
	}
	tail := file[end+len("%%EOF"):]
	if isArchive(file) || len(tail) > mostTail || len(bytes.Trim(tail, "\x00\t\n\f\r ")) > 0 {
		return Kind{}, refused("FILE_TWO_KINDS")
	}
	if err := scanPDF(ctx, file); err != nil {
		return Kind{}, err
	}
	if err := walkPDF(ctx, file); err != nil {
		return Kind{}, err
	}
	return kindPDF(), nil
}

// activeNames are keys and values of what acts, embeddedNames of what holds
// other files or players.
func activeNames() []string {
	return []string{"JavaScript", "JS", "Launch", "SubmitForm", "ImportData", "XFA", "RichMediaExecute", "Rendition"}
}

func embeddedNames() []string {
	return []string{"EmbeddedFile", "EmbeddedFiles", "EF", "AF", "FileAttachment", "RichMedia", "GoToE", "GoToR", "Movie", "Sound", "3D", "Collection"}
}

// checkName refuses by one name, as it reads once its escapes are taken out.
func checkName(name string) error {
	switch name = unescape(name); {
	case name == "Encrypt":
		return refused("DOCUMENT_ENCRYPTED")
	case slices.Contains(activeNames(), name):
		return refused("DOCUMENT_MACROS")
	case slices.Contains(embeddedNames(), name):
		return refused("DOCUMENT_EMBEDS")
	}
	return nil
}

// unescape takes the escapes out of a name: "J#61vaScript".
func unescape(name string) string {
	var out strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '#' && i+2 < len(name) {
			if b, err := hex.DecodeString(name[i+1 : i+3]); err == nil {
				out.Write(b)
				i += 2
				continue
			}
		}
		out.WriteByte(name[i])
	}
	return out.String()
}

// scanPDF goes over the file from its beginning, by no table of contents: what
// lies in it and is not named by one is found as well.
func scanPDF(ctx context.Context, file []byte) error {
	var unpacked int64
	for rest := file; ; {
		head, body, more := bytes.Cut(rest, []byte("stream"))
		if err := checkNames(head); err != nil {
			return err
		}
		if !more {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := checkPacking(head); err != nil {
			return err
		}
		stream := bytes.TrimLeft(body[:min(2, len(body))], "\r\n")
		body = body[min(2, len(body))-len(stream):]
		if err := weigh(body, &unpacked, 0); err != nil {
			return err
		}
		// The end of the stream is found by its mark: how long it says that it is
		// counts for nothing.
		at := bytes.Index(body, []byte("endstream"))
		if at < 0 {
			return checkNames(body)
		}
		rest = body[at+len("endstream"):]
	}
}

// checkNames refuses by the names in a text.
func checkNames(text []byte) error {
	for {
		at := bytes.IndexByte(text, '/')
		if at < 0 {
			return nil
		}
		text = text[at+1:]
		end := bytes.IndexAny(text, "\x00\t\n\f\r ()<>[]{}/%")
		if end < 0 {
			end = len(text)
		}
		if end <= 64 {
			if err := checkName(string(text[:end])); err != nil {
				return err
			}
		}
		text = text[end:]
	}
}

// checkPacking: a stream that holds objects or a table of contents is packed in
// the usual way, once, or not at all.
func checkPacking(head []byte) error {
	at := bytes.LastIndex(head, []byte("obj"))
	text := unescape(string(head[max(0, at):]))
	if !strings.Contains(text, "/ObjStm") && !strings.Contains(text, "/XRef") {
		return nil
	}
	_, filter, filtered := strings.Cut(text, "/Filter")
	filter = strings.TrimLeft(filter, "\t\n\f\r [")
	if filtered && !strings.HasPrefix(filter, "/FlateDecode") || strings.Count(text, "/FlateDecode") > 1 ||
		strings.Contains(text, "/LZW") || strings.Contains(text, "/ASCII") || strings.Contains(text, "/RunLength") || strings.Contains(text, "/Crypt") {
		return refused("DOCUMENT_UNREADABLE")
	}
	return nil
}

// weigh adds what a packed stream holds to what all hold, and what is packed in
// it in turn.
func weigh(stream []byte, total *int64, depth int) error {
	unpack, err := zlib.NewReader(bytes.NewReader(stream))
	if err != nil {
		return nil //nolint:nilerr // it is not packed, or in another way
	}
	left := mostUnpacked - *total
	beginning := &bytes.Buffer{}
	n, _ := io.Copy(io.Discard, io.TeeReader(io.LimitReader(unpack, left+1), &first{into: beginning})) // what is broken holds what came before
	if *total += n; n > left || depth > 2 {
		return refused("DOCUMENT_TOO_LARGE")
	}
	if beginning.Len() > 2 && beginning.Bytes()[0] == 0x78 && n > 1<<20 {
		again, err := zlib.NewReader(bytes.NewReader(stream))
		if err != nil {
			return nil //nolint:nilerr // it was read a moment ago
		}
		inner, _ := io.ReadAll(io.LimitReader(again, MostBytes))
		return weigh(inner, total, depth+1)
	}
	return nil
}

// first keeps the first bytes that are written to it.
type first struct{ into *bytes.Buffer }

func (f *first) Write(p []byte) (int, error) {
	if room := 4 - f.into.Len(); room > 0 {
		f.into.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// walkPDF reads a PDF as a viewer does and looks at every object.
func walkPDF(ctx context.Context, file []byte) error {
	c := &model.Configuration{
		Reader15: true, ValidationMode: model.ValidationRelaxed, Offline: true,
		Limits: model.ResourceLimits{
			MaxStreamBytes: MostBytes, MaxDecodeBytes: mostUnpacked, MaxImagePixels: 1, MaxImageBytes: 1,
			MaxObjectCount: mostObjects, MaxObjectStreamCount: mostObjects, MaxObjectStreamFirst: 1 << 20,
			MaxXRefEntries: mostObjects, MaxRecursionDepth: deepest,
		},
	}
	pdf, err := pdfcpu.ReadWithContext(ctx, bytes.NewReader(file), c)
	switch {
	case errors.Is(err, pdfcpu.ErrEncrypted) || err == nil && pdf.Encrypt != nil:
		return refused("DOCUMENT_ENCRYPTED")
	case err != nil || pdf.Root == nil:
		return refused("DOCUMENT_UNREADABLE")
	}
	if catalog, err := pdf.Catalog(); err != nil || catalog["Pages"] == nil {
		return refused("DOCUMENT_UNREADABLE") // a reader that mends would find other things than this one
	}
	for number, entry := range pdf.Table {
		if entry == nil || entry.Free {
			continue
		}
		generation := 0
		if entry.Generation != nil {
			generation = *entry.Generation
		}
		object, err := pdf.Dereference(*types.NewIndirectRef(number, generation))
		if err != nil {
			return refused("DOCUMENT_UNREADABLE")
		}
		if err := checkObject(object, 0); err != nil {
			return err
		}
	}
	return nil
}

// checkObject looks at an object and what lies in it. What it refers to has its
// own number.
func checkObject(object types.Object, depth int) error {
	if depth > deepest {
		return refused("DOCUMENT_UNREADABLE")
	}
	switch o := object.(type) {
	case types.Dict:
		for key, value := range o {
			if err := checkName(key); err != nil {
				return err
			}
			if err := checkObject(value, depth+1); err != nil {
				return err
			}
		}
	case types.Array:
		for _, value := range o {
			if err := checkObject(value, depth+1); err != nil {
				return err
			}
		}
	case types.Name:
		return checkName(string(o))
	case types.StreamDict:
		return checkObject(o.Dict, depth+1)
	case *types.StreamDict:
		return checkObject(o.Dict, depth+1)
	case types.ObjectStreamDict:
		return checkObject(o.Dict, depth+1)
	case types.XRefStreamDict:
		return checkObject(o.Dict, depth+1)
	}
	return nil
}
