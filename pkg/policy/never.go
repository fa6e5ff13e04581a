package policy

import "strings"

// never are names under which somebody might want to switch on what linli
// does not do, each with the rule it breaks. They are refused with that rule,
// so that whoever tries is told why instead of "unknown".
var never = map[string]string{
	"checkin.forced":        "不强制签到",
	"login.count":           "不统计登录次数和在线时长",
	"online.time":           "不统计登录次数和在线时长",
	"ranking.members":       "不按积分给党员排名",
	"points.ranking":        "不按积分给党员排名",
	"evaluation.login":      "不统计登录次数和在线时长",
	"evidence.photo":        "不强制拍照、定位留痕作为工作证明",
	"evidence.track":        "不强制拍照、定位留痕作为工作证明",
	"vote.online":           "不以网络投票计分",
	"evaluation.vote":       "不以网络投票计分",
	"shop.orders":           "系统内不做交易",
	"shop.payment":          "系统内不做交易",
	"publish.grades":        "不在本单位以外公布等次和人数",
	"decision.automatic":    "不以计算分数单独决定对人的评价,须由署名的人决定",
	"export.single_person":  "批量导出须两人、写明用途、限定行数",
	"search.public_by_name": "不提供按姓名的公开搜索",
}

// forbidden answers the rule that a name breaks; a name below a forbidden one
// is forbidden too.
func forbidden(name string) (string, bool) {
	for n := name; n != ""; {
		if why, ok := never[n]; ok {
			return why, true
		}
		i := strings.LastIndexByte(n, '.')
		if i < 0 {
			break
		}
		n = n[:i]
	}
	return "", false
}
