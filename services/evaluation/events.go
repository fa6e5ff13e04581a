package evaluation

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/ledger"
	"github.com/linli-project/linli/services/evaluation/internal/sheet"
)

// entryEventName answers the name of what a step of an entry announces.
func entryEventName(command string) string {
	return map[string]string{
		ledger.Propose: "entry.proposed", ledger.Vouch: "entry.vouched", ledger.Confirm: "entry.confirmed",
		ledger.TurnDown: "entry.turned_down", ledger.Hold: "entry.put_on_hold",
		ledger.Lift: "entry.lifted", ledger.LiftOpen: "entry.lifted",
	}[command]
}

// entryEvent: linli.evaluation.entry.<name>.v1. previous is unspecified for a
// new entry.
func entryEvent(name string, row table.Row[*pb.EntryRow], previous pb.EntryState) store.Event {
	e := row.Value.GetEntry()
	return store.Event{
		Name: name, EntityID: e.GetId(), Revision: row.Revision,
		Data: &pb.EntryChanged{
			Id: e.GetId(), Revision: row.Revision, MemberId: e.GetMemberId(), CommunityPath: row.Value.GetCommunityPath(),
			State: e.GetState(), Day: e.GetDay(), Times: e.GetTimes(), Cases: e.GetCases(), QuarterHours: e.GetQuarterHours(),
			Source: e.GetSource(), PreviousState: previous,
		},
	}
}

// reversalEvent: linli.evaluation.entry.reversed.v1. source is that of the
// entry that is taken out.
func reversalEvent(row table.Row[*pb.EntryRow], source pb.EntrySource) store.Event {
	e := row.Value.GetEntry()
	return store.Event{
		Name: "entry.reversed", EntityID: e.GetId(), Revision: row.Revision,
		Data: &pb.EntryReversed{
			Id: e.GetId(), Revision: row.Revision, Reverses: e.GetReverses(), MemberId: e.GetMemberId(),
			CommunityPath: row.Value.GetCommunityPath(), Day: e.GetDay(),
			Times: e.GetTimes(), Cases: e.GetCases(), QuarterHours: e.GetQuarterHours(), ReversedSource: source,
		},
	}
}

// cycleEvent: linli.evaluation.cycle.opened.v1, .computed.v1 and .closed.v1.
func cycleEvent(name string, row table.Row[*pb.CycleRow], now time.Time) store.Event {
	c := row.Value.GetCycle()
	return store.Event{
		Name: name, EntityID: c.GetId(), Revision: row.Revision,
		Data: &pb.CycleChanged{
			Id: c.GetId(), Revision: row.Revision, DistrictPath: row.Value.GetDistrictPath(),
			Year: c.GetYear(), State: c.GetState(), Day: clock.Day(now), ObjectUntil: lastDayBefore(c.GetObjectUntil()),
		},
	}
}

// lastDayBefore is the Shanghai day that ends at a midnight; empty for none.
func lastDayBefore(end *timestamppb.Timestamp) string {
	if end == nil {
		return ""
	}
	return clock.Day(end.AsTime().Add(-time.Nanosecond))
}

// letterEvent: linli.evaluation.letter.issued.v1, .reminded.v1 and .answered.v1.
func letterEvent(name string, row table.Row[*pb.LetterRow], now time.Time) store.Event {
	l := row.Value.GetLetter()
	return store.Event{
		Name: name, EntityID: l.GetId(), Revision: row.Revision,
		Data: &pb.LetterChanged{
			Id: l.GetId(), Revision: row.Revision, HomePath: row.Value.GetHomePath(), DistrictPath: row.Value.GetDistrictPath(),
			Year: l.GetYear(), Issue: l.GetIssue(), Reminders: l.GetReminders(),
			CycleId: l.GetCycleId(), Day: clock.Day(now), ReplyUntil: lastDayBefore(row.Value.GetRemindAt()),
		},
	}
}

// sheetsEvent: linli.evaluation.sheets.signed.v1, .consented.v1 and .sent_back.v1.
func sheetsEvent(command string, year int32, row table.Row[*pb.SignatureRow], now time.Time) store.Event {
	g := row.Value.GetSignature()
	return store.Event{
		Name:     "sheets." + map[string]string{sheet.Sign: "signed", sheet.Consent: "consented", sheet.SendBack: "sent_back"}[command],
		EntityID: g.GetCycleId() + "/" + g.GetCommunityId(), Revision: row.Revision,
		Data: &pb.SheetsChanged{
			CycleId: g.GetCycleId(), Revision: row.Revision, CommunityPath: row.Value.GetCommunityPath(), State: g.GetState(), Year: year,
			Day: clock.Day(now),
		},
	}
}

// objectionEvent: linli.evaluation.objection.made.v1 and .answered.v1.
func objectionEvent(name string, row table.Row[*pb.ObjectionRow], now time.Time) store.Event {
	o := row.Value.GetObjection()
	return store.Event{
		Name: name, EntityID: o.GetId(), Revision: row.Revision,
		Data: &pb.ObjectionChanged{
			Id: o.GetId(), Revision: row.Revision, MemberId: o.GetMemberId(), CommunityPath: row.Value.GetCommunityPath(), State: o.GetState(),
			CycleId: o.GetCycleId(), Line: o.GetLine(), Day: clock.Day(now),
		},
	}
}

// cardEvent: linli.evaluation.card.issued.v1, .inspected.v1 and .ended.v1. year
// is that of an inspection.
func cardEvent(name string, row table.Row[*pb.CardRow], now time.Time, year int32) store.Event {
	c := row.Value.GetCard()
	return store.Event{
		Name: name, EntityID: c.GetNumber(), Revision: row.Revision,
		Data: &pb.CardChanged{
			Number: c.GetNumber(), Revision: row.Revision, MemberId: c.GetMemberId(), CommunityPath: row.Value.GetCommunityPath(),
			State: c.GetState(), Day: clock.Day(now), InspectedYear: year, Inspections: int32(len(c.GetInspections())),
		},
	}
}
