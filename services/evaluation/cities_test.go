package evaluation_test

import (
	"context"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
)

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
