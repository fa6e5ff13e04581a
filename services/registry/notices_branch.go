package registry

import (
	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
)

// branchAnnouncements are those of a branch's own cycle and of conduct notes:
// who is concerned, and the office above only where it is asked. Neither a grade
// nor what a note is about is in a message.
func branchAnnouncements() []announcement {
	branch := func(name string, tells ...tell) announcement {
		return announcement{subject: "evaluation.branch." + name, read: branchFacts, tells: tells}
	}
	grade := func(name string, to who) announcement {
		return announcement{subject: "evaluation.grade." + name, read: gradeFacts, tells: []tell{{to: to, topic: "grade." + name}}}
	}
	note := func(name string, to ...who) announcement {
		a := announcement{subject: "evaluation.conduct_note." + name, read: conductFacts}
		for _, w := range to {
			a.tells = append(a.tells, tell{to: w, topic: "conduct_note." + name})
		}
		return a
	}
	return []announcement{
		{subject: "evaluation.branch.opened", nobody: "the branch opens it itself"},
		branch("computed", tell{to: theOffice, topic: "branch.computed"}),
		branch("shown", tell{to: everyMemberHere, topic: "branch.shown"}),
		{subject: "evaluation.branch.closed", nobody: "each member has seen the own grade"},
		branch("exception_asked", tell{to: theAbove, topic: "branch.exception_asked"}),
		branch("exception_answered", tell{to: theOffice, topic: "branch.exception_answered"}),
		grade("objected", theOffice), grade("objection_answered", theMember), grade("corrected", theMember),
		{subject: "evaluation.conduct_note.opened", nobody: "the facts come first; the member is told when asked to answer"},
		note("hearing", theMember), note("answered", theCommunity), note("decided", theMember),
		note("appealed", theStreet), note("appeal_answered", theMember, theCommunity),
	}
}

func branchTopics() []topic {
	own, place := []string{"organization", "year", "day"}, []string{"community", "day"}
	return []topic{
		{"branch.computed", own}, {"branch.shown", own}, {"branch.exception_asked", own}, {"branch.exception_answered", own},
		{"grade.objected", own}, {"grade.objection_answered", own}, {"grade.corrected", own},
		{"conduct_note.hearing", place}, {"conduct_note.answered", place}, {"conduct_note.decided", place},
		{"conduct_note.appealed", place}, {"conduct_note.appeal_answered", place},
	}
}

func branchFacts(e *typev1.EventRow, at places) ([]facts, error) {
	var ev evaluationv1.BranchChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	where, err := at(ev.GetOrganizationId())
	return one(facts{
		about: ev.GetId(), fact: revision(ev.GetRevision()), place: where.path, under: where.path,
		whom:   map[who][]string{theOffice: officesAt(where.path), theAbove: officesAt(above(where.path, 1))},
		params: map[string]string{"organization": ev.GetOrganizationId(), "year": year(ev.GetYear()), "day": dayOf(e, "")},
	}), err
}

func gradeFacts(e *typev1.EventRow, at places) ([]facts, error) {
	var ev evaluationv1.GradeChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	where, err := at(ev.GetOrganizationId())
	return one(facts{
		about: ev.GetCycleId(), fact: ev.GetMemberId() + " " + revision(ev.GetRevision()), place: where.path,
		whom:   map[who][]string{theOffice: officesAt(where.path), theMember: persons(ev.GetMemberId())},
		params: map[string]string{"organization": ev.GetOrganizationId(), "year": year(ev.GetYear()), "day": dayOf(e, "")},
	}), err
}

func conductFacts(e *typev1.EventRow, at places) ([]facts, error) {
	var ev evaluationv1.ConductNoteChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	where, err := at(ev.GetCommunityId())
	return one(facts{
		about: ev.GetId(), fact: revision(ev.GetRevision()), place: where.path,
		whom: map[who][]string{
			theMember: persons(ev.GetMemberId()), theCommunity: officesAt(where.path), theStreet: officesAt(above(where.path, 1)),
		},
		params: map[string]string{"community": ev.GetCommunityId(), "day": dayOf(e, "")},
	}), err
}
