package registry

import (
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/services/registry/internal/campaign"
)

// campaignNotices: the home organization of how many it misses, and each of
// those members of the deadline, once a rung; the district of an exclusion that
// waits for it, the home organization of the answer; the community of a second
// place. An announcement names a slice of members at the most, so that what it
// becomes stays inside the limits of a commit.
func campaignNotices(e *typev1.EventRow) ([]notice, error) {
	switch e.GetDataSchema() {
	case string(proto.MessageName(&pb.CampaignReminded{})):
		var ev pb.CampaignReminded
		if err := events.Decode(e, &ev); err != nil {
			return nil, err
		}
		return []notice{{toOffice(ev.GetHomePath()), "campaign.missing", ev.GetCampaignId(), decimal(int(ev.GetDaysBefore())),
			map[string]string{"count": decimal(int(ev.GetMissing())), "deadline": ev.GetDeadlineOn()}}}, nil
	case string(proto.MessageName(&pb.MembersReminded{})):
		var ev pb.MembersReminded
		if err := events.Decode(e, &ev); err != nil {
			return nil, err
		}
		var out []notice
		for _, id := range ev.GetMemberIds() {
			out = append(out, notice{toPerson(id), "campaign.reminded", ev.GetCampaignId(), decimal(int(ev.GetDaysBefore())),
				map[string]string{"deadline": ev.GetDeadlineOn()}})
		}
		return out, nil
	case string(proto.MessageName(&pb.ExclusionChanged{})):
		return exclusionNotices(e)
	}
	var ev pb.PlaceChanged
	if err := events.Decode(e, &ev); err != nil || e.GetSubject() != "linli.registry.place.added" {
		return nil, err
	}
	return []notice{{toOffice(ev.GetCommunityPath()), "place.added", ev.GetId(), revision(e.GetRevision()),
		map[string]string{"community": leaf(ev.GetCommunityPath()), "organization": leaf(ev.GetHomePath()), "day": ev.GetDay()}}}, nil
}

func exclusionNotices(e *typev1.EventRow) ([]notice, error) {
	var ev pb.ExclusionChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	state := campaign.State(ev.GetState())
	address := toOffice(ev.GetHomePath())
	if state == campaign.Proposed {
		address = toOffice(ev.GetDistrictPath())
	}
	return []notice{{address, "exclusion." + state.String(), e.GetEntityId(), revision(ev.GetRevision()),
		map[string]string{"organization": leaf(ev.GetHomePath()), "day": ev.GetDay()}}}, nil
}
