package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
)

// expectedCampaign is what the records and the sample say of those in service.
type expectedCampaign struct {
	members, onTime, late, notDue, exempt int64
}

func (e expectedCampaign) due() int64     { return e.members - e.notDue - e.exempt }
func (e expectedCampaign) missing() int64 { return e.due() - e.onTime - e.late }

func (r *run) expectCampaign() (e expectedCampaign) {
	for _, c := range r.choose(func(int, member) bool { return true }) {
		e.members++
		switch {
		case c.reportedOn == "":
		case c.reportedOn <= campaignDeadline:
			e.onTime++
		default:
			e.late++
		}
	}
	for _, c := range r.excluded() {
		switch reason := 1 + chance(c.n, "reason")%5; {
		case rejected(c):
		case registryv1.ExclusionReason(reason) >= registryv1.ExclusionReason_EXCLUSION_REASON_POSTED_AWAY:
			e.exempt++
		default:
			e.notDue++
		}
	}
	return e
}

// reportCampaign compares the campaign: its completion, who is missing as the
// workplaces see it, receipts, moves, reminders, units.
func (r *run) reportCampaign(ctx context.Context, c *comparison) error {
	campaign, err := r.campaign(ctx)
	if err != nil {
		return err
	}
	c.count("rosters as workbooks, rehearsed before", "sample", r.expectedWorkbooks(), int64(r.notes.Workbooks))
	c.same("to report in by", "article", campaignDeadline, campaign.GetDeadlineOn())
	var got registryv1.CampaignCompletion
	err = r.client.call(ctx, r.districtOfficer(), http.MethodGet, "/v1/campaigns/"+campaign.GetId()+"/completion/"+districtID, "", nil, &got)
	if err != nil {
		return err
	}
	want := r.expectCampaign()
	for _, k := range got.GetKinds() {
		if !k.GetInScope() {
			continue
		}
		c.count("in service, held in the district", "records", want.members, k.GetMembers())
		c.count("accepted on time", "records", want.onTime, k.GetAcceptedOnTime())
		c.count("accepted late", "records", want.late, k.GetAcceptedLate())
		c.count("not due, approved by another", "sample", want.notDue, k.GetNotDue())
		c.count("exempt for a time", "sample", want.exempt, k.GetExempt())
		c.count("missing", "sample", want.missing(), k.GetMissing())
	}
	c.same("accepted of those due, percent", "sample", fmt.Sprintf("%.1f", float64(100*(want.onTime+want.late))/float64(want.due())), got.GetPercent())
	for _, part := range []func(context.Context, *comparison) error{r.reportMissing, r.reportReceipts, r.reportMoves, r.reportUnitsNoted} {
		if err := part(ctx, c); err != nil {
			return err
		}
	}
	var reminded []string
	for _, rung := range campaign.GetReminded() {
		reminded = append(reminded, fmt.Sprint(rung))
	}
	c.same("reminded, days before", "sample", "30 14 7 1", strings.Join(reminded, " "))
	return nil
}

// reportMissing sums the lists of the workplaces; the district is refused one.
func (r *run) reportMissing(ctx context.Context, c *comparison) error {
	var mu sync.Mutex
	var missing int64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	path := func(home string) string { return "/v1/campaigns/" + r.notes.Campaign + "/missing/" + home }
	for _, home := range r.workplaces() {
		g.Go(func() error {
			_, officer := r.officerOf(home)
			for token := ""; ; {
				var page registryv1.ListMissingResponse
				if err := r.client.call(gctx, officer, http.MethodGet, path(home)+"?pageSize=200&pageToken="+token, "", nil, &page); err != nil {
					return err
				}
				mu.Lock()
				missing += int64(len(page.GetMembers()))
				mu.Unlock()
				if token = page.GetNextPageToken(); token == "" {
					return nil
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	c.count("missing, as their workplaces see them", "sample", r.expectCampaign().missing(), missing)
	err := r.client.call(ctx, r.districtOfficer(), http.MethodGet, path(r.workplaces()[0]), "", nil, &registryv1.ListMissingResponse{})
	var no *refused
	if err != nil && !errors.As(err, &no) {
		return err
	}
	c.same("and by nobody else", "sample", "403", fmt.Sprint(no.status()))
	return nil
}

func (r *refused) status() int {
	if r == nil {
		return http.StatusOK
	}
	return r.Status
}

// reportReceipts counts the receipts of the workplaces.
func (r *run) reportReceipts(ctx context.Context, c *comparison) error {
	var mu sync.Mutex
	var want, got int64
	for _, m := range r.records.members {
		if m.reportedOn != "" && r.records.organizations[m.home].kind == "workplace" {
			want++
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, home := range r.workplaces() {
		g.Go(func() error {
			return r.eachReceipt(ctx, home, func(*registryv1.ReportIn) {
				mu.Lock()
				defer mu.Unlock()
				got++
			})
		})
	}
	err := g.Wait()
	c.count("receipts at the workplaces", "records", want, got)
	return err
}

// reportMoves reads the report-ins of those who moved and those who came again.
func (r *run) reportMoves(ctx context.Context, c *comparison) error {
	count := func(all []chosen, fits func(chosen, *registryv1.ReportIn) bool) (n int64, err error) {
		for _, m := range all {
			id, err := r.memberID(ctx, m.member)
			if err != nil {
				return n, err
			}
			err = r.eachReceipt(ctx, m.home, func(in *registryv1.ReportIn) {
				if in.GetMemberId() == id && len(in.GetHistory()) == 1 && fits(m, in) {
					n++
				}
			})
			if err != nil {
				return n, err
			}
		}
		return n, nil
	}
	moved, err := count(r.moved(), func(m chosen, in *registryv1.ReportIn) bool {
		return in.GetCommunityId() == r.elsewhere(m.member) && in.GetCountedOn() == m.reportedOn
	})
	if err != nil {
		return err
	}
	c.count("moved to another community, on time as before", "sample", int64(len(r.moved())), moved)
	again, err := count(r.ended(), func(m chosen, in *registryv1.ReportIn) bool {
		return in.GetCommunityId() == m.community && in.GetCountedOn() == againDay
	})
	c.count("ended and came again", "sample", int64(len(r.ended())), again)
	return err
}

// reportUnitsNoted counts the workplaces that reported in as units.
func (r *run) reportUnitsNoted(ctx context.Context, c *comparison) error {
	var page registryv1.ListPlacesResponse
	err := r.client.call(ctx, r.districtOfficer(), http.MethodGet, "/v1/organizations/"+districtID+"/places?pageSize=200", "", nil, &page)
	units := slices.DeleteFunc(page.GetPlaces(), func(p *registryv1.Place) bool { return p.GetKind() != registryv1.PlaceKind_PLACE_KIND_UNIT })
	c.count("workplaces that reported in as units", "sample", int64((len(r.workplaces())+unitEvery-1)/unitEvery), int64(len(units)))
	return err
}
