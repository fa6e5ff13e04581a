package roster

import (
	"bytes"
	"unicode/utf8"

	"github.com/linli-project/linli/pkg/rule"
)

// Encoding is how a file writes its text, by the name that answers give.
type Encoding string

// The encodings that are taken.
const (
	UTF8    Encoding = "UTF-8"
	GB18030 Encoding = "GB18030"
	XLSX    Encoding = "XLSX"
)

// zipMark is what a workbook begins with.
const zipMark = "PK\x03\x04"

// IsWorkbook says whether a file that begins so is an XLSX workbook, or nothing
// that can be read: a torn or empty one begins with another mark of its kind.
func IsWorkbook(head []byte) bool {
	return bytes.HasPrefix(head, []byte(zipMark[:2])) && (len(head) == 2 || head[2] < ' ')
}

// SniffBytes is how much of a file Detect wants to see.
const SniffBytes = 4096

// Detect tells the encoding by the beginning of a file, of which the header is
// what counts: Chinese column names in GB18030 are never valid UTF-8. skip is
// the length of a byte order mark. UNSUPPORTED_ENCODING for UTF-16 and for
// workbooks.
func Detect(head []byte) (e Encoding, skip int, err error) {
	foreign := [][]byte{{0xFF, 0xFE}, {0xFE, 0xFF}, []byte(zipMark), {0xD0, 0xCF, 0x11, 0xE0}}
	for _, mark := range foreign {
		if bytes.HasPrefix(head, mark) {
			return "", 0, rule.New(rule.Invalid, "UNSUPPORTED_ENCODING", "chunk")
		}
	}
	if bytes.HasPrefix(head, []byte("\uFEFF")) {
		return UTF8, len("\uFEFF"), nil
	}
	line, _, whole := bytes.Cut(head, []byte("\n"))
	if !whole {
		line = cutRune(line)
	}
	if utf8.Valid(line) {
		return UTF8, 0, nil
	}
	return GB18030, 0, nil
}

// cutRune takes off a character that the end of the sniffed bytes has cut.
func cutRune(b []byte) []byte {
	for i := len(b) - 1; i >= 0 && i > len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return b[:i]
			}
			break
		}
	}
	return b
}
