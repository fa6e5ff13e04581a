package evaluation

import (
	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// The persistent layout. Numbers are never reused.
const (
	tableEntries     = store.FirstServiceTable + iota // member, day, id: a member's year is one range
	indexEntryID                                      // id, unique
	_                                                 // was source, source id: several members share an activity
	indexEntryKeeper                                  // community path, proposed at
	indexEntryState                                   // community path, state, proposed at
	tableCycles                                       // id
	indexCycleYear                                    // district path, year, unique
	tableResults                                      // cycle, home path, member: a letter is one range
	tableLetters                                      // cycle, home path
	indexLetterID                                     // id, unique
)

// Names of the indexes.
const (
	byID     = "id"
	byKeeper = "keeper"
	byState  = "state"
	byYear   = "year"
)

type tables struct {
	entries *table.Table[*pb.EntryRow]
	cycles  *table.Table[*pb.CycleRow]
	results *table.Table[*pb.ResultRow]
	letters *table.Table[*pb.LetterRow]
	summed  *table.Table[*pb.SummedPageRow]
	ledgerTables
	honorTables
}

func newTables() tables {
	return tables{entries: entryTable(), cycles: cycleTable(), results: resultTable(), letters: letterTable(), summed: newSummedTable(),
		ledgerTables: newLedgerTables(), honorTables: newHonorTables()}
}

func entryTable() *table.Table[*pb.EntryRow] {
	return table.New(table.Spec[*pb.EntryRow]{
		Number: tableEntries, Name: "entry",
		Key: func(r *pb.EntryRow) key.Key {
			e := r.GetEntry()
			return key.Key(nil).String(e.GetMemberId()).String(e.GetDay()).String(e.GetId())
		},
		Paths:  func(r *pb.EntryRow) []scope.Path { return []scope.Path{scope.Path(r.GetCommunityPath())} },
		Owners: func(r *pb.EntryRow) []string { return []string{r.GetEntry().GetMemberId()} },
		Indexes: append(ledgerIndexes(), []table.Index[*pb.EntryRow]{
			{Number: indexEntryID, Name: byID, Unique: true, Keys: func(r *pb.EntryRow) []key.Key {
				return []key.Key{key.Key(nil).String(r.GetEntry().GetId())}
			}},
			{Number: indexEntryKeeper, Name: byKeeper, Keys: func(r *pb.EntryRow) []key.Key {
				return []key.Key{key.Key(nil).String(r.GetCommunityPath()).Time(r.GetEntry().GetProposedAt().AsTime())}
			}},
			{Number: indexEntryState, Name: byState, Keys: func(r *pb.EntryRow) []key.Key {
				return []key.Key{stateKey(r.GetCommunityPath(), r.GetEntry().GetState()).Time(r.GetEntry().GetProposedAt().AsTime())}
			}},
		}...),
	})
}

func cycleTable() *table.Table[*pb.CycleRow] {
	return table.New(table.Spec[*pb.CycleRow]{
		Number: tableCycles, Name: "cycle",
		Key:   func(r *pb.CycleRow) key.Key { return key.Key(nil).String(r.GetCycle().GetId()) },
		Paths: func(r *pb.CycleRow) []scope.Path { return []scope.Path{scope.Path(r.GetDistrictPath())} },
		Indexes: []table.Index[*pb.CycleRow]{
			{Number: indexCycleYear, Name: byYear, Unique: true, Keys: func(r *pb.CycleRow) []key.Key {
				return []key.Key{key.Key(nil).String(r.GetDistrictPath()).Uint(uint64(r.GetCycle().GetYear()))}
			}},
		},
	})
}

func resultTable() *table.Table[*pb.ResultRow] {
	return table.New(table.Spec[*pb.ResultRow]{
		Number: tableResults, Name: "result",
		Sealed: resultSealed,
		Key: func(r *pb.ResultRow) key.Key {
			return resultKey(r.GetCycleId(), r.GetHomePath(), r.GetMemberId())
		},
		Paths: func(r *pb.ResultRow) []scope.Path { return []scope.Path{scope.Path(r.GetHomePath())} },
		Indexes: []table.Index[*pb.ResultRow]{
			{Number: indexResultCommunity, Name: byCommunity, Keys: func(r *pb.ResultRow) []key.Key {
				if r.GetCommunityPath() == "" {
					return nil
				}
				return []key.Key{communityKey(r.GetCycleId(), r.GetCommunityPath()).String(r.GetMemberId())}
			}},
			{Number: indexResultMember, Name: byMember, Unique: true, Keys: func(r *pb.ResultRow) []key.Key {
				return []key.Key{memberCycleKey(r.GetMemberId(), r.GetCycleId())}
			}},
		},
	})
}

func letterTable() *table.Table[*pb.LetterRow] {
	return table.New(table.Spec[*pb.LetterRow]{
		Number: tableLetters, Name: "letter",
		Sealed: letterSealed,
		Key:    func(r *pb.LetterRow) key.Key { return homeKey(r.GetLetter().GetCycleId(), r.GetHomePath()) },
		Paths: func(r *pb.LetterRow) []scope.Path {
			if r.GetLetter().GetIssue() == 0 {
				return []scope.Path{scope.Path(r.GetDistrictPath())} // the district's until it is issued
			}
			return []scope.Path{scope.Path(r.GetHomePath()), scope.Path(r.GetDistrictPath())}
		},
		Indexes: []table.Index[*pb.LetterRow]{
			{Number: indexLetterRemind, Name: byRemind, Keys: func(r *pb.LetterRow) []key.Key {
				if r.GetRemindAt() == nil {
					return nil
				}
				return []key.Key{key.Key(nil).Time(r.GetRemindAt().AsTime())}
			}},
			{Number: indexLetterUnanswered, Name: byUnanswered, Keys: func(r *pb.LetterRow) []key.Key {
				if r.GetLetter().GetIssue() == 0 || r.GetLetter().GetRepliedAt() != nil {
					return nil
				}
				return []key.Key{homeKey(r.GetLetter().GetCycleId(), r.GetHomePath())}
			}},
			{Number: indexLetterID, Name: byID, Unique: true, Keys: func(r *pb.LetterRow) []key.Key {
				return []key.Key{key.Key(nil).String(r.GetLetter().GetId())}
			}},
		},
	})
}

func stateKey(path string, s pb.EntryState) key.Key { return key.Key(nil).String(path).Uint(uint64(s)) }

func cycleKey(cycle string) key.Key { return key.Key(nil).String(cycle) }

func homeKey(cycle, homePath string) key.Key { return cycleKey(cycle).String(homePath) }
