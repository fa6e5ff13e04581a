package registry

import (
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
)

// TestPlaces_AreNotCounted: a second place and a unit are seen by the community
// and change no figure.
func TestPlaces_AreNotCounted(t *testing.T) {
	h := startCampaign(t)
	c, m := h.openCampaign().GetId(), h.withMembers(2)
	h.reportedIn(m[0])
	before := h.campaignOf(c, "W00005")
	add := func(member, community string, kind pb.PlaceKind) (*pb.Place, error) {
		reply, err := h.AddPlace(h.officer(workplace), &pb.AddPlaceRequest{HomeOrganizationId: "W00005", MemberId: member, CommunityId: community, Kind: kind})
		return reply.GetPlace(), err
	}
	second, err := add(m[0], "430101002002", pb.PlaceKind_PLACE_KIND_SECOND_HOME)
	must(t, err)
	unit, err := add("", "430101002002", pb.PlaceKind_PLACE_KIND_UNIT)
	must(t, err)
	now := timestamppb.New(h.Civil.Now())
	want := &pb.Place{Id: unit.GetId(), SubjectId: "W00005", CommunityId: "430101002002", Kind: pb.PlaceKind_PLACE_KIND_UNIT, HomeOrganizationId: "W00005", Since: now}
	if diff := diffProto(want, unit); diff != "" {
		t.Error(diff)
	}
	if diff := diffProto(before, h.campaignOf(c, "W00005")); diff != "" {
		t.Errorf("a second place counts: %s", diff)
	}
	here, err := h.ListPlaces(h.staff(communityB), &pb.ListPlacesRequest{OrganizationId: "430101002002"})
	must(t, err)
	if len(here.GetPlaces()) != 2 {
		t.Errorf("the community sees %v", here)
	}
	told, err := pb.NewInboxServiceClient(h.Conn()).ListOfficeMessages(h.staff(communityB), &pb.ListOfficeMessagesRequest{OrganizationId: "430101002002"})
	must(t, err)
	added := 0 // beside the round that tells everybody of the campaign
	for _, m := range told.GetMessages() {
		if m.GetTopic() == "place.added" {
			added++
		}
	}
	if added != 2 {
		t.Errorf("the community is told %v", told)
	}
	_, err = h.RemovePlace(h.staff(communityB), &pb.RemovePlaceRequest{Id: second.GetId()})
	wantReason(t, err, "OUTSIDE_SCOPE")
	_, err = h.RemovePlace(h.officer(workplace), &pb.RemovePlaceRequest{Id: second.GetId()})
	must(t, err)
	_, err = h.RemovePlace(h.officer(workplace), &pb.RemovePlaceRequest{Id: second.GetId()})
	wantReason(t, err, "NOT_FOUND")
	own, err := h.ListPlaces(h.officer(workplace), &pb.ListPlacesRequest{OrganizationId: "W00005"})
	must(t, err)
	if diff := diffProto(&pb.ListPlacesResponse{Places: []*pb.Place{want}}, own); diff != "" {
		t.Error(diff)
	}
}

func TestPlaces_Refused(t *testing.T) {
	h := startCampaign(t)
	m := h.withMembers(2)
	h.reportedIn(m[0])
	for what, c := range map[string]struct {
		req    *pb.AddPlaceRequest
		reason string
	}{
		"where the report-in is":    {&pb.AddPlaceRequest{MemberId: m[0], CommunityId: "430101002001", Kind: pb.PlaceKind_PLACE_KIND_PARTNER}, "INVALID_FIELD"},
		"a unit with a member":      {&pb.AddPlaceRequest{MemberId: m[0], CommunityId: "430101002002", Kind: pb.PlaceKind_PLACE_KIND_UNIT}, "INVALID_FIELD"},
		"a home without a member":   {&pb.AddPlaceRequest{CommunityId: "430101002002", Kind: pb.PlaceKind_PLACE_KIND_SECOND_HOME}, "INVALID_FIELD"},
		"no kind":                   {&pb.AddPlaceRequest{MemberId: m[0], CommunityId: "430101002002"}, "INVALID_FIELD"},
		"not a community":           {&pb.AddPlaceRequest{MemberId: m[0], CommunityId: "W00006", Kind: pb.PlaceKind_PLACE_KIND_PARTNER}, "NOT_A_COMMUNITY"},
		"a member who is not there": {&pb.AddPlaceRequest{MemberId: "mem_0", CommunityId: "430101002002", Kind: pb.PlaceKind_PLACE_KIND_PARTNER}, "NOT_FOUND"},
	} {
		c.req.HomeOrganizationId = "W00005"
		_, err := h.AddPlace(h.officer(workplace), c.req)
		t.Log(what)
		wantReason(t, err, c.reason)
	}
	twice := &pb.AddPlaceRequest{HomeOrganizationId: "W00005", MemberId: m[1], CommunityId: "430101002002", Kind: pb.PlaceKind_PLACE_KIND_PARTNER}
	_, err := h.AddPlace(h.officer(workplace), twice)
	must(t, err)
	_, err = h.AddPlace(h.officer(workplace), twice)
	wantReason(t, err, "ALREADY_EXISTS")
	twice.HomeOrganizationId = "W00006"
	_, err = h.AddPlace(h.officer(district), twice)
	wantReason(t, err, "NOT_FOUND") // a member of another home
	_, err = h.AddPlace(h.staff(communityA), &pb.AddPlaceRequest{HomeOrganizationId: "430101002001", CommunityId: "430101002002", Kind: pb.PlaceKind_PLACE_KIND_UNIT})
	wantReason(t, err, "INVALID_FIELD") // a community is no unit
}
