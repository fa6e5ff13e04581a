package projects

import (
	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/keyproject"
)

// The persistent layout of key projects. Numbers are never reused.
const (
	numberProjects         = store.FirstServiceTable + 60 + iota // id
	numberProjectsByOrigin                                       // application id; unique
	numberProjectsByCall                                         // call id, number
	numberProjectsByWatch                                        // last day looked on, while it is watched
	numberSpending                                               // project id, entry id
	numberReadings                                               // project id, indicator, day, reading id
	numberReadingsByID                                           // project id, reading id; unique
	numberTargetChanges                                          // project id, change id
	numberSupervision                                            // project id, letter id
	numberLetterNumbers                                          // district path, year
	numberAcceptances                                            // project id, look
	numberDeliveries                                             // call id
	numberBarred                                                 // applicant id
	numberModels                                                 // project id
	numberModelsByYear                                           // year, number
	numberModelsByAsk                                            // day on which readings are asked for
	numberQueryFigures                                           // query, period, path
	numberHeartHomes                                             // organization id
)

// Names of the indexes.
const (
	byOrigin = "origin"
	byCall   = "call"
	byWatch  = "watch"
	byID     = "id"
	byYear   = "year"
	byAsk    = "ask"
)

type deliveryTables struct {
	projects      *table.Table[*pb.KeyProjectRow]
	spending      *table.Table[*pb.SpendingRow]
	readings      *table.Table[*pb.ReadingRow]
	changes       *table.Table[*pb.TargetChangeRow]
	letters       *table.Table[*pb.SupervisionLetterRow]
	letterNumbers *table.Table[*pb.LetterNumberRow]
	acceptances   *table.Table[*pb.AcceptanceRow]
	deliveries    *table.Table[*pb.DeliveryRow]
	barred        *table.Table[*pb.BarredRow]
	models        *table.Table[*pb.ModelRow]
	figures       *table.Table[*pb.QueryFigureRow]
	heartHomes    *table.Marks
}

func newDeliveryTables() deliveryTables {
	return deliveryTables{
		projects: keyProjectTable(),
		spending: table.New(table.Spec[*pb.SpendingRow]{
			Number: numberSpending, Name: "spending", Paths: placed[*pb.SpendingRow],
			Key: func(r *pb.SpendingRow) key.Key {
				return idKey(r.GetSpending().GetProjectId()).String(r.GetSpending().GetId())
			},
		}),
		readings: readingTable(),
		changes: table.New(table.Spec[*pb.TargetChangeRow]{
			Number: numberTargetChanges, Name: "target_change", Paths: placed[*pb.TargetChangeRow],
			Key: func(r *pb.TargetChangeRow) key.Key {
				return idKey(r.GetTargetChange().GetProjectId()).String(r.GetTargetChange().GetId())
			},
		}),
		letters: table.New(table.Spec[*pb.SupervisionLetterRow]{
			Number: numberSupervision, Name: "supervision_letter", Paths: placed[*pb.SupervisionLetterRow],
			Key: func(r *pb.SupervisionLetterRow) key.Key {
				return idKey(r.GetSupervisionLetter().GetProjectId()).String(r.GetSupervisionLetter().GetId())
			},
		}),
		letterNumbers: table.New(table.Spec[*pb.LetterNumberRow]{
			Number: numberLetterNumbers, Name: "letter_number",
			Key: func(r *pb.LetterNumberRow) key.Key { return idKey(r.GetDistrictPath()).Uint(uint64(r.GetYear())) },
		}),
		acceptances: acceptanceTable(),
		deliveries: table.New(table.Spec[*pb.DeliveryRow]{
			Number: numberDeliveries, Name: "delivery",
			Key: func(r *pb.DeliveryRow) key.Key { return idKey(r.GetCallId()) },
		}),
		barred: table.New(table.Spec[*pb.BarredRow]{
			Number: numberBarred, Name: "barred_applicant",
			Key: func(r *pb.BarredRow) key.Key { return idKey(r.GetApplicantId()) },
		}),
		models: modelTable(),
		figures: table.New(table.Spec[*pb.QueryFigureRow]{
			Number: numberQueryFigures, Name: "query_figure",
			Key: func(r *pb.QueryFigureRow) key.Key { return figureKey(r.GetQuery(), r.GetPeriod()).String(r.GetPath()) },
		}),
		heartHomes: table.NewMarks(numberHeartHomes, "heart_home"),
	}
}

func (t deliveryTables) all() []table.Checker {
	return []table.Checker{t.projects, t.spending, t.readings, t.changes, t.letters, t.letterNumbers, t.acceptances,
		t.deliveries, t.barred, t.models, t.figures, t.heartHomes}
}

// placed is where a row of a key project may be seen from: the applicant, the
// district, the city.
func placed[T interface {
	GetApplicantPath() string
	GetDistrictPath() string
}](row T) []scope.Path {
	district := scope.Path(row.GetDistrictPath())
	return []scope.Path{applicantSide(scope.Path(row.GetApplicantPath())), districtSide(district), citySide(district)}
}

// keyProjectTable: the unique index is what makes a second project of the same
// application impossible. A project is watched until its acceptance has ended,
// the one that was looked at longest ago first.
func keyProjectTable() *table.Table[*pb.KeyProjectRow] {
	return table.New(table.Spec[*pb.KeyProjectRow]{
		Number: numberProjects, Name: "key_project", Paths: placed[*pb.KeyProjectRow],
		Key: func(r *pb.KeyProjectRow) key.Key { return idKey(r.GetKeyProject().GetId()) },
		Indexes: []table.Index[*pb.KeyProjectRow]{
			{Number: numberProjectsByOrigin, Name: byOrigin, Unique: true, Keys: func(r *pb.KeyProjectRow) []key.Key {
				return []key.Key{idKey(r.GetKeyProject().GetApplicationId())}
			}},
			{Number: numberProjectsByCall, Name: byCall, Keys: func(r *pb.KeyProjectRow) []key.Key {
				return []key.Key{numberKey(r.GetKeyProject().GetCallId(), r.GetKeyProject().GetNumber())}
			}},
			{Number: numberProjectsByWatch, Name: byWatch, Keys: func(r *pb.KeyProjectRow) []key.Key {
				if keyproject.Decided(keyproject.State(r.GetKeyProject().GetState())) {
					return nil
				}
				return []key.Key{idKey(r.GetLookedOn())}
			}},
		},
	})
}

// readingTable: the newest reading of an indicator is the last of its range.
func readingTable() *table.Table[*pb.ReadingRow] {
	return table.New(table.Spec[*pb.ReadingRow]{
		Number: numberReadings, Name: "reading", Paths: placed[*pb.ReadingRow],
		Key: func(r *pb.ReadingRow) key.Key {
			v := r.GetReading()
			return indicatorKey(v.GetProjectId(), v.GetIndicator()).String(v.GetAsOf()).String(v.GetId())
		},
		Indexes: []table.Index[*pb.ReadingRow]{
			{Number: numberReadingsByID, Name: byID, Unique: true, Keys: func(r *pb.ReadingRow) []key.Key {
				return []key.Key{idKey(r.GetReading().GetProjectId()).String(r.GetReading().GetId())}
			}},
		},
	})
}

// acceptanceTable: a look is its panel's too.
func acceptanceTable() *table.Table[*pb.AcceptanceRow] {
	return table.New(table.Spec[*pb.AcceptanceRow]{
		Number: numberAcceptances, Name: "acceptance", Paths: placed[*pb.AcceptanceRow],
		Key: func(r *pb.AcceptanceRow) key.Key {
			return lookKey(r.GetAcceptance().GetProjectId(), r.GetAcceptance().GetLook())
		},
		Owners: func(r *pb.AcceptanceRow) []string { return persons(r.GetAcceptance().GetPanel()) },
	})
}

// modelTable: pages that are shown are in the order of their year; those that
// are to show their indicators again wait for the day.
func modelTable() *table.Table[*pb.ModelRow] {
	shown := func(r *pb.ModelRow) bool { return keyproject.Shown(keyproject.ModelState(r.GetModel().GetState())) }
	return table.New(table.Spec[*pb.ModelRow]{
		Number: numberModels, Name: "model",
		Key: func(r *pb.ModelRow) key.Key { return idKey(r.GetModel().GetProjectId()) },
		Indexes: []table.Index[*pb.ModelRow]{
			{Number: numberModelsByYear, Name: byYear, Keys: func(r *pb.ModelRow) []key.Key {
				if !shown(r) {
					return nil
				}
				return []key.Key{key.Key(nil).Uint(uint64(r.GetModel().GetYear())).String(r.GetModel().GetNumber())}
			}},
			{Number: numberModelsByAsk, Name: byAsk, Keys: func(r *pb.ModelRow) []key.Key {
				if !shown(r) || r.GetAskOn() == "" {
					return nil
				}
				return []key.Key{idKey(r.GetAskOn())}
			}},
		},
	})
}

func indicatorKey(projectID string, indicator int32) key.Key {
	return idKey(projectID).Uint(uint64(indicator))
}

func lookKey(projectID string, look int32) key.Key { return idKey(projectID).Uint(uint64(look)) }

// figureKey is the range of what a query counted in a period; a path, or the
// beginning of one, follows.
func figureKey(query, period string) key.Key { return idKey(query).String(period) }
