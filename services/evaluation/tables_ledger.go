package evaluation

import (
	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// The layout of the ledger beside its entries. Numbers are never reused.
const (
	tableLines         = store.FirstServiceTable + 20 + iota // member, sequence: a member's chain is one range
	tableHeads                                               // member
	indexEntryOrigin                                         // source, source id, member, unique
	indexEntryEvidence                                       // hash of a file
	indexEntryResident                                       // resident, proposed at, the newest first
	tableCodes                                               // digest of the code
	indexCodeEntry                                           // entry, unique
	tableAlarms                                              // id
	indexAlarmState                                          // community path, closed, raised at
)

// Names of the indexes.
const (
	byOrigin   = "origin"
	byEvidence = "evidence"
	byResident = "resident"
	byEntry    = "entry"
)

type ledgerTables struct {
	lines  *table.Table[*pb.LineRow]
	heads  *table.Table[*pb.HeadRow]
	codes  *table.Table[*pb.CodeRow]
	alarms *table.Table[*pb.AlarmRow]
}

func newLedgerTables() ledgerTables {
	return ledgerTables{lines: lineTable(), heads: headTable(), codes: codeTable(), alarms: alarmTable()}
}

func memberKey(member string) key.Key { return key.Key(nil).String(member) }

func originKey(source pb.EntrySource, id, member string) key.Key {
	return key.Key(nil).Uint(uint64(source)).String(id).String(member)
}

// ledgerIndexes are those of the entries that the ledger's rules need.
func ledgerIndexes() []table.Index[*pb.EntryRow] {
	return []table.Index[*pb.EntryRow]{
		entryDayIndex(),
		{Number: indexEntryOrigin, Name: byOrigin, Unique: true, Keys: func(r *pb.EntryRow) []key.Key {
			e := r.GetEntry()
			return []key.Key{originKey(e.GetSource(), e.GetSourceId(), e.GetMemberId())}
		}},
		{Number: indexEntryEvidence, Name: byEvidence, Keys: func(r *pb.EntryRow) []key.Key {
			var out []key.Key
			for _, h := range files(r.GetEntry()) {
				out = append(out, key.Key(nil).String(h))
			}
			return out
		}},
		{Number: indexEntryResident, Name: byResident, Keys: func(r *pb.EntryRow) []key.Key {
			if r.GetResidentId() == "" {
				return nil
			}
			return []key.Key{key.Key(nil).String(r.GetResidentId()).TimeDesc(r.GetEntry().GetProposedAt().AsTime())}
		}},
	}
}

func lineTable() *table.Table[*pb.LineRow] {
	return table.New(table.Spec[*pb.LineRow]{
		Number: tableLines, Name: "ledger_line",
		Key: func(r *pb.LineRow) key.Key { return memberKey(r.GetMemberId()).Uint(r.GetSequence()) },
	})
}

func headTable() *table.Table[*pb.HeadRow] {
	return table.New(table.Spec[*pb.HeadRow]{
		Number: tableHeads, Name: "ledger_head",
		Key: func(r *pb.HeadRow) key.Key { return memberKey(r.GetMemberId()) },
	})
}

func codeTable() *table.Table[*pb.CodeRow] {
	return table.New(table.Spec[*pb.CodeRow]{
		Number: tableCodes, Name: "resident_code",
		Key: func(r *pb.CodeRow) key.Key { return key.Key(nil).String(string(r.GetDigest())) },
		Indexes: []table.Index[*pb.CodeRow]{
			{Number: indexCodeEntry, Name: byEntry, Unique: true, Keys: func(r *pb.CodeRow) []key.Key {
				return []key.Key{key.Key(nil).String(r.GetEntryId())}
			}},
		},
	})
}

func alarmTable() *table.Table[*pb.AlarmRow] {
	return table.New(table.Spec[*pb.AlarmRow]{
		Number: tableAlarms, Name: "ledger_alarm",
		Key:   func(r *pb.AlarmRow) key.Key { return key.Key(nil).String(r.GetAlarm().GetId()) },
		Paths: func(r *pb.AlarmRow) []scope.Path { return []scope.Path{scope.Path(r.GetCommunityPath())} },
		Indexes: []table.Index[*pb.AlarmRow]{
			{Number: indexAlarmState, Name: byState, Keys: func(r *pb.AlarmRow) []key.Key {
				return []key.Key{alarmKey(r.GetCommunityPath(), r.GetAlarm().GetClosed()).Time(r.GetAlarm().GetRaisedAt().AsTime())}
			}},
		},
	})
}

func alarmKey(path string, closed bool) key.Key {
	n := uint64(0)
	if closed {
		n = 1
	}
	return key.Key(nil).String(path).Uint(n)
}
