// Package cover finds what must not be public in a text: numbers of identity
// cards, phones, bank cards and plates, floors and rooms; and says whether a
// text points at a household or accuses a person.
package cover

import (
	"cmp"
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
	Unit     = "unit"
	Floor    = "floor"
	Room     = "room"
)

// Found is one place in a text, in bytes.
type Found struct {
	What       string
	Start, End int
}

// Find answers what is to be covered, in the order of the text; places do not
// overlap, the most certain of them stands. What is found is taken out and the rest is read again until nothing
// is found, so that nothing hides behind a neighbour and covering a covered
// text changes nothing.
func Find(text string) []Found {
	if wordsOnly(text) {
		return nil
	}
	f := fold(text)
	var out []Found
	for {
		found := append(numbers(f), named(f)...)
		if len(found) == 0 {
			break
		}
		for _, p := range found {
			if f.take(p) {
				out = append(out, Found{p.What, f.at[p.Start], f.at[p.End]})
			}
		}
	}
	slices.SortFunc(out, func(a, b Found) int { return cmp.Compare(a.Start, b.Start) })
	return out
}

const (
	sep   = `[~-]?`
	han   = `[0-9十百拾佰]`
	block = `(?:栋|幢|座|号楼)`
	door  = `(?:号房|号室|室|房|号)`
	room  = `(?:` + door + `|户)`

	entry  = `(?:[A-Za-z甲乙丙丁]|` + han + `{1,4})` + sep
	single = `单` + sep + `元`
	storey = `(?:负|地下)?[A-Za-z]?` + han + `{1,4}` + sep + `(?:楼|层)`
	link   = `(?:` + sep + `[的第]?` + sep + `)`
	number = `[A-Za-z]?` + han + `{1,5}[A-Za-z]?`
	// What leads to a room: unit and floor, or one of them.
	stair = entry + `(?:` + single + `|门)` + link
	above = `(?:` + stair + `(?:` + storey + link + `)?|` + storey + link + `)`
)

// shape is a pattern of what is named in words. A group, if there is one, is
// the place; the rest is what makes it one. Before a rune of unless it is none.
type shape struct {
	what   string
	expr   pattern
	unless string
}

const (
	// counted are what a number counts: then it is no room.
	counted = "年月日元块个人次件户天米条份点时分秒岁盏位名台辆只"
	// words go on from a numeral: "一直".
	words = "直些下起样定般旦切边向半到面头处"
	// parts of a house: "1. 楼道" is no floor.
	parts = "道门梯下上顶栋宇房内间长组管"
)

// shapes in the order in which they claim a place. The longest row of unit,
// floor and room comes first, so that no part of it is left over.
var shapes = []shape{
	{Plate, compile(`[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使领]` + sep + `[A-Za-z](?:` + sep + `[A-Za-z0-9]){5,6}`), counted},
	{Room, compile(above + number + sep + room), ""},
	{Room, compile(`(?:` + stair + `)?` + storey + link + number), counted + words},
	{Floor, compile(stair + storey), ""},
	{Room, compile(stair + number), counted + words},
	{Room, compile(`(?:[0-9]{1,3}-){2}[A-Za-z]?[0-9]{1,4}` + room + `?`), counted},
	{Room, compile(`[0-9]{1,2}-[A-Za-z]?[0-9]{3,4}` + room + `?`), counted},
	{Room, compile(block + link + `(` + number + sep + door + `)`), "楼"},
	{Room, compile(block + sep + `([0-9]{1,2}-[0-9]{1,4}` + room + `?)`), counted},
	{Room, compile(`(?:` + block + `|` + single + `)` + link + `([A-Za-z]?[0-9]{3,4}` + room + `?)`), counted},
	{Room, compile(`[A-Za-z]?[0-9]{3,4}[A-Za-z]?(?:室|房|号房|号室)`), ""},
	{Floor, compile(han + `{1,4}(?:楼|层)`), ""},
	{Floor, compile(storey), parts},
	{Unit, compile(han + `{1,4}单元`), ""},
	{Unit, compile(entry + single), parts},
	{Unit, compile(block + link + `(` + entry + `门)`), ""},
	{Phone, compile(`(?:电话|座机|致电|拨打|手机|联系)[:是为]?` + sep + `([0-9]{3,4}` + sep + `[0-9]{4})`), counted},
}

// named answers what is named in words.
func named(f folded) (out []Found) {
	read := lettersOf(string(f.text))
	for _, s := range shapes {
		if !s.expr.need.met(read) {
			continue
		}
		for _, at := range s.expr.FindAllSubmatchIndex(f.text, -1) {
			start, end := at[0], at[1]
			if len(at) > 2 {
				start, end = at[2], at[3]
			}
			next, _ := utf8.DecodeRune(f.text[end:])
			if partOfNumber(f.text, start, end) || strings.ContainsRune(s.unless, next) {
				continue
			}
			out = append(out, Found{s.what, start, end})
		}
	}
	return out
}

// partOfNumber says whether a number goes on before or after a place: then it
// is another number.
func partOfNumber(text []byte, start, end int) bool {
	return isDigit(text, start-1) && isDigit(text, start) || isDigit(text, end-1) && isDigit(text, end)
}

func isDigit(text []byte, at int) bool {
	return at >= 0 && at < len(text) && '0' <= text[at] && text[at] <= '9'
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

var households = compile(`那家|这家人|这户|那户|住户|一户|户主|家里人|邻居家|她家|他家|老两口|独居|夫妻俩`)

// What somebody says about the health or hardship of another.
var suffering = compile(`(?:邻居|老人|奶奶|爷爷|大爷|大妈|阿姨|叔叔|婆婆|女士|先生|孩子|老伴|丈夫|妻子|她|他).{0,12}` +
	`(?:患|癌|糖尿病|尿毒症|白血病|精神病|抑郁|残疾|瘫痪|中风|艾滋|肝炎|下岗|低保|欠债|贫困|卧病|重病)`)

// Household says whether a text points at a household: it names a room or a
// floor together with a word for those who live there, or says how somebody
// else suffers.
func Household(text string) bool {
	read := lettersOf(text)
	return suffering.in(read) || households.in(read) &&
		slices.ContainsFunc(Find(text), func(f Found) bool { return f.What == Room || f.What == Floor })
}
