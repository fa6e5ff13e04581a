package cover

import (
	"strings"
	"unicode"
)

// Whom a text can accuse: by office, by where they live, or by name. An
// unnamed "somebody" is nobody, and a thing that was stolen accuses no one.
const (
	official = `(?:书记|主任|干部|党员|局长|所长|经理|科长|处长|镇长|站长|队长|会计|出纳|网格员|社工|工作人员|领导|委员|保安|城管|民警)`
	neighbor = `(?:邻居|楼上|楼下|隔壁|对门|住户|租户|租客|房东|业主|老头|老太|大爷|大妈|阿姨|叔叔|先生|女士|师傅|老板|那家|这家|某|他|她)`
	name     = `(?:^|[，,。！!？?；;：:、\n]|就是|叫|和|跟|被)(?:老|小)?[王李张刘陈杨赵黄吴徐孙胡朱郭罗梁宋郑谢韩唐冯董程曹袁邓傅沈彭吕苏卢蒋蔡贾丁魏薛余潘杜戴钟汪姜范姚谭廖邹熊陆郝崔毛邱秦侯邵孟段汤尹黎贺龚][\p{Han}]{1,2}`
	person   = `(?:` + official + `|` + neighbor + `|` + name + `)`
	// What stands between the person and the deed; not what turns the deed away
	// from the person: was robbed, saw it, warns of it.
	between = `[^被遭防怕车电池瓶让帮抓说见看现心反遇劝阻制讲请望，,。！!？?；;：:、\n]`
)

var (
	// Deeds that are an accusation whoever is meant.
	misdeeds = compile(`贪污|受贿|行贿|索贿|索要好处|收了?好处(?:$|[^理])|挪用|滥用职权|生活作风|男女作风|吃拿卡要|徇私|以权谋私|假公济私|中饱私囊|权钱交易|监守自盗|包养|嫖娼|吸毒|偷税` +
		`|(?:收|拿|要|索|吃|给).{0,6}(?:好处费|回扣|封口费)|侵占.{0,4}(?:公款|资金|集体|财产|维修)|(?:^|[^作])作风(?:问题|不正|败坏)`)
	accusing = compile(`(?:举报|检举|控告|揭发)[^。!！?？\n]{0,20}(?:书记|主任|干部|党员|同志|局长|所长|经理|某|先生|女士|[\p{Han}]{2,3}(?:贪|收|打))`)
	// Deeds of a person.
	deeds = compile(person + between + `{0,6}?(?:` +
		`偷(?:$|[^税])|盗窃|行窃|打(?:人(?:$|[^工])|老婆|妻子|孩子|老人(?:$|[^电手])|骂)|猥亵|强奸|是个?(?:小偷|贼|骗子|流氓)` +
		`|侵占.{0,4}(?:款|钱|费|物资))`)
	frauds  = compile(person + between + `{0,4}?(?:诈骗|骗钱|骗了|敲诈|勒索)`)
	bribery = compile(`(?:` + official + `|` + name + `|有人|谁)` + between + `{0,4}?(?:(?:收|拿|要|索|吃)[^，,。！!？?\n]{0,8}(?:红包|礼金|贿)|贪(?:钱|财|了|心|得))` +
		`|给[^，,。！!？?\n]{0,6}` + official + `[^，,。！!？?\n]{0,3}(?:送礼|送钱|送红包|塞红包|塞钱)`)
)

// Allegation says whether a text accuses a person of a misdeed. That is for
// those whose duty it is, never for a community's board. It is read as Find
// reads it: in half width, and without what people put between the letters.
func Allegation(text string) bool {
	read, bare := unbroken(text)
	r := lettersOf(read)
	return misdeeds.in(r) || misdeeds.in(lettersOf(bare)) || accusing.in(r) || deeds.in(r) || frauds.in(r) || bribery.in(r)
}

// unbroken answers a text without spaces, dots, dashes and signs that show
// nothing; and without any sign at all, for words that somebody cut.
func unbroken(text string) (read, bare string) {
	read = strings.Map(func(r rune) rune {
		if isCommonHan(r) {
			return r
		}
		if r >= '\uff01' && r <= '\uff5e' {
			r = r - '\uff01' + '!'
		}
		if r != '\n' && unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Mn, r) || isDash(r) || strings.ContainsRune("~._·•・*()+|/", r) {
			return -1
		}
		return r
	}, text)
	bare = strings.Map(func(r rune) rune {
		if isCommonHan(r) || unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, read)
	return read, bare
}

// isCommonHan is a quick look at what most letters are.
func isCommonHan(r rune) bool { return r >= '\u4e00' && r <= '\u9fa5' }
