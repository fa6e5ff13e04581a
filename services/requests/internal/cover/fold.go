package cover

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What stands in a folded text for whatever people write between the parts of a
// number: a run of spaces, dots and signs that show nothing; the same with a
// dash in it; and what was found before.
const (
	gap  = '~'
	dash = '-'
	gone = 0
)

// folded is a text as the shapes read it: digits of every kind as ASCII digits,
// letters in half width, any run of separators as one gap or dash. at has, for each of its
// bytes and for its end, where the original goes on.
type folded struct {
	text []byte
	at   []int
}

func fold(text string) folded {
	out := make([]byte, 0, len(text))
	at := make([]int, 0, len(text)+1)
	for i, original := range text {
		r := original
		if r == gone {
			r = ' '
		}
		switch d, ok := digitOf(r); {
		case ok:
			r = d
		case isCommonHan(r):
		case isDash(r) || isGap(r):
			if last := len(out) - 1; last >= 0 && (out[last] == gap || out[last] == dash) {
				if isDash(r) {
					out[last] = dash
				}
				continue
			}
			if r = gap; isDash(original) {
				r = dash
			}
		case r >= '\uff01' && r <= '\uff5e': // letters and signs in full width
			r = r - '\uff01' + '!'
		}
		out = utf8.AppendRune(out, r)
		for len(at) < len(out) {
			at = append(at, i)
		}
	}
	return folded{out, append(at, len(text))}
}

func isDash(r rune) bool { return unicode.Is(unicode.Pd, r) }

func isGap(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || strings.ContainsRune("~._·•・,()\uff08\uff09\uff0e\uff0c", r)
}

func isSeparator(b byte) bool { return b == gap || b == dash }

// digitOf reads a digit in full width, in Chinese, or circled.
func digitOf(r rune) (rune, bool) {
	switch {
	case r >= '0' && r <= '9':
		return r, true
	case r >= '\uff10' && r <= '\uff19':
		return r - '\uff10' + '0', true
	case r >= '①' && r <= '⑨':
		return r - '①' + '1', true
	}
	switch r {
	case '○', '〇', '零':
		return '0', true
	case '幺', '一', '壹':
		return '1', true
	case '二', '贰':
		return '2', true
	case '三', '叁':
		return '3', true
	case '四', '肆':
		return '4', true
	case '五', '伍':
		return '5', true
	case '六', '陆':
		return '6', true
	case '七', '柒':
		return '7', true
	case '八', '捌':
		return '8', true
	case '九', '玖':
		return '9', true
	}
	return 0, false
}

// take blanks a place, so that what is left of the text is read without it;
// false if some of it was taken before.
func (f *folded) take(p Found) bool {
	if slices.Contains(f.text[p.Start:p.End], gone) {
		return false
	}
	for i := p.Start; i < p.End; i++ {
		f.text[i] = gone
	}
	return true
}

// wordsOnly says whether a text is of common Han letters and punctuation, none
// of which stands for a number: whatever is found in a text has a numeral in it,
// or a letter that stands for one.
func wordsOnly(text string) bool {
	for _, r := range text {
		if !isCommonHan(r) && !strings.ContainsRune("\n ,.!?:;\uff0c\u3002\uff01\uff1f\uff1a\uff1b\u3001", r) {
			return false
		}
		if _, digit := digitOf(r); digit || strings.ContainsRune("十百拾佰甲乙丙丁", r) {
			return false
		}
	}
	return true
}
