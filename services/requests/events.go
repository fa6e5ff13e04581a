package requests

import (
	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/clock"
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
		saidSomething: "answered", foundOverdue: "overdue",
	}[command]
}

// announce emits a step. previous is unspecified for a new request.
func (s *Service) announce(tx *store.Tx, command string, row table.Row[*pb.RequestRow], previous pb.RequestState, first firstTime) error {
	r := row.Value.GetRequest()
	tx.Audit(store.Record{Rows: []string{r.GetId()}})
	st := standingOf(row.Value)
	level := r.GetEscalation()
	if command == foundOverdue {
		level = r.GetOverdueLevel()
	}
	return tx.Emit(store.Event{
		Name: eventName(command), EntityID: r.GetId(), Revision: row.Revision,
		Data: &pb.RequestChanged{
			Id: r.GetId(), Revision: row.Revision, CommunityPath: row.Value.GetCommunityPath(),
			Kind: r.GetKind(), State: r.GetState(), PreviousState: previous,
			MemberId: r.GetMemberId(), QuarterHours: r.GetQuarterHours(),
			Day:         clock.Day(s.store.Civil().Now()),
			AuthorIsNew: first.author, ParticipantIsNew: first.participant, ParticipantIsNewInYear: first.inYear, Author: r.GetAuthor(),
			Year: yearOf(r), Answered: st.Due, InTime: st.InTime, Admitted: st.Admitted, Solved: st.Solved,
			Rated: st.Rated, Satisfied: st.Satisfied, Excluded: st.Excluded, Level: level,
		},
	})
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
	saidSomething = "say something"
	foundOverdue  = "find overdue"
)
