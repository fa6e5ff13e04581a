package documents

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"path"
	"regexp"
	"strings"
)

// relation is one line of a .rels part: what another part or place is for.
type relation struct {
	Type   string `xml:"Type,attr"`
	Target string `xml:"Target,attr"`
	Mode   string `xml:"TargetMode,attr"`
}

func relations(text []byte) ([]relation, error) {
	var all struct {
		Relations []relation `xml:"Relationship"`
	}
	err := unmarshal(text, &all)
	return all.Relations, err
}

// checkRelations: what is elsewhere may be clicked on and is never fetched, and
// nothing leads to what acts.
func checkRelations(text []byte) error {
	all, err := relations(text)
	if err != nil {
		return err
	}
	for _, r := range all {
		of := strings.ToLower(r.Type[strings.LastIndexByte(r.Type, '/')+1:])
		target := strings.ToLower(strings.TrimSpace(r.Target))
		switch of {
		case "vbaproject", "wordvbadata", "control", "activexcontrol", "activexcontrolbinary", "xlmacrosheet", "xlintlmacrosheet",
			"dialogsheet", "attachedtoolbars", "keymapcustomizations", "extensibility", "webextension", "taskpane", "userxmldata":
			return refused("DOCUMENT_MACROS")
		case "oleobject", "package", "afchunk", "subdocument":
			return refused("DOCUMENT_EMBEDS")
		case "externallink", "externallinkpath", "connections", "querytable", "frame", "mailmergesource", "attachedtemplate":
			return refused("DOCUMENT_LINKS")
		}
		link := of == "hyperlink" && (strings.HasPrefix(target, "http://") || strings.HasPrefix(target, "https://") || strings.HasPrefix(target, "mailto:"))
		if strings.EqualFold(strings.TrimSpace(r.Mode), "External") && !link {
			return refused("DOCUMENT_LINKS")
		}
	}
	return nil
}

// contentTypes says what the parts of a package are.
type contentTypes struct {
	Defaults []struct {
		Extension   string `xml:"Extension,attr"`
		ContentType string `xml:"ContentType,attr"`
	} `xml:"Default"`
	Overrides []struct {
		PartName    string `xml:"PartName,attr"`
		ContentType string `xml:"ContentType,attr"`
	} `xml:"Override"`
}

func (t contentTypes) all() []string {
	var out []string
	for _, d := range t.Defaults {
		out = append(out, d.ContentType)
	}
	for _, o := range t.Overrides {
		out = append(out, o.ContentType)
	}
	return out
}

func (t contentTypes) check() error {
	for _, c := range t.all() {
		c = strings.ToLower(c)
		for _, active := range []string{"macro", "vba", "activex", "javascript", "webextension", "text/html", "mhtml", "xhtml"} {
			if strings.Contains(c, active) {
				return refused("DOCUMENT_MACROS")
			}
		}
		for _, embedded := range []string{"oleobject", "x-msdownload", "application/zip"} {
			if strings.Contains(c, embedded) {
				return refused("DOCUMENT_EMBEDS")
			}
		}
		if strings.Contains(c, "externallink") || strings.Contains(c, "connections+xml") {
			return refused("DOCUMENT_LINKS")
		}
	}
	return nil
}

// of answers what a part is, by its lower-case name.
func (t contentTypes) of(name string) string {
	for _, o := range t.Overrides {
		if strings.EqualFold(strings.TrimPrefix(o.PartName, "/"), name) {
			return o.ContentType
		}
	}
	for _, d := range t.Defaults {
		if strings.EqualFold("."+d.Extension, path.Ext(name)) {
			return d.ContentType
		}
	}
	return ""
}

// fetches is a field of a text that asks another program.
var fetches = regexp.MustCompile(`(?i)\b(DDE|DDEAUTO|INCLUDETEXT|INCLUDEPICTURE|IMPORT|DATABASE)\b`)

// checkText reads a part to its end: it is XML without a document type, and
// none of its fields asks another program.
func checkText(text []byte) error {
	in, err := decoder(text)
	if err != nil {
		return err
	}
	var fields strings.Builder
	inField := false
	for {
		token, err := in.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return refused("DOCUMENT_UNREADABLE")
		}
		switch t := token.(type) {
		case xml.Directive:
			return refused("DOCUMENT_UNREADABLE")
		case xml.StartElement:
			inField = t.Name.Local == "instrText" || t.Name.Local == "delInstrText"
			for _, a := range t.Attr {
				if t.Name.Local == "fldSimple" && a.Name.Local == "instr" {
					fields.WriteString(" " + a.Value + " ")
				}
			}
			if strings.EqualFold(t.Name.Local, "script") {
				return refused("DOCUMENT_MACROS")
			}
			if strings.EqualFold(t.Name.Local, "oleObject") || t.Name.Local == "OLEObject" {
				return refused("DOCUMENT_EMBEDS")
			}
			if t.Name.Local == "fldChar" {
				fields.WriteByte(' ')
			}
		case xml.EndElement:
			inField = false
		case xml.CharData:
			if inField {
				fields.Write(t) // a field may be cut into pieces
			}
		}
	}
	if fetches.MatchString(fields.String()) {
		return refused("DOCUMENT_LINKS")
	}
	return nil
}

func unmarshal(text []byte, into any) error {
	in, err := decoder(text)
	if err != nil {
		return err
	}
	if bytes.Contains(text, []byte("<!DOCTYPE")) {
		return refused("DOCUMENT_UNREADABLE")
	}
	if err := in.Decode(into); err != nil {
		return refused("DOCUMENT_UNREADABLE")
	}
	return nil
}

// decoder reads UTF-8 alone, which is what office programs write: in another
// coding, a text could say to others what it does not say here.
func decoder(text []byte) (*xml.Decoder, error) {
	for _, other := range []string{"\xff\xfe", "\xfe\xff", "\x00", "<\x00", "+/v"} {
		if bytes.HasPrefix(text, []byte(other)) {
			return nil, refused("DOCUMENT_UNREADABLE")
		}
	}
	in := xml.NewDecoder(bytes.NewReader(text))
	in.CharsetReader = func(string, io.Reader) (io.Reader, error) { return nil, refused("DOCUMENT_UNREADABLE") }
	return in, nil
}
