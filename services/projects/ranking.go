package projects

import (
	"context"
	"math"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/pkg/texts"
	"github.com/linli-project/linli/services/projects/internal/application"
	"github.com/linli-project/linli/services/projects/internal/call"
	"github.com/linli-project/linli/services/projects/internal/review"
	"github.com/linli-project/linli/services/projects/selection"
)

// DecideCall stores the ranking by the call's aggregation, cuts it at the
// quota, and keeps beside it what the committee decided otherwise. The sheets
// are counted on a snapshot of their own, since there can be more of them than
// one commit checks: they are never changed, when none was missing then, none
// can come in later, and what else could change the count writes an application
// that was read here before.
func (s *Service) DecideCall(ctx context.Context, req *pb.DecideCallRequest) (*pb.DecideCallResponse, error) {
	c, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.DecideCallResponse, error) {
		row, err := s.call(tx, sight(c), req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		if _, err := call.Next(call.State(row.Value.GetCall().GetState()), call.Decide, windowOf(row.Value.GetCall()), now); err != nil {
			return nil, err
		}
		rows, err := s.applicationsIn(tx, req.GetId(), application.UnderReview)
		if err != nil {
			return nil, err
		}
		counted, err := s.count(ctx, req.GetId())
		if err != nil {
			return nil, err
		}
		if err := counted.checkComplete(rows); err != nil {
			return nil, err
		}
		file, err := counted.decide(row.Value, req.GetDeviations())
		if err != nil {
			return nil, err
		}
		why, err := counted.overBudget(row.Value.GetCall(), file, req.GetOverBudgetReason())
		if err != nil {
			return nil, err
		}
		if err := s.keepDecision(tx, row.Value, counted, file, rows, now); err != nil {
			return nil, err
		}
		if row, err = s.closeCall(tx, row, file, why, now); err != nil {
			return nil, err
		}
		ranking, err := counted.ranking(row.Value, row.Value.GetCall().GetAggregation(), c.Language)
		return &pb.DecideCallResponse{Ranking: ranking}, err
	})
}

// overBudget answers why more is selected than the budget of a call bears; ""
// where it does bear it.
func (t tally) overBudget(c *pb.Call, file selection.File, reason string) (string, error) {
	var sum int64
	for _, d := range file.Decision {
		if d.Outcome == selection.OutcomeName(review.Selected) {
			sum += t.rows[d.Number].Value.GetApplication().GetBudgetYuan()
		}
	}
	if application.CheckBudget(sum, c.GetBudgetYuan(), "") == nil {
		return "", nil
	}
	return reason, application.CheckBudget(sum, c.GetBudgetYuan(), reason)
}

// closeCall marks a call as decided, with the hash of what was decided on, and
// why its budget does not bear it.
func (s *Service) closeCall(tx *store.Tx, row table.Row[*pb.CallRow], file selection.File, overBudget string, now time.Time) (table.Row[*pb.CallRow], error) {
	next := proto.CloneOf(row.Value)
	next.Call.OverBudgetReason = overBudget
	var err error
	if next.Call.SelectionHash, err = hashOf(file); err != nil {
		return row, err
	}
	row.Value = next
	return s.moveCall(tx, row, call.Decide, now)
}

// count counts the sheets of a call on a snapshot of its own. It answers an
// empty tally for a call that is not there.
func (s *Service) count(ctx context.Context, callID string) (counted tally, err error) {
	err = s.store.View(ctx, func(r kv.Reader) error {
		row, ok, err := s.tables.calls.Get(r, scope.All(), idKey(callID))
		if err != nil || !ok {
			return err
		}
		counted, err = s.countIn(r, row.Value)
		return err
	})
	return counted, err
}

// decide answers the selection file: the ranking with what the committee
// decided beside it.
func (t tally) decide(c *pb.CallRow, deviations []*pb.Deviation) (selection.File, error) {
	file := selection.File{Format: selection.Format, Call: t.call, Sheets: t.sheets}
	var err error
	if file.Ranking, file.Proof, err = selection.Count(t.call, t.sheets); err != nil {
		return file, err
	}
	otherwise, err := t.otherwise(file.Ranking, deviations)
	if err != nil {
		return file, err
	}
	chosen := 0
	for _, r := range file.Ranking {
		d := selection.Decided{Number: r.Number, Outcome: r.Outcome}
		if o, ok := otherwise[r.Number]; ok {
			d = o
		}
		if d.Outcome == selection.OutcomeName(review.Selected) {
			chosen++
		}
		file.Decision = append(file.Decision, d)
	}
	if quota := int(c.GetCall().GetQuota()); chosen > quota {
		return file, rule.New(rule.Precondition, "QUOTA_EXCEEDED", "deviations",
			"selected", strconv.Itoa(chosen), "quota", strconv.Itoa(quota))
	}
	return file, nil
}

// otherwise answers deviations by number: of applications that are decided
// here, each once, and each otherwise than the ranking.
func (t tally) otherwise(ranking []selection.Ranked, deviations []*pb.Deviation) (map[string]selection.Decided, error) {
	ranked := map[string]selection.Ranked{}
	for _, r := range ranking {
		ranked[t.rows[r.Number].Value.GetApplication().GetId()] = r
	}
	out := map[string]selection.Decided{}
	for i, d := range deviations {
		field := "deviations[" + strconv.Itoa(i) + "]."
		r, known := ranked[d.GetApplicationId()]
		outcome := selection.OutcomeName(outcomeOf(d.GetOutcome()))
		switch _, twice := out[r.Number]; {
		case !known:
			return nil, rule.New(rule.NotFound, "NOT_FOUND", field+"application_id", "entity", "application", "id", d.GetApplicationId())
		case twice:
			return nil, rule.New(rule.Invalid, "INVALID_FIELD", field+"application_id", "field", field+"application_id", "rule", "each application once")
		case outcome == r.Outcome:
			return nil, rule.New(rule.Invalid, "INVALID_FIELD", field+"outcome", "field", field+"outcome", "rule", "otherwise than the ranking")
		}
		out[r.Number] = selection.Decided{Number: r.Number, Outcome: outcome, Reason: d.GetReason()}
	}
	return out, nil
}

// keepDecision stores the place of each application, announces it, and keeps
// what the selection file is made of. Every applicant is owed a letter.
func (s *Service) keepDecision(tx *store.Tx, called *pb.CallRow, counted tally, file selection.File, rows []table.Row[*pb.ApplicationRow], now time.Time) error {
	ranked, decided := map[string]selection.Ranked{}, map[string]selection.Decided{}
	kept := &pb.DecisionRow{CallId: called.GetCall().GetId(), DistrictPath: called.GetDistrictPath(), SetAside: counted.setAside}
	for i, r := range file.Ranking {
		d := file.Decision[i]
		ranked[r.Number], decided[r.Number] = r, d
		kept.Applications = append(kept.Applications, &pb.DecidedApplication{
			Number: d.Number, Outcome: stateOf(d.Outcome), Reason: d.Reason,
		})
	}
	if _, err := s.tables.decisions.Insert(tx, kept); err != nil {
		return err
	}
	for _, row := range rows {
		r, d := ranked[row.Value.GetApplication().GetNumber()], decided[row.Value.GetApplication().GetNumber()]
		score, err := r.Hundredths()
		if err != nil {
			return err
		}
		next := proto.CloneOf(row.Value)
		next.Application.Rank, next.Application.ScoreHundredths = int32(r.Rank), score
		next.Application.RankedOutcome, next.Application.DeviationReason = stateOf(r.Outcome), d.Reason
		owe(next, stateOf(d.Outcome), d.Reason, now)
		moved, err := s.moveApplication(tx, row, next, outcomeCommand(outcomeOf(stateOf(d.Outcome))))
		if err != nil {
			return err
		}
		if err := tx.Emit(applicationChanged(moved, now)); err != nil {
			return err
		}
	}
	return s.oweIneligible(tx, called.GetCall().GetId(), now)
}

// RankApplications computes a ranking without storing it.
func (s *Service) RankApplications(ctx context.Context, req *pb.RankApplicationsRequest) (*pb.RankApplicationsResponse, error) {
	c := access.From(ctx)
	var out pb.RankApplicationsResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.call(r, sight(c), req.GetCallId(), "")
		if err != nil {
			return err
		}
		if err := call.CheckRankable(call.State(row.Value.GetCall().GetState())); err != nil {
			return err
		}
		counted, err := s.countIn(r, row.Value)
		if err != nil {
			return err
		}
		if err := counted.panel.CheckOwn(c.Person, counted.applications); err != nil {
			return err
		}
		method := req.GetAggregation()
		if method == pb.Aggregation_AGGREGATION_UNSPECIFIED {
			method = row.Value.GetCall().GetAggregation()
		}
		out.Ranking, err = counted.ranking(row.Value, method, c.Language)
		return err
	})
	return &out, err
}

// ranking answers the ranking by a method, with its proof and how far the
// reviewers agree, in the caller's language.
func (t tally) ranking(row *pb.CallRow, method pb.Aggregation, language string) (*pb.Ranking, error) {
	c := row.GetCall()
	out := &pb.Ranking{CallId: c.GetId(), Aggregation: method, Quota: c.GetQuota()}
	if call.State(c.GetState()) == call.Decided {
		out.DrawSeed = t.call.Seed
	}
	counting := t.call
	counting.Method = methodName(method)
	ranked, proof, err := selection.Count(counting, t.sheets)
	if err != nil {
		return nil, err
	}
	for _, r := range ranked {
		score, err := r.Hundredths()
		if err != nil {
			return nil, err
		}
		out.Applications = append(out.Applications, &pb.RankedApplication{
			ApplicationId: t.rows[r.Number].Value.GetApplication().GetId(), Number: r.Number, Rank: int32(r.Rank),
			ScoreHundredths: score, Sheets: int32(r.Sheets), Outcome: stateOf(r.Outcome), PartedBy: r.PartedBy,
		})
	}
	for _, m := range proof {
		by, err := selection.MethodOf(m.Method)
		if err != nil {
			return nil, err
		}
		out.Proof = append(out.Proof, &pb.CutMove{
			WithoutReviewer: m.WithoutReviewer, Aggregation: pb.Aggregation(by), MovesIn: m.In, MovesOut: m.Out, Refused: m.Refused,
		})
	}
	agreed, err := selection.Agree(counting, t.sheets)
	out.Agreement = agreementProto(agreed, language)
	return out, err
}

func agreementProto(a selection.Agreement, language string) *pb.Agreement {
	measure := func(m selection.Measure) *pb.Measure {
		out := &pb.Measure{Word: m.Word, Text: texts.Word(language, "agreement", m.Word)}
		if !math.IsNaN(m.Value) {
			out.Value = proto.Float64(m.Value)
		}
		return out
	}
	return &pb.Agreement{
		Alpha: measure(a.Alpha), IccSingle: measure(a.ICCSingle), IccAverage: measure(a.ICCAverage),
		KendallW: measure(a.KendallW), Compared: int32(a.Compared),
	}
}
