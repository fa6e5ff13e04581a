package registry

import (
	"strings"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
)

// evaluationAnnouncements: the keeper of what is to be confirmed, the member of
// what becomes of the own services and sheet, and the offices in the order of
// the yearly round. Every member is told that the own sheet can be seen, since
// the days for objecting run from then on.
func evaluationAnnouncements() []announcement {
	entry := func(name string, to who) announcement {
		return announcement{subject: "evaluation.entry." + name, read: entryFacts, tells: []tell{{to: to, topic: "entry." + name}}}
	}
	sheets := func(name string, to who) announcement {
		return announcement{subject: "evaluation.sheets." + name, read: sheetsFacts, tells: []tell{{to: to, topic: "sheets." + name}}}
	}
	return []announcement{
		entry("proposed", theCommunity), entry("vouched", theCommunity), entry("confirmed", theMember),
		entry("turned_down", theMember), entry("put_on_hold", theMember), entry("lifted", theMember),
		{subject: "evaluation.entry.reversed", read: reversedFacts, tells: []tell{{to: theMember, topic: "entry.reversed"}}},
		{subject: "evaluation.cycle.opened", read: cycleFacts, tells: []tell{{to: everyCommunity, topic: "cycle.opened"}}},
		{subject: "evaluation.cycle.computed", read: cycleFacts, tells: []tell{{to: everyMember, topic: "cycle.computed"}}},
		{subject: "evaluation.cycle.closed", nobody: "each home organization is told of its letter"},
		sheets("signed", theStreet), sheets("consented", theDistrict), sheets("sent_back", theCommunity),
		{subject: "evaluation.objection.made", read: objectionFacts, tells: []tell{{to: theCommunity, topic: "objection.made"}}},
		{subject: "evaluation.objection.answered", read: objectionFacts, tells: []tell{{to: theMember, topic: "objection.answered"}}},
		{subject: "evaluation.letter.issued", read: letterFacts, tells: []tell{
			{to: theHome, topic: "letter.issued", only: "first"}, {to: theHome, topic: "letter.reissued", only: "again"},
			{to: theDistrict, topic: "letter.to_print", only: "to print"},
		}},
		{subject: "evaluation.letter.reminded", read: letterFacts, tells: []tell{
			{to: theHome, topic: "letter.reminded"}, {to: theAboveHome, topic: "letter.unanswered", only: "reminded again"},
		}},
		{subject: "evaluation.letter.answered", read: letterFacts, tells: []tell{{to: theDistrict, topic: "letter.answered"}}},
		{subject: "evaluation.card.issued", read: cardFacts, tells: []tell{{to: theMember, topic: "card.issued"}}},
		{subject: "evaluation.card.inspected", read: cardFacts, tells: []tell{{to: theMember, topic: "card.inspected"}}},
		{subject: "evaluation.card.ended", read: cardFacts, tells: []tell{{to: theMember, topic: "card.ended"}}},
	}
}

func evaluationTopics() []topic {
	var out []topic
	add := func(names string, placeholders ...string) {
		for _, name := range strings.Fields(names) {
			out = append(out, topic{name, placeholders})
		}
	}
	add("entry.proposed entry.vouched entry.confirmed entry.turned_down entry.put_on_hold entry.lifted entry.reversed",
		"community", "day", "hours")
	add("cycle.opened", "year", "day")
	add("cycle.computed", "year", "day", "until")
	add("sheets.signed sheets.consented sheets.sent_back", "community", "year", "day")
	add("objection.made objection.answered", "community", "day")
	add("letter.issued letter.reissued letter.reminded letter.unanswered letter.answered letter.to_print", "organization", "year", "day")
	add("card.issued card.inspected card.ended", "community", "day", "code")
	return out
}

func entryFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev evaluationv1.EntryChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetId(), fact: revision(ev.GetRevision()), place: ev.GetCommunityPath(),
		whom:   map[who][]string{theCommunity: officesAt(ev.GetCommunityPath()), theMember: persons(ev.GetMemberId())},
		params: map[string]string{"community": leaf(ev.GetCommunityPath()), "day": ev.GetDay(), "hours": quarters(ev.GetQuarterHours())},
	}), nil
}

// reversedFacts: what was taken out, as it stood.
func reversedFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev evaluationv1.EntryReversed
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetReverses(), fact: ev.GetId(), place: ev.GetCommunityPath(),
		whom:   map[who][]string{theMember: persons(ev.GetMemberId())},
		params: map[string]string{"community": leaf(ev.GetCommunityPath()), "day": ev.GetDay(), "hours": quarters(-ev.GetQuarterHours())},
	}), nil
}

func cycleFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev evaluationv1.CycleChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetId(), fact: revision(ev.GetRevision()), place: ev.GetDistrictPath(), under: ev.GetDistrictPath(),
		params: map[string]string{"year": year(ev.GetYear()), "day": dayOf(e, ev.GetDay()), "until": ev.GetObjectUntil()},
	}), nil
}

func sheetsFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev evaluationv1.SheetsChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	path := ev.GetCommunityPath()
	return one(facts{
		about: ev.GetCycleId(), fact: leaf(path) + " " + revision(ev.GetRevision()), place: path,
		whom: map[who][]string{
			theCommunity: officesAt(path), theStreet: officesAt(above(path, 1)), theDistrict: officesAt(above(path, 2)),
		},
		params: map[string]string{"community": leaf(path), "year": year(ev.GetYear()), "day": dayOf(e, "")},
	}), nil
}

func objectionFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev evaluationv1.ObjectionChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetId(), fact: revision(ev.GetRevision()), place: ev.GetCommunityPath(),
		whom:   map[who][]string{theCommunity: officesAt(ev.GetCommunityPath()), theMember: persons(ev.GetMemberId())},
		params: map[string]string{"community": leaf(ev.GetCommunityPath()), "day": dayOf(e, "")},
	}), nil
}

// letterFacts: the level above is told once a second reminder was needed; a
// letter to an organization outside linli is the department's to print.
func letterFacts(e *typev1.EventRow, at places) ([]facts, error) {
	var ev evaluationv1.LetterChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	home, err := homeOffice(ev.GetHomePath(), at)
	if err != nil {
		return nil, err
	}
	f := facts{
		about: ev.GetId(), fact: revision(ev.GetRevision()), place: ev.GetHomePath(), kinds: []string{"first"},
		whom: map[who][]string{
			theHome: home, theAboveHome: officesAt(above(ev.GetHomePath(), 1)), theDistrict: officesAt(ev.GetDistrictPath()),
		},
		params: map[string]string{"organization": leaf(ev.GetHomePath()), "year": year(ev.GetYear()), "day": dayOf(e, ev.GetDay())},
	}
	switch {
	case home == nil:
		f.kinds = []string{"to print"}
	case ev.GetIssue() > 1:
		f.kinds = []string{"again"}
	}
	if ev.GetReminders() > 1 {
		f.kinds = append(f.kinds, "reminded again")
	}
	return one(f), nil
}

func cardFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev evaluationv1.CardChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetNumber(), fact: revision(ev.GetRevision()), place: ev.GetCommunityPath(),
		whom:   map[who][]string{theMember: persons(ev.GetMemberId())},
		params: map[string]string{"community": leaf(ev.GetCommunityPath()), "day": dayOf(e, ev.GetDay()), "code": ev.GetNumber()},
	}), nil
}
