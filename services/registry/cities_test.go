package registry

import (
	"context"
	"testing"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// TestOpenCampaign_OfACity: it is about the members of all districts, is decided
// on by the city, and excludes a campaign of one of them in the same year, in
// whatever order they come.
func TestOpenCampaign_OfACity(t *testing.T) {
	h := startCampaign(t)
	city := h.as("city", grant(typev1.Role_ROLE_CITY_OFFICER, "/430100/"))
	open := func(ctx context.Context, place string, year int32) (*pb.Campaign, error) {
		day := map[int32][2]string{2013: {campaignOpens, campaignDeadline}, 2014: {"2014-08-01", "2014-10-31"}}[year]
		reply, err := h.OpenCampaign(ctx, &pb.OpenCampaignRequest{DistrictId: place, Year: year, Title: "报到", OpensOn: day[0], DeadlineOn: day[1]})
		return reply.GetCampaign(), err
	}
	_, err := open(h.districtOfficer(), "430100", 2013)
	wantReason(t, err, "UNKNOWN_ORGANIZATION")
	_, err = open(city, "430101002", 2013)
	wantReason(t, err, "UNKNOWN_ORGANIZATION") // a street has none
	c, err := open(city, "430100", 2013)
	must(t, err)
	_, err = open(h.districtOfficer(), "430101", 2013)
	wantReason(t, err, "CAMPAIGN_EXISTS")
	_, err = open(h.districtOfficer(), "430101", 2014)
	must(t, err)
	_, err = open(city, "430100", 2014)
	wantReason(t, err, "CAMPAIGN_EXISTS")

	m := h.withMembers(3)
	h.reportedIn(m[0])
	h.exclude(c.GetId(), m[1], pb.ExclusionReason_EXCLUSION_REASON_VILLAGE, "")
	_, err = h.DecideExclusion(h.districtOfficer(), &pb.DecideExclusionRequest{CampaignId: c.GetId(), MemberId: m[1], Approve: true})
	wantReason(t, err, "OUTSIDE_SCOPE")
	_, err = h.DecideExclusion(city, &pb.DecideExclusionRequest{CampaignId: c.GetId(), MemberId: m[1], Approve: true})
	must(t, err)
	h.Drain()
	for _, organization := range []string{"430100", "430101", "W00005"} {
		got, err := h.GetCampaignCompletion(city, &pb.GetCampaignCompletionRequest{CampaignId: c.GetId(), OrganizationId: organization})
		must(t, err)
		want := &pb.CampaignOfKind{Kind: pb.MemberKind_MEMBER_KIND_IN_SERVICE, InScope: true, Members: 3, AcceptedOnTime: 1, NotDue: 1, Missing: 1,
			Reasons: []*pb.ExclusionCount{{Reason: pb.ExclusionReason_EXCLUSION_REASON_VILLAGE, Members: 1}}}
		if diff := diffProto(want, got.GetCompletion().GetKinds()[0]); diff != "" {
			t.Errorf("%s: %s", organization, diff)
		}
	}
}
