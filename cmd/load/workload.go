package main

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
)

// The workload: a district of 1,000 communities, and requests whose text is a
// title of 20 characters and a body of 500, as the peers hold them.
const (
	communities = 1000
	pageSize    = 50 // rows asked for in a list
	titleRunes  = 20
	bodyRunes   = 500
	district    = "11"
	// bodiesReady is how many different bodies a driver posts from.
	bodiesReady = 2000
)

// glyphs are 128 common characters of community work. The peers' 残 is 暖 here:
// with 疾 behind it a text points at a household, and linli does not take that
// as a public one.
var glyphs = []rune("社区居民反映小广场路灯夜间不亮老人行走困难请尽快安排修理楼道堆物占用消防通道需要清理垃圾分类投放点异味较大希望增加保洁频次停车位紧张电动车充电桩数量不足党员志愿者报到服务时长登记核实单位联系回访处理结果满意度评价年度考核项目申报评审公示意见建议办结归档街道网格员上门走访独居暖疾儿童看护送医买菜理发家政维修水管漏水墙面开裂")

// text answers n characters that depend on the seed only.
func text(seed uint64, n int) string {
	x := seed*0x9E3779B97F4A7C15 + 0x1234567
	out := make([]rune, n)
	for i := range out {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		out[i] = glyphs[x%uint64(len(glyphs))]
	}
	return string(out)
}

// community of row i, spread so that neighbours lie apart.
func community(i int) string { return fmt.Sprintf("C%04d", (i*7919)%communities) }

func categories() []string {
	return []string{"environment", "safety", "elderly", "parking", "property", "medical", "school", "other"}
}

// row is request i as it is posted.
func row(i int) *requestsv1.PostRequestRequest {
	return &requestsv1.PostRequestRequest{
		CommunityId: community(i), Kind: requestsv1.RequestKind_REQUEST_KIND_PROBLEM,
		Category: categories()[i%len(categories())], Visibility: requestsv1.Visibility_VISIBILITY_PUBLIC,
		Text: text(uint64(i)*2+1, titleRunes) + "\n" + text(uint64(i)*2+2, bodyRunes),
	}
}

// bodies are JSON bodies to post that no seed holds, one a line.
func bodies(n int) ([]byte, error) {
	var out bytes.Buffer
	for i := range n {
		one, err := protojson.Marshal(row(1<<30 + i))
		if err != nil {
			return nil, fmt.Errorf("encode a request: %w", err)
		}
		out.Write(append(one, '\n'))
	}
	return out.Bytes(), nil
}

// tree is the file of the district's organizations.
func tree() []byte {
	var out bytes.Buffer
	out.WriteString("编码,名称,类别,上级编码,亮身份\n1,市,city,,是\n11,区,district,1,是\n")
	const streets = 10
	for s := range streets {
		fmt.Fprintf(&out, "11%02d,街道%d,street,11,是\n", s, s)
	}
	for c := range communities {
		fmt.Fprintf(&out, "C%04d,社区%d,community,11%02d,是\n", c, c, c%streets)
	}
	return out.Bytes()
}

// calendar has limits run for the requests, as in a district at work: a year
// without an official calendar has none.
func calendar(year int) *registryv1.PublishPolicyRequest {
	source := &registryv1.PolicySource{Title: "测试", Number: "测试1号"}
	out := &registryv1.PublishPolicyRequest{DistrictId: district, Year: int32(year)}
	for y := year; y <= year+1; y++ {
		out.Calendars = append(out.Calendars, &registryv1.OfficialCalendar{
			Year: int32(y), Holidays: []string{fmt.Sprintf("%d-01-01", y)}, Source: source,
		})
	}
	return out
}
