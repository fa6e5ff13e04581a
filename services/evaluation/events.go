package evaluation

import (
	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/ledger"
)

// entryEventName answers the name of what a step of an entry announces.
func entryEventName(command string) string {
	return map[string]string{
		ledger.Propose: "entry.proposed", ledger.Vouch: "entry.vouched", ledger.Confirm: "entry.confirmed",
		ledger.TurnDown: "entry.turned_down", ledger.Hold: "entry.put_on_hold",
		ledger.Lift: "entry.lifted", ledger.LiftOpen: "entry.lifted",
	}[command]
}

// entryEvent: linli.evaluation.entry.<name>.v1.
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

// reversalEvent: linli.evaluation.entry.reversed.v1.
func reversalEvent(row table.Row[*pb.EntryRow]) store.Event {
	e := row.Value.GetEntry()
	return store.Event{
		Name: "entry.reversed", EntityID: e.GetId(), Revision: row.Revision,
		Data: &pb.EntryReversed{
			Id: e.GetId(), Revision: row.Revision, Reverses: e.GetReverses(), MemberId: e.GetMemberId(),
			CommunityPath: row.Value.GetCommunityPath(), Day: e.GetDay(),
			Times: e.GetTimes(), Cases: e.GetCases(), QuarterHours: e.GetQuarterHours(),
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
