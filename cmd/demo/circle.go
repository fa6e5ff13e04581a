package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

const yearEnd = "2013-12-31"

// planCircle: a post is admitted the next day, solved the day after, rated and
// filed a day later, all by the end of the year. The hardship case is posted in
// the evening, after everything else of its day, and read and seen to the
// morning after.
func (r *run) planCircle(on func(string, task)) {
	by := func(p post, days int) string { return min(later(p.day(), days), yearEnd) }
	var evenings []post
	for _, p := range r.records.posts {
		solve := 2
		if p.OnBehalfOf {
			solve = 1
			evenings = append(evenings, p)
		} else {
			on(p.day(), func(ctx context.Context, _ string) error { return errors.Join(r.post(ctx, p), r.join(ctx, p)) })
		}
		on(by(p, 1), func(ctx context.Context, _ string) error { return r.admit(ctx, p) })
		on(by(p, solve), func(ctx context.Context, day string) error { return r.solve(ctx, p, day) })
		on(by(p, 3), func(ctx context.Context, _ string) error { return r.rateAndClose(ctx, p) })
	}
	for _, p := range evenings {
		on(p.day(), func(ctx context.Context, _ string) error { return r.postInTheEvening(ctx, p) })
	}
	r.planSamples(on)
	for day := "2013-08-02"; day <= later(yearEnd, 1); day = next(day) {
		on(day, r.confirmEntries)
	}
}

// kindOf is linli's kind of a category, as the records' description has it.
func kindOf(category string) requestsv1.RequestKind {
	switch category {
	case "好人好事":
		return requestsv1.RequestKind_REQUEST_KIND_PRAISE
	case "困难帮扶":
		return requestsv1.RequestKind_REQUEST_KIND_HARDSHIP
	case "文娱活动", "便民建议":
		return requestsv1.RequestKind_REQUEST_KIND_SUGGESTION
	case "环境卫生", "停车秩序", "噪音扰民":
		return requestsv1.RequestKind_REQUEST_KIND_NUISANCE
	}
	return requestsv1.RequestKind_REQUEST_KIND_PROBLEM
}

func (r *run) resident(p post) who {
	if p.OnBehalfOf && r.notes.Hardship.Poster != "" {
		return as(typev1.Role_ROLE_MEMBER, r.notes.Hardship.Poster, r.records.path(p.Community))
	}
	return as(typev1.Role_ROLE_RESIDENT, p.Resident, r.records.path(p.Community))
}

func (r *run) committee() who {
	return as(typev1.Role_ROLE_COMMITTEE_STAFF, "demo-committee", r.records.path(circleID))
}

// step sends one step of a post's way.
func (r *run) step(ctx context.Context, w who, p post, verb string, in, out proto.Message) error {
	path := "/v1/requests/" + r.notes.Requests[p.No] + ":" + verb
	return r.client.call(ctx, w, http.MethodPost, path, fmt.Sprintf("demo-%s-%d", verb, p.No), in, out)
}

func (r *run) post(ctx context.Context, p post) error {
	in := &requestsv1.PostRequestRequest{
		CommunityId: p.Community, Kind: kindOf(p.Category), Category: p.Category, Text: p.Text, Building: p.Building,
		OnBehalfOf: p.OnBehalfOf, Visibility: requestsv1.Visibility_VISIBILITY_PUBLIC_WITHOUT_NAME,
	}
	if staffOnly(p) {
		in.Visibility = requestsv1.Visibility_VISIBILITY_STAFF_ONLY
	}
	var out requestsv1.Request
	if err := r.client.call(ctx, r.resident(p), http.MethodPost, "/v1/requests", fmt.Sprintf("demo-post-%d", p.No), in, &out); err != nil {
		return err
	}
	r.notes.Requests[p.No] = out.GetId()
	if p.OnBehalfOf {
		r.notes.Hardship.StaffOnly = out.GetTextSealed() && out.GetText() == ""
		r.notes.Hardship.Code, r.notes.Hardship.Posted = out.GetCode(), out.GetPostedAt().AsTime()
	}
	return nil
}

// join has the records' supporters say "me too". What is for staff only has no
// "me too": its supporters stand with the next public post of the circle
// (sample).
func (r *run) join(ctx context.Context, p post) error {
	id := r.notes.Requests[p.No]
	if staffOnly(p) {
		return nil
	}
	supporters := slices.Clone(p.Supporters)
	for i := slices.IndexFunc(r.records.posts, func(q post) bool { return q.No == p.No }) - 1; i >= 0 && staffOnly(r.records.posts[i]); i-- {
		supporters = append(supporters, r.records.posts[i].Supporters...)
	}
	for _, supporter := range supporters {
		if supporter == p.Resident {
			continue
		}
		w := as(typev1.Role_ROLE_RESIDENT, supporter, r.records.path(p.Community))
		err := r.client.call(ctx, w, http.MethodPost, "/v1/requests/"+id+":join", fmt.Sprintf("demo-join-%d-%s", p.No, supporter),
			&requestsv1.JoinRequestRequest{Id: id}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

func staffOnly(p post) bool {
	return p.OnBehalfOf || kindOf(p.Category) == requestsv1.RequestKind_REQUEST_KIND_HARDSHIP
}

func (r *run) admit(ctx context.Context, p post) error {
	if p.OnBehalfOf {
		var out requestsv1.RevealRequestTextResponse
		err := r.step(ctx, r.head(), p, "revealText",
			&requestsv1.RevealRequestTextRequest{Id: r.notes.Requests[p.No], Reason: "上门核实前了解情况"}, &out)
		if err != nil {
			return err
		}
		r.notes.Hardship.Revealed = out.GetText() == p.Text
	}
	if passedOn(p) {
		return r.step(ctx, r.committee(), p, "passOn", &requestsv1.PassOnRequestRequest{Id: r.notes.Requests[p.No]}, nil)
	}
	in := &requestsv1.AdmitRequestRequest{Id: r.notes.Requests[p.No], BeyondDuty: departmentOf(p.Category) != ""}
	return errors.Join(r.step(ctx, r.committee(), p, "admit", in, nil), r.extend(ctx, p))
}

// solve has a member see to a problem where members have reported in, and the
// office to everything else. Hours and helpers are sample.
func (r *run) solve(ctx context.Context, p post, day string) error {
	id := r.notes.Requests[p.No]
	resolve := &requestsv1.ResolveRequestRequest{Id: id, Answer: "已处理,感谢您对社区的关心。"}
	if p.OnBehalfOf {
		if err := r.help(ctx, p, day); err != nil {
			return err
		}
		resolve.Answer = "已上门核实,并转介公益组织。"
		r.notes.Hardship.Day = day
	}
	if passedOn(p) || escalated(p) {
		return r.solveAbove(ctx, p, resolve)
	}
	kind := kindOf(p.Category)
	helper := ""
	if kind == requestsv1.RequestKind_REQUEST_KIND_PROBLEM || kind == requestsv1.RequestKind_REQUEST_KIND_NUISANCE {
		var err error
		if helper, err = r.helper(ctx, p, day); err != nil {
			return err
		}
	}
	if helper == "" && p.Category == repairs && r.notes.Providers[repairShop] != "" && chance(p.No, "provider")%20 == 0 {
		return r.solveByShop(ctx, p, resolve)
	}
	if helper == "" {
		return r.step(ctx, r.committee(), p, "resolve", resolve, nil)
	}
	member := as(typev1.Role_ROLE_MEMBER, helper, r.records.path(circleID))
	resolve.QuarterHours = int32(1 + chance(p.No, "hours")%8)
	return errors.Join(
		r.step(ctx, r.committee(), p, "dispatch", &requestsv1.DispatchRequestRequest{Id: id, MemberId: helper}, nil),
		r.step(ctx, member, p, "takeOn", &requestsv1.TakeOnRequestRequest{Id: id}, nil),
		r.step(ctx, member, p, "resolve", resolve, nil),
	)
}

// helper picks a member who had reported in to the circle's community before
// the day; empty while there is none.
func (r *run) helper(ctx context.Context, p post, day string) (string, error) {
	if day <= rosterDay || passedOn(p) || escalated(p) {
		return "", nil
	}
	var here []member
	for _, m := range r.records.members {
		if m.community == circleID && m.reportedOn != "" && m.reportedOn < day {
			here = append(here, m)
		}
	}
	if len(here) == 0 {
		return "", nil
	}
	slices.SortStableFunc(here, func(a, b member) int { return strings.Compare(a.reportedOn, b.reportedOn) })
	return r.memberID(ctx, here[chance(p.No, "helper")%len(here)])
}

func (r *run) rateAndClose(ctx context.Context, p post) error {
	id := r.notes.Requests[p.No]
	rating := int32(3 + chance(p.No, "rating")%3)
	return errors.Join(
		r.step(ctx, r.resident(p), p, "rate", &requestsv1.RateRequestRequest{Id: id, Rating: rating, Solved: true}, nil),
		r.step(ctx, r.committee(), p, "close", &requestsv1.CloseRequestRequest{Id: id}, nil),
	)
}

// confirmEntries confirms what the days before proposed: the community's party
// staff, and for its own retired members the street.
func (r *run) confirmEntries(ctx context.Context, _ string) error {
	var page evaluationv1.ListEntriesResponse
	err := r.client.call(ctx, r.partyStaff(circleID), http.MethodGet,
		"/v1/organizations/"+circleID+"/entries?state=ENTRY_STATE_PROPOSED&pageSize=200", "", nil, &page)
	if err != nil {
		return err
	}
	street := r.records.organizations[circleID].parent
	for _, e := range page.GetEntries() {
		confirm := func(w who, key string) error {
			return r.client.call(ctx, w, http.MethodPost, "/v1/entries/"+e.GetId()+":confirm", key+e.GetId(),
				&evaluationv1.ConfirmEntryRequest{Id: e.GetId()}, nil)
		}
		err := confirm(r.partyStaff(circleID), "demo-confirm-")
		var no *refused
		if errors.As(err, &no) && no.Reason == "CONFIRMS_OWN_UNIT" {
			err = confirm(as(typev1.Role_ROLE_STREET_OFFICER, "demo-street-"+street, r.records.path(street)), "demo-street-")
		}
		if err != nil {
			return err
		}
	}
	return nil
}
