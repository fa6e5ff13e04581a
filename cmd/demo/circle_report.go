package demo

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
)

// reportSamples compares the rates with what was left out of them, and the
// office's ways beside the straight one.
func (r *run) reportSamples(ctx context.Context, c *comparison, rates *requestsv1.Rates) error {
	all, s := int64(len(r.records.posts)), r.notes.Samples
	notToSolve := int64(s.Merged + s.Declined)
	unsolved := int64(s.Unsolved - s.Excluded)
	c.count("answered", "sample", all+notToSolve+unsolved, rates.GetResponse().GetDenominator())
	c.same("response rate", "sample", "100.0", rates.GetResponse().GetPercent())
	admitted := all - int64(s.PassedOn)
	c.same("resolution rate", "sample", fmt.Sprintf("%d of %d", admitted, admitted+unsolved),
		fmt.Sprintf("%d of %d", rates.GetResolution().GetNumerator(), rates.GetResolution().GetDenominator()))
	c.count("taken out of the rates by the street", "sample", int64(s.Excluded), int64(rates.GetExcluded()))
	c.count("declined or merged, nobody's to solve", "sample", notToSolve, int64(rates.GetNotToSolve()))
	if err := r.reportExclusions(ctx, c, int64(s.Excluded)+notToSolve); err != nil {
		return err
	}
	var passed, above, extensions, again, reopens int64
	for _, p := range r.records.posts {
		for n, holds := range map[*int64]bool{&passed: passedOn(p), &above: escalated(p), &extensions: extended(p), &again: mergedAgain(p), &reopens: reopened(p)} {
			if holds {
				*n++
			}
		}
	}
	c.count("passed on to a department by the register", "sample", passed, int64(s.PassedOn))
	c.count("escalated to the street", "sample", above, int64(s.Escalated))
	c.count("extended before the limit", "sample", extensions, int64(s.Extended))
	c.count("offered the earlier post about the same", "sample", again, int64(s.Similar))
	c.count("merged into it", "sample", again, int64(s.Merged))
	c.count("reopened and solved again", "sample", reopens, int64(s.Reopened))
	var looked requestsv1.RequestSteps
	err := r.client.call(ctx, nobody(), http.MethodPost, "/v1/requests:lookUp", "", &requestsv1.LookUpRequestRequest{Code: s.Code}, &looked)
	if err != nil {
		return err
	}
	c.same("looked up by code, without an account", "sample", "REQUEST_STATE_MERGED", looked.GetState().String())
	if err := r.reportCategories(ctx, c); err != nil {
		return err
	}
	if err := r.reportPlaces(ctx, c); err != nil {
		return err
	}
	return r.reportProviders(ctx, c)
}

// reportPlaces compares the cells that are shown of nuisance posts by building,
// before the report-in campaign and after its begin.
func (r *run) reportPlaces(ctx context.Context, c *comparison) error {
	var out requestsv1.GetNuisancePlacesResponse
	err := r.client.call(ctx, r.resident(r.records.posts[0]), http.MethodGet, "/v1/organizations/"+circleID+
		"/circle/nuisancePlaces?beforeFrom=2013-01&beforeTo=2013-07&afterFrom=2013-08&afterTo=2013-12", "", nil, &out)
	if err != nil {
		return err
	}
	counts := map[string]*[2]int64{}
	for _, p := range r.records.posts {
		if kindOf(p.Category) != requestsv1.RequestKind_REQUEST_KIND_NUISANCE {
			continue
		}
		if counts[p.Building] == nil {
			counts[p.Building] = &[2]int64{}
		}
		if p.day() < "2013-08" {
			counts[p.Building][0]++
		} else {
			counts[p.Building][1]++
		}
	}
	least := int64(out.GetLeastCell())
	var says, shown, right int64
	for _, n := range counts {
		for _, cell := range n {
			if cell >= least {
				says++
			}
		}
	}
	for _, p := range out.GetPlaces() {
		for i, cell := range []*int32{p.Before, p.After} {
			if cell != nil {
				shown++
				if n := counts[p.GetBuilding()]; n != nil && int64(*cell) == n[i] {
					right++
				}
			}
		}
	}
	c.count("nuisance by building: cells of five and more", "records", says, shown)
	c.count("of them with the records' count", "records", says, right)
	return nil
}

// reportExclusions counts what was left out with a reason, or the request it
// was merged into, and who decided.
func (r *run) reportExclusions(ctx context.Context, c *comparison, says int64) error {
	var reasoned int64
	for token := ""; ; {
		var page requestsv1.ListExclusionsResponse
		err := r.client.call(ctx, r.committee(), http.MethodGet,
			"/v1/organizations/"+circleID+"/circle/exclusions?year=2013&pageSize=200&pageToken="+token, "", nil, &page)
		if err != nil {
			return err
		}
		for _, e := range page.GetExclusions() {
			if e.GetReason()+e.GetMergedInto() != "" && e.GetApprover() != "" {
				reasoned++
			}
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	c.count("left out with a reason and who decided", "sample", says, reasoned)
	return nil
}

// reportCategories counts what everybody sees by category, from a loose paving
// stone to a festivity; and that nothing of the hardship case is among it.
func (r *run) reportCategories(ctx context.Context, c *comparison) error {
	says, shown := map[string]int64{}, map[string]int64{}
	for _, p := range r.records.posts {
		if !staffOnly(p) {
			says[p.Category]++
		}
	}
	family := int64(0)
	for token := ""; ; {
		var page requestsv1.BrowseRequestsResponse
		err := r.client.call(ctx, r.committee(), http.MethodGet,
			"/v1/organizations/"+circleID+"/circle/requests?pageSize=200&pageToken="+token, "", nil, &page)
		if err != nil {
			return err
		}
		for _, q := range page.GetRequests() {
			shown[q.GetCategory()]++
			if strings.Contains(q.GetText()+q.GetAnswer(), "杨女士") {
				family++
			}
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	for _, k := range []struct{ what, category string }{
		{"repairs, as a loose paving stone", repairs}, {"litter and drying laundry", "环境卫生"}, {"parking", "停车秩序"},
		{"noise", "噪音扰民"}, {"restaurants' safety", "餐饮安全"}, {"praise of good deeds", "好人好事"},
		{"festivities and classes", "文娱活动"}, {"suggestions", "便民建议"},
	} {
		c.count("in public: "+k.what, "records", says[k.category], shown[k.category])
	}
	c.count("in public: of the hardship case", "article", 0, family)
	return nil
}
