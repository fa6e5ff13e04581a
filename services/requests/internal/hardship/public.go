package hardship

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/linli-project/linli/pkg/rule"
)

// What the public layer never says, as the refusal names it.
const (
	noPhone   = "without phone numbers"
	noAccount = "without account or ID numbers"
	noAmount  = "without amounts"
	noPayment = "without payment words"
	noName    = "without names"
)

// digitOf reads a digit in any of the ways in which numbers are written to get
// past a filter: full width, Chinese, circled.
func digitOf(r rune) (rune, bool) {
	switch {
	case r >= '0' && r <= '9':
		return r, true
	case r >= '\uff10' && r <= '\uff19': // full width
		return r - '\uff10' + '0', true
	case r >= '①' && r <= '⑨':
		return r - '①' + '1', true
	}
	if i := strings.IndexRune("〇一二三四五六七八九", r); i >= 0 {
		return '0' + rune(i/len("〇")), true
	}
	if i := strings.IndexRune("零壹贰叁肆伍陆柒捌玖", r); i >= 0 {
		return '0' + rune(i/len("零")), true
	}
	if r == '幺' {
		return '1', true
	}
	return 0, false
}

// plain is a text as the rules read it: small letters, plain digits, and
// nothing between the characters of a word.
func plain(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		if d, ok := digitOf(r); ok {
			b.WriteRune(d)
			continue
		}
		if i := strings.IndexRune("拾佰仟萬億", r); i >= 0 {
			b.WriteString("十百千万亿"[i : i+len("十")])
			continue
		}
		switch {
		case r >= '\uff41' && r <= '\uff5a': // full width
			b.WriteRune(r - '\uff41' + 'a')
		case strings.ContainsRune(" \t\r\n-–—_.·*、,()\uff0c\uff08\uff09\uff0d\uff0e\uff0a\u00a0\u200b\u200c\u200d\u2060\ufeff\u3000", r):
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

var (
	number = regexp.MustCompile(`\d{7,}`)
	phone  = regexp.MustCompile(`^(1[3-9]\d{9}|0\d{9,11}|\d{7,8})$`)
	// A number of tens, hundreds or more with a unit of money; a unit alone
	// behind "several"; a sign of money.
	amount = regexp.MustCompile(`[\d十百千万亿两几数多半余][十百千万亿多余来几]*(元|块钱|圆|rmb|yuan|人民币|美元|美金)` +
		`|\d[十百千]*万|[几数十百千]万|\d{2,}块|[几数百千万]块$|\d+[kw]($|[^a-z])|[\x{a5}\x{ffe5}$\x{ff04}]|人民币`)
	payment = regexp.MustCompile(`收款|付款|[2两]维码|扫码|支付|微信|wechat|alipay|paypal|转账|转帐|汇款|打款|捐款|捐钱|善款|` +
		`银行|账号|帐号|账户|帐户|卡号|开户|红包|众筹|水滴筹|轻松筹|现金|存折|打钱|借钱|http|www|qr码|qrcode`)
	titled = regexp.MustCompile(`[王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖萧田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤欧易文]` +
		`.{0,2}(女士|先生|小姐|阿姨|叔叔|大爷|大妈|奶奶|爷爷|婆婆|嫂|师傅|老师|某)|姓名|名叫|身份证`)
)

// CheckPublic refuses a text of the public layer that points at somebody or
// asks for money: INVALID_FIELD with the field and what it must be without.
// names are those of the household.
func CheckPublic(field, text string, names []string) error {
	p := plain(text)
	run := number.FindString(p)
	for _, c := range []struct {
		found bool
		want  string
	}{
		{phone.MatchString(run), noPhone},
		{amount.MatchString(p), noAmount},
		{run != "", noAccount},
		{payment.MatchString(p), noPayment},
		{titled.MatchString(p) || namesOne(p, names), noName},
	} {
		if c.found {
			return rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", c.want)
		}
	}
	return nil
}

// leastName is how many characters a name has that is looked for.
const leastName = 2

func namesOne(p string, names []string) bool {
	for _, n := range names {
		if n = plain(n); utf8.RuneCountInString(n) >= leastName && strings.Contains(p, n) {
			return true
		}
	}
	return false
}
