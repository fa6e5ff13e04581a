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
		call.Open: "call.opened", call.StartCheck: "call.check_started", call.StartReview: "call.review_started",
		call.AddReviewers: "call.reviewers_added", call.Decide: "call.decided",
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

// applicationChanged announces what became of an application: submitted,
// withdrawn, returned, found eligible or not, decided, made known, taken off or
// a key project.
func applicationChanged(row table.Row[*pb.ApplicationRow], now time.Time) store.Event {
	a, name := row.Value.GetApplication(), "application.decided"
	state := application.State(a.GetState())
	switch state {
	case application.NotSelected:
		if a.GetNoticeId() != "" {
			name = "application.selection_withdrawn"
		}
	case application.InNotice:
		name = "application.notice_given"
	case application.KeyProject:
		name = "application.became_key_project"
	case application.Withdrawn:
		name = "application.withdrawn"
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
			ApplicantPath: row.Value.GetApplicantPath(), CoApplicantPaths: row.Value.GetCoApplicantPaths(),
			DistrictPath: row.Value.GetDistrictPath(), State: a.GetState(), Rank: a.GetRank(), Day: clock.Day(now),
			UntilDay: lastDay(a.GetCheck().GetReturnUntil()), Sealed: application.Sealed(state),
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

func noticeGiven(row table.Row[*pb.NoticeRow]) store.Event {
	n := row.Value.GetNotice()
	return store.Event{
		Name: "notice.given", EntityID: n.GetId(), Revision: row.Revision,
		Data: &pb.NoticeGiven{
			Id: n.GetId(), Revision: row.Revision, CallId: n.GetCallId(), DistrictPath: row.Value.GetDistrictPath(), Year: n.GetYear(),
			From: clock.Day(n.GetGivenAt().AsTime()), Until: clock.Day(n.GetUntil().AsTime().Add(-time.Nanosecond)),
			Applications: n.GetApplications(), MovedUp: n.GetMovedUp(),
		},
	}
}

// objectionChanged announces that an objection was made or answered.
func objectionChanged(step string, row table.Row[*pb.SelectionObjectionRow]) store.Event {
	o := row.Value.GetObjection()
	return store.Event{
		Name: "selection_objection." + step, EntityID: o.GetId(), Revision: row.Revision,
		Data: &pb.SelectionObjectionChanged{
			Id: o.GetId(), Revision: row.Revision, ApplicationId: o.GetApplicationId(), CallId: row.Value.GetCallId(),
			DistrictPath: row.Value.GetDistrictPath(), Person: row.Value.GetPerson(), Answered: o.GetAnswered(), Upheld: o.GetUpheld(),
		},
	}
}

func letterIssued(row table.Row[*pb.ApplicationLetterRow]) store.Event {
	l := row.Value.GetLetter()
	return store.Event{
		Name: "application.letter_issued", EntityID: l.GetId(), Revision: row.Revision,
		Data: &pb.ApplicationLetterIssued{
			Id: l.GetId(), Revision: row.Revision, ApplicationId: l.GetApplicationId(), CallId: l.GetCallId(),
			ApplicantPath: row.Value.GetApplicantPath(), CoApplicantPaths: row.Value.GetCoApplicantPaths(),
			DistrictPath: row.Value.GetDistrictPath(), Issue: l.GetIssue(), Outcome: l.GetOutcome(), Day: clock.Day(l.GetDecidedAt().AsTime()),
		},
	}
}
