package registry

import (
	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
)

// campaignAnnouncements: every home organization of a campaign that opens, then
// of how many it misses, and each of those members of the deadline, once a rung;
// the district of an exclusion that waits for it, the home organization of the
// answer; the community of a second place.
func campaignAnnouncements() []announcement {
	exclusion := func(step string, to who) announcement {
		return announcement{subject: "registry.exclusion." + step, read: exclusionFacts, tells: []tell{{to: to, topic: "exclusion." + step}}}
	}
	return []announcement{
		{subject: "registry.campaign.opened", read: openedFacts, tells: []tell{{to: everyHome, topic: "campaign.opened"}}},
		{subject: "registry.campaign.reminded", read: missingFacts, tells: []tell{{to: theHome, topic: "campaign.missing"}}},
		{subject: "registry.campaign.members_reminded", read: remindedFacts, tells: []tell{{to: theMember, topic: "campaign.reminded"}}},
		exclusion("proposed", theDistrict), exclusion("approved", theHome), exclusion("rejected", theHome), exclusion("lapsed", theHome),
		{subject: "registry.place.added", read: placeFacts, tells: []tell{{to: theCommunity, topic: "place.added"}}},
		{subject: "registry.place.removed", read: placeFacts, tells: []tell{{to: theCommunity, topic: "place.removed"}}},
	}
}

func campaignTopics() []topic {
	office, where := []string{"organization", "day"}, []string{"community", "organization", "day"}
	return []topic{
		{"campaign.opened", []string{"year", "deadline"}},
		{"campaign.missing", []string{"count", "deadline"}}, {"campaign.reminded", []string{"deadline"}},
		{"exclusion.proposed", office}, {"exclusion.approved", office}, {"exclusion.rejected", office}, {"exclusion.lapsed", office},
		{"place.added", where}, {"place.removed", where},
	}
}

func openedFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev pb.CampaignOpened
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetCampaignId(), fact: "opened", place: ev.GetDistrictPath(), under: ev.GetDistrictPath(),
		params: map[string]string{"year": year(ev.GetYear()), "deadline": ev.GetDeadlineOn()},
	}), nil
}

func missingFacts(e *typev1.EventRow, at places) ([]facts, error) {
	var ev pb.CampaignReminded
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	home, err := homeOffice(ev.GetHomePath(), at)
	return one(facts{
		about: ev.GetCampaignId(), fact: decimal(int(ev.GetDaysBefore())), place: ev.GetHomePath(),
		whom:   map[who][]string{theHome: home},
		params: map[string]string{"count": decimal(int(ev.GetMissing())), "deadline": ev.GetDeadlineOn()},
	}), err
}

func remindedFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev pb.MembersReminded
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetCampaignId(), fact: decimal(int(ev.GetDaysBefore())), place: ev.GetHomePath(),
		whom:   map[who][]string{theMember: persons(ev.GetMemberIds()...)},
		params: map[string]string{"deadline": ev.GetDeadlineOn()},
	}), nil
}

// exclusionFacts: that there is one, of whom and why stays inside.
func exclusionFacts(e *typev1.EventRow, at places) ([]facts, error) {
	var ev pb.ExclusionChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	home, err := homeOffice(ev.GetHomePath(), at)
	return one(facts{
		about: e.GetEntityId(), fact: revision(ev.GetRevision()), place: ev.GetHomePath(),
		whom:   map[who][]string{theHome: home, theDistrict: officesAt(ev.GetDistrictPath())},
		params: map[string]string{"organization": leaf(ev.GetHomePath()), "day": dayOf(e, ev.GetDay())},
	}), err
}

func placeFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev pb.PlaceChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetId(), fact: revision(e.GetRevision()), place: ev.GetCommunityPath(),
		whom: map[who][]string{theCommunity: officesAt(ev.GetCommunityPath())},
		params: map[string]string{
			"community": leaf(ev.GetCommunityPath()), "organization": leaf(ev.GetHomePath()), "day": dayOf(e, ev.GetDay()),
		},
	}), nil
}
