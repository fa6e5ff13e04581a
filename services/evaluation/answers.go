package evaluation

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/policy"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/composite"
	"github.com/linli-project/linli/services/evaluation/internal/survey"
)

// surveyCodeHash is all that is kept of a code.
func (s *Service) surveyCodeHash(id, code string) []byte {
	return s.store.Keyring().Digest("survey code", id, survey.Plain(code))
}

// answerBox seals the answer given with a code under a key that comes of the
// keyring and of the code: who holds the whole store and its keys, and no slip,
// opens none.
func (s *Service) answerBox(id, code string) *seal.Box {
	return s.store.Keyring().Box("survey answer " + id + " " + survey.Plain(code))
}

// openForm reads the survey and the code of somebody who comes to answer.
// Whatever is wrong is the same to who has no right code.
func (s surveys) openForm(r kv.Reader, id string, hash []byte) (v table.Row[*pb.SurveyRow], code table.Row[*pb.SurveyCodeRow], err error) {
	unknown := rule.New(rule.NotFound, "UNKNOWN_CODE", "code")
	v, ok, err := s.surveyTables.surveys.Get(r, scope.All(), surveyKey(id))
	if err != nil {
		return v, code, err
	}
	if !ok {
		return v, code, unknown
	}
	if _, err := s.surveyWay.Next(survey.State(v.Value.GetSurvey().GetState()), survey.Reply); err != nil {
		return v, code, unknown
	}
	code, ok, err = s.surveyTables.codes.Get(r, scope.All(), surveyCodeKey(id, hash))
	if err == nil && (!ok || code.Value.GetIssue() != v.Value.GetIssue()) {
		err = unknown
	}
	return v, code, err
}

// GetSurveyForm answers the empty form.
func (s surveys) GetSurveyForm(ctx context.Context, req *pb.GetSurveyFormRequest) (*pb.GetSurveyFormResponse, error) {
	hash := s.surveyCodeHash(req.GetId(), req.GetCode())
	reply := &pb.GetSurveyFormResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, _, err := s.openForm(r, req.GetId(), hash)
		if err != nil {
			return err
		}
		v := row.Value.GetSurvey()
		reply.CommunityId, reply.Year = v.GetCommunityId(), v.GetYear()
		for i, m := range v.GetMemberIds() {
			label, err := s.store.Keyring().Open(row.Value.GetLabels()[i], "survey", v.GetId(), m)
			if err != nil {
				return fmt.Errorf("%w: label of a form: %w", kv.ErrCorrupt, err)
			}
			reply.Lines = append(reply.Lines, &pb.SurveyLine{MemberId: m, Label: string(label)})
		}
		return nil
	})
	return reply, err
}

// AnswerSurvey keeps a household's answer, sealed, and brings the sums up to
// it. Nothing that it writes says who, what or when.
func (s surveys) AnswerSurvey(ctx context.Context, req *pb.AnswerSurveyRequest) (*pb.AnswerSurveyResponse, error) {
	hash, box := s.surveyCodeHash(req.GetId(), req.GetCode()), s.answerBox(req.GetId(), req.GetCode())
	answer := survey.Answer{Service: survey.Mark(req.GetService())}
	for _, m := range req.GetMembers() {
		answer.Members = append(answer.Members, survey.Given{Member: m.GetMemberId(), Mark: survey.Mark(m.GetMark())})
	}
	sealed := box.Seal(answer.Pack(), req.GetId())
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		row, code, err := s.openForm(tx, req.GetId(), hash)
		if err != nil {
			return err
		}
		members := row.Value.GetSurvey().GetMemberIds()
		if err := answer.Check(members); err != nil {
			return err
		}
		kept, err := s.surveySums(tx, req.GetId())
		if err != nil {
			return err
		}
		sums := sumsOf(kept.Value)
		if before := code.Value.GetAnswer(); before != nil {
			packed, err := box.Open(before, req.GetId())
			if err != nil {
				return fmt.Errorf("%w: answer of a survey: %w", kv.ErrCorrupt, err)
			}
			old, ok := survey.Unpack(packed, members)
			if !ok {
				return fmt.Errorf("%w: answer of a survey", kv.ErrCorrupt)
			}
			sums.Remove(old, members)
		}
		sums.Add(answer, members)
		next := proto.CloneOf(code.Value)
		next.Answer = sealed
		if _, err := s.surveyTables.codes.Replace(tx, code, next); err != nil {
			return err
		}
		_, err = s.surveyTables.sums.Replace(tx, kept, sumsRow(req.GetId(), sums))
		return err
	})
	if err != nil {
		return nil, err
	}
	return &pb.AnswerSurveyResponse{}, nil
}

// GetSurveyResults answers what a counted survey says.
func (s surveys) GetSurveyResults(ctx context.Context, req *pb.GetSurveyResultsRequest) (*pb.GetSurveyResultsResponse, error) {
	reply := &pb.GetSurveyResultsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.survey(r, access.From(ctx).Scope, req.GetId())
		if err != nil {
			return err
		}
		v := row.Value.GetSurvey()
		if _, err := s.surveyWay.Next(survey.State(v.GetState()), survey.Read); err != nil {
			return err
		}
		kept, err := s.surveySums(r, req.GetId())
		if err != nil {
			return err
		}
		says, err := s.policies.For(r, scope.Path(row.Value.GetCommunityPath()), int(v.GetYear()))
		if err != nil {
			return err
		}
		sums := sumsOf(kept.Value)
		if err := survey.MayShow(sums.Answers, int32(says.Int("evaluation.survey_least_answers"))); err != nil {
			return err
		}
		reply.HandedOut, reply.Answers = v.GetHandedOut(), sums.Answers
		reply.Service = surveyResult("", sums.Service, says)
		for i, m := range v.GetMemberIds() {
			reply.Members = append(reply.Members, surveyResult(m, sums.Members[i], says))
		}
		return nil
	})
	return reply, err
}

// satisfaction is satisfied ÷ answers × 100; nil when there are too few.
func satisfaction(t survey.Tally, says policy.Policy) *big.Rat {
	satisfied := t.Satisfied(says.On("evaluation.survey_basically_counts"))
	return composite.Satisfaction(int64(satisfied), int64(t.Said()), int64(says.Int("evaluation.survey_least_answers")))
}

// surveyResult leaves out what fewer than the least say.
func surveyResult(member string, t survey.Tally, says policy.Policy) *pb.SurveyResult {
	score := satisfaction(t, says)
	if score == nil {
		return &pb.SurveyResult{MemberId: member, Withheld: true}
	}
	return &pb.SurveyResult{
		MemberId: member, Satisfied: t[survey.Satisfied], BasicallySatisfied: t[survey.BasicallySatisfied], NotSatisfied: t[survey.NotSatisfied],
		Satisfaction: composite.Text(score), SatisfactionExact: composite.Fraction(score),
	}
}

func sumsOf(row *pb.SurveySumRow) survey.Sums {
	tally := func(m *pb.SurveyMarksRow) survey.Tally {
		return survey.Tally{m.GetBlank(), m.GetSatisfied(), m.GetBasicallySatisfied(), m.GetNotSatisfied()}
	}
	out := survey.Sums{Answers: row.GetAnswers(), Service: tally(row.GetService())}
	for _, m := range row.GetMembers() {
		out.Members = append(out.Members, tally(m))
	}
	return out
}

func sumsRow(id string, s survey.Sums) *pb.SurveySumRow {
	marks := func(t survey.Tally) *pb.SurveyMarksRow {
		return &pb.SurveyMarksRow{
			Satisfied: t[survey.Satisfied], BasicallySatisfied: t[survey.BasicallySatisfied],
			NotSatisfied: t[survey.NotSatisfied], Blank: t[survey.None],
		}
	}
	row := &pb.SurveySumRow{SurveyId: id, Answers: s.Answers, Service: marks(s.Service)}
	for _, t := range s.Members {
		row.Members = append(row.Members, marks(t))
	}
	return row
}

const (
	// eraseTick is how often ended surveys are looked for, besides being told.
	eraseTick = time.Minute
	// sliceCodes keeps a slice of erasing inside the limits of a commit.
	sliceCodes = 400
	// surveysAtOnce bounds one look for ended surveys.
	surveysAtOnce = 50
)

func (s *Service) wakeErasing() {
	select {
	case s.wakeErase <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// eraseAnswers erases what households said in surveys that have ended, until
// the context ends: the sums are all that is needed of it.
func (s surveys) eraseAnswers(ctx context.Context) error {
	tick := time.NewTicker(eraseTick)
	defer tick.Stop()
	for {
		more, err := s.eraseSlice(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.log.Error("erase answers of a survey", "error", err)
		}
		if more && err == nil {
			continue
		}
		select {
		case <-s.wakeErase:
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// eraseSlice erases some rows of each ended survey; more when any was left.
func (s surveys) eraseSlice(ctx context.Context) (more bool, err error) {
	var ended []string
	err = s.store.View(ctx, func(r kv.Reader) error {
		page, err := s.surveyTables.surveys.List(r, scope.All(), table.Query{Index: byErasing, Limit: surveysAtOnce})
		for _, row := range page.Rows {
			ended = append(ended, row.Value.GetSurvey().GetId())
		}
		return err
	})
	if err != nil {
		return false, err
	}
	for _, id := range ended {
		if err := s.store.Update(ctx, func(tx *store.Tx) error { return s.eraseSome(tx, id) }); err != nil {
			return false, err
		}
	}
	return len(ended) > 0, nil
}

func (s surveys) eraseSome(tx *store.Tx, id string) error {
	page, err := s.surveyTables.codes.List(tx, scope.All(), table.Query{Prefix: surveyKey(id), Limit: sliceCodes})
	if err != nil {
		return err
	}
	for _, row := range page.Rows {
		if err := s.surveyTables.codes.Delete(tx, row); err != nil {
			return err
		}
	}
	if page.Last != nil {
		return nil
	}
	row, err := s.survey(tx, scope.All(), id)
	if err != nil {
		return err
	}
	next := proto.CloneOf(row.Value)
	next.Erasing = false
	_, err = s.surveyTables.surveys.Replace(tx, row, next)
	return err
}
