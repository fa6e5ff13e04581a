package demo

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/encoding/protojson"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

func (c *city) importOrganizations(ctx context.Context) error {
	text, err := c.client.send(ctx, admin(), http.MethodPost, "/v1/organizations:import", "city-organizations", mediaCSV, c.records.organizationsCSV)
	if err != nil {
		return err
	}
	var reply registryv1.ImportOrganizationsResponse
	if err := protojson.Unmarshal(text, &reply); err != nil {
		return fmt.Errorf("organizations: %w", err)
	}
	c.notes.Organizations = int64(reply.GetCreated() + reply.GetUnchanged())
	return c.advance(ctx, rosterDay)
}

// importRosters has each workplace send a file of its own, without the dates of
// report-in: those the city lives through.
func (c *city) importRosters(ctx context.Context) error {
	var refused atomic.Int64
	rosters := inOrder[[]person, struct{}]{
		do: func(ctx context.Context, people []person) (struct{}, error) {
			n, err := c.sendRoster(ctx, people)
			refused.Add(n)
			return struct{}{}, err
		},
		each: func([]person, struct{}) error { return nil },
	}
	err := c.records.eachHome(func(_ string, people []person) error { return rosters.add(ctx, people) })
	if err == nil {
		err = rosters.flush(ctx)
	}
	c.notes.Refused = refused.Load()
	return err
}

func (c *city) sendRoster(ctx context.Context, people []person) (refused int64, err error) {
	var body bytes.Buffer
	rows := [][]string{c.records.columns}
	for _, p := range people {
		rows = append(rows, p.row)
	}
	if err := csv.NewWriter(&body).WriteAll(rows); err != nil {
		return 0, fmt.Errorf("write roster: %w", err)
	}
	home := people[0].home
	text, err := c.client.send(ctx, c.officer(home), http.MethodPost, "/v1/organizations/"+home+"/rosters:import", "city-roster-"+home, mediaCSV, body.Bytes())
	if err != nil {
		return 0, err
	}
	var reply registryv1.ImportRosterResponse
	if err := protojson.Unmarshal(text, &reply); err != nil {
		return 0, fmt.Errorf("roster of %s: %w", home, err)
	}
	if got := takenOf(&reply) + reply.GetRefused(); got != int32(len(people)) {
		return 0, fmt.Errorf("roster of %s has %d rows, and %d were taken or refused", home, len(people), got)
	}
	return int64(reply.GetRefused()), nil
}

func (c *city) openCampaign(ctx context.Context) error {
	if err := c.advance(ctx, campaignOpens); err != nil {
		return err
	}
	var out registryv1.Campaign
	err := c.client.call(ctx, c.officer(cityID), http.MethodPost, "/v1/organizations/"+cityID+"/campaigns", "city-campaign",
		&registryv1.OpenCampaignRequest{
			DistrictId: cityID, Year: 2013, Title: "在职党员进社区报到", OpensOn: campaignOpens, DeadlineOn: campaignDeadline,
		}, &out)
	c.notes.Campaign = out.GetId()
	return err
}

// reportIn lives through the days on which somebody reported in: the members
// submit, each for himself; at the end of a month the communities accept what
// waits for them, in slices. The days of the reminders are among them.
func (c *city) reportIn(ctx context.Context) error {
	days := map[string]bool{}
	err := c.eachMember(func(m known) error {
		if m.reportedOn != "" {
			days[m.reportedOn] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	for day := range rungs() {
		days[day] = true
	}
	all := slices.Sorted(maps.Keys(days))
	for i, day := range all {
		if day <= c.notes.Day {
			continue
		}
		last := i == len(all)-1 || all[i+1][:len("2013-08")] != day[:len("2013-08")]
		if err := c.reportInOn(ctx, day, last); err != nil {
			return fmt.Errorf("on %s: %w", day, err)
		}
		c.notes.Day = day
		if err := c.notes.keep(); err != nil {
			return err
		}
	}
	return nil
}

func (c *city) reportInOn(ctx context.Context, day string, accept bool) error {
	if err := c.advance(ctx, day); err != nil {
		return err
	}
	if rung, reminds := rungs()[day]; reminds {
		if err := c.awaitReminder(ctx, rung); err != nil {
			return err
		}
	}
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(cityAtOnce)
	err := c.eachMember(func(m known) error {
		if m.reportedOn == day && inner.Err() == nil {
			g.Go(func() error { return c.submit(inner, m) })
		}
		return nil
	})
	if failed := g.Wait(); failed != nil {
		err = failed
	}
	if err != nil || !accept {
		return err
	}
	return everyOne(ctx, c.records.communities(), c.acceptWaiting)
}

func (c *city) submit(ctx context.Context, m known) error {
	return c.client.call(ctx, as(typev1.Role_ROLE_MEMBER, m.id, c.records.path(m.home)), http.MethodPost, "/v1/reportIns",
		"city-submit-"+m.id, &registryv1.SubmitReportInRequest{MemberId: m.id}, nil)
}

// acceptWaiting has a community accept what waits for it until nothing does.
// What a broken-off call has accepted waits no more, so nothing is done twice.
func (c *city) acceptWaiting(ctx context.Context, community string) error {
	for {
		var page registryv1.ListReportInsResponse
		err := c.client.call(ctx, c.officer(community), http.MethodGet, "/v1/organizations/"+community+
			"/reportIns?state=REPORT_IN_STATE_SUBMITTED&pageSize="+fmt.Sprint(bulkAccept), "", nil, &page)
		if err != nil || len(page.GetReportIns()) == 0 {
			return err
		}
		req := &registryv1.AcceptReportInsRequest{CommunityId: community}
		for _, in := range page.GetReportIns() {
			req.Ids = append(req.Ids, in.GetId())
		}
		err = c.client.call(ctx, c.officer(community), http.MethodPost, "/v1/organizations/"+community+"/reportIns:accept",
			"city-accept-"+req.GetIds()[0], req, nil)
		if err != nil {
			return err
		}
	}
}

// awaitReminder asks until linli has reminded of a rung.
func (c *city) awaitReminder(ctx context.Context, rung int32) error {
	return eventually(ctx, func() (bool, error) {
		var out registryv1.Campaign
		err := c.client.call(ctx, c.officer(cityID), http.MethodGet, "/v1/campaigns/"+c.notes.Campaign, "", nil, &out)
		return slices.Contains(out.GetReminded(), rung), err
	})
}
