package projects

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/call"
)

// What this service announces. Drafts are nobody's business, and that an
// application came into review follows from its call.

// callEvent is the name under which a step of a call is announced.
func callEvent(command string) string {
	return map[string]string{
		call.Open: "call.opened", call.StartCheck: "call.check_started", call.StartReview: "call.review_started", call.Decide: "call.decided",
	}[command]
}

func callChanged(command string, row table.Row[*pb.CallRow]) store.Event {
	c := row.Value.GetCall()
	changed := &pb.CallChanged{
		Id: c.GetId(), Revision: row.Revision, DistrictPath: row.Value.GetDistrictPath(),
		Year: c.GetYear(), State: c.GetState(), ClosesDay: lastDay(c.GetClosesAt()),
	}
	if command == call.StartReview {
		for _, r := range c.GetReviewers() {
			changed.Reviewers = append(changed.Reviewers, r.GetPerson())
		}
	}
	return store.Event{Name: callEvent(command), EntityID: c.GetId(), Revision: row.Revision, Data: changed}
}

// lastDay is the Shanghai day before the end of a term; empty without one.
func lastDay(end *timestamppb.Timestamp) string {
	if end == nil {
		return ""
	}
	return clock.Day(end.AsTime().Add(-time.Nanosecond))
}

// applicationChanged announces that an application was submitted, returned,
// found eligible or not, or decided.
func applicationChanged(row table.Row[*pb.ApplicationRow]) store.Event {
	a, name := row.Value.GetApplication(), "application.decided"
	switch application.State(a.GetState()) {
	case application.Submitted, application.InCheck:
		name = "application.submitted"
	case application.Returned:
		name = "application.returned"
	case application.Eligible, application.Ineligible:
		name = "application.checked"
	}
	return store.Event{
		Name: name, EntityID: a.GetId(), Revision: row.Revision,
		Data: &pb.ApplicationChanged{
			Id: a.GetId(), Revision: row.Revision, CallId: a.GetCallId(),
			ApplicantPath: row.Value.GetApplicantPath(), State: a.GetState(), Rank: a.GetRank(),
			DistrictPath: row.Value.GetDistrictPath(), UntilDay: lastDay(a.GetCheck().GetReturnUntil()),
		},
	}
}

func sheetSubmitted(row table.Row[*pb.SheetRow]) store.Event {
	h := row.Value.GetSheet()
	return store.Event{
		Name: "sheet.submitted", EntityID: h.GetId(), Revision: row.Revision,
		Data: &pb.SheetSubmitted{
			Id: h.GetId(), Revision: row.Revision, ApplicationId: h.GetApplicationId(), CallId: row.Value.GetCallId(),
		},
	}
}
