package cover

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestText_CoversWhatIsPrivate(t *testing.T) {
	for text, want := range map[string]string{
		"15栋楼下的石板松了":                            "15栋楼下的石板松了",
		"请打13812345678找我":                       "请打▇▇找我",
		"电话 138-1234-5678,或 0731-85551234":      "电话 ▇▇,或 ▇▇",
		"身份证430103198001011234":                 "身份证▇▇",
		"身份证 ４３０１０３１９８００１０１１２３Ｘ":                "身份证 ▇▇",
		"旧证430103800101123也行":                   "旧证▇▇也行",
		"卡号6222 0202 0001 2345 678 请汇":          "卡号6222 0202 0001 2345 678 请汇", // Luhn does not hold
		"卡号4111111111111111":                    "卡号▇▇",
		"湘A12345堵在门口":                           "▇▇堵在门口",
		"粤B·D12345 占道":                          "▇▇ 占道",
		"15栋3单元402室漏水":                          "15栋▇▇漏水",
		"15-3-402漏水":                            "▇▇漏水",
		"三楼的灯坏了,502房也是":                         "▇▇的灯坏了,▇▇也是",
		"编号2013010100012345678901是工单":           "编号2013010100012345678901是工单",
		"2013年12月29日,共798件":                     "2013年12月29日,共798件",
		"":                                      "",
		"三楼":                                    "▇▇",
		"二十三层的灯坏了":                              "▇▇的灯坏了",
		"3栋2单元501室":                             "3栋▇▇",
		"三栋二单元五零一室":                             "三栋▇▇",
		"15栋402在装修":                             "15栋▇▇在装修",
		"15栋2013年建成":                            "15栋2013年建成",
		"15-402":                                "▇▇",
		"A座1203":                                "A座▇▇",
		"湘A·D12345占了消防通道":                       "▇▇占了消防通道",
		"湘AD12345":                              "▇▇",
		"湘 A 12345":                             "▇▇",
		"湘\uff21\uff11\uff12\uff13\uff14\uff15": "▇▇",
		"6222 0202 0001 2345 670 请汇":            "▇▇ 请汇", // 19 digits, Luhn holds
		"4111-1111-1111-1111":                   "▇▇",
		"4111111111111111 13812345678":          "▇▇ ▇▇",
		"13 13812345678":                        "13 ▇▇",
		"+8613812345678":                        "+▇▇",
		"008613812345678":                       "▇▇",
		"(0731)85551234":                        "(▇▇",
		"010-12345678":                          "▇▇",
		"电话:85551234":                           "电话:▇▇",
		"一三八一二三四五六七八":                           "▇▇",
		"幺三八 一二三四 五六七八":                         "▇▇",
		"138\u200b1234\u200b5678":               "▇▇",
		"430103 19800101 123X":                  "▇▇",
		"全小区798户都签了字":                           "全小区798户都签了字",
		"3,5,12栋的路灯":                            "3,5,12栋的路灯",
		"李四住三单元五楼502，找他":                        "李四住▇▇，找他",
		"3单元5楼":                                 "▇▇",
		"3栋2单元5楼502室":                           "3栋▇▇",
		"5楼502":                                 "▇▇",
		"五层3号":                                  "▇▇",
		"2-3-502":                               "▇▇",
		"15栋1单元":                                "15栋▇▇",
		"15 栋 1 单元 5 楼 的 502 室":                 "15 栋 ▇▇",
		"二楼一直漏水":                                "▇▇一直漏水",
		"三单元5楼3个人":                              "▇▇3个人",
		"5楼2013年装的灯":                            "▇▇2013年装的灯",
		"1. 楼道灯坏了 2. 单元门坏了":                     "1. 楼道灯坏了 2. 单元门坏了",
		"15号楼的单元门":                              "15号楼的单元门",
		"2013.12.29晚上8点30分":                     "2013.12.29晚上8点30分",
	} {
		if got := Text(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestHouseholdAndAllegation(t *testing.T) {
	for text, want := range map[string][2]bool{
		"3单元402室那家总是吵":    {true, false},
		"楼道灯坏了,三楼最暗":      {false, false},
		"5楼住户天天往下扔垃圾":     {true, false},
		"邻居杨女士是下岗工人,患糖尿病": {true, false},
		"3栋的老人得了重病没人管":    {true, false},
		"给独居老人送米送油的党员":    {false, false},
		"举报居委会主任收好处":      {false, true},
		"我要控告李书记":         {false, true},
		"有人贪污维修资金":        {false, true},
		"建议设一个举报乱扔垃圾的电话":  {false, false},
		"表扬热心党员扶老人过马路":    {false, false},
		"广场舞太吵,希望晚上九点后停":  {false, false},
	} {
		if got := [2]bool{Household(text), Allegation(text)}; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// FuzzText: what is covered stays covered, nothing else changes, and a covered
// text has nothing left to cover.
func FuzzText(f *testing.F) {
	for _, s := range []string{"请打13812345678", "430103198001011234", "１３８１２３４５６７８", "3-2-501", "湘A12345", "\xff13812345678"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		found := Find(text)
		at := 0
		var kept strings.Builder
		for _, p := range found {
			if p.Start < at || p.End <= p.Start || p.End > len(text) {
				t.Fatalf("%q: %v", text, found)
			}
			kept.WriteString(text[at:p.Start])
			at = p.End
		}
		kept.WriteString(text[at:])
		got := Text(text)
		if strings.ReplaceAll(got, mask, "") != strings.ReplaceAll(kept.String(), mask, "") || utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Fatalf("%q became %q", text, got)
		}
		if again := Text(got); again != got || len(Find(got)) != 0 {
			t.Fatalf("%q became %q, and that %q", text, got, again)
		}
	})
}

// luhn answers the digits with their check digit.
func luhn(digits string) string {
	for d := '0'; d <= '9'; d++ {
		if isBankCard(digits + string(d)) {
			return digits + string(d)
		}
	}
	return ""
}

// written draws a way to write a number: in other digits, cut anywhere.
func written(t *rapid.T, number string) string {
	var b strings.Builder
	ways := []string{"0123456789", "零一二三四五六七八九", "\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19"}
	way := []rune(rapid.SampledFrom(ways).Draw(t, "digits"))
	cut := rapid.SampledFrom([]string{"", " ", "-", "\u2014", "\u200b", " - ", "\u3000"}).Draw(t, "cut")
	for i, r := range number {
		if i > 0 && rapid.IntRange(0, 3).Draw(t, "here") == 0 {
			b.WriteString(cut)
		}
		if '0' <= r && r <= '9' {
			r = way[r-'0']
		}
		b.WriteRune(r)
	}
	return b.String()
}

// plainDigits are the digits and letters of a text, whatever stands between.
func plainDigits(text string) string {
	var b strings.Builder
	for _, r := range text {
		if d, ok := digitOf(r); ok {
			b.WriteRune(d)
		} else if 'A' <= r && r <= 'Z' {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// However a number of a person is written, and whatever stands beside it, none
// of it is left.
func TestText_NoNumberOfAPersonIsLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(
			rapid.StringMatching(`1[3-9][0-9]{9}`),
			rapid.StringMatching(`0731[2-9][0-9]{7}`),
			rapid.StringMatching(`430103(19[5-9][0-9]|200[0-9])(0[1-9]|1[0-2])(0[1-9]|1[0-9]|2[0-8])[0-9]{3}[0-9X]`),
			rapid.Map(rapid.StringMatching(`[3-6][0-9]{14,17}`), luhn),
		).Draw(t, "number")
		before := rapid.SampledFrom([]string{"", "请找我", "12 ", "13 ", "15栋 ", "13987654321 ", "4111111111111111\u3000", "X"}).Draw(t, "before")
		after := rapid.SampledFrom([]string{"", "谢谢", " 12", " 13987654321", "-8", "栋"}).Draw(t, "after")
		text := before + written(t, number) + after
		if got := Text(text); strings.Contains(plainDigits(got), number) {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

// Floors, rooms and plates, in digits of any kind, are covered where they stand.
func TestText_NoRoomOrPlateIsLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		room := fmt.Sprint(rapid.IntRange(101, 3299).Draw(t, "room"))
		unit := fmt.Sprint(rapid.IntRange(1, 9).Draw(t, "unit"))
		for _, text := range []string{
			"3栋" + unit + "单元" + room + "室", "3-" + unit + "-" + room, room + "室", "3栋" + room, unit + "单元" + room, unit + "楼",
			"湘A·D" + unit + room, "湘A" + unit + "B" + unit + "C" + unit,
		} {
			text = strings.ReplaceAll(text, "室", rapid.SampledFrom([]string{"室", "房"}).Draw(t, "word"))
			shown := written(t, text)
			if strings.ContainsAny(shown, " \u3000\u200b\u2014") || strings.Count(shown, "-") != strings.Count(text, "-") {
				continue // rooms are not cut
			}
			if got := Text(shown); strings.Contains(plainDigits(got), room) || strings.Contains(got, "湘") || strings.Contains(got, "楼") {
				t.Fatalf("%q became %q", shown, got)
			}
		}
	})
}

// Whatever is written of building, unit, floor and room in a row, no digit of
// unit, floor and room is left.
func TestText_NoPartOfAnAddressIsLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := func(what string, expr string) string { return rapid.StringMatching(expr).Draw(t, what) }
		say := func(what string, of ...string) string { return rapid.SampledFrom(of).Draw(t, what) }
		building := say("building", "", "栋", "幢", "座", "号楼")
		if building != "" {
			building = "甲区" + building
		}
		unit := say("unit", "", n("unit number", `[1-9]`)+"单元")
		floor := say("floor", "", n("floor number", `[1-9]|[12][0-9]`)+say("floor word", "楼", "层"))
		room := say("room", "", n("room number", `[1-9]|[1-9]0[1-9]|[12][0-9]0[1-9]`)+say("room word", "", "号", "室", "房", "号房"))
		if unit+floor == "" && room != "" { // a number alone is none
			room = strings.TrimRight(room, "号室房") + "室"
			if building == "" {
				room = "402室"
			}
		}
		before, after := say("before", "", "老李住", "住在", "请来"), say("after", "", "，找他", "漏水", "。谢谢", "那家")
		digits := []rune(say("digits", "0123456789", "零一二三四五六七八九", "\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19"))
		cut := say("cut", "", " ", "\u200b", "-", ",", "\u3000", "的")
		var address []string
		for _, part := range []string{building, unit, floor, room} {
			if part != "" {
				address = append(address, part)
			}
		}
		text := before + strings.Map(func(r rune) rune {
			if '0' <= r && r <= '9' {
				return digits[r-'0']
			}
			return r
		}, strings.Join(address, cut)) + after
		if got := Text(text); plainDigits(got) != "" {
			t.Fatalf("%q became %q", text, got)
		}
	})
}
