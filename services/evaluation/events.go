package evaluation

import (
	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// entryEvent: linli.evaluation.entry.proposed.v1 and .confirmed.v1.
func entryEvent(name string, row table.Row[*pb.EntryRow]) store.Event {
	e := row.Value.GetEntry()
	return store.Event{
		Name: name, EntityID: e.GetId(), Revision: row.Revision,
		Data: &pb.EntryChanged{
			Id: e.GetId(), Revision: row.Revision, MemberId: e.GetMemberId(), CommunityPath: row.Value.GetCommunityPath(),
			State: e.GetState(), Day: e.GetDay(), Times: e.GetTimes(), Cases: e.GetCases(), QuarterHours: e.GetQuarterHours(),
		},
	}
}

// cycleEvent: linli.evaluation.cycle.opened.v1 and .computed.v1.
func cycleEvent(name string, row table.Row[*pb.CycleRow]) store.Event {
	c := row.Value.GetCycle()
	return store.Event{
		Name: name, EntityID: c.GetId(), Revision: row.Revision,
		Data: &pb.CycleChanged{
			Id: c.GetId(), Revision: row.Revision, DistrictPath: row.Value.GetDistrictPath(),
			Year: c.GetYear(), State: c.GetState(),
		},
	}
}
