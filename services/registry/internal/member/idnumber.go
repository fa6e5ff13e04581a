package member

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/linli-project/linli/pkg/rule"
)

// IDNumber is a citizen's number of GB 11643-1999: six digits of an area, the
// day of birth, three digits of order of which the last is odd for men, and a
// check digit from 0 to 9 or X. The empty one means that none was given.
type IDNumber string

const idLength = 18

// ParseIDNumber reads an ID number; a lower-case x is taken for X. The area is
// not looked up, since areas are renamed and dissolved. ROSTER_ID_LENGTH,
// ROSTER_ID_CHECK_DIGIT, ROSTER_ID_BIRTH_DATE; no error holds the number.
func ParseIDNumber(s string) (IDNumber, *rule.Error) {
	if n := utf8.RuneCountInString(s); n != idLength {
		return "", fault("ROSTER_ID_LENGTH", ColumnIDNumber, "length", strconv.Itoa(n))
	}
	s = strings.ToUpper(s)
	if len(s) != idLength || !allDigits(s[:idLength-1]) || s[idLength-1] != checkDigit(s) {
		return "", fault("ROSTER_ID_CHECK_DIGIT", ColumnIDNumber)
	}
	n := IDNumber(s)
	if _, ok := ParseDay(string(n.Born())); !ok {
		return "", fault("ROSTER_ID_BIRTH_DATE", ColumnIDNumber)
	}
	return n, nil
}

// checkDigit answers the last character that the first 17 digits ask for
// (ISO 7064, MOD 11-2).
func checkDigit(s string) byte {
	sum := 0
	for i := range idLength - 1 {
		sum = (sum + int(s[i]-'0')) * 2 % 11
	}
	return "10X98765432"[sum%11]
}

// Born answers the day of birth.
func (n IDNumber) Born() Day { return Day(n[6:10] + "-" + n[10:12] + "-" + n[12:14]) }

// Sex answers the sex.
func (n IDNumber) Sex() Sex {
	if (n[16]-'0')%2 == 1 {
		return Male
	}
	return Female
}
