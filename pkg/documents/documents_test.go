package documents_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/linli-project/linli/pkg/documents"
	"github.com/linli-project/linli/pkg/rule"
)

// sample is a file of the corpus, and what becomes of it: what it is, or why it
// is refused.
type sample struct {
	name, ending, reason string
	file                 []byte
}

// corpus is every file that documents are tried on.
func corpus(t testing.TB) []sample {
	var all []sample
	takes := func(ending, name string, file []byte) { all = append(all, sample{name, ending, "", file}) }
	refuses := func(reason, name string, file []byte) { all = append(all, sample{name, "", reason, file}) }
	packages(t, takes, refuses)
	packs(t, refuses)
	pdfs(t, takes, refuses)
	for name, beginning := range map[string]string{
		"JPEG": "\xff\xd8\xff\xe0", "page": "<!DOCTYPE html>", "text": "minutes", "RTF": `{\rtf1`, "old Word": "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
		"program": "MZ\x90\x00", "PDF behind a line": "\n%PDF-1.7", "SVG": "<svg/>", "XML": "<?xml version='1.0'?>", "empty archive": "PK\x05\x06", "RAR": "Rar!\x1a\x07",
	} {
		refuses("DOCUMENT_TYPE", name, []byte(beginning))
	}
	refuses("FILE_EMPTY", "nothing", nil)
	return all
}

// packages are what office programs write, and what hides in it.
func packages(t testing.TB, takes, refuses func(_, name string, file []byte)) {
	takes(".docx", "document", packed(t, parts()))
	takes(".xlsx", "workbook", workbook(t))
	takes(".docx", "document with a picture and settings of a printer", packed(t, with(map[string]string{
		"word/media/image1.png": "\x89PNG", "word/printerSettings1.bin": "x", "docProps/app.xml": "<a/>"})))
	takes(".docx", "document with a page number", packed(t, with(map[string]string{
		"word/document.xml": fmt.Sprintf(textOf, `<w:r><w:instrText> PAGE </w:instrText></w:r><w:t>DDE</w:t>`)})))
	for _, name := range []string{"word/vbaProject.bin", "word/vbaData.xml", "xl/macrosheets/sheet1.xml", "xl/dialogsheets/sheet1.xml",
		"word/activeX/activeX1.xml", "customUI/customUI.xml", "word/VBAPROJECT.BIN", "word/webextensions/webextension1.xml"} {
		refuses("DOCUMENT_MACROS", "part "+name, packed(t, with(map[string]string{name: "<a/>"})))
	}
	for _, name := range []string{"word/embeddings/oleObject1.bin", "word/embeddings/book.xlsx", "word/other.bin", "run.exe", "word/page.html", "word/x.js",
		"a.lnk", "word/inner.docx", "inner.zip", "word/x.hta", "x.ps1", "word/oleObject1.xml"} {
		refuses("DOCUMENT_EMBEDS", "part "+name, packed(t, with(map[string]string{name: "<a/>"})))
	}
	for _, name := range []string{"xl/externalLinks/externalLink1.xml", "xl/connections.xml"} {
		refuses("DOCUMENT_LINKS", "part "+name, packed(t, with(map[string]string{name: "<a/>"})))
	}
	related := func(kind, target, mode string) []byte {
		return packed(t, with(map[string]string{"word/_rels/settings.xml.rels": fmt.Sprintf(relationsOf, relation(kind, target, mode))}))
	}
	for _, kind := range []string{"image", "attachedTemplate", "oleObject", "frame", "hyperlinkBase", "externalLinkPath"} {
		reason := "DOCUMENT_LINKS"
		if kind == "oleObject" {
			reason = "DOCUMENT_EMBEDS"
		}
		refuses(reason, "from elsewhere: "+kind, related(kind, "https://example.org/x", "External"))
	}
	for _, target := range []string{"file:///c:/windows/win.ini", `\\server\share`, "javascript:alert(1)", "ms-msdt:/id", "//server/x", "data:text/html,x"} {
		refuses("DOCUMENT_LINKS", "link to "+target, related("hyperlink", target, "External"))
	}
	for kind, reason := range map[string]string{"vbaProject": "DOCUMENT_MACROS", "control": "DOCUMENT_MACROS", "aFChunk": "DOCUMENT_EMBEDS", "package": "DOCUMENT_EMBEDS",
		"subDocument": "DOCUMENT_EMBEDS", "connections": "DOCUMENT_LINKS", "queryTable": "DOCUMENT_LINKS", "xlMacrosheet": "DOCUMENT_MACROS"} {
		refuses(reason, "relation "+kind, related(kind, "innocent.xml", ""))
	}
	for content, reason := range map[string]string{
		"application/vnd.ms-word.document.macroEnabled.main+xml": "DOCUMENT_MACROS", "application/vnd.ms-office.vbaProject": "DOCUMENT_MACROS",
		"application/vnd.ms-office.activeX+xml": "DOCUMENT_MACROS", "text/html": "DOCUMENT_MACROS", "application/vnd.openxmlformats-officedocument.oleObject": "DOCUMENT_EMBEDS",
	} {
		refuses(reason, "content "+content, packed(t, with(map[string]string{"[Content_Types].xml": fmt.Sprintf(typesOf,
			`<Override PartName="/word/document.xml" ContentType="`+wordMain+`"/><Override PartName="/word/x.xml" ContentType="`+content+`"/>`)})))
	}
	for name, text := range map[string]string{
		"in one piece": `<w:r><w:instrText>DDEAUTO c:\\windows\\system32\\cmd.exe</w:instrText></w:r>`, "simple": `<w:fldSimple w:instr=" DDE excel x "/>`,
		"in pieces": `<w:r><w:instrText>DDE</w:instrText></w:r><w:r><w:instrText>AUTO cmd</w:instrText></w:r>`, "picture": `<w:r><w:instrText>INCLUDEPICTURE "http://x/"</w:instrText></w:r>`,
	} {
		refuses("DOCUMENT_LINKS", "field "+name, packed(t, with(map[string]string{"word/document.xml": fmt.Sprintf(textOf, text)})))
	}
	for _, gone := range []string{"[Content_Types].xml", "_rels/.rels", "word/document.xml"} {
		less := parts()
		delete(less, gone)
		reason := "DOCUMENT_UNREADABLE"
		if gone == "_rels/.rels" {
			reason = "DOCUMENT_TYPE"
		}
		refuses(reason, "without "+gone, packed(t, less))
	}
	refuses("DOCUMENT_TYPE", "presentation", packed(t, with(map[string]string{"[Content_Types].xml": fmt.Sprintf(typesOf,
		`<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"/>`)})))
	refuses("DOCUMENT_UNREADABLE", "document type in a text", packed(t, with(map[string]string{"word/document.xml": `<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>`})))
	refuses("DOCUMENT_UNREADABLE", "text that is no XML", packed(t, with(map[string]string{"word/document.xml": "<a><b></a>"})))
	refuses("DOCUMENT_UNREADABLE", "text in another coding", packed(t, with(map[string]string{"word/document.xml": "\xff\xfe<\x00a\x00/\x00>\x00"})))
	refuses("DOCUMENT_UNREADABLE", "text that names another coding", packed(t, with(map[string]string{"word/document.xml": `<?xml version="1.0" encoding="UTF-7"?><a/>`})))
}

// packs are archives that are not put together as office programs do it.
func packs(t testing.TB, refuses func(reason, name string, file []byte)) {
	for _, name := range []string{"../evil.xml", "word/../../evil.xml", "/etc/passwd.xml", `..\evil.xml`, `c:\evil.xml`, "c:/evil.xml", "word//x.xml", "./x.xml", "word/\x00.xml"} {
		refuses("DOCUMENT_UNREADABLE", fmt.Sprintf("path %q", name), packed(t, with(map[string]string{name: "<a/>"})))
	}
	good := packed(t, parts())
	refuses("DOCUMENT_UNREADABLE", "one name in two spellings", packed(t, with(map[string]string{"WORD/document.xml": "<a/>"})))
	many := parts()
	for i := range 4100 {
		many[fmt.Sprintf("word/media/%d.png", i)] = ""
	}
	refuses("DOCUMENT_TOO_LARGE", "thousands of parts", packed(t, many))
	refuses("FILE_TWO_KINDS", "something behind", append(bytes.Clone(good), "<script>alert(1)</script>"...))
	refuses("DOCUMENT_TYPE", "something before", append([]byte("GIF89a"), good...))
	at := bytes.Index(good, []byte("word/document.xml"))
	other := bytes.Clone(good)
	copy(other[at:], "word/Document.xml")
	refuses("DOCUMENT_UNREADABLE", "two names of one part", other)
	secret := bytes.Clone(good)
	secret[bytes.LastIndex(secret, []byte("PK\x01\x02"))+8] |= 1
	refuses("DOCUMENT_ENCRYPTED", "part with a password", secret)
	for i := 1; i < 8; i++ {
		refuses("DOCUMENT_UNREADABLE", fmt.Sprintf("cut at %d/8", i), good[:len(good)*i/8])
	}
	broken := bytes.Clone(good)
	broken[bytes.Index(broken, []byte("word/document.xml"))+30] ^= 0xff
	refuses("DOCUMENT_UNREADABLE", "part with a wrong sum", broken)
}

// pdfs are pages, and what acts beside them.
func pdfs(t testing.TB, takes, refuses func(_, name string, file []byte)) {
	takes(".pdf", "page", page(""))
	takes(".pdf", "packed page", objectStream(""))
	takes(".pdf", "page that opens at a place", page("/OpenAction [3 0 R /Fit]"))
	takes(".pdf", "page with a link", page("/Lang (zh)", "<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /A << /S /URI /URI (https://example.org) >> >>"))
	takes(".pdf", "page with packed content", page("", stream("/Filter /FlateDecode", deflated("BT (/JS) Tj ET"))))
	for name, catalog := range map[string]string{
		"script at the opening": "/OpenAction << /S /JavaScript /JS (app.alert(1)) >>", "scripts by name": "/Names << /JavaScript << /Names [] >> >>",
		"escaped name": "/OpenAction << /S /J#61vaScript /J#53 (x) >>", "program": "/OpenAction << /S /Launch /F (cmd.exe) >>", "form that is sent": "/OpenAction << /S /SubmitForm /F (http://x) >>",
		"import": "/AA << /O << /S /ImportData /F (x) >> >>", "form in XML": "/AcroForm << /XFA [] >>", "hidden rendition": "/OpenAction << /S /Rendition >>",
	} {
		refuses("DOCUMENT_MACROS", name, page(catalog))
		refuses("DOCUMENT_MACROS", "packed: "+name, objectStream(catalog))
	}
	for name, catalog := range map[string]string{
		"embedded files": "/Names << /EmbeddedFiles << /Names [] >> >>", "file of a file": "/X << /EF << >> >>", "portfolio": "/Collection << >>",
		"go to an embedded file": "/OpenAction << /S /GoToE >>", "go to another file": "/OpenAction << /S /GoToR /F (x.pdf) >>", "player": "/X << /Subtype /RichMedia >>", "film": "/X << /S /Movie >>",
		"attached file": "/X << /Subtype /FileAttachment >>",
	} {
		refuses("DOCUMENT_EMBEDS", name, page(catalog))
		refuses("DOCUMENT_EMBEDS", "packed: "+name, objectStream(catalog))
	}
	refuses("DOCUMENT_MACROS", "script in an object that nobody names", page("", "<< /S /JavaScript /JS (x) >>"))
	refuses("DOCUMENT_MACROS", "script in a packed object that nobody names", objectStream("", "<< /S /JavaScript /JS (x) >>"))
	refuses("DOCUMENT_EMBEDS", "stream of an embedded file", page("", stream("/Type /EmbeddedFile", "MZ")))
	good := page("")
	refuses("DOCUMENT_ENCRYPTED", "password", bytes.Replace(good, []byte("/Root"), []byte("/Encrypt 5 0 R /Root"), 1))
	refuses("DOCUMENT_ENCRYPTED", "password in place", bytes.Replace(good, []byte("/Root"), []byte("/Encrypt << /Filter /Standard >> /Root"), 1))
	refuses("FILE_TWO_KINDS", "archive behind", append(bytes.Clone(good), packed(t, parts())...))
	refuses("FILE_TWO_KINDS", "page behind", append(bytes.Clone(good), "<html><script>alert(1)</script>"...))
	refuses("FILE_TWO_KINDS", "blanks behind, a kilobyte and more", append(bytes.Clone(good), make([]byte, 4096)...))
	for i := 1; i < 8; i++ {
		refuses("DOCUMENT_UNREADABLE", fmt.Sprintf("PDF cut at %d/8", i), good[:len(good)*i/8])
	}
	refuses("DOCUMENT_UNREADABLE", "PDF of another number", append([]byte("%PDF-9"), good[6:]...))
	refuses("DOCUMENT_UNREADABLE", "head and end alone", []byte("%PDF-1.7\n%%EOF"))
	refuses("DOCUMENT_UNREADABLE", "table that points into itself", []byte("%PDF-1.7\nxref\n0 1\n0000000000 65535 f \ntrailer\n<< /Size 1 /Prev 9 >>\nstartxref\n9\n%%EOF"))
	refuses("DOCUMENT_UNREADABLE", "objects packed in an old way", page("", stream("/Type /Obj#53tm /N 1 /First 4 /Filter /LZWDecode", "x")))
	refuses("DOCUMENT_UNREADABLE", "objects in one another", page("/X "+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)))
}

// bombs are small files that hold much.
func bombs(t testing.TB) (all []sample) {
	refuses := func(reason, name string, file []byte) { all = append(all, sample{name, "", reason, file}) }
	refuses("FILE_TOO_LARGE", "eleven megabytes", make([]byte, 11<<20))
	refuses("DOCUMENT_TOO_LARGE", "part that unpacks to 130 megabytes", bomb(t, 130<<20, 1<<20))
	refuses("DOCUMENT_TOO_LARGE", "part that unpacks a thousand to one", bomb(t, 8<<20, 8<<10))
	refuses("DOCUMENT_UNREADABLE", "part that unpacks to more than it says", bomb(t, 1000, 8<<10))
	refuses("DOCUMENT_TOO_LARGE", "stream of 130 megabytes", page("", stream("/Filter /FlateDecode", zeros(130))))
	refuses("DOCUMENT_TOO_LARGE", "streams of 140 megabytes together", page("", stream("/Filter /FlateDecode", zeros(70)), stream("/Filter /FlateDecode", zeros(70))))
	refuses("DOCUMENT_UNREADABLE", "objects packed twice", page("", stream("/Type /ObjStm /N 1 /First 4 /Filter [/FlateDecode /FlateDecode]", deflated(zeros(1)))))
	return all
}

func TestInspect_Corpus(t *testing.T) {
	all, inspector := append(corpus(t), bombs(t)...), documents.NewInspector()
	if len(all) < 120 {
		t.Errorf("%d files", len(all))
	}
	for _, s := range all {
		kind, err := inspector.Inspect(t.Context(), s.file)
		if reason := reasonOf(err); reason != s.reason || err != nil && reason == "" {
			t.Errorf("%s: %v, want %q", s.name, err, s.reason)
			continue
		}
		if kind.Ending != s.ending || (kind.MediaType == "") != (s.ending == "") {
			t.Errorf("%s: %+v, want %s", s.name, kind, s.ending)
		}
	}
	t.Logf("%d files", len(all))
}

func reasonOf(err error) string {
	var r *rule.Error
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

func TestInspect_EndsWithItsCaller(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := documents.NewInspector().Inspect(gone, page("")); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestCleanName_IsFitToBeOne(t *testing.T) {
	for in, want := range map[string]string{
		"申报书.pdf": "申报书.docx", "../../etc/passwd": "passwd.docx", `C:\Users\me\预算.xlsx`: "预算.docx", "a/b/c.txt": "c.docx", "": "fil_1.docx",
		"...": "fil_1.docx", "..": "fil_1.docx", "x\r\nSet-Cookie: a=b.pdf": "xSet-Cookie_ a=b.docx", "evil\u202excod.exe": "evilxcod.docx", "a\x00b.pdf": "ab.docx",
		`q"uote;%.pdf`: "q_uote.docx", "run.exe": "run.docx", ".htaccess": "fil_1.docx", " 空 格 .pdf": "空 格.docx", "a\xffb": "ab.docx",
	} {
		if got := documents.CleanName(in, "fil_1", ".docx"); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := documents.CleanName(strings.Repeat("长", 500), "x", ".pdf"); utf8.RuneCountInString(got) != 84 {
		t.Errorf("%d characters", utf8.RuneCountInString(got))
	}
}

func FuzzInspect(f *testing.F) {
	for _, s := range corpus(f) {
		if len(s.file) < 8<<10 {
			f.Add(s.file)
		}
	}
	inspector := documents.NewInspector()
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) > 64<<10 {
			return
		}
		kind, err := inspector.Inspect(t.Context(), file)
		switch {
		case err != nil && reasonOf(err) == "":
			t.Fatalf("refused without a reason: %v", err)
		case err == nil && kind.Ending == ".pdf" && !bytes.HasPrefix(file, []byte("%PDF-")), err == nil && kind.Ending != ".pdf" && !bytes.HasPrefix(file, []byte("PK")):
			t.Fatalf("%q taken for %s", file[:4], kind.Ending)
		}
	})
}
