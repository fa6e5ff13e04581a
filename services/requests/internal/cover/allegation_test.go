package cover

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var accusations = []string{
	"王主任收了物业的红包", "楼上邻居偷东西", "贪污的王主任", "张三偷了我家的菜", "保安打人", "邻居打老婆",
	"书记拿了施工队的好处费", "居委会李主任吃回扣", "社区干部吃拿卡要", "业委会主任侵占维修资金", "有人收了开发商的红包",
	"刘会计行贿", "物业经理挪用公款", "网格员有作风问题", "楼下老头是个小偷", "隔壁租户盗窃电缆", "对门住户骗钱",
	"王书记贪了不少", "要给主任塞红包才办事", "他偷快递", "房东敲诈租客", "李某猥亵女孩",
}

var harmless = []string{
	"小偷多,请加装监控", "电动车被偷", "楼下的电动车又被偷了", "楼上邻居家被偷了两次", "邻居家遭小偷,请加强巡逻", "请保安晚上巡逻防偷盗",
	"有人偷电动车电池,请装监控", "建议开展防诈骗讲座", "给大爷大妈讲反诈骗知识", "孩子收到社区发的红包很开心", "春节给独居老人送红包",
	"党员给困难家庭送红包和米油", "楼下电瓶车偷走了好几辆", "有人侵占绿地种菜", "业主占用消防通道", "物业收费不开发票", "物业乱收费,请公示",
	"居委会主任收集意见很认真", "感谢王主任帮忙", "改进工作作风问题", "怎么打人工服务电话", "保安态度好,帮忙抓小偷", "邻居大爷说楼道里常丢东西",
	"楼上漏水", "楼上孩子跳绳太吵", "阿姨打太极的音响太大", "周末打球的人多", "主任要来看现场", "书记拿来了药", "请物业收好处理完的垃圾", "师傅打老人电话没人接?",
	"快递被偷,门口要装摄像头", "晚上偷倒垃圾", "夜里有人偷倒建筑垃圾", "渣土车偷倒渣土", "表扬热心党员扶老人过马路", "他打了电话没人接",
}

func TestAllegation_ByAndAgainstAPerson(t *testing.T) {
	for _, text := range accusations {
		if !Allegation(text) {
			t.Errorf("passed: %s", text)
		}
	}
	for _, text := range harmless {
		if Allegation(text) {
			t.Errorf("refused: %s", text)
		}
	}
}

// However an accusation is cut, it is read.
func TestAllegation_IsReadAsTheCoverReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom(accusations).Draw(t, "text")
		cut := rapid.SampledFrom([]string{" ", "\u200b", "\u3000", "·", ".", "-", "*", "\ufeff"}).Draw(t, "cut")
		var b strings.Builder
		for _, r := range text {
			b.WriteRune(r)
			if rapid.Bool().Draw(t, "here") {
				b.WriteString(cut)
			}
		}
		if !Allegation(b.String()) {
			t.Fatalf("passed: %q", b.String())
		}
	})
	for _, text := range []string{"贪 污的王主任", "贪，污的王主任", "受\n贿"} {
		if !Allegation(text) {
			t.Errorf("passed: %q", text)
		}
	}
}
