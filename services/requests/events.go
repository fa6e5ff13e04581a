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
	return map[string]string{
		request.Post: "request.posted", request.Admit: "request.admitted", request.Dispatch: "request.dispatched",
		request.TakeOn: "request.taken_on", request.Resolve: "request.resolved", request.Rate: "request.rated",
		request.Close: "request.closed",
	}[command]
}

// announce emits a step. previous is unspecified for a new request.
func (s *Service) announce(tx *store.Tx, command string, row table.Row[*pb.RequestRow], previous pb.RequestState, authorIsNew bool) error {
	r := row.Value.GetRequest()
	tx.Audit(store.Record{Rows: []string{r.GetId()}})
	return tx.Emit(store.Event{
		Name: eventName(command), EntityID: r.GetId(), Revision: row.Revision,
		Data: &pb.RequestChanged{
			Id: r.GetId(), Revision: row.Revision, CommunityPath: row.Value.GetCommunityPath(),
			Kind: r.GetKind(), State: r.GetState(), PreviousState: previous,
			MemberId: r.GetMemberId(), QuarterHours: r.GetQuarterHours(),
			Day: clock.Day(s.store.Civil().Now()), AuthorIsNew: authorIsNew, Author: r.GetAuthor(),
		},
	})
}
