package main

import (
	"fmt"
	"strings"
)

// size of the district that is measured.
type size struct {
	members, lines int
}

func (s size) communities() int { return max(1, s.members/100) }
func (s size) workplaces() int  { return max(1, s.members/50) }

// mix spreads a number; the data is the same in every run.
func mix(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// community and workplace of a member: each community has a hundred members of
// many workplaces.
func (s size) community(m int) int { return m * 7919 % s.communities() }
func (s size) workplace(m int) int { return int(mix(uint64(m)+77) % uint64(s.workplaces())) }

func communityID(c int) string { return fmt.Sprintf("C%05d", c) }
func workplaceID(w int) string { return fmt.Sprintf("W%05d", w) }

const (
	cityPath     = "/430100/"
	districtID   = "430101"
	districtPath = cityPath + districtID + "/"
	streetPath   = districtPath + "430101002/"
)

// tree is the file of organizations.
func (s size) tree() string {
	var b strings.Builder
	b.WriteString("编码,名称,类别,上级编码,亮身份\n430100,市,city,,是\n430101,区,district,430100,是\n430101002,街道,street,430101,是\n")
	for c := range s.communities() {
		fmt.Fprintf(&b, "%s,第%d社区,community,430101002,是\n", communityID(c), c)
	}
	for w := range s.workplaces() {
		fmt.Fprintf(&b, "%s,第%d单位党支部,workplace,430101,是\n", workplaceID(w), w)
	}
	return b.String()
}

var characters = []rune("社区居民反映小广场路灯夜间不亮老人行走困难请尽快安排修理楼道堆物占用消防通道需要清理垃圾分类投放点")

func name(m int) string {
	h := mix(uint64(m) + 9)
	n := uint64(len(characters))
	return string([]rune{characters[h%n], characters[h>>16%n], characters[h>>32%n]})
}

// idNumber is a citizen's number with its check digit.
func idNumber(m int) string {
	h := mix(uint64(m) + 5)
	s := fmt.Sprintf("430%03d%04d%02d%02d%03d", 101+m/1000%900, 1940+h>>8%40, 1+h>>16%12, 1+h>>24%28, m%1000)
	sum := 0
	for i := range s {
		sum = (sum + int(s[i]-'0')) * 2 % 11
	}
	return s + string("10X98765432"[sum%11])
}

const rosterHeader = "姓名,性别,身份证号,手机号,入党日期,党员状态,党员类别,组织关系所在党组织编码,工作单位编码,居住社区编码,楼栋,特长,兴趣爱好,报到日期"

// rosterRow is the row of a member; one of 500 has a wrong check digit.
func (s size) rosterRow(m int) []string {
	id, sex := idNumber(m), "女"
	if (id[16]-'0')%2 == 1 {
		sex = "男"
	}
	if m%500 == 499 {
		id = id[:17] + string("0123456789"[(id[17]-'0'+1)%10])
	}
	home := workplaceID(s.workplace(m))
	return []string{name(m), sex, id, fmt.Sprintf("139%08d", m), "1999-07-01", "正式党员", "在职", home, home,
		communityID(s.community(m)), fmt.Sprintf("%d栋%d单元", 1+m%40, 1+m%6), "水电维修", "象棋", "2013-03-05"}
}

func (s size) roster() string {
	var b strings.Builder
	b.Grow(s.members * 160)
	b.WriteString(rosterHeader + "\n")
	for m := range s.members {
		b.WriteString(strings.Join(s.rosterRow(m), ","))
		b.WriteByte('\n')
	}
	return b.String()
}
