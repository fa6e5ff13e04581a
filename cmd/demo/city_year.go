package demo

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
)

const (
	// Of those who reported in every so-manieth served once (sample); an entry
	// call takes so many.
	servedEvery = 4
	serveAtOnce = 50
)

func (m known) served() bool {
	return m.reportedOn != "" && chance(m.n, "city service")%servedEvery == 0
}

// quartersOf are the hours of a community's activity, in quarters (sample).
func quartersOf(community string) int32 { return int32(4 + chance(0, "city hours "+community)%8) }

// serve writes the services of a street's communities at a time, so that only
// those are held.
func (c *city) serve(ctx context.Context) error {
	if err := c.advance(ctx, cityServiceDay); err != nil {
		return err
	}
	for _, street := range c.records.ofKind("street") {
		served := map[string][]string{}
		err := c.eachMember(func(m known) error {
			if m.served() && c.records.at("street", m.community) == street {
				served[m.community] = append(served[m.community], m.id)
			}
			return nil
		})
		if err != nil {
			return err
		}
		var communities []string
		for id := range served {
			communities = append(communities, id)
		}
		err = everyOne(ctx, communities, func(ctx context.Context, community string) error {
			for i, ids := range slices.Collect(slices.Chunk(served[community], serveAtOnce)) {
				if err := c.holdActivity(ctx, community, i, ids); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// holdActivity writes an activity into the ledger of those who took part; the
// street confirms.
func (c *city) holdActivity(ctx context.Context, community string, n int, ids []string) error {
	base, name := "/v1/organizations/"+community+"/entries:", fmt.Sprintf("city-activity-%s-%d", community, n)
	var out evaluationv1.ProposeEntriesResponse
	err := c.client.call(ctx, c.officer(community), http.MethodPost, base+"propose", name,
		&evaluationv1.ProposeEntriesRequest{CommunityId: community, MemberIds: ids, Service: &evaluationv1.Service{
			Kind: evaluationv1.ServiceKind_SERVICE_KIND_ENVIRONMENT, Source: evaluationv1.EntrySource_ENTRY_SOURCE_ACTIVITY,
			SourceId: name, Day: cityServiceDay, Times: 1, QuarterHours: quartersOf(community),
		}}, &out)
	if err != nil {
		return err
	}
	confirm := &evaluationv1.ConfirmEntriesRequest{CommunityId: community}
	for _, e := range out.GetEntries() {
		confirm.Ids = append(confirm.Ids, e.GetId())
	}
	return c.client.call(ctx, c.officer(c.records.at("street", community)), http.MethodPost, base+"confirm", name, confirm, nil)
}

func (c *city) openCycle(ctx context.Context) error {
	if err := c.advance(ctx, cycleDay); err != nil {
		return err
	}
	var out evaluationv1.Cycle
	err := c.client.call(ctx, c.officer(cityID), http.MethodPost, "/v1/organizations/"+cityID+"/cycles", "city-cycle",
		&evaluationv1.OpenCycleRequest{DistrictId: cityID, Year: 2013}, &out)
	if err != nil {
		return err
	}
	c.notes.Cycle = out.GetId()
	return c.awaitCycle(ctx, evaluationv1.CycleState_CYCLE_STATE_OPEN)
}

func (c *city) cycle(ctx context.Context) (*evaluationv1.Cycle, error) {
	var out evaluationv1.Cycle
	err := c.client.call(ctx, c.officer(cityID), http.MethodGet, "/v1/cycles/"+c.notes.Cycle, "", nil, &out)
	return &out, err
}

// awaitCycle asks until the cycle has come to a state or past it.
func (c *city) awaitCycle(ctx context.Context, state evaluationv1.CycleState) error {
	return eventually(ctx, func() (bool, error) {
		cycle, err := c.cycle(ctx)
		return cycle.GetState() >= state, err
	})
}

func (c *city) compute(ctx context.Context) error {
	err := c.client.call(ctx, c.officer(cityID), http.MethodPost, "/v1/cycles/"+c.notes.Cycle+":compute", "city-compute",
		&evaluationv1.ComputeCycleRequest{Id: c.notes.Cycle}, nil)
	if err != nil {
		return err
	}
	return c.awaitCycle(ctx, evaluationv1.CycleState_CYCLE_STATE_COMPUTED)
}

// sign has every community of the cycle sign once nobody can object any more,
// and its street consent.
func (c *city) sign(ctx context.Context) error {
	if err := c.advance(ctx, signDay); err != nil {
		return err
	}
	var communities []string
	for token := ""; ; {
		var page evaluationv1.ListSignaturesResponse
		err := c.client.call(ctx, c.officer(cityID), http.MethodGet,
			"/v1/cycles/"+c.notes.Cycle+"/signatures?pageSize=200&pageToken="+token, "", nil, &page)
		if err != nil {
			return err
		}
		for _, s := range page.GetSignatures() {
			communities = append(communities, s.GetCommunityId())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	return everyOne(ctx, communities, func(ctx context.Context, id string) error {
		path := "/v1/cycles/" + c.notes.Cycle + "/communities/" + id
		err := c.client.call(ctx, c.officer(id), http.MethodPost, path+":sign", "city-sign-"+id,
			&evaluationv1.SignSheetsRequest{CycleId: c.notes.Cycle, CommunityId: id}, nil)
		if err != nil {
			return err
		}
		return c.client.call(ctx, c.officer(c.records.at("street", id)), http.MethodPost, path+":consent", "city-consent-"+id,
			&evaluationv1.ConsentToSheetsRequest{CycleId: c.notes.Cycle, CommunityId: id, Consents: true}, nil)
	})
}

func (c *city) closeCycle(ctx context.Context) error {
	if err := c.advance(ctx, closeDay); err != nil {
		return err
	}
	err := c.client.call(ctx, c.officer(cityID), http.MethodPost, "/v1/cycles/"+c.notes.Cycle+":close", "city-close",
		&evaluationv1.CloseCycleRequest{Id: c.notes.Cycle}, nil)
	if err != nil {
		return err
	}
	return c.awaitCycle(ctx, evaluationv1.CycleState_CYCLE_STATE_CLOSED)
}
