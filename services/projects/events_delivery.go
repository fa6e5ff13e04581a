package projects

import (
	"strconv"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/indicator"
	"github.com/linli-project/linli/services/projects/internal/keyproject"
	"github.com/linli-project/linli/services/projects/internal/spending"
)

// What this service announces of key projects.

// keyProjectEvent: linli.projects.key_project.<name>.v1 and, with a promise,
// linli.projects.promise.<name>.v1.
func keyProjectEvent(name string, row table.Row[*pb.KeyProjectRow], promise *pb.Promise, day string) store.Event {
	p := row.Value.GetKeyProject()
	entity := "key_project."
	if promise != nil {
		entity = "promise."
	}
	return store.Event{
		Name: entity + name, EntityID: p.GetId(), Revision: row.Revision,
		Data: &pb.KeyProjectChanged{
			Id: p.GetId(), Revision: row.Revision, CallId: p.GetCallId(), DistrictPath: row.Value.GetDistrictPath(),
			ApplicantPath: row.Value.GetApplicantPath(), State: p.GetState(), Excellent: p.GetExcellent(),
			PromiseId: promise.GetId(), PromiseKind: promise.GetKind(), Day: day,
		},
	}
}

// acceptanceOpened names those who are to hand in scores, so that they can be
// told.
func acceptanceOpened(row table.Row[*pb.AcceptanceRow]) store.Event {
	a := row.Value.GetAcceptance()
	ev := &pb.AcceptanceOpened{
		ProjectId: a.GetProjectId(), Revision: row.Revision, Look: a.GetLook(), ApplicantPath: row.Value.GetApplicantPath(),
		DistrictPath: row.Value.GetDistrictPath(), Day: a.GetOpenedOn(),
	}
	for _, m := range a.GetPanel() {
		ev.Panel = append(ev.Panel, m.GetPerson())
	}
	return store.Event{
		Name: "acceptance.opened", EntityID: a.GetProjectId() + "/" + strconv.Itoa(int(a.GetLook())), Revision: row.Revision, Data: ev,
	}
}

// projectEventName is the name under which a step of a project is announced.
func projectEventName(command string) string {
	return map[string]string{
		keyproject.OpenAcceptance: "in_acceptance", keyproject.LookAgain: "in_acceptance", keyproject.Accept: "accepted",
		keyproject.AskRemedy: "to_be_remedied", keyproject.Fail: "failed", keyproject.Close: "closed",
	}[command]
}

// rungName is the name under which a rung of the ladder is announced.
func rungName(r indicator.Rung) string {
	return map[indicator.Rung]string{
		indicator.Reminded: "reminded", indicator.FellBehind: "fell_behind",
		indicator.Overdue: "overdue", indicator.Supervised: "supervised",
	}[r]
}

// indicatorEvent: linli.projects.indicator.<name>.v1.
func indicatorEvent(name string, row table.Row[*pb.KeyProjectRow], n int32, day, letter string) store.Event {
	return store.Event{
		Name: "indicator." + name, EntityID: row.Value.GetKeyProject().GetId(), Revision: row.Revision,
		Data: &pb.IndicatorMoved{
			ProjectId: row.Value.GetKeyProject().GetId(), Revision: row.Revision, DistrictPath: row.Value.GetDistrictPath(),
			ApplicantPath: row.Value.GetApplicantPath(), Indicator: n,
			Rung: row.Value.GetIndicators()[n].GetIndicator().GetRung(), Day: day, LetterNumber: letter,
		},
	}
}

// spendingEvent: linli.projects.spending.<name>.v1.
func spendingEvent(row table.Row[*pb.SpendingRow]) store.Event {
	e := row.Value.GetSpending()
	name := map[spending.State]string{
		spending.Recorded: "recorded", spending.Confirmed: "confirmed", spending.TurnedDown: "turned_down",
	}[spending.State(e.GetState())]
	return store.Event{
		Name: "spending." + name, EntityID: e.GetId(), Revision: row.Revision,
		Data: &pb.SpendingChanged{
			Id: e.GetId(), Revision: row.Revision, ProjectId: e.GetProjectId(), DistrictPath: row.Value.GetDistrictPath(),
			ApplicantPath: row.Value.GetApplicantPath(), State: e.GetState(),
		},
	}
}

// modelEvent: linli.projects.model.<name>.v1.
func modelEvent(command string, row table.Row[*pb.ModelRow]) store.Event {
	m := row.Value.GetModel()
	name := map[string]string{keyproject.Publish: "published", keyproject.NameBrand: "branded", keyproject.Withdraw: "withdrawn"}[command]
	return store.Event{
		Name: "model." + name, EntityID: m.GetProjectId(), Revision: row.Revision,
		Data: &pb.ModelChanged{
			ProjectId: m.GetProjectId(), Revision: row.Revision, DistrictPath: row.Value.GetDistrictPath(), State: m.GetState(),
		},
	}
}
