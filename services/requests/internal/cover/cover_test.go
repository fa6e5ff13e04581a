package cover

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestText_CoversWhatIsPrivate(t *testing.T) {
	for text, want := range map[string]string{
		"15栋楼下的石板松了":                       "15栋楼下的石板松了",
		"请打13812345678找我":                  "请打▇▇找我",
		"电话 138-1234-5678,或 0731-85551234": "电话 ▇▇,或 ▇▇",
		"身份证430103198001011234":            "身份证▇▇",
		"身份证 ４３０１０３１９８００１０１１２３Ｘ":           "身份证 ▇▇",
		"旧证430103800101123也行":              "旧证▇▇也行",
		"卡号6222 0202 0001 2345 678 请汇":     "卡号6222 0202 0001 2345 678 请汇", // Luhn does not hold
		"卡号4111111111111111":               "卡号▇▇",
		"湘A12345堵在门口":                      "▇▇堵在门口",
		"粤B·D12345 占道":                     "▇▇ 占道",
		"15栋3单元402室漏水":                     "15栋▇▇漏水",
		"15-3-402漏水":                       "▇▇漏水",
		"三楼的灯坏了,502房也是":                    "▇▇的灯坏了,▇▇也是",
		"编号2013010100012345678901是工单":      "编号2013010100012345678901是工单",
		"2013年12月29日,共798件":                "2013年12月29日,共798件",
		"":                                 "",
	} {
		if got := Text(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestHouseholdAndAllegation(t *testing.T) {
	for text, want := range map[string][2]bool{
		"3单元402室那家总是吵":   {true, false},
		"楼道灯坏了,三楼最暗":     {false, false},
		"5楼住户天天往下扔垃圾":    {true, false},
		"举报居委会主任收好处":     {false, true},
		"我要控告李书记":        {false, true},
		"有人贪污维修资金":       {false, true},
		"建议设一个举报乱扔垃圾的电话": {false, false},
		"表扬热心党员扶老人过马路":   {false, false},
		"广场舞太吵,希望晚上九点后停": {false, false},
	} {
		if got := [2]bool{Household(text), Allegation(text)}; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// FuzzText: what is covered stays covered, nothing else changes, and no phone
// or identity number is left.
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
	})
}
