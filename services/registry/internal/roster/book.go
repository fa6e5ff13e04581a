package roster

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"path"
	"strings"
)

// book is what a sheet needs to know of its workbook.
type book struct {
	pack *pack
	// at is the part of the first visible sheet.
	at string
	// strings are those that cells share by number.
	strings []string
	// dates says for each style whether it shows a number as a day.
	dates []bool
	// from1904: days are counted from 1904 on.
	from1904 bool
}

// links are the relationships of a part.
type links struct {
	Links []struct {
		ID     string `xml:"Id,attr"`
		Type   string `xml:"Type,attr"`
		Target string `xml:"Target,attr"`
	} `xml:"Relationship"`
}

// find answers where a link of a kind leads, or "".
func (l links) find(from, kind string) string {
	for _, link := range l.Links {
		if strings.HasSuffix(link.Type, "/"+kind) {
			return target(from, link.Target)
		}
	}
	return ""
}

// target answers the part that a link in another one names.
func target(from, to string) string {
	if strings.HasPrefix(to, "/") {
		return strings.TrimPrefix(path.Clean(to), "/")
	}
	return path.Join(path.Dir(from), to)
}

// book opens the workbook's own page and what belongs to every sheet.
func (p *pack) book(limits Limits) (*book, error) {
	var root, own links
	if err := p.decode("_rels/.rels", &root); err != nil {
		return nil, err
	}
	at := root.find("", "officeDocument")
	if err := p.decode(path.Join(path.Dir(at), "_rels", path.Base(at)+".rels"), &own); err != nil {
		return nil, err
	}
	var page struct {
		Properties struct {
			From1904 string `xml:"date1904,attr"`
		} `xml:"workbookPr"`
		Sheets []struct {
			State string     `xml:"state,attr"`
			Attrs []xml.Attr `xml:",any,attr"`
		} `xml:"sheets>sheet"`
	}
	if err := p.decode(at, &page); err != nil {
		return nil, err
	}
	b := &book{pack: p, from1904: page.Properties.From1904 == "1" || page.Properties.From1904 == "true"}
	for _, s := range page.Sheets {
		if s.State != "" && s.State != "visible" {
			continue
		}
		b.at = own.named(at, s.Attrs)
		break
	}
	if b.at == "" {
		return nil, unreadable()
	}
	if err := b.readStyles(own.find(at, "styles")); err != nil {
		return nil, err
	}
	return b, b.readStrings(own.find(at, "sharedStrings"), limits.Strings)
}

// named answers the part of the link whose id is among the attributes.
func (l links) named(from string, attrs []xml.Attr) string {
	for _, a := range attrs {
		if a.Name.Local != "id" {
			continue
		}
		for _, link := range l.Links {
			if link.ID == a.Value {
				return target(from, link.Target)
			}
		}
	}
	return ""
}

// readStyles learns which styles show days. A workbook can be without.
func (b *book) readStyles(at string) error {
	if at == "" {
		return nil
	}
	var styles struct {
		Formats []struct {
			ID   int    `xml:"numFmtId,attr"`
			Code string `xml:"formatCode,attr"`
		} `xml:"numFmts>numFmt"`
		Cells []struct {
			Format int `xml:"numFmtId,attr"`
		} `xml:"cellXfs>xf"`
	}
	if err := b.pack.decode(at, &styles); err != nil {
		return err
	}
	own := map[int]bool{}
	for _, f := range styles.Formats {
		own[f.ID] = showsDay(f.Code)
	}
	for _, c := range styles.Cells {
		day, said := own[c.Format]
		b.dates = append(b.dates, said && day || !said && builtInDay(c.Format))
	}
	return nil
}

// readStrings reads the shared strings, pieces of rich text put together and
// readings left out.
func (b *book) readStrings(at string, limit int64) error {
	if at == "" {
		return nil
	}
	in, err := b.pack.open(at, limit)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // read only
	d := xml.NewDecoder(in)
	var text strings.Builder
	inText, reading, whole := false, false, false
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) && whole {
			return nil
		}
		if err != nil {
			return readable(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			inText = t.Name.Local == "t"
			reading = reading || t.Name.Local == "rPh"
		case xml.CharData:
			if inText && !reading {
				text.Write(t)
			}
		case xml.EndElement:
			inText = false
			switch t.Name.Local {
			case "rPh":
				reading = false
			case "si":
				b.strings = append(b.strings, unescape(text.String()))
				text.Reset()
			case "sst":
				whole = true
			}
		}
	}
}

// sheet opens the first visible sheet, after it has come out whole once: a torn
// or endless one is refused before any row of it has an effect.
func (b *book) sheet(limits Limits) (io.Reader, error) {
	in, err := b.pack.open(b.at, limits.Unpacked)
	if err != nil {
		return nil, err
	}
	rows := &rowCounter{}
	_, err = io.Copy(rows, in)
	_ = in.Close() // read only
	if err != nil {
		return nil, readable(err)
	}
	if rows.n > mostRowElements(limits.Rows) {
		return nil, tooManyRows(limits.Rows)
	}
	return b.pack.open(b.at, limits.Unpacked)
}

// mostRowElements: sheets that were edited for long have rows without anything
// in them, which are passed over.
func mostRowElements(rows int) int { return 2*rows + 1000 }

// rowCounter counts the beginnings of rows in the text of a sheet.
type rowCounter struct {
	n    int
	tail []byte
}

var rowMarks = [][]byte{[]byte("<row "), []byte("<row>"), []byte(":row "), []byte(":row>")}

func (c *rowCounter) Write(p []byte) (int, error) {
	text := append(c.tail, p...)
	for _, mark := range rowMarks {
		c.n += bytes.Count(text, mark)
	}
	c.tail = append([]byte(nil), text[max(0, len(text)-len(rowMarks[0])+1):]...)
	return len(p), nil
}
