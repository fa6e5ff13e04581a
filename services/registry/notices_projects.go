package registry

import (
	"strconv"

	projectsv1 "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
)

// projectAnnouncements: the call goes to every organization that may apply, each
// by a message of its own, since it is read, mailed and posted by itself; the
// rest to who applied, to the reviewers and to the department.
func projectAnnouncements() []announcement {
	applicant := func(name string, tells ...tell) announcement {
		for i := range tells {
			tells[i].to = theApplicant
		}
		return announcement{subject: "projects.application." + name, read: applicationFacts, tells: tells}
	}
	return []announcement{
		{subject: "projects.call.opened", read: callFacts, tells: []tell{{to: everyMayApply, topic: "call.opened"}}},
		{subject: "projects.call.check_started", nobody: "the applicant is told what the check finds"},
		{subject: "projects.call.review_started", read: callFacts, tells: []tell{{to: theReviewers, topic: "call.sheets_asked"}}},
		{subject: "projects.call.reviewers_added", read: callFacts, tells: []tell{{to: theReviewers, topic: "call.sheets_asked"}}},
		{subject: "projects.call.decided", nobody: "each applicant is told of the own application"},
		applicant("submitted", tell{topic: "application.submitted"}), // sealed: the department learns nothing of it
		applicant("returned", tell{topic: "application.returned"}),
		applicant("checked",
			tell{topic: "application.eligible", only: "eligible"}, tell{topic: "application.ineligible", only: "ineligible"}),
		applicant("decided",
			tell{topic: "application.selected", only: "selected"}, tell{topic: "application.reserve", only: "reserve"},
			tell{topic: "application.not_selected", only: "not selected"}),
		applicant("withdrawn", tell{topic: "application.withdrawn"}),
		applicant("notice_given", tell{topic: "application.notice_given"}),
		applicant("selection_withdrawn", tell{topic: "application.selection_withdrawn"}),
		applicant("became_key_project", tell{topic: "application.became_key_project"}),
		{subject: "projects.application.letter_issued", read: outcomeFacts, tells: []tell{{to: theApplicant, topic: "application.letter_issued"}}},
		{subject: "projects.notice.given", read: noticeFacts, tells: []tell{{to: everyCommunity, topic: "notice.given"}}},
		{subject: "projects.selection_objection.made", read: selectionFacts, tells: []tell{{to: theDistrict, topic: "selection_objection.made"}}},
		{subject: "projects.selection_objection.answered", read: selectionFacts, tells: []tell{{to: theObjector, topic: "selection_objection.answered"}}},
		{subject: "projects.sheet.submitted", nobody: "who judged what stays inside; the department sees what is outstanding"},
	}
}

func projectTopics() []topic {
	own := []string{"organization", "day", "code"}
	return []topic{
		{"call.opened", []string{"year", "until"}}, {"call.sheets_asked", []string{"year", "day"}},
		{"application.submitted", own}, {"application.returned", []string{"organization", "day", "code", "until"}},
		{"application.eligible", own}, {"application.ineligible", own},
		{"application.withdrawn", own}, {"application.notice_given", own}, {"application.selection_withdrawn", own},
		{"application.became_key_project", own}, {"application.letter_issued", own}, {"notice.given", []string{"year", "until"}},
		{"selection_objection.made", []string{"day"}}, {"selection_objection.answered", []string{"day"}},
		{"application.selected", own}, {"application.reserve", own}, {"application.not_selected", own},
	}
}

func year(y int32) string { return strconv.Itoa(int(y)) }

func callFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev projectsv1.CallChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetId(), fact: revision(ev.GetRevision()), place: ev.GetDistrictPath(), under: ev.GetDistrictPath(),
		whom:   map[who][]string{theDistrict: officesAt(ev.GetDistrictPath()), theReviewers: persons(ev.GetReviewers()...)},
		params: map[string]string{"year": year(ev.GetYear()), "until": ev.GetClosesDay(), "day": dayOf(e, "")},
	}), nil
}

// applicationKinds are the words of the lists for what became of an application.
var applicationKinds = map[projectsv1.ApplicationState]string{
	projectsv1.ApplicationState_APPLICATION_STATE_ELIGIBLE:     "eligible",
	projectsv1.ApplicationState_APPLICATION_STATE_INELIGIBLE:   "ineligible",
	projectsv1.ApplicationState_APPLICATION_STATE_SELECTED:     "selected",
	projectsv1.ApplicationState_APPLICATION_STATE_RESERVE:      "reserve",
	projectsv1.ApplicationState_APPLICATION_STATE_NOT_SELECTED: "not selected",
}

// applicationFacts: a co-applicant counts like the applicant.
func applicationFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev projectsv1.ApplicationChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetId(), fact: revision(ev.GetRevision()), place: ev.GetDistrictPath(),
		whom: map[who][]string{
			theApplicant: append(officesAt(ev.GetApplicantPath()), officesAt(ev.GetCoApplicantPaths()...)...),
			theDistrict:  officesAt(ev.GetDistrictPath()),
		},
		kinds: []string{applicationKinds[ev.GetState()]},
		params: map[string]string{
			"organization": leaf(ev.GetApplicantPath()), "day": dayOf(e, ev.GetDay()), "code": ev.GetId(), "until": ev.GetUntilDay(),
		},
	}), nil
}

// outcomeFacts: the letter on what became of an application.
func outcomeFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev projectsv1.ApplicationLetterIssued
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetApplicationId(), fact: ev.GetId() + " " + revision(ev.GetRevision()), place: ev.GetDistrictPath(),
		whom: map[who][]string{
			theApplicant: append(officesAt(ev.GetApplicantPath()), officesAt(ev.GetCoApplicantPaths()...)...),
		},
		params: map[string]string{"organization": leaf(ev.GetApplicantPath()), "day": dayOf(e, ev.GetDay()), "code": ev.GetApplicationId()},
	}), nil
}

func noticeFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev projectsv1.NoticeGiven
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetId(), fact: revision(ev.GetRevision()), place: ev.GetDistrictPath(), under: ev.GetDistrictPath(),
		params: map[string]string{"year": year(ev.GetYear()), "until": ev.GetUntil()},
	}), nil
}

func selectionFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev projectsv1.SelectionObjectionChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetId(), fact: revision(ev.GetRevision()), place: ev.GetDistrictPath(),
		whom:   map[who][]string{theDistrict: officesAt(ev.GetDistrictPath()), theObjector: persons(ev.GetPerson())},
		params: map[string]string{"day": dayOf(e, "")},
	}), nil
}
