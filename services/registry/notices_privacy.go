package registry

import (
	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
)

// thePerson made a claim about the own data.
const thePerson who = "person"

// privacyAnnouncements: the office that keeps the record of a claim that waits for
// it, the person of the decision. What the claim is about stands in it alone.
func privacyAnnouncements() []announcement {
	claim := func(step string, to who) announcement {
		return announcement{subject: "registry.claim." + step, read: claimFacts, tells: []tell{{to: to, topic: "claim." + step}}}
	}
	quiet := func(subject, why string) announcement { return announcement{subject: subject, nobody: why} }
	return []announcement{
		claim("requested", theOffice), claim("accepted", thePerson), claim("refused", thePerson), claim("corrected", thePerson),
		quiet("registry.claim.withdrawn", "who withdrew it knows, and it is off the office's list"),
		quiet("registry.claim.erased", "there is nobody left to be told"),
		quiet("registry.person.erasing", "the person was told when it was accepted"),
		quiet("registry.person.erased", "the claim counts the services"),
		quiet("requests.person.erased", "the claim counts the services"),
		quiet("projects.person.erased", "the claim counts the services"),
		quiet("evaluation.person.erased", "the claim counts the services"),
	}
}

func privacyTopics() []topic {
	day := []string{"day"}
	return []topic{{"claim.requested", []string{"organization", "day"}}, {"claim.accepted", day}, {"claim.refused", day}, {"claim.corrected", day}}
}

func claimFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev pb.ClaimChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetId(), fact: revision(e.GetRevision()), place: ev.GetOfficePath(),
		whom:   map[who][]string{theOffice: officesAt(ev.GetOfficePath()), thePerson: persons(ev.GetPerson())},
		params: map[string]string{"organization": leaf(ev.GetOfficePath()), "day": dayOf(e, "")},
	}), nil
}
