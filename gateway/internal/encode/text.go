package encode

import (
	"fmt"
	"unicode/utf8"
)

// appendText writes a text. Most texts need no sign in front of any letter, and
// are taken as they are.
func appendText(out []byte, text string, f *field) ([]byte, error) {
	out = append(out, '"')
	done := 0
	for {
		i, ok := plain(text, done)
		if !ok {
			return out, fmt.Errorf("encode: field %s is no UTF-8", f.FullName())
		}
		out = append(out, text[done:i]...)
		if i == len(text) {
			return append(out, '"'), nil
		}
		out = appendEscaped(out, text[i])
		done = i + 1
	}
}

func appendEscaped(out []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(out, '\\', c)
	case '\b':
		return append(out, '\\', 'b')
	case '\f':
		return append(out, '\\', 'f')
	case '\n':
		return append(out, '\\', 'n')
	case '\r':
		return append(out, '\\', 'r')
	case '\t':
		return append(out, '\\', 't')
	}
	const hex = "0123456789abcdef"
	return append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// Eight letters at once.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
	// Two characters of three bytes each, as Chinese has them.
	threes, asThrees = 0xc0c0f0c0c0f0, 0x8080e08080e0
)

// plain answers where, from a place on, the first byte stands that JSON wants
// escaped, and whether all before it is UTF-8.
func plain(text string, i int) (next int, ok bool) {
	for i < len(text) {
		if i+8 <= len(text) {
			w := word(text[i : i+8])
			if w&highs == 0 && !special(w) {
				i += 8
				continue
			}
			if w&threes == asThrees && common(byte(w)) && common(byte(w>>24)) {
				i += 6
				continue
			}
		}
		c := text[i]
		if c < utf8.RuneSelf {
			if c < ' ' || c == '"' || c == '\\' {
				return i, true
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i, false
		}
		i += size
	}
	return i, true
}

// word reads eight letters. The compiler makes one load of it.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// special says whether JSON wants one of eight ASCII letters escaped.
func special(w uint64) bool {
	quote, slash := w^('"'*ones), w^('\\'*ones)
	return ((w-' '*ones)&^w|(quote-ones)&^quote|(slash-ones)&^slash)&highs != 0
}

// common says whether any two bytes of the right form may follow the first one
// of a character of three: not so where others would be shorter, or surrogates.
func common(lead byte) bool { return lead != 0xe0 && lead != 0xed }
