package evaluation

import (
	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/branch"
	"github.com/linli-project/linli/services/evaluation/internal/ledger"
)

// The layout of branch cycles, conduct notes and exports. Numbers are never
// reused.
const (
	tableBranches         = store.FirstServiceTable + 140 + iota // id
	indexBranchYear                                              // organization path, year, unique
	indexBranchWork                                              // id, while the house has work to do
	tableBranchGrades                                            // cycle, member
	indexBranchGradeYear                                         // member, year, unique
	tableConductNotes                                            // id
	indexConductCommunity                                        // community path, opened at
	indexConductMember                                           // member, opened at
	tableLedgerExports                                           // id
	indexExportCommunity                                         // community path, asked at, the newest first
	indexEntryDay                                                // keeper's path, day: what counts
)

// Names of the indexes.
const (
	byWork = "work"
	byDay  = "day"
)

type branchTables struct {
	branches *table.Table[*pb.BranchCycleRow]
	grades   *table.Table[*pb.BranchGradeRow]
	conduct  *table.Table[*pb.ConductNoteRow]
	exports  *table.Table[*pb.LedgerExportRow]
}

func (t branchTables) all() []table.Checker {
	return []table.Checker{t.branches, t.grades, t.conduct, t.exports}
}

// newBranchTables: cycles and grades have no paths. A prefix would show them to
// everybody above; who may see them is decided by standing in branches.go.
func newBranchTables() branchTables {
	return branchTables{
		branches: branchTable(),
		grades: table.New(table.Spec[*pb.BranchGradeRow]{
			Number: tableBranchGrades, Name: "branch_grade",
			Sealed: gradeSealed,
			Key: func(r *pb.BranchGradeRow) key.Key {
				return branchGradeKey(r.GetGrade().GetCycleId(), r.GetGrade().GetMemberId())
			},
			Indexes: []table.Index[*pb.BranchGradeRow]{
				{Number: indexBranchGradeYear, Name: byYear, Unique: true, Keys: func(r *pb.BranchGradeRow) []key.Key {
					return []key.Key{gradeYearKey(r.GetGrade().GetMemberId(), r.GetGrade().GetYear())}
				}},
			},
		}),
		conduct: conductTable(),
		exports: table.New(table.Spec[*pb.LedgerExportRow]{
			Number: tableLedgerExports, Name: "ledger_export",
			Key:   func(r *pb.LedgerExportRow) key.Key { return idKey(r.GetExport().GetId()) },
			Paths: func(r *pb.LedgerExportRow) []scope.Path { return at(r.GetCommunityPath()) },
			Indexes: []table.Index[*pb.LedgerExportRow]{
				{Number: indexExportCommunity, Name: byCommunity, Keys: func(r *pb.LedgerExportRow) []key.Key {
					return []key.Key{key.Key(nil).String(r.GetCommunityPath()).TimeDesc(r.GetExport().GetAskedAt().AsTime())}
				}},
			},
		}),
	}
}

func branchTable() *table.Table[*pb.BranchCycleRow] {
	return table.New(table.Spec[*pb.BranchCycleRow]{
		Number: tableBranches, Name: "branch_cycle",
		Key: func(r *pb.BranchCycleRow) key.Key { return idKey(r.GetCycle().GetId()) },
		Indexes: []table.Index[*pb.BranchCycleRow]{
			{Number: indexBranchYear, Name: byYear, Unique: true, Keys: func(r *pb.BranchCycleRow) []key.Key {
				return []key.Key{branchYearKey(r.GetOrganizationPath(), r.GetCycle().GetYear())}
			}},
			{Number: indexBranchWork, Name: byWork, Keys: func(r *pb.BranchCycleRow) []key.Key {
				if !branch.Working(branch.State(r.GetCycle().GetState())) {
					return nil
				}
				return []key.Key{idKey(r.GetCycle().GetId())}
			}},
		},
	})
}

func conductTable() *table.Table[*pb.ConductNoteRow] {
	return table.New(table.Spec[*pb.ConductNoteRow]{
		Number: tableConductNotes, Name: "conduct_note",
		Sealed: conductSealed,
		Key:    func(r *pb.ConductNoteRow) key.Key { return idKey(r.GetNote().GetId()) },
		Paths:  func(r *pb.ConductNoteRow) []scope.Path { return at(r.GetCommunityPath()) },
		Indexes: []table.Index[*pb.ConductNoteRow]{
			{Number: indexConductCommunity, Name: byCommunity, Keys: func(r *pb.ConductNoteRow) []key.Key {
				return []key.Key{key.Key(nil).String(r.GetCommunityPath()).Time(r.GetNote().GetOpenedAt().AsTime())}
			}},
			{Number: indexConductMember, Name: byMember, Keys: func(r *pb.ConductNoteRow) []key.Key {
				return []key.Key{memberKey(r.GetNote().GetMemberId()).Time(r.GetNote().GetOpenedAt().AsTime())}
			}},
		},
	})
}

// entryDayIndex has the entries that count, and none that was taken out again.
func entryDayIndex() table.Index[*pb.EntryRow] {
	return table.Index[*pb.EntryRow]{Number: indexEntryDay, Name: byDay, Keys: func(r *pb.EntryRow) []key.Key {
		e := r.GetEntry()
		if ledger.State(e.GetState()) != ledger.Confirmed || e.GetReversedBy() != "" || e.GetReverses() != "" {
			return nil
		}
		return []key.Key{key.Key(nil).String(r.GetCommunityPath()).String(e.GetDay())}
	}}
}

func branchYearKey(path string, year int32) key.Key {
	return key.Key(nil).String(path).Uint(uint64(year))
}

func branchGradeKey(cycle, member string) key.Key { return idKey(cycle).String(member) }

func gradeYearKey(member string, year int32) key.Key { return memberKey(member).Uint(uint64(year)) }
