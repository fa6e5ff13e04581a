package cover

import (
	"cmp"
	"slices"
	"strings"
)

// numbers answers the places that are numbers of people: each stretch of digits
// between other numbers, however it is cut by spaces and dashes, is held
// against the shapes, the longest first.
func numbers(f folded) (out []Found) {
	for _, chain := range chains(f.text) {
		for from := range chain {
			for to := min(len(chain), from+longest); to > from; to-- {
				place := Found{Start: chain[from].start, End: chain[to-1].end}
				if place.What = numberKind(digitsOf(f.text[place.Start:place.End])); place.What != "" {
					out = append(out, place)
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Found) int { return cmp.Compare(b.End-b.Start, a.End-a.Start) })
	return out
}

// group is a stretch of digits with nothing between them.
type group struct{ start, end int }

// longest is how many digits a number has at most.
const longest = 19

// chains answers the groups of digits that only a separator parts. A final X
// belongs to the group before it.
func chains(text []byte) (out [][]group) {
	var chain []group
	for i := 0; i < len(text); i++ {
		if !isDigit(text, i) {
			if !isSeparator(text[i]) && chain != nil {
				out, chain = append(out, chain), nil
			}
			continue
		}
		g := group{i, i + 1}
		for isDigit(text, g.end) {
			g.end++
		}
		g.end = withX(text, g.end)
		chain = append(chain, g)
		i = g.end - 1
	}
	return slices.DeleteFunc(append(out, chain), func(c []group) bool { return len(c) == 0 })
}

// withX answers where a number ends whose last character may be an X.
func withX(text []byte, end int) int {
	at := end
	if at < len(text) && isSeparator(text[at]) {
		at++
	}
	if at < len(text) && (text[at] == 'X' || text[at] == 'x') {
		return at + 1
	}
	return end
}

func digitsOf(s []byte) string {
	return strings.ToUpper(strings.Map(func(r rune) rune {
		if isSeparator(byte(r)) {
			return -1
		}
		return r
	}, string(s)))
}

// numberKind says what a number is; empty for none of those that are covered.
func numberKind(s string) string {
	short := strings.TrimPrefix(strings.TrimPrefix(s, "00"), "86")
	switch {
	case strings.Contains(s[:len(s)-1], "X"):
		return ""
	case isIDNumber(s) || isOldIDNumber(s):
		return IDNumber
	case isBankCard(s):
		return BankCard
	case isMobile(s) || isMobile(short) || isLandline(s):
		return Phone
	}
	return ""
}

func isMobile(s string) bool { return len(s) == 11 && s[0] == '1' && s[1] >= '3' && allDigits(s) }

// isLandline: an area code of three digits (010, 02x) and a number of eight, or
// of four and seven or eight.
func isLandline(s string) bool {
	switch {
	case len(s) != 11 && len(s) != 12 || s[0] != '0' || s[1] == '0' || !allDigits(s):
		return false
	case s[1] <= '2':
		return len(s) == 11
	}
	return true
}

func allDigits(s string) bool { return !strings.HasSuffix(s, "X") }

// isIDNumber checks the form of GB 11643-1999. One whose check digit is wrong
// is covered too when its date can be one: people mistype.
func isIDNumber(s string) bool { return len(s) == 18 && aDate(s[6:14]) }

func isOldIDNumber(s string) bool { return len(s) == 15 && allDigits(s) && aDate("19"+s[6:12]) }

func aDate(s string) bool {
	year, month, day := s[:4], s[4:6], s[6:8]
	return "1900" <= year && year <= "2099" && "01" <= month && month <= "12" && "01" <= day && day <= "31"
}

// isBankCard checks the length and the check digit by Luhn (ISO/IEC 7812-1).
func isBankCard(s string) bool {
	if len(s) < 16 || len(s) > 19 || !allDigits(s) {
		return false
	}
	sum := 0
	for i := range s {
		d := int(s[len(s)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}
