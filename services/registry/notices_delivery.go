package registry

import (
	projectsv1 "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
)

// deliveryAnnouncements are those of key projects: the applicant of each step of
// the own project and of the ladder of its indicators, the department of what it
// promised and owes, and of what waits for it.
func deliveryAnnouncements() []announcement {
	project := func(name string, more ...who) announcement {
		a := announcement{subject: "projects.key_project." + name, read: keyProjectFacts}
		for _, w := range append([]who{theApplicant}, more...) {
			a.tells = append(a.tells, tell{to: w, topic: "key_project." + name})
		}
		return a
	}
	indicator := func(name string, more ...who) announcement {
		a := announcement{subject: "projects.indicator." + name, read: indicatorFacts}
		for _, w := range append([]who{theApplicant}, more...) {
			a.tells = append(a.tells, tell{to: w, topic: "indicator." + name})
		}
		return a
	}
	spending := func(name string, to who) announcement {
		return announcement{subject: "projects.spending." + name, read: spendingFacts, tells: []tell{{to: to, topic: "spending." + name}}}
	}
	return []announcement{
		project("begun"), project("in_acceptance", theDistrict), project("accepted"), project("to_be_remedied"),
		project("failed"), project("closed"), project("excelled"),
		{subject: "projects.acceptance.opened", read: panelFacts, tells: []tell{{to: thePanel, topic: "acceptance.opened"}}},
		{subject: "projects.promise.delivered", read: keyProjectFacts, tells: []tell{{to: theApplicant, topic: "promise.delivered"}}},
		{subject: "projects.promise.overdue", read: keyProjectFacts, tells: []tell{
			{to: theDistrict, topic: "promise.overdue"}, {to: theApplicant, topic: "promise.overdue"},
		}},
		indicator("reminded"), indicator("fell_behind"), indicator("overdue", theDistrict), indicator("supervised"),
		indicator("recovered"), indicator("target_changed"),
		indicator("reading_asked"),
		spending("recorded", theApplicant), spending("confirmed", theApplicant), spending("turned_down", theApplicant),
		{subject: "projects.document.added", nobody: "it stands with its application"},
		{subject: "projects.document.removed", nobody: "it stands no longer with its application"},
		{subject: "projects.proof.added", nobody: "it stands with what it proves, which the district is told of"},
		{subject: "projects.proof.removed", nobody: "it stands no longer with what it proves"},
		{subject: "projects.model.published", nobody: "it is there for everybody to read"},
		{subject: "projects.model.branded", nobody: "the document that names it a brand is the department's own"},
		{subject: "projects.model.withdrawn", nobody: "the department withdraws what it published"},
	}
}

func deliveryTopics() []topic {
	var out []topic
	for _, name := range []string{
		"key_project.begun", "key_project.in_acceptance", "key_project.accepted", "key_project.to_be_remedied",
		"key_project.failed", "key_project.closed", "key_project.excelled", "promise.delivered", "promise.overdue",
		"indicator.reminded", "indicator.fell_behind", "indicator.overdue", "indicator.supervised", "indicator.recovered",
		"acceptance.opened", "indicator.target_changed", "indicator.reading_asked", "spending.recorded", "spending.confirmed", "spending.turned_down",
	} {
		out = append(out, topic{name, []string{"organization", "day", "code"}})
	}
	return out
}

func keyProjectFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev projectsv1.KeyProjectChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetId(), fact: ev.GetPromiseId() + " " + revision(ev.GetRevision()), place: ev.GetDistrictPath(),
		whom:   map[who][]string{theApplicant: officesAt(ev.GetApplicantPath()), theDistrict: officesAt(ev.GetDistrictPath())},
		params: map[string]string{"organization": leaf(ev.GetApplicantPath()), "day": dayOf(e, ev.GetDay()), "code": ev.GetId()},
	}), nil
}

// panelFacts: who is to look at a project and hand in scores.
func panelFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev projectsv1.AcceptanceOpened
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetProjectId(), fact: "look " + decimal(int(ev.GetLook())), place: ev.GetDistrictPath(),
		whom:   map[who][]string{thePanel: persons(ev.GetPanel()...)},
		params: map[string]string{"organization": leaf(ev.GetApplicantPath()), "day": dayOf(e, ev.GetDay()), "code": ev.GetProjectId()},
	}), nil
}

// indicatorFacts: a reading is asked for on many days of a project that stays as
// it is, so that the day tells them apart.
func indicatorFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev projectsv1.IndicatorMoved
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetProjectId(), place: ev.GetDistrictPath(),
		fact:   decimal(int(ev.GetIndicator())) + " " + revision(ev.GetRevision()) + " " + ev.GetDay(),
		whom:   map[who][]string{theApplicant: officesAt(ev.GetApplicantPath()), theDistrict: officesAt(ev.GetDistrictPath())},
		params: map[string]string{"organization": leaf(ev.GetApplicantPath()), "day": dayOf(e, ev.GetDay()), "code": ev.GetProjectId()},
	}), nil
}

func spendingFacts(e *typev1.EventRow, _ places) ([]facts, error) {
	var ev projectsv1.SpendingChanged
	if err := events.Decode(e, &ev); err != nil {
		return nil, err
	}
	return one(facts{
		about: ev.GetId(), fact: revision(ev.GetRevision()), place: ev.GetDistrictPath(),
		whom:   map[who][]string{theApplicant: officesAt(ev.GetApplicantPath()), theDistrict: officesAt(ev.GetDistrictPath())},
		params: map[string]string{"organization": leaf(ev.GetApplicantPath()), "day": dayOf(e, ""), "code": ev.GetProjectId()},
	}), nil
}
