package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/encoding/protojson"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

const (
	rosterDay  = "2013-07-29"
	bulkAccept = 200
	// Every so-manieth report-in is sent back once first (sample).
	returnedEvery = 400
)

func (r *run) importOrganizations(ctx context.Context, _ string) error {
	_, err := r.client.send(ctx, admin(), http.MethodPost, "/v1/organizations:import", "demo-organizations",
		"text/csv", r.records.organizationsCSV)
	return err
}

// planReportIn: every home organization sends its roster at the end of July;
// members report in on their day, and their communities accept the same day.
func (r *run) planReportIn(on func(string, task)) {
	on(rosterDay, r.importRosters)
	days := map[string]bool{}
	for _, m := range r.records.members {
		if m.reportedOn != "" {
			days[m.reportedOn] = true
		}
	}
	for day := range days {
		on(day, r.reportIn)
	}
}

// importRosters sends one file a home organization; external members come with
// the district's.
func (r *run) importRosters(ctx context.Context, _ string) error {
	byHome := map[string][][]string{}
	for _, m := range r.records.members {
		byHome[m.home] = append(byHome[m.home], m.row)
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, home := range slices.Sorted(maps.Keys(byHome)) {
		g.Go(func() error {
			reply, err := r.importRoster(ctx, home, byHome[home])
			mu.Lock()
			defer mu.Unlock()
			r.notes.Imported += int(reply.GetCreated() + reply.GetUpdated() + reply.GetUnchanged())
			r.notes.Refused += int(reply.GetRefused())
			if reply.GetEncoding() == "XLSX" {
				r.notes.Workbooks++
			}
			return err
		})
	}
	return g.Wait()
}

func (r *run) importRoster(ctx context.Context, home string, rows [][]string) (*registryv1.ImportRosterResponse, error) {
	contentType, body, err := rosterFile(home, append([][]string{r.records.columns}, rows...))
	if err != nil {
		return nil, fmt.Errorf("write roster: %w", err)
	}
	sender, officer := r.officerOf(home)
	path := "/v1/organizations/" + sender + "/rosters:import"
	taken, refused := int32(len(rows)), int32(0)
	if sendsWorkbook(home) {
		if taken, refused, err = r.rehearse(ctx, officer, path, contentType, body); err != nil {
			return nil, err
		}
	}
	text, err := r.client.send(ctx, officer, http.MethodPost, path, "demo-roster-"+home, contentType, body)
	if err != nil {
		return nil, err
	}
	var reply registryv1.ImportRosterResponse
	if err := protojson.Unmarshal(text, &reply); err != nil {
		return nil, fmt.Errorf("roster of %s: %w", home, err)
	}
	if sendsWorkbook(home) && (takenOf(&reply) != taken || reply.GetRefused() != refused) {
		return nil, fmt.Errorf("roster of %s: rehearsed %d and %d refused, did %v", home, taken, refused, &reply)
	}
	return &reply, nil
}

// officerOf answers who speaks for a home organization: its own officer, or
// for an external one the district.
func (r *run) officerOf(home string) (organization string, w who) {
	switch r.records.organizations[home].kind {
	case "workplace":
		return home, as(typev1.Role_ROLE_WORKPLACE_OFFICER, "demo-officer-"+home, r.records.path(home))
	case "community":
		return home, as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "demo-staff-"+home, r.records.path(home))
	}
	return districtID, r.districtOfficer()
}

func rosterKey(home, name, maskedID string) string { return home + "|" + name + "|" + maskedID }

// memberID answers the id that linli gave a row of the roster.
func (r *run) memberID(ctx context.Context, m member) (string, error) {
	if r.ids == nil {
		if err := r.fetchIDs(ctx); err != nil {
			return "", err
		}
	}
	id, ok := r.ids[rosterKey(m.home, m.name, m.maskedID)]
	if !ok {
		return "", fmt.Errorf("a member of %s is not in the registry", m.home)
	}
	return id, nil
}

// fetchIDs lists the members of every home organization.
func (r *run) fetchIDs(ctx context.Context) error {
	homes := map[string]bool{}
	for _, m := range r.records.members {
		homes[m.home] = true
	}
	ids := map[string]string{}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for home := range homes {
		g.Go(func() error {
			return r.eachMember(ctx, home, func(m *registryv1.Member) {
				mu.Lock()
				defer mu.Unlock()
				ids[rosterKey(home, m.GetName(), m.GetMaskedIdNumber())] = m.GetId()
			})
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	r.ids = ids
	return nil
}

func (r *run) eachMember(ctx context.Context, home string, fn func(*registryv1.Member)) error {
	_, officer := r.officerOf(home)
	if r.records.organizations[home].kind == "external" {
		// An external organization has no office here; its own officer would
		// sign in from elsewhere.
		officer = as(typev1.Role_ROLE_WORKPLACE_OFFICER, "demo-officer-"+home, r.records.path(home))
	}
	for token := ""; ; {
		var page registryv1.ListMembersResponse
		err := r.client.call(ctx, officer, http.MethodGet,
			"/v1/organizations/"+home+"/members?pageSize=200&pageToken="+token, "", nil, &page)
		if err != nil {
			return err
		}
		for _, m := range page.GetMembers() {
			fn(m)
		}
		if token = page.GetNextPageToken(); token == "" {
			return nil
		}
	}
}

// reportIn submits the day's report-ins and has each community accept its own.
func (r *run) reportIn(ctx context.Context, day string) error {
	type submitted struct {
		id, community, home string
		returned            bool
	}
	var mu sync.Mutex
	var all []submitted
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	if r.ids == nil {
		if err := r.fetchIDs(ctx); err != nil {
			return err
		}
	}
	for i, m := range r.records.members {
		if m.reportedOn != day {
			continue
		}
		g.Go(func() error {
			id, err := r.submit(gctx, m)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, submitted{id: id, community: m.community, home: m.home, returned: i%returnedEvery == 0})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	byCommunity := map[string][]string{}
	for _, s := range all {
		if s.returned {
			if err := r.returnOnce(ctx, s.id, s.community, s.home); err != nil {
				return err
			}
			r.notes.Returned++
		}
		byCommunity[s.community] = append(byCommunity[s.community], s.id)
	}
	return r.acceptAll(ctx, day, byCommunity)
}

func (r *run) submit(ctx context.Context, m member) (string, error) {
	id, err := r.memberID(ctx, m)
	if err != nil {
		return "", err
	}
	var reply registryv1.ReportIn
	err = r.client.call(ctx, as(typev1.Role_ROLE_MEMBER, id, r.records.path(m.home)), http.MethodPost, "/v1/reportIns",
		"demo-submit-"+id, &registryv1.SubmitReportInRequest{MemberId: id}, &reply)
	return reply.GetId(), err
}

// returnOnce sends a report-in back, and the member submits it again.
func (r *run) returnOnce(ctx context.Context, id, community, home string) error {
	var back registryv1.ReportIn
	err := r.client.call(ctx, r.partyStaff(community), http.MethodPost, "/v1/reportIns/"+id+":return", "demo-return-"+id,
		&registryv1.ReturnReportInRequest{Id: id, Reason: "请补填楼栋"}, &back)
	if err != nil {
		return err
	}
	return r.client.call(ctx, as(typev1.Role_ROLE_MEMBER, back.GetMemberId(), r.records.path(home)), http.MethodPost,
		"/v1/reportIns/"+id+":resubmit", "demo-resubmit-"+id, &registryv1.ResubmitReportInRequest{Id: id}, nil)
}

func (r *run) partyStaff(community string) who {
	return as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "demo-staff-"+community, r.records.path(community))
}

func (r *run) acceptAll(ctx context.Context, day string, byCommunity map[string][]string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for community, ids := range byCommunity {
		slices.Sort(ids)
		g.Go(func() error {
			var problems []error
			for chunk := range slices.Chunk(ids, bulkAccept) {
				problems = append(problems, r.client.call(ctx, r.partyStaff(community), http.MethodPost,
					"/v1/organizations/"+community+"/reportIns:accept", "demo-accept-"+day+"-"+chunk[0],
					&registryv1.AcceptReportInsRequest{CommunityId: community, Ids: chunk}, nil))
			}
			return errors.Join(problems...)
		})
	}
	return g.Wait()
}
