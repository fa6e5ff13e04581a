package demo

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// The campaign and its deadline are the article's. Who is excluded, who moved
// and who ended is sample: of those who never came some have a reason; of those
// who came some moved, and some of the late ones ended and came again.
const (
	campaignOpens    = "2013-08-01"
	campaignDeadline = "2013-10-31"
	excludeDay       = "2013-09-02"
	approveDay       = "2013-09-05"
	unitDay          = "2013-09-10"
	moveDay          = "2013-11-20"
	endDay           = "2013-11-21"
	againDay         = "2013-11-22"
	exemptUntil      = "2014-03-31"

	excludedEvery = 2
	rejectedEvery = 10
	movedEvery    = 800
	endedEvery    = 200
	unitEvery     = 10
)

// rungs are the days on which linli reminds when no policy says otherwise.
func rungs() map[string]int32 {
	return map[string]int32{"2013-10-01": 30, "2013-10-17": 14, "2013-10-24": 7, "2013-10-30": 1}
}

// planCampaign stands before the report-ins of a day: it opens in the morning
// of the first.
func (r *run) planCampaign(on func(string, task)) {
	on(campaignOpens, r.openCampaign)
	on(excludeDay, r.eachChosen(r.excluded, r.excludeMember))
	on(approveDay, r.eachChosen(r.excluded, r.approve))
	on(unitDay, r.reportUnits)
	for day, rung := range rungs() {
		on(day, func(ctx context.Context, _ string) error { return r.awaitReminder(ctx, rung) })
	}
	on(moveDay, r.eachChosen(r.moved, r.move))
	on(endDay, r.eachChosen(r.ended, r.end))
	on(againDay, r.eachChosen(r.ended, r.comeAgain))
}

func (r *run) openCampaign(ctx context.Context, _ string) error {
	var c registryv1.Campaign
	err := r.client.call(ctx, r.districtOfficer(), http.MethodPost, "/v1/organizations/"+districtID+"/campaigns", "demo-campaign",
		&registryv1.OpenCampaignRequest{
			DistrictId: districtID, Year: 2013, Title: "在职党员进社区报到", OpensOn: campaignOpens, DeadlineOn: campaignDeadline,
		}, &c)
	r.notes.Campaign = c.GetId()
	return err
}

func (r *run) campaign(ctx context.Context) (*registryv1.Campaign, error) {
	var c registryv1.Campaign
	err := r.client.call(ctx, r.districtOfficer(), http.MethodGet, "/v1/campaigns/"+r.notes.Campaign, "", nil, &c)
	return &c, err
}

// chosen is a member by the place in the roster, for choices that are the same
// in every run.
type chosen struct {
	n int
	member
}

func (r *run) choose(fits func(n int, m member) bool) (out []chosen) {
	for n, m := range r.records.members {
		if m.kind == "在职" && r.records.organizations[m.home].kind == "workplace" && fits(n, m) {
			out = append(out, chosen{n, m})
		}
	}
	return out
}

func (r *run) excluded() []chosen {
	return r.choose(func(n int, m member) bool { return m.reportedOn == "" && chance(n, "excluded")%excludedEvery == 0 })
}

func rejected(c chosen) bool { return chance(c.n, "rejected")%rejectedEvery == 0 }

// moved have reported in before the activities began, are honored by nobody and
// do not live where the posts are.
func (r *run) moved() []chosen {
	stays := map[string]bool{}
	for _, community := range r.communities() {
		for _, m := range r.firstHere(community) {
			stays[m.maskedID+m.name] = true
		}
	}
	return r.choose(func(n int, m member) bool {
		return m.reportedOn != "" && m.reportedOn <= campaignDeadline && m.community != circleID && !stays[m.maskedID+m.name] &&
			chance(n, "moved")%movedEvery == 0
	})
}

// ended came late, and come late again.
func (r *run) ended() []chosen {
	return r.choose(func(n int, m member) bool {
		return m.reportedOn > campaignDeadline && m.reportedOn < moveDay && m.community != circleID && chance(n, "ended")%endedEvery == 0
	})
}

// eachChosen does something for each of the chosen, some at a time.
func (r *run) eachChosen(all func() []chosen, do func(ctx context.Context, c chosen, id string) error) task {
	return func(ctx context.Context, _ string) error {
		if r.ids == nil {
			if err := r.fetchIDs(ctx); err != nil {
				return err
			}
		}
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(atOnce)
		for _, c := range all() {
			g.Go(func() error {
				id, err := r.memberID(ctx, c.member)
				if err != nil {
					return err
				}
				return do(ctx, c, id)
			})
		}
		return g.Wait()
	}
}

func (r *run) excludeMember(ctx context.Context, c chosen, id string) error {
	reason := registryv1.ExclusionReason(1 + chance(c.n, "reason")%5)
	req := &registryv1.ProposeExclusionRequest{CampaignId: r.notes.Campaign, MemberId: id, Reason: reason}
	if reason >= registryv1.ExclusionReason_EXCLUSION_REASON_POSTED_AWAY {
		req.Until = exemptUntil
	}
	_, officer := r.officerOf(c.home)
	return r.client.call(ctx, officer, http.MethodPost, r.ofMember(id)+":exclude", "demo-exclude-"+id, req, nil)
}

func (r *run) ofMember(id string) string {
	return "/v1/campaigns/" + r.notes.Campaign + "/members/" + id
}

func (r *run) approve(ctx context.Context, c chosen, id string) error {
	return r.client.call(ctx, r.districtOfficer(), http.MethodPost, r.ofMember(id)+":decideExclusion", "demo-decide-"+id,
		&registryv1.DecideExclusionRequest{CampaignId: r.notes.Campaign, MemberId: id, Approve: !rejected(c)}, nil)
}

// reportUnits has every so-manieth workplace report in as a unit.
func (r *run) reportUnits(ctx context.Context, _ string) error {
	communities := r.communities()
	for i, home := range r.workplaces() {
		if i%unitEvery != 0 {
			continue
		}
		_, officer := r.officerOf(home)
		err := r.client.call(ctx, officer, http.MethodPost, "/v1/organizations/"+home+"/places", "demo-unit-"+home,
			&registryv1.AddPlaceRequest{HomeOrganizationId: home, CommunityId: communities[i%len(communities)], Kind: registryv1.PlaceKind_PLACE_KIND_UNIT}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *run) workplaces() (ids []string) {
	for id, o := range r.records.organizations {
		if o.kind == "workplace" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// awaitReminder asks until linli has reminded of a rung.
func (r *run) awaitReminder(ctx context.Context, rung int32) error {
	t := time.NewTicker(poll)
	defer t.Stop()
	for {
		c, err := r.campaign(ctx)
		if err != nil || slices.Contains(c.GetReminded(), rung) {
			return err
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// elsewhere is another community than the member's.
func (r *run) elsewhere(m member) string {
	all := r.communities()
	return all[(slices.Index(all, m.community)+1)%len(all)]
}

func (r *run) move(ctx context.Context, c chosen, id string) error {
	to := r.elsewhere(c.member)
	reportIn, err := r.reportInOf(ctx, id, c.community, to)
	if err != nil {
		return err
	}
	err = r.client.call(ctx, as(typev1.Role_ROLE_MEMBER, id, r.records.path(c.home)), http.MethodPost, "/v1/reportIns/"+reportIn+":transfer",
		"demo-transfer-"+id, &registryv1.TransferReportInRequest{Id: reportIn, CommunityId: to}, nil)
	if err != nil {
		return err
	}
	return r.client.call(ctx, r.partyStaff(to), http.MethodPost, "/v1/reportIns/"+reportIn+":accept", "demo-accept-moved-"+id,
		&registryv1.AcceptReportInRequest{Id: reportIn}, nil)
}

func (r *run) end(ctx context.Context, c chosen, id string) error {
	reportIn, err := r.reportInOf(ctx, id, c.community)
	if err != nil {
		return err
	}
	return r.client.call(ctx, r.partyStaff(c.community), http.MethodPost, "/v1/reportIns/"+reportIn+":end", "demo-end-"+id,
		&registryv1.EndReportInRequest{Id: reportIn, Reason: "登记有误,请本人重新提交"}, nil)
}

// comeAgain submits what ended, which the community accepts again.
func (r *run) comeAgain(ctx context.Context, c chosen, id string) error {
	reportIn, err := r.reportInOf(ctx, id, c.community)
	if err != nil {
		return err
	}
	err = r.client.call(ctx, as(typev1.Role_ROLE_MEMBER, id, r.records.path(c.home)), http.MethodPost, "/v1/reportIns/"+reportIn+":resubmit",
		"demo-again-"+id, &registryv1.ResubmitReportInRequest{Id: reportIn}, nil)
	if err != nil {
		return err
	}
	return r.client.call(ctx, r.partyStaff(c.community), http.MethodPost, "/v1/reportIns/"+reportIn+":accept", "demo-accept-again-"+id,
		&registryv1.AcceptReportInRequest{Id: reportIn}, nil)
}

// reportInOf answers the report-in of a member among those to some communities,
// wherever it stands: a day that was broken off is begun again.
func (r *run) reportInOf(ctx context.Context, member string, communities ...string) (string, error) {
	for _, community := range communities {
		for token := ""; ; {
			var page registryv1.ListReportInsResponse
			err := r.client.call(ctx, r.partyStaff(community), http.MethodGet,
				"/v1/organizations/"+community+"/reportIns?pageSize=200&pageToken="+token, "", nil, &page)
			if err != nil {
				return "", err
			}
			for _, in := range page.GetReportIns() {
				if in.GetMemberId() == member {
					return in.GetId(), nil
				}
			}
			if token = page.GetNextPageToken(); token == "" {
				break
			}
		}
	}
	return "", fmt.Errorf("no report-in of a member to %v", communities)
}

func (r *run) eachReceipt(ctx context.Context, home string, fn func(*registryv1.ReportIn)) error {
	_, officer := r.officerOf(home)
	for token := ""; ; {
		var page registryv1.ListReceiptsResponse
		err := r.client.call(ctx, officer, http.MethodGet, "/v1/organizations/"+home+"/receipts?pageSize=200&pageToken="+token, "", nil, &page)
		if err != nil {
			return err
		}
		for _, in := range page.GetReportIns() {
			fn(in)
		}
		if token = page.GetNextPageToken(); token == "" {
			return nil
		}
	}
}
