package requests

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// The persistent layout of hardship and aid. Numbers are never reused.
const (
	tableCases               = store.FirstServiceTable + 50 + iota // id
	indexCasesByRequest                                            // request id; unique
	indexCasesByCommunity                                          // community path, opened at (latest first)
	indexCasesByWatch                                              // when relief is to be decided
	tableReadings                                                  // id
	indexReadingsByCommunity                                       // community path, read at (latest first)
	tableHelp                                                      // id
	indexHelpByCommunity                                           // community path, since (latest first)
	tableAids                                                      // id
	indexAidsByCase                                                // case id, recorded at (latest first)
	indexAidsByCause                                               // keyed hash of person, year and cause
	tableHardshipFigures                                           // community path, year, measure
)

// Names of the indexes.
const (
	byRequest = "request"
	byWatch   = "watch"
	byCase    = "case"
	byCause   = "cause"
)

type aidTables struct {
	cases    *table.Table[*pb.HardshipCaseRow]
	readings *table.Table[*pb.HardshipReadingRow]
	help     *table.Table[*pb.HelpWantedRow]
	aids     *table.Table[*pb.AidRow]
	figures  *table.Table[*pb.HardshipFigureRow]
}

func (t aidTables) all() []table.Checker {
	return []table.Checker{t.cases, t.readings, t.help, t.aids, t.figures}
}

func newAidTables() aidTables {
	return aidTables{
		cases: newCasesTable(),
		readings: table.New(table.Spec[*pb.HardshipReadingRow]{
			Number: tableReadings, Name: "hardship_reading",
			Sealed: readingSealed,
			Key:    func(r *pb.HardshipReadingRow) key.Key { return key.Key(nil).String(r.GetReading().GetId()) },
			Paths:  func(r *pb.HardshipReadingRow) []scope.Path { return []scope.Path{scope.Path(r.GetCommunityPath())} },
			Indexes: []table.Index[*pb.HardshipReadingRow]{
				{Number: indexReadingsByCommunity, Name: byCommunity, Keys: func(r *pb.HardshipReadingRow) []key.Key {
					return latest(r.GetCommunityPath(), r.GetReading().GetReadAt())
				}},
			},
		}),
		help: table.New(table.Spec[*pb.HelpWantedRow]{
			Number: tableHelp, Name: "help_wanted",
			Key: func(r *pb.HelpWantedRow) key.Key { return key.Key(nil).String(r.GetHelp().GetId()) },
			Indexes: []table.Index[*pb.HelpWantedRow]{
				{Number: indexHelpByCommunity, Name: byCommunity, Keys: func(r *pb.HelpWantedRow) []key.Key {
					return latest(r.GetCommunityPath(), r.GetSince())
				}},
			},
		}),
		aids: newAidsTable(),
		figures: table.New(table.Spec[*pb.HardshipFigureRow]{
			Number: tableHardshipFigures, Name: "hardship_figure",
			Key: func(f *pb.HardshipFigureRow) key.Key {
				return hardshipFigureKey(f.GetPath(), f.GetYear(), f.GetMeasure())
			},
		}),
	}
}

func newCasesTable() *table.Table[*pb.HardshipCaseRow] {
	return table.New(table.Spec[*pb.HardshipCaseRow]{
		Number: tableCases, Name: "hardship_case",
		Sealed: caseSealed,
		Key:    func(r *pb.HardshipCaseRow) key.Key { return key.Key(nil).String(r.GetHardshipCase().GetId()) },
		Paths:  func(r *pb.HardshipCaseRow) []scope.Path { return []scope.Path{scope.Path(r.GetCommunityPath())} },
		Indexes: []table.Index[*pb.HardshipCaseRow]{
			{Number: indexCasesByRequest, Name: byRequest, Unique: true, Keys: func(r *pb.HardshipCaseRow) []key.Key {
				return []key.Key{key.Key(nil).String(r.GetHardshipCase().GetRequestId())}
			}},
			{Number: indexCasesByCommunity, Name: byCommunity, Keys: func(r *pb.HardshipCaseRow) []key.Key {
				return latest(r.GetCommunityPath(), r.GetHardshipCase().GetOpenedAt())
			}},
			{Number: indexCasesByWatch, Name: byWatch, Keys: func(r *pb.HardshipCaseRow) []key.Key {
				if r.GetWatchUntil() == nil {
					return nil
				}
				return []key.Key{key.Key(nil).Time(r.GetWatchUntil().AsTime())}
			}},
		},
	})
}

func newAidsTable() *table.Table[*pb.AidRow] {
	return table.New(table.Spec[*pb.AidRow]{
		Number: tableAids, Name: "aid",
		Sealed: aidSealed,
		Key:    func(r *pb.AidRow) key.Key { return key.Key(nil).String(r.GetAid().GetId()) },
		Paths:  func(r *pb.AidRow) []scope.Path { return []scope.Path{scope.Path(r.GetCommunityPath())} },
		Indexes: []table.Index[*pb.AidRow]{
			{Number: indexAidsByCase, Name: byCase, Keys: func(r *pb.AidRow) []key.Key {
				return latest(r.GetAid().GetCaseId(), r.GetAid().GetRecordedAt())
			}},
			{Number: indexAidsByCause, Name: byCause, Keys: func(r *pb.AidRow) []key.Key {
				var keys []key.Key
				for _, c := range r.GetCauses() {
					keys = append(keys, causeKey(c))
				}
				return keys
			}},
		},
	})
}

// latest is the entry of a list that shows the newest first.
func latest(under string, at *timestamppb.Timestamp) []key.Key {
	return []key.Key{key.Key(nil).String(under).TimeDesc(at.AsTime())}
}

func causeKey(blind []byte) key.Key { return key.Key(nil).String(string(blind)) }

func hardshipFigureKey(path string, year int32, measure string) key.Key {
	return key.Key(nil).String(path).Uint(uint64(year)).String(measure)
}
