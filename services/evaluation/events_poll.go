package evaluation

import (
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// pollEvent: linli.evaluation.poll.prepared.v1, .issued.v1, .opened.v1,
// .closed.v1 and .annulled.v1. The box is given with the last but one only. Of a
// branch's poll neither place nor numbers are announced: only its committee and
// the organization directly above know of it, and events reach others.
func pollEvent(name string, row table.Row[*pb.PollRow], urn *pb.UrnRow, now time.Time) store.Event {
	p := row.Value.GetPoll()
	data := &pb.PollChanged{
		Id: p.GetId(), Revision: row.Revision, Kind: p.GetKind(), Year: p.GetYear(), State: p.GetState(), Day: clock.Day(now),
	}
	if p.GetKind() != pb.PollKind_POLL_KIND_BRANCH {
		data.OrganizationPath, data.Counts = row.Value.GetOrganizationPath(), pollProto(row, urn).GetCounts()
		data.Members, data.Seats = int32(len(p.GetMemberIds())), p.GetSeats()
	}
	return store.Event{Name: name, EntityID: p.GetId(), Revision: row.Revision, Data: data}
}
