package evaluation

import (
	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// The persistent layout of surveys, exemptions, and what a cycle was summed by.
// Numbers are never reused.
const (
	tableSurveys            = store.FirstServiceTable + 120 + iota // id
	indexSurveyKeeper                                              // community path, year, id
	indexSurveyYear                                                // community path, year: unique, without those annulled
	indexSurveyErasing                                             // id, while answers are to be erased
	tableSurveyCodes                                               // survey, keyed hash
	tableSurveySums                                                // survey
	tableExemptions                                                // member, year
	indexExemptionCommunity                                        // community path, year, member
	tableQuotes                                                    // cycle, hash of what the policy says
)

const byErasing = "erasing"

type surveyTables struct {
	surveys    *table.Table[*pb.SurveyRow]
	codes      *table.Table[*pb.SurveyCodeRow]
	sums       *table.Table[*pb.SurveySumRow]
	exemptions *table.Table[*pb.ExemptionRow]
	quotes     *table.Table[*pb.QuotesRow]
}

func (t surveyTables) all() []table.Checker {
	return []table.Checker{t.surveys, t.codes, t.sums, t.exemptions, t.quotes}
}

// newSurveyTables: codes and sums have no paths, nobody is shown them.
func newSurveyTables() surveyTables {
	return surveyTables{
		surveys: surveyTable(),
		codes: table.New(table.Spec[*pb.SurveyCodeRow]{
			Number: tableSurveyCodes, Name: "survey_code",
			Sealed: surveyCodeSealed,
			Key:    func(r *pb.SurveyCodeRow) key.Key { return surveyCodeKey(r.GetSurveyId(), r.GetHash()) },
		}),
		sums: table.New(table.Spec[*pb.SurveySumRow]{
			Number: tableSurveySums, Name: "survey_sum",
			Key: func(r *pb.SurveySumRow) key.Key { return surveyKey(r.GetSurveyId()) },
		}),
		exemptions: table.New(table.Spec[*pb.ExemptionRow]{
			Number: tableExemptions, Name: "exemption",
			Key:    func(r *pb.ExemptionRow) key.Key { return exemptionKey(r.GetMemberId(), r.GetYear()) },
			Paths:  func(r *pb.ExemptionRow) []scope.Path { return []scope.Path{scope.Path(r.GetCommunityPath())} },
			Owners: func(r *pb.ExemptionRow) []string { return []string{r.GetMemberId()} },
			Indexes: []table.Index[*pb.ExemptionRow]{
				{Number: indexExemptionCommunity, Name: byCommunity, Keys: func(r *pb.ExemptionRow) []key.Key {
					return []key.Key{placeYearKey(r.GetCommunityPath(), r.GetYear()).String(r.GetMemberId())}
				}},
			},
		}),
		quotes: table.New(table.Spec[*pb.QuotesRow]{
			Number: tableQuotes, Name: "policy_quotes",
			Key: func(r *pb.QuotesRow) key.Key { return quotesKey(r.GetCycleId(), r.GetId()) },
		}),
	}
}

func surveyTable() *table.Table[*pb.SurveyRow] {
	return table.New(table.Spec[*pb.SurveyRow]{
		Number: tableSurveys, Name: "survey",
		Sealed: surveySealed,
		Key:    func(r *pb.SurveyRow) key.Key { return surveyKey(r.GetSurvey().GetId()) },
		Paths:  func(r *pb.SurveyRow) []scope.Path { return []scope.Path{scope.Path(r.GetCommunityPath())} },
		Indexes: []table.Index[*pb.SurveyRow]{
			{Number: indexSurveyKeeper, Name: byKeeper, Keys: func(r *pb.SurveyRow) []key.Key {
				return []key.Key{placeYearKey(r.GetCommunityPath(), r.GetSurvey().GetYear()).String(r.GetSurvey().GetId())}
			}},
			{Number: indexSurveyYear, Name: byYear, Unique: true, Keys: func(r *pb.SurveyRow) []key.Key {
				if r.GetSurvey().GetState() == pb.SurveyState_SURVEY_STATE_ANNULLED {
					return nil
				}
				return []key.Key{placeYearKey(r.GetCommunityPath(), r.GetSurvey().GetYear())}
			}},
			{Number: indexSurveyErasing, Name: byErasing, Keys: func(r *pb.SurveyRow) []key.Key {
				if !r.GetErasing() {
					return nil
				}
				return []key.Key{surveyKey(r.GetSurvey().GetId())}
			}},
		},
	})
}

func surveyKey(id string) key.Key { return key.Key(nil).String(id) }

func surveyCodeKey(id string, hash []byte) key.Key { return surveyKey(id).String(string(hash)) }

func placeYearKey(path string, year int32) key.Key {
	return key.Key(nil).String(path).Uint(uint64(year))
}

func exemptionKey(member string, year int32) key.Key {
	return key.Key(nil).String(member).Uint(uint64(year))
}

func quotesKey(cycle, id string) key.Key { return cycleKey(cycle).String(id) }
