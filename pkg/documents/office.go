package documents

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const (
	localMark = "PK\x03\x04"
	endMark   = "PK\x05\x06"
	endBytes  = 22
	localHead = 30

	// mostParts is how many parts a package has.
	mostParts = 4000
	// A part that unpacks to more than ratioFrom is at most mostRatio times its
	// packed size: text packs ten to one, an empty sheet fifty.
	ratioFrom = 1 << 20
	mostRatio = 400
	// mostXML is the largest part that is read as XML.
	mostXML = 64 << 20
)

// office is a package whose parts were looked at.
type office struct {
	ctx   context.Context //nolint:containedctx // of one look; every part asks it
	parts map[string]*zip.File
	left  int64 // how much may still be unpacked
}

// inspectOffice looks at a DOCX or XLSX.
func inspectOffice(ctx context.Context, file []byte) (Kind, error) {
	archive, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return Kind{}, refused("DOCUMENT_UNREADABLE")
	}
	// Nothing stands behind the archive: where it ends, the file does.
	if len(file) < endBytes || string(file[len(file)-endBytes:][:4]) != endMark {
		return Kind{}, refused("FILE_TWO_KINDS")
	}
	o := &office{ctx: ctx, parts: map[string]*zip.File{}, left: mostUnpacked}
	if err := o.list(archive, file); err != nil {
		return Kind{}, err
	}
	kind, err := o.kind()
	if err != nil {
		return Kind{}, err
	}
	return kind, o.read()
}

// list looks at the parts without unpacking one.
func (o *office) list(archive *zip.Reader, file []byte) error {
	if len(archive.File) > mostParts {
		return refused("DOCUMENT_TOO_LARGE")
	}
	if err := apart(archive.File, file); err != nil {
		return err
	}
	var total uint64
	for _, part := range archive.File {
		name := strings.ToLower(part.Name)
		if !goodPath(part.Name) || o.parts[name] != nil {
			return refused("DOCUMENT_UNREADABLE")
		}
		if part.Flags&1 != 0 {
			return refused("DOCUMENT_ENCRYPTED")
		}
		if part.Method != zip.Store && part.Method != zip.Deflate {
			return refused("DOCUMENT_UNREADABLE")
		}
		total += min(part.UncompressedSize64, mostUnpacked+1)
		if total > mostUnpacked || part.UncompressedSize64 > ratioFrom && part.UncompressedSize64/mostRatio > part.CompressedSize64 {
			return refused("DOCUMENT_TOO_LARGE")
		}
		if err := goodName(name); err != nil {
			return err
		}
		o.parts[name] = part
	}
	return nil
}

// apart: the parts lie one behind the other, each under the name that the table
// of contents gives it. In a file where two lie over each other, or where the
// two names differ, one program sees what another does not.
func apart(parts []*zip.File, file []byte) error {
	type span struct{ from, to int64 }
	var spans []span
	for _, part := range parts {
		data, err := part.DataOffset()
		if err != nil || data < localHead || data > int64(len(file)) {
			return refused("DOCUMENT_UNREADABLE")
		}
		head := bytes.LastIndex(file[:data], []byte(localMark))
		for head >= 0 && !heads(file, int64(head), data) {
			head = bytes.LastIndex(file[:head], []byte(localMark))
		}
		if head < 0 || string(file[head+localHead:][:nameLength(file, head)]) != part.Name {
			return refused("DOCUMENT_UNREADABLE")
		}
		spans = append(spans, span{int64(head), data + int64(min(part.CompressedSize64, uint64(len(file))))})
	}
	slices.SortFunc(spans, func(a, b span) int { return int(a.from - b.from) })
	for i, s := range spans {
		if s.to > int64(len(file)) || i > 0 && s.from < spans[i-1].to {
			return refused("DOCUMENT_UNREADABLE")
		}
	}
	return nil
}

func nameLength(file []byte, head int) int {
	return int(binary.LittleEndian.Uint16(file[head+26:]))
}

// heads says whether the local head at a place belongs to the data at another.
func heads(file []byte, head, data int64) bool {
	if head+localHead > data {
		return false
	}
	extra := int64(binary.LittleEndian.Uint16(file[head+28:]))
	return head+localHead+int64(nameLength(file, int(head)))+extra == data
}

// goodPath says whether a part's name leads nowhere but into its package.
func goodPath(name string) bool {
	return name != "" && filepath.IsLocal(name) && !strings.ContainsAny(name, "\\:\x00") && !strings.HasPrefix(name, "/") &&
		path.Clean(strings.TrimSuffix(name, "/")) == strings.TrimSuffix(name, "/")
}

// goodName refuses parts by their names, whatever is said of them elsewhere.
func goodName(name string) error {
	for _, active := range []string{"vbaproject", "vbadata", "activex", "macrosheets/", "dialogsheets/", "customui", "attachedtoolbars", "webextensions/"} {
		if strings.Contains(name, active) {
			return refused("DOCUMENT_MACROS")
		}
	}
	for _, embedded := range []string{"embeddings/", "oleobject"} {
		if strings.Contains(name, embedded) {
			return refused("DOCUMENT_EMBEDS")
		}
	}
	if strings.Contains(name, "externallinks/") || strings.HasSuffix(name, "/connections.xml") {
		return refused("DOCUMENT_LINKS")
	}
	switch path.Ext(name) {
	case "", ".xml", ".rels", ".vml", ".jpeg", ".jpg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".emf", ".wmf", ".svg", ".wdp", ".odttf", ".fntdata", ".psmdcp", ".data":
	case ".bin":
		if !strings.HasPrefix(path.Base(name), "printersettings") {
			return refused("DOCUMENT_EMBEDS")
		}
	default:
		return refused("DOCUMENT_EMBEDS")
	}
	return nil
}

// open answers a part whole. What it says of its own size counts for nothing.
func (o *office) open(part *zip.File) ([]byte, error) {
	if err := o.ctx.Err(); err != nil {
		return nil, err
	}
	r, err := part.Open()
	if err != nil {
		return nil, refused("DOCUMENT_UNREADABLE")
	}
	defer r.Close()
	most := min(o.left, mostXML)
	text, err := io.ReadAll(io.LimitReader(r, most+1))
	if int64(len(text)) > most {
		return nil, refused("DOCUMENT_TOO_LARGE")
	}
	if err != nil {
		return nil, refused("DOCUMENT_UNREADABLE")
	}
	o.left -= int64(len(text))
	return text, nil
}

// read looks into every part: all of them are whole, and no text of them acts
// or fetches.
func (o *office) read() error {
	names := make([]string, 0, len(o.parts))
	for name := range o.parts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if strings.HasSuffix(name, "/") {
			continue
		}
		text, err := o.open(o.parts[name])
		if err != nil {
			return err
		}
		switch path.Ext(name) {
		case ".rels":
			err = checkRelations(text)
		case ".xml", ".vml", ".svg":
			err = checkText(text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// kind is told by what the package calls its main part.
func (o *office) kind() (Kind, error) {
	main, err := o.mainPart()
	if err != nil {
		return Kind{}, err
	}
	types, err := o.contentTypes()
	if err != nil {
		return Kind{}, err
	}
	switch types.of(main) {
	case kindDOCX().MediaType + ".main+xml":
		return kindDOCX(), nil
	case kindXLSX().MediaType + ".main+xml":
		return kindXLSX(), nil
	}
	return Kind{}, refused("DOCUMENT_TYPE", "taken", "PDF, DOCX, XLSX")
}

// mainPart answers the name of the part that the package begins with.
func (o *office) mainPart() (string, error) {
	part := o.parts["_rels/.rels"]
	if part == nil {
		return "", refused("DOCUMENT_TYPE", "taken", "PDF, DOCX, XLSX")
	}
	text, err := o.open(part)
	if err != nil {
		return "", err
	}
	all, err := relations(text)
	if err != nil {
		return "", err
	}
	for _, r := range all {
		if strings.HasSuffix(r.Type, "/officeDocument") {
			name := strings.ToLower(strings.TrimPrefix(path.Clean("/"+r.Target), "/"))
			if o.parts[name] == nil {
				return "", refused("DOCUMENT_UNREADABLE")
			}
			return name, nil
		}
	}
	return "", refused("DOCUMENT_TYPE", "taken", "PDF, DOCX, XLSX")
}

// contentTypes reads what the package says that its parts are.
func (o *office) contentTypes() (contentTypes, error) {
	part := o.parts["[content_types].xml"]
	if part == nil {
		return contentTypes{}, refused("DOCUMENT_UNREADABLE")
	}
	text, err := o.open(part)
	if err != nil {
		return contentTypes{}, err
	}
	var types contentTypes
	if err := unmarshal(text, &types); err != nil {
		return types, err
	}
	return types, types.check()
}
