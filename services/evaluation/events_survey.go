package evaluation

import (
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/survey"
)

func surveyEventName(command string) string {
	return map[string]string{
		survey.Prepare: "survey.prepared", survey.IssueCode: "survey.issued", survey.Begin: "survey.opened",
		survey.Count: "survey.counted", survey.Annul: "survey.annulled",
	}[command]
}

// surveyEvent: linli.evaluation.survey.prepared.v1, .issued.v1, .opened.v1,
// .counted.v1 and .annulled.v1. How many have answered is given with the last
// but one only.
func surveyEvent(command string, row table.Row[*pb.SurveyRow], answers int32, now time.Time) store.Event {
	s := row.Value.GetSurvey()
	return store.Event{
		Name: surveyEventName(command), EntityID: s.GetId(), Revision: row.Revision,
		Data: &pb.SurveyChanged{
			Id: s.GetId(), Revision: row.Revision, CommunityPath: row.Value.GetCommunityPath(), Year: s.GetYear(), State: s.GetState(),
			Members: int32(len(s.GetMemberIds())), Households: s.GetHouseholds(), CodesIssued: s.GetCodesIssued(), Answers: answers,
			Day: clock.Day(now),
		},
	}
}
