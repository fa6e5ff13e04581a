package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"google.golang.org/protobuf/proto"

	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// samples count what the records do not have: what the office does beside the
// straight way. All of it is invented, and the same in every run.
type samples struct {
	// Similar counts posts to which an earlier one about the same was offered.
	Similar   int `json:"similar"`
	Merged    int `json:"merged"`
	Declined  int `json:"declined"`
	Unsolved  int `json:"unsolved"`
	Excluded  int `json:"excluded"`
	Reopened  int `json:"reopened"`
	Extended  int `json:"extended"`
	PassedOn  int `json:"passed_on"`
	Escalated int `json:"escalated"`
	ByShop    int `json:"by_shop"`
	// Code of a post that is looked up at the end.
	Code string `json:"code"`
	// IDs of what was closed unsolved.
	IDs []string `json:"ids"`
}

// Categories with their departments; what is not here is the community's.
func departmentOf(category string) string {
	return map[string]string{"停车秩序": "区交警大队", "餐饮安全": "区食品药品监督管理局", "噪音扰民": "区城市管理局"}[category]
}

const repairs = "设施维修"

// passedOn: some posts about restaurants go to whose duty they are.
func passedOn(p post) bool { return p.Category == "餐饮安全" && chance(p.No, "pass on")%8 == 0 }

// escalated: some repairs are more than the community can do.
func escalated(p post) bool { return p.Category == repairs && chance(p.No, "escalate")%25 == 0 }

func extended(p post) bool { return p.Category == "文娱活动" && chance(p.No, "extend")%20 == 0 }

func mergedAgain(p post) bool {
	return p.Category == repairs && len(p.Supporters) > 0 && p.Supporters[0] != p.Resident &&
		later(p.day(), 2) < yearEnd && chance(p.No, "merge")%12 == 0
}

func reopened(p post) bool {
	return p.Category == "便民建议" && chance(p.No, "reopen")%30 == 0 && later(p.day(), 5) < yearEnd
}

// planSamples puts what is invented beside the records' posts.
func (r *run) planSamples(on func(string, task)) {
	on("2013-01-03", r.setDuties)
	on("2013-01-03", r.proposeProviders)
	on("2013-01-04", r.approveProviders)
	for _, p := range r.records.posts {
		if mergedAgain(p) {
			on(min(later(p.day(), 1), yearEnd), func(ctx context.Context, _ string) error { return r.postAgainAndMerge(ctx, p) })
		}
		if reopened(p) {
			on(later(p.day(), 4), func(ctx context.Context, _ string) error { return r.reopen(ctx, p) })
		}
	}
	for month := 2; month <= 11; month++ {
		on(fmt.Sprintf("2013-%02d-18", month), r.postWhatIsNotSolved)
	}
	on("2013-12-20", r.excludeUnsolved)
	on("2014-01-06", r.decideRelief)
	on("2014-01-07", r.endCase)
}

// setDuties writes the district's register.
func (r *run) setDuties(ctx context.Context, _ string) error {
	var all []error
	for _, category := range []string{
		"便民建议", "停车秩序", repairs, "环境卫生", "文娱活动", "噪音扰民", "好人好事", "餐饮安全", "困难帮扶",
	} {
		in := &requestsv1.SetDutyRequest{
			DistrictId: districtID, Category: category, Owner: requestsv1.Owner_OWNER_COMMUNITY, OwnerName: "社区居民委员会", Basis: "社区工作职责清单 (sample)",
		}
		if department := departmentOf(category); department != "" {
			in.Owner, in.OwnerName = requestsv1.Owner_OWNER_DEPARTMENT, department
		}
		all = append(all, r.client.call(ctx, r.districtOfficer(), http.MethodPost, "/v1/organizations/"+districtID+"/duties", "demo-duty-"+fmt.Sprintf("%x", category), in, nil))
	}
	return errors.Join(all...)
}

// extend asks for more time before the limit, where it is known to be needed.
func (r *run) extend(ctx context.Context, p post) error {
	if !extended(p) {
		return nil
	}
	r.notes.Samples.Extended++
	return r.step(ctx, r.committee(), p, "extend", &requestsv1.ExtendRequestRequest{
		Id: r.notes.Requests[p.No], Until: later(p.day(), 25), Reason: "等演出场地排期"}, nil)
}

// solveAbove has the office solve it that it is with: the department by the
// register, or the street after the community asked.
func (r *run) solveAbove(ctx context.Context, p post, resolve *requestsv1.ResolveRequestRequest) error {
	if passedOn(p) {
		r.notes.Samples.PassedOn++
		return r.step(ctx, r.districtOfficer(), p, "resolve", resolve, nil)
	}
	r.notes.Samples.Escalated++
	return errors.Join(
		r.step(ctx, r.committee(), p, "escalate", &requestsv1.EscalateRequestRequest{Id: resolve.GetId(), Reason: "需街道协调产权单位"}, nil),
		r.step(ctx, r.streetOf(circleID), p, "resolve", resolve, nil))
}

// postAgainAndMerge: a neighbour is offered the earlier post, posts all the
// same, and the office merges the two.
func (r *run) postAgainAndMerge(ctx context.Context, p post) error {
	neighbour := as(typev1.Role_ROLE_RESIDENT, p.Supporters[0], r.records.path(p.Community))
	var preview requestsv1.Preview
	err := r.client.call(ctx, neighbour, http.MethodPost, "/v1/requests:preview", "", &requestsv1.PreviewRequestRequest{
		CommunityId: p.Community, Kind: kindOf(p.Category), Visibility: requestsv1.Visibility_VISIBILITY_PUBLIC, Text: p.Text, Building: p.Building}, &preview)
	if err != nil {
		return err
	}
	for _, s := range preview.GetSimilar() {
		if s.GetId() == r.notes.Requests[p.No] {
			r.notes.Samples.Similar++
		}
	}
	var again requestsv1.Request
	err = r.client.call(ctx, neighbour, http.MethodPost, "/v1/requests", fmt.Sprintf("demo-again-%d", p.No), &requestsv1.PostRequestRequest{
		CommunityId: p.Community, Kind: kindOf(p.Category), Category: sampleCategory, Visibility: requestsv1.Visibility_VISIBILITY_PUBLIC_WITHOUT_NAME,
		Text: p.Text, Building: p.Building}, &again)
	if err != nil {
		return err
	}
	r.notes.Samples.Merged++
	r.notes.Samples.Code = again.GetCode()
	return r.client.call(ctx, r.committee(), http.MethodPost, "/v1/requests/"+again.GetId()+":merge", fmt.Sprintf("demo-merge-%d", p.No),
		&requestsv1.MergeRequestRequest{Id: again.GetId(), IntoId: r.notes.Requests[p.No]}, nil)
}

// sampleCategory keeps what is invented apart from the records' categories.
const sampleCategory = "其他 (sample)"

// postWhatIsNotSolved: each month one post is declined with a reason, and one
// ends honestly without a solution.
func (r *run) postWhatIsNotSolved(ctx context.Context, day string) error {
	author := as(typev1.Role_ROLE_RESIDENT, r.records.posts[0].Resident, r.records.path(circleID))
	post := func(key, text string) (string, error) {
		var out requestsv1.Request
		err := r.client.call(ctx, author, http.MethodPost, "/v1/requests", "demo-"+key+"-"+day, &requestsv1.PostRequestRequest{
			CommunityId: circleID, Kind: requestsv1.RequestKind_REQUEST_KIND_INQUIRY, Category: sampleCategory,
			Visibility: requestsv1.Visibility_VISIBILITY_PUBLIC_WITHOUT_NAME, Text: text}, &out)
		return out.GetId(), err
	}
	step := func(id, verb, key string, in proto.Message) error {
		return r.client.call(ctx, r.committee(), http.MethodPost, "/v1/requests/"+id+":"+verb, "demo-"+key+"-"+day, in, nil)
	}
	out, err := post("scope", "能否请社区代办外地房产过户")
	if err != nil {
		return err
	}
	unsolved, err := post("lift", "能否给全部老楼都加装电梯")
	if err != nil {
		return err
	}
	r.notes.Samples.Declined++
	r.notes.Samples.Unsolved++
	r.notes.Samples.IDs = append(r.notes.Samples.IDs, unsolved)
	return errors.Join(
		step(out, "decline", "decline", &requestsv1.DeclineRequestRequest{Id: out, Reason: "不属于社区受理范围,请到不动产登记中心咨询"}),
		step(unsolved, "admit", "admit", &requestsv1.AdmitRequestRequest{Id: unsolved}),
		step(unsolved, "closeUnsolved", "unsolved", &requestsv1.CloseUnsolvedRequest{Id: unsolved, Answer: "部分住户不同意,暂时无法加装"}))
}

// excludeUnsolved takes three of what was not solved out of the rates: the street, with
// a reason.
func (r *run) excludeUnsolved(ctx context.Context, _ string) error {
	var all []error
	for _, id := range r.notes.Samples.IDs[:3] {
		r.notes.Samples.Excluded++
		all = append(all, r.client.call(ctx, r.streetOf(circleID), http.MethodPost, "/v1/requests/"+id+":exclude", "demo-exclude-"+id,
			&requestsv1.ExcludeRequestRequest{Id: id, Reason: "需全体业主表决,不由社区决定"}, nil))
	}
	return errors.Join(all...)
}

// reopen: the author says it is not solved, and the office does it again.
func (r *run) reopen(ctx context.Context, p post) error {
	id := r.notes.Requests[p.No]
	rating := int32(3 + chance(p.No, "rating")%3)
	r.notes.Samples.Reopened++
	again := func(w who, verb string, in proto.Message) error {
		return r.client.call(ctx, w, http.MethodPost, "/v1/requests/"+id+":"+verb, fmt.Sprintf("demo-again-%s-%d", verb, p.No), in, nil)
	}
	return errors.Join(
		again(r.resident(p), "reopen", &requestsv1.ReopenRequestRequest{Id: id, Reason: "只装了一处,另一处还没有"}),
		again(r.committee(), "resolve", &requestsv1.ResolveRequestRequest{Id: id, Answer: "另一处也已装好。"}),
		again(r.resident(p), "rate", &requestsv1.RateRequestRequest{Id: id, Rating: rating, Solved: true}),
		again(r.committee(), "close", &requestsv1.CloseRequestRequest{Id: id}))
}
