package evaluation

import (
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// pollEvent: linli.evaluation.poll.prepared.v1, .issued.v1, .opened.v1,
// .closed.v1 and .annulled.v1. The box is given with the last but one only.
func pollEvent(name string, row table.Row[*pb.PollRow], urn *pb.UrnRow, now time.Time) store.Event {
	p := row.Value.GetPoll()
	return store.Event{
		Name: name, EntityID: p.GetId(), Revision: row.Revision,
		Data: &pb.PollChanged{
			Id: p.GetId(), Revision: row.Revision, OrganizationPath: row.Value.GetOrganizationPath(),
			Kind: p.GetKind(), Year: p.GetYear(), State: p.GetState(), Members: int32(len(p.GetMemberIds())), Seats: p.GetSeats(),
			Counts: pollProto(row, urn).GetCounts(), Day: clock.Day(now),
		},
	}
}
