package xlsx

import (
	"fmt"
	"unicode/utf8"
)

// longestText is how many characters a cell holds, counted as UTF-16 does; of a
// longer text the beginning is written.
const longestText = 32767

// appendText writes a text as a cell holds it: what XML would take for markup as
// entities, and what it cannot hold as _xHHHH_, the way spreadsheets do.
func appendText(b []byte, text string) []byte {
	left := longestText
	for i, c := range text {
		if left--; c >= 0x10000 {
			left--
		}
		if left < 0 {
			break
		}
		switch {
		case c == '<':
			b = append(b, "&lt;"...)
		case c == '>':
			b = append(b, "&gt;"...)
		case c == '&':
			b = append(b, "&amp;"...)
		case c < ' ' && c != '\t' && c != '\n':
			b = fmt.Appendf(b, "_x%04X_", c)
		case c == 0xFFFE || c == 0xFFFF:
			b = utf8.AppendRune(b, utf8.RuneError)
		case c == '_' && looksEscaped(text[i:]):
			b = append(b, "_x005F_"...)
		default:
			b = utf8.AppendRune(b, c)
		}
	}
	return b
}

// looksEscaped says whether a text begins like a character that was escaped.
func looksEscaped(text string) bool {
	if len(text) < len("_xHHHH_") || text[1] != 'x' || text[6] != '_' {
		return false
	}
	for _, c := range []byte(text[2:6]) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'F') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
