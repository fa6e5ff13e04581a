package registry

import (
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
)

// aidAnnouncements: the author of a hardship request is told that there is a
// step, and reads in the request which; the offices are told of what waits for
// them. Nothing of the family is in any of it.
func aidAnnouncements() []announcement {
	step := tell{to: theAuthor, topic: "hardship.step"}
	told := func(name string, tells ...tell) announcement {
		return announcement{subject: "requests.hardship_case." + name, read: hardshipFacts, tells: tells}
	}
	return []announcement{
		told("visited", step),
		told("refused", tell{to: theCommunity, topic: "hardship.refused"}),
		told("relief_asked", step, tell{to: theStreet, topic: "hardship.relief_asked"}),
		told("relief_decided", step, tell{to: theCommunity, topic: "hardship.relief_decided"}),
		told("relief_overdue", tell{to: theStreet, topic: "hardship.relief_overdue"}, tell{to: theCommunity, topic: "hardship.relief_overdue"}),
		told("referred", step, tell{to: theCommunity, topic: "hardship.referred"}),
		told("mutual_aid", step),
		told("closed", step),
		{subject: "requests.hardship_case.opened", nobody: "the office opened it, and the visit tells the author"},
		{subject: "requests.hardship_case.consented", nobody: "what a family agrees to is its own"},
	}
}

func aidTopics() []topic {
	step := []string{"community", "day", "code"}
	return []topic{
		{"hardship.step", step}, {"hardship.refused", step}, {"hardship.relief_asked", step},
		{"hardship.relief_decided", step}, {"hardship.relief_overdue", step}, {"hardship.referred", step},
	}
}

// hardshipFacts: the event names the community by id, so that its place is looked
// up here.
func hardshipFacts(e *typev1.EventRow, at places) ([]facts, error) {
	var ev requestsv1.HardshipCaseChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	where, err := at(ev.GetCommunityId())
	if err != nil {
		return nil, err
	}
	path := where.path
	return one(facts{
		about: ev.GetRequestId(), fact: ev.GetId() + " " + revision(ev.GetRevision()), place: path,
		whom: map[who][]string{
			theAuthor: persons(ev.GetAuthor()), theCommunity: officesAt(path), theStreet: officesAt(above(path, 1)),
		},
		params: map[string]string{"community": ev.GetCommunityId(), "day": dayOf(e, ev.GetDay()), "code": ev.GetRequestId()},
	}), nil
}
