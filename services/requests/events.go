package requests

import (
	"strings"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/requests/internal/request"
)

// What this service announces, by the command that was carried out:
// linli.requests.request.<name>.v1 with a RequestChanged.
func eventName(command string) string {
	return "request." + map[string]string{
		request.Post: "posted", request.Admit: "admitted", request.Dispatch: "dispatched",
		request.TakeOn: "taken_on", request.Begin: "begun", request.Resolve: "resolved", request.Rate: "rated", request.Close: "closed",
		request.Decline: "declined", request.PassOn: "escalated", request.Merge: "merged", request.Verify: "verified", request.Recall: "recalled",
		request.DeclineOffer: "offer_declined", request.Return: "returned", request.ReturnAgain: "escalated",
		request.Escalate: "escalated", request.HandBack: "handed_back", request.CloseUnsolved: "unsolved",
		request.Reopen: "reopened",
		extended:       "extended", paused: "paused", resumed: "resumed", excluded: "excluded",
		saidSomething: "answered", handedOver: "handed_over", limitNear: "limit_near", answerLate: "answer_late", foundOverdue: "overdue",
	}[command]
}

// announce emits a step. previous is unspecified for a new request.
func (s *Service) announce(tx *store.Tx, command string, row table.Row[*pb.RequestRow], previous pb.RequestState, first firstTime) error {
	return s.emit(tx, command, row, s.changed(command, row, previous, first))
}

// announceStep emits a step along the way. Whom a request is taken back from is
// named, who else would wait for it.
func (s *Service) announceStep(tx *store.Tx, command string, before, row table.Row[*pb.RequestRow]) error {
	ev := s.changed(command, row, before.Value.GetRequest().GetState(), firstTime{})
	if command == request.Recall || command == request.Reopen {
		ev.Helper = helperOf(before.Value.GetRequest())
	}
	return s.emit(tx, command, row, ev)
}

func (s *Service) emit(tx *store.Tx, command string, row table.Row[*pb.RequestRow], ev *pb.RequestChanged) error {
	tx.Audit(traceOf(row.Value.GetRequest(), command))
	return tx.Emit(store.Event{Name: eventName(command), EntityID: ev.GetId(), Revision: ev.GetRevision(), Data: ev})
}

func (s *Service) changed(command string, row table.Row[*pb.RequestRow], previous pb.RequestState, first firstTime) *pb.RequestChanged {
	r, st := row.Value.GetRequest(), standingOf(row.Value)
	limit, due := limitOf(command, row.Value)
	return &pb.RequestChanged{
		Id: r.GetId(), Revision: row.Revision, CommunityPath: row.Value.GetCommunityPath(),
		Kind: r.GetKind(), State: r.GetState(), PreviousState: previous,
		MemberId: r.GetMemberId(), QuarterHours: r.GetQuarterHours(),
		Day:         clock.Day(s.store.Civil().Now()),
		AuthorIsNew: first.author, ParticipantIsNew: first.participant, ParticipantIsNewInYear: first.inYear, Author: r.GetAuthor(),
		Year: yearOf(r), Answered: st.Due, InTime: st.InTime, Admitted: st.Admitted, Solved: st.Solved,
		Rated: st.Rated, Satisfied: st.Satisfied, Excluded: st.Excluded,
		Level: levelOf(command, r), Limit: limit, DueDay: due, Helper: helperOf(r),
	}
}

// levelOf says who sees to a request, or who is told that it is late.
func levelOf(command string, r *pb.Request) int32 {
	if command == foundOverdue {
		return min(r.GetEscalation()+r.GetOverdueLevel(), ladderTop)
	}
	return r.GetEscalation()
}

// traceOf is what a step leaves in the audit. The steps of an author lead from
// nobody to a nuisance post.
func traceOf(r *pb.Request, command string) store.Record {
	if anonymous(r) && (command == request.Post || command == request.Rate || command == request.Reopen) {
		return store.Record{}
	}
	return store.Record{Rows: []string{r.GetId()}}
}

// firstTime says whether somebody posts, or takes part, here for the first
// time, ever and in the year.
type firstTime struct{ author, participant, inYear bool }

// Steps that change no state, beside the commands of the machine.
const (
	extended      = "extend"
	paused        = "pause"
	resumed       = "resume"
	excluded      = "exclude"
	handedOver    = "hand over"
	saidSomething = "say something"
	limitNear     = "find near"
	answerLate    = "find unanswered"
	foundOverdue  = "find overdue"
)

// seededStep is the step of requests that were posted together.
const seededStep = "seeded"

// changesOf reads what an event says of requests, and the step that each took.
func changesOf(e *typev1.EventRow) (step string, changes []*pb.RequestChanged, err error) {
	step = strings.TrimPrefix(e.GetSubject(), "linli.requests.request.")
	if step == seededStep {
		var ev pb.RequestsSeeded
		err = events.Decode(e, &ev)
		return eventStep(request.Post), ev.GetRequests(), err
	}
	var ev pb.RequestChanged
	err = events.Decode(e, &ev)
	return step, []*pb.RequestChanged{&ev}, err
}

// eventStep is how the subject of an event names a command.
func eventStep(command string) string { return strings.TrimPrefix(eventName(command), "request.") }
