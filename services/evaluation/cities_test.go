package evaluation_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
)

// TestCloseCycle_OfMoreCommunitiesThanOneCommitChecks: a city's cycle closes when
// the last of its communities is consented to, and not before.
func TestCloseCycle_OfMoreCommunitiesThanOneCommitChecks(t *testing.T) {
	const n = 1010
	h := newHouse(t, inMemory(), names{})
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("D%04d", i)
		path := "/1/11/112/" + ids[i] + "/"
		h.Announce("registry", store.Event{Name: "organization.registered", EntityID: ids[i], Revision: 1,
			Data: &registryv1.OrganizationChanged{Id: ids[i], Kind: registryv1.OrganizationKind_ORGANIZATION_KIND_COMMUNITY, Path: path, Displayed: true, Revision: 1}})
		h.Announce("registry", store.Event{Name: "report_in.accepted", EntityID: "r" + ids[i], Revision: 2, Data: &registryv1.ReportInsChanged{
			ReportIns: []*registryv1.ReportInStateChange{{Id: "r" + ids[i], Revision: 2, MemberId: "m" + ids[i], HomePath: w1,
				CommunityPath: path, State: registryv1.ReportInState_REPORT_IN_STATE_ACCEPTED}}}})
	}
	h.Drain()
	c := h.cycle(t)
	h.Civil.Advance(c.GetObjectUntil().AsTime().Add(time.Hour))
	street := h.as(typev1.Role_ROLE_STREET_OFFICER, "street", "/1/11/112/")
	staff := h.as(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "staff", "/1/11/112/")
	for i, id := range ids {
		if i == n-1 {
			_, err := h.sheets().CloseCycle(h.officer(), &pb.CloseCycleRequest{Id: c.GetId()})
			refused(t, "with one that is not consented to", err, codes.FailedPrecondition, "NOT_ALL_CONSENTED")
		}
		if _, err := h.sheets().SignSheets(staff, &pb.SignSheetsRequest{CycleId: c.GetId(), CommunityId: id}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.sheets().ConsentToSheets(street, &pb.ConsentToSheetsRequest{CycleId: c.GetId(), CommunityId: id, Consents: true}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.sheets().CloseCycle(h.officer(), &pb.CloseCycleRequest{Id: c.GetId()}); err != nil {
		t.Fatal(err)
	}
	h.await(t, c.GetId(), pb.CycleState_CYCLE_STATE_CLOSED)
}

// TestOpenCycle_OfACity: who works in one district and lives in another stands
// once on the roster and in one letter; the city's round and a district's of the
// same year exclude each other, in whatever order they come.
func TestOpenCycle_OfACity(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	for path, kind := range map[string]registryv1.OrganizationKind{
		"/1/":       registryv1.OrganizationKind_ORGANIZATION_KIND_CITY,
		"/1/12/":    registryv1.OrganizationKind_ORGANIZATION_KIND_DISTRICT,
		"/1/12/W9/": registryv1.OrganizationKind_ORGANIZATION_KIND_WORKPLACE,
	} {
		id := scope.Path(path).ID()
		h.Announce("registry", store.Event{Name: "organization.registered", EntityID: id, Revision: 1,
			Data: &registryv1.OrganizationChanged{Id: id, Kind: kind, Path: path, Displayed: true, Revision: 1}})
	}
	h.member("m1", w1, true)
	h.member("m9", "/1/12/W9/", true) // works in 12, lives in 11
	h.Drain()
	city := h.as(typev1.Role_ROLE_CITY_OFFICER, "city", "/1/")
	open := func(ctx context.Context, place string, year int32) (*pb.Cycle, error) {
		reply, err := h.client.OpenCycle(ctx, &pb.OpenCycleRequest{DistrictId: place, Year: year})
		return reply.GetCycle(), err
	}
	_, err := open(h.officer(), "1", 2013)
	refused(t, "a district opens the city's", err, codes.NotFound, "UNKNOWN_ORGANIZATION")
	_, err = open(city, "W1", 2013)
	refused(t, "a workplace's", err, codes.NotFound, "UNKNOWN_ORGANIZATION")
	c, err := open(city, "1", 2013)
	if err != nil {
		t.Fatal(err)
	}
	_, err = open(h.officer(), "11", 2013)
	refused(t, "a district's beside the city's", err, codes.AlreadyExists, "CYCLE_EXISTS")
	if _, err = open(h.officer(), "11", 2012); err != nil {
		t.Fatal(err)
	}
	_, err = open(city, "1", 2012)
	refused(t, "the city's beside a district's", err, codes.AlreadyExists, "CYCLE_EXISTS")

	h.awaitFor(city, t, c.GetId(), pb.CycleState_CYCLE_STATE_OPEN)
	if _, err := h.client.ComputeCycle(city, &pb.ComputeCycleRequest{Id: c.GetId()}); err != nil {
		t.Fatal(err)
	}
	if got := h.awaitFor(city, t, c.GetId(), pb.CycleState_CYCLE_STATE_COMPUTED); got.GetMembers() != 2 || got.GetLetters() != 2 {
		t.Errorf("%d members, %d letters", got.GetMembers(), got.GetLetters())
	}
	page, err := h.client.ListLetters(city, &pb.ListLettersRequest{CycleId: c.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	var homes []string
	for _, l := range page.GetLetters() {
		homes = append(homes, l.GetHomeOrganizationId())
	}
	if !slices.Equal(homes, []string{"W1", "W9"}) {
		t.Errorf("letters to %v", homes)
	}
}
