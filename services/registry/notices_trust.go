package registry

import (
	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
)

// trustAnnouncements are those of honor rolls, polls and surveys. Of a poll the office is
// told and nobody in person: who has a seat is nobody's business.
func trustAnnouncements() []announcement {
	honor := func(name string, to ...who) announcement {
		a := announcement{subject: "evaluation.honor." + name, read: honorFacts}
		for _, w := range to {
			a.tells = append(a.tells, tell{to: w, topic: "honor." + name})
		}
		return a
	}
	poll := func(name string) announcement {
		return announcement{subject: "evaluation.poll." + name, read: pollFacts, tells: []tell{{to: theOffice, topic: "poll." + name}}}
	}
	survey := func(name string) announcement {
		return announcement{subject: "evaluation.survey." + name, read: surveyFacts, tells: []tell{{to: theCommunity, topic: "survey." + name}}}
	}
	return []announcement{
		honor("named", theMember), honor("consented", theCommunity), honor("refused", theCommunity),
		honor("in_notice", theMember), honor("put_up", theMember), honor("run_out", theCommunity),
		honor("taken_off", theMember, theCommunity),
		{subject: "evaluation.honor_objection.made", read: honorObjectionFacts, tells: []tell{{to: theCommunity, topic: "honor_objection.made"}}},
		{subject: "evaluation.honor_objection.answered", read: honorObjectionFacts, tells: []tell{{to: theObjector, topic: "honor_objection.answered"}}},
		{subject: "evaluation.poll.prepared", nobody: "the office prepares it itself"},
		{subject: "evaluation.poll.issued", nobody: "papers and codes are handed out by the office; a seat is told by nobody else"},
		poll("opened"), poll("closed"), poll("annulled"),
		{subject: "evaluation.survey.prepared", nobody: "the community prepares it itself"},
		{subject: "evaluation.survey.issued", nobody: "codes are handed out by the community; no household is named"},
		survey("opened"), survey("counted"), survey("annulled"),
	}
}

func trustTopics() []topic {
	place := []string{"community", "day"}
	own, survey := []string{"organization", "year", "day"}, []string{"community", "year", "day"}
	return []topic{
		{"honor.named", place}, {"honor.consented", place}, {"honor.refused", place}, {"honor.in_notice", place},
		{"honor.put_up", place}, {"honor.run_out", place}, {"honor.taken_off", place},
		{"honor_objection.made", place}, {"honor_objection.answered", place},
		{"survey.opened", survey}, {"survey.counted", survey}, {"survey.annulled", survey},
		{"poll.opened", own}, {"poll.closed", own}, {"poll.annulled", own},
	}
}

func honorFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev evaluationv1.HonorChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetId(), fact: revision(ev.GetRevision()), place: ev.GetCommunityPath(),
		whom:   map[who][]string{theMember: persons(ev.GetMemberId()), theCommunity: officesAt(ev.GetCommunityPath())},
		params: map[string]string{"community": leaf(ev.GetCommunityPath()), "day": dayOf(e, ev.GetDay())},
	}), nil
}

func honorObjectionFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev evaluationv1.HonorObjectionChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetId(), fact: revision(ev.GetRevision()), place: ev.GetCommunityPath(),
		whom:   map[who][]string{theObjector: persons(ev.GetPerson()), theCommunity: officesAt(ev.GetCommunityPath())},
		params: map[string]string{"community": leaf(ev.GetCommunityPath()), "day": dayOf(e, "")},
	}), nil
}

func pollFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev evaluationv1.PollChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetId(), fact: revision(ev.GetRevision()), place: ev.GetOrganizationPath(),
		whom: map[who][]string{theOffice: officesAt(ev.GetOrganizationPath())},
		params: map[string]string{
			"organization": leaf(ev.GetOrganizationPath()), "year": year(ev.GetYear()), "day": dayOf(e, ""),
		},
	}), nil
}

func surveyFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev evaluationv1.SurveyChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetId(), fact: revision(ev.GetRevision()), place: ev.GetCommunityPath(),
		whom: map[who][]string{theCommunity: officesAt(ev.GetCommunityPath())},
		params: map[string]string{
			"community": leaf(ev.GetCommunityPath()), "year": year(ev.GetYear()), "day": dayOf(e, ev.GetDay()),
		},
	}), nil
}
