// Package cover finds what must not be public in a text: numbers of identity
// cards, phones, bank cards and plates, floors and rooms; and says whether a
// text points at a household or accuses a person.
package cover

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// What is covered.
const (
	IDNumber = "id_number"
	BankCard = "bank_card"
	Phone    = "phone"
	Plate    = "plate"
	Floor    = "floor"
	Room     = "room"
)

// Found is one place in a text, in bytes.
type Found struct {
	What       string
	Start, End int
}

// pattern finds candidates of one kind; holds decides which of them are.
type pattern struct {
	what  string
	expr  *regexp.Regexp
	holds func(string) bool
}

const (
	digit = `[0-9０-９]`
	han   = `[一二三四五六七八九十百]`
	sep   = `[ \-－—.·]?`
)

// patterns in the order in which they claim a place: the longer, the more
// certain first.
var patterns = []pattern{
	{IDNumber, regexp.MustCompile(`(?:` + digit + sep + `){17}[0-9０-９xXＸｘ]`), isIDNumber},
	{IDNumber, regexp.MustCompile(`(?:` + digit + `){15}`), isOldIDNumber},
	{BankCard, regexp.MustCompile(`(?:` + digit + sep + `){15,18}` + digit), isBankCard},
	{Phone, regexp.MustCompile(`[1１][3-9３-９](?:` + sep + digit + `){9}`), always},
	{Phone, regexp.MustCompile(`[0０]` + digit + `{2,3}` + sep + digit + `{7,8}`), always},
	{Plate, regexp.MustCompile(`[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使领][A-Za-z][ ·.\-]?[A-Za-z0-9]{5,6}`), always},
	{Room, regexp.MustCompile(`(?:` + digit + `{1,3}[-－—]){2}` + digit + `{1,4}`), always},
	{Room, regexp.MustCompile(`(?:` + digit + `{1,2}|` + han + `{1,2})(?:单元|门)` + digit + `{1,4}(?:号|室|房|户)?`), always},
	{Room, regexp.MustCompile(digit + `{3,4}(?:室|房|号房|户)`), always},
	{Floor, regexp.MustCompile(`(?:` + digit + `{1,2}|` + han + `{1,3})(?:楼|层)`), always},
}

func always(string) bool { return true }

// Find answers what is to be covered, in the order of the text; places do not
// overlap.
func Find(text string) []Found {
	var out []Found
	for _, p := range patterns {
		for _, at := range p.expr.FindAllStringIndex(text, -1) {
			f := Found{p.what, at[0], at[1]}
			if partOfNumber(text, f) || !p.holds(plain(text[at[0]:at[1]])) || slices.ContainsFunc(out, f.overlaps) {
				continue
			}
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b Found) int { return cmp.Compare(a.Start, b.Start) })
	return out
}

func (f Found) overlaps(o Found) bool { return f.Start < o.End && o.Start < f.End }

// partOfNumber says whether a number goes on before or after a place: then it
// is another number.
func partOfNumber(text string, f Found) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:f.Start])
	first, _ := utf8.DecodeRuneInString(text[f.Start:])
	last, _ := utf8.DecodeLastRuneInString(text[:f.End])
	after, _ := utf8.DecodeRuneInString(text[f.End:])
	return isDigit(before) && isDigit(first) || isDigit(last) && isDigit(after)
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' || '０' <= r && r <= '９' }

// plain answers the letters and digits of a place in half width.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case '０' <= r && r <= '９':
			return r - '０' + '0'
		case r == 'Ｘ' || r == 'ｘ' || r == 'x':
			return 'X'
		case r == ' ' || r == '-' || r == '－' || r == '—' || r == '.' || r == '·':
			return -1
		}
		return r
	}, s)
}

// isIDNumber checks date and check digit by GB 11643-1999. One whose check
// digit is wrong is covered too when its date can be one: people mistype.
func isIDNumber(s string) bool { return len(s) == 18 && aDate(s[6:14]) }

func isOldIDNumber(s string) bool { return len(s) == 15 && aDate("19"+s[6:12]) }

func aDate(s string) bool {
	year, month, day := s[:4], s[4:6], s[6:8]
	return "1900" <= year && year <= "2099" && "01" <= month && month <= "12" && "01" <= day && day <= "31"
}

// isBankCard checks the length and the check digit by Luhn (ISO/IEC 7812-1).
func isBankCard(s string) bool {
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
	return len(s) >= 16 && sum%10 == 0
}

// mask stands for what was covered.
const mask = "▇▇"

// Text answers a text with everything covered that Find finds.
func Text(text string) string {
	var out strings.Builder
	at := 0
	for _, f := range Find(text) {
		out.WriteString(text[at:f.Start])
		out.WriteString(mask)
		at = f.End
	}
	out.WriteString(text[at:])
	return out.String()
}

var households = regexp.MustCompile(`那家|这家人|这户|那户|住户|一户|户主|家里人|邻居家|她家|他家|老两口|独居|夫妻俩`)

// Household says whether a text points at a household: it names a room, or a
// floor together with a word for those who live there.
func Household(text string) bool {
	room, floor := false, false
	for _, f := range Find(text) {
		room = room || f.What == Room
		floor = floor || f.What == Floor
	}
	return room && households.MatchString(text) || floor && households.MatchString(text)
}

var (
	misdeeds = regexp.MustCompile(`贪污|受贿|行贿|索贿|索要好处|收好处|挪用|滥用职权|生活作风|吃拿卡要|徇私|以权谋私|包养|嫖娼|吸毒|偷税`)
	accusing = regexp.MustCompile(`(?:举报|检举|控告|揭发)[^。!！?？\n]{0,20}(?:书记|主任|干部|党员|同志|局长|所长|经理|某|先生|女士|[\p{Han}]{2,3}(?:贪|收|打))`)
)

// Allegation says whether a text accuses a person of a misdeed. That is for
// those whose duty it is, never for a community's board.
func Allegation(text string) bool { return misdeeds.MatchString(text) || accusing.MatchString(text) }
