package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// repairShop takes on some of the repairs before there are members.
const repairShop = "顺手五金店"

// circleProviders are the shops, volunteers, groups and people of the circle and
// what they do. The article says that there are some; all of these are sample.
func circleProviders() []*requestsv1.ProposeProviderRequest {
	provider := func(kind requestsv1.ProviderKind, name string, services ...string) *requestsv1.ProposeProviderRequest {
		in := &requestsv1.ProposeProviderRequest{CommunityId: circleID, Kind: kind, Name: name, Contact: "sample"}
		in.NameConsent = kind == requestsv1.ProviderKind_PROVIDER_KIND_PERSON
		if kind != requestsv1.ProviderKind_PROVIDER_KIND_PERSON {
			in.Registration, in.PapersUntil = fmt.Sprintf("sample-%x", name)[:20], "2014-12-31"
		}
		for i := 0; i < len(services); i += 2 {
			in.Services = append(in.Services, &requestsv1.ProvidedService{Category: services[i], What: services[i+1]})
		}
		return in
	}
	shop, group := requestsv1.ProviderKind_PROVIDER_KIND_SHOP, requestsv1.ProviderKind_PROVIDER_KIND_GROUP
	benefit, person := requestsv1.ProviderKind_PROVIDER_KIND_PUBLIC_BENEFIT, requestsv1.ProviderKind_PROVIDER_KIND_PERSON
	all := []*requestsv1.ProposeProviderRequest{
		provider(shop, repairShop, repairs, "上门换锁、修水龙头", repairs, "修纱窗"),
		provider(shop, "邻家理发店", "便民服务", "每月一次为行动不便的老人上门理发"),
		provider(shop, "一碗粉店", "便民服务", "大风雨天为独居的老人送早餐"),
		provider(shop, "社区药房", "便民服务", "免费量血压", "便民服务", "过期药品回收"),
		provider(group, "环卫志愿队", "环境卫生", "周末清扫楼道和绿地"),
		provider(group, "夕阳红艺术团", "文娱活动", "节庆演出", "文娱活动", "教广场舞"),
		provider(group, "文明停车劝导队", "停车秩序", "早晚高峰在路口劝导"),
		provider(group, "四点半课堂", "困难帮扶", "放学后照看孩子做作业"),
		provider(benefit, giver, "困难帮扶", "为大病家庭提供帮助"),
		provider(benefit, "法律援助工作站", "便民服务", "每周三法律咨询"),
		provider(person, "爱心裁缝", "便民服务", "为老人改衣服"),
		provider(person, "义务修车人", repairs, "修自行车和轮椅"),
	}
	return all
}

func (r *run) proposeProviders(ctx context.Context, _ string) error {
	keeper, err := r.personOf(ctx, r.shop())
	if err != nil {
		return err
	}
	all := circleProviders()
	all[0].Person = keeper // of the repair shop
	for i, in := range all {
		var out requestsv1.Provider
		err := r.client.call(ctx, r.committee(), http.MethodPost, "/v1/organizations/"+circleID+"/providers", fmt.Sprintf("demo-provider-%d", i), in, &out)
		if err != nil {
			return err
		}
		r.notes.Providers[in.GetName()] = out.GetId()
	}
	return nil
}

func (r *run) approveProviders(ctx context.Context, _ string) error {
	var all []error
	for _, id := range r.notes.Providers {
		all = append(all, r.client.call(ctx, r.partyStaff(circleID), http.MethodPost, "/v1/providers/"+id+":approve", "demo-approve-"+id,
			&requestsv1.ApproveProviderRequest{Id: id}, nil))
	}
	return errors.Join(all...)
}

// shop speaks for the repair shop.
func (r *run) shop() who {
	return as(typev1.Role_ROLE_PROVIDER, "demo-shop", r.records.path(circleID))
}

// solveByShop hands a repair to the shop of the register, which takes it on.
func (r *run) solveByShop(ctx context.Context, p post, resolve *requestsv1.ResolveRequestRequest) error {
	shop := r.shop()
	r.notes.Samples.ByShop++
	return errors.Join(
		r.step(ctx, r.committee(), p, "hand", &requestsv1.HandRequestRequest{Id: resolve.GetId(), ProviderId: r.notes.Providers[repairShop]}, nil),
		r.step(ctx, shop, p, "answerOffer", &requestsv1.AnswerOfferRequest{Id: resolve.GetId(), TakeOn: true}, nil),
		r.step(ctx, shop, p, "resolve", resolve, nil))
}

// reportProviders compares who is listed, as a resident sees it.
func (r *run) reportProviders(ctx context.Context, c *comparison) error {
	var page requestsv1.ListProvidersResponse
	resident := as(typev1.Role_ROLE_RESIDENT, r.records.posts[0].Resident, r.records.path(circleID))
	err := r.client.call(ctx, resident, http.MethodGet, "/v1/organizations/"+circleID+"/providers?pageSize=200", "", nil, &page)
	if err != nil {
		return err
	}
	says, listed := map[requestsv1.ProviderKind]int64{}, map[requestsv1.ProviderKind]int64{}
	var saysServices, services int64
	for _, p := range circleProviders() {
		says[p.GetKind()]++
		saysServices += int64(len(p.GetServices()))
	}
	for _, p := range page.GetProviders() {
		listed[p.GetKind()]++
		services += int64(len(p.GetServices()))
	}
	for _, k := range []struct {
		what string
		kind requestsv1.ProviderKind
	}{
		{"shops", requestsv1.ProviderKind_PROVIDER_KIND_SHOP}, {"volunteers and groups", requestsv1.ProviderKind_PROVIDER_KIND_GROUP},
		{"public-benefit organizations", requestsv1.ProviderKind_PROVIDER_KIND_PUBLIC_BENEFIT}, {"people who give", requestsv1.ProviderKind_PROVIDER_KIND_PERSON},
	} {
		c.count(k.what+" of the circle", "sample", says[k.kind], listed[k.kind])
	}
	c.count("their services", "sample", saysServices, services)
	c.count("repairs by a shop of the register", "sample", int64(r.notes.Samples.ByShop), r.expectedByShop())
	return nil
}

func (r *run) expectedByShop() (n int64) {
	for _, p := range r.records.posts {
		if p.Category == repairs && !escalated(p) && min(later(p.day(), 2), yearEnd) <= rosterDay && chance(p.No, "provider")%20 == 0 {
			n++
		}
	}
	return n
}
