package evaluation

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/policy"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/evaluation/internal/composite"
	"github.com/linli-project/linli/services/evaluation/internal/ledger"
	"github.com/linli-project/linli/services/evaluation/internal/sheet"
)

// measure is the policy as members are measured by it, read once for many. It
// belongs to one goroutine.
type measure struct {
	policy    policy.Policy
	quotes    *pb.QuotesRow // what the policy says, with the id of that
	weights   composite.Weights
	byTimes   bool
	fullMarks *big.Rat // hours, or times
	lines     sheet.Lines
	known     map[plainFacts]figures
}

// newMeasure answers how members of a cycle are measured by a policy.
func newMeasure(cycleID string, p policy.Policy) (measure, error) {
	m := measure{
		policy: p, byTimes: p.On("evaluation.ledger_by_times"), fullMarks: p.Rat("evaluation.full_marks_hours"),
		weights: composite.Weights{
			Appraisal: p.Rat("evaluation.weight.appraisal"), Ledger: p.Rat("evaluation.weight.ledger"),
			Satisfaction: p.Rat("evaluation.weight.satisfaction"),
		},
		lines: sheet.Lines{Good: p.Rat("evaluation.opinion.good"), FairlyGood: p.Rat("evaluation.opinion.fairly_good")},
		known: map[plainFacts]figures{},
	}
	if m.byTimes {
		m.fullMarks = p.Rat("evaluation.full_marks_times")
	}
	var err error
	m.quotes, err = quotesOf(cycleID, p)
	return m, err
}

// figures are what a member's year comes to.
type figures struct {
	sum       ledger.Sum
	proposed  pb.Opinion
	composite *pb.CompositeRow // shared by members with the same facts
}

// plainFacts are all that the figures of a member rest on of whom neither poll
// nor survey says anything: many members have the same.
type plainFacts struct {
	sum                        ledger.Sum
	exempt, community          bool
	poll, survey               string
	pollMissing, surveyMissing pb.InputMissing
}

// figures measures a member's year.
func (m measure) figures(row *pb.ResultRow, f yearFacts) figures {
	unsaid := pb.InputMissing_INPUT_MISSING_UNSPECIFIED
	plain := plainFacts{
		sum: f.sum, exempt: f.exempt, community: row.GetCommunityPath() != "",
		poll: f.poll.id, survey: f.survey.id, pollMissing: f.poll.missing, surveyMissing: f.survey.missing,
	}
	asked := f.poll.missing == unsaid || f.survey.missing == unsaid
	if known, ok := m.known[plain]; ok && !asked {
		return known
	}
	made, result := m.compositeRow(row, f)
	out := figures{sum: f.sum, composite: made, proposed: pb.Opinion(sheet.Propose(sheet.Year{
		HasCommunity: plain.community, Exempt: f.exempt, Composite: result.Rounded,
		Served: f.sum.Times > 0 || f.sum.Cases > 0 || f.sum.QuarterHours > 0,
	}, m.lines))}
	if !asked {
		m.known[plain] = out
	}
	return out
}

// summed answers a result with the figures of its year.
func (m measure) summed(row *pb.ResultRow, f yearFacts) *pb.ResultRow {
	next, made := proto.CloneOf(row), m.figures(row, f)
	next.Times, next.Cases, next.QuarterHours = made.sum.Times, made.sum.Cases, made.sum.QuarterHours
	next.Composite, next.Proposed = made.composite, made.proposed
	return next
}

// compositeRow makes the composite of a member's year.
func (m measure) compositeRow(row *pb.ResultRow, f yearFacts) (*pb.CompositeRow, composite.Result) {
	out := &pb.CompositeRow{
		Appraisal: &pb.InputRow{RecordId: f.poll.id, Missing: f.poll.missing}, Ledger: &pb.InputRow{},
		Satisfaction:  &pb.InputRow{RecordId: f.survey.id, Missing: f.survey.missing},
		PolicyVersion: m.policy.Version, LedgerByTimes: m.byTimes, QuotesId: m.quotes.GetId(),
	}
	var in composite.Inputs
	if f.poll.missing == pb.InputMissing_INPUT_MISSING_UNSPECIFIED {
		if in.Appraisal = appraisal(f.poll.tally, m.policy); in.Appraisal == nil {
			out.Appraisal.Missing = pb.InputMissing_INPUT_MISSING_TOO_FEW_MARKS
		} else {
			out.Poll = pollResult(row.GetMemberId(), f.poll.tally, m.policy)
		}
	}
	if in.Ledger = m.ledgerInput(f); in.Ledger == nil {
		out.Ledger.Missing = pb.InputMissing_INPUT_MISSING_EXEMPT
	}
	if f.survey.missing == pb.InputMissing_INPUT_MISSING_UNSPECIFIED {
		if in.Satisfaction = satisfaction(f.survey.tally, m.policy); in.Satisfaction == nil {
			out.Satisfaction.Missing = pb.InputMissing_INPUT_MISSING_TOO_FEW_ANSWERS
		} else {
			out.Survey = surveyResult(row.GetMemberId(), f.survey.tally, m.policy)
		}
	}
	result := composite.Of(in, m.weights)
	out.Appraisal.Exact, out.Appraisal.Share = composite.Fraction(in.Appraisal), composite.Fraction(result.Weights.Appraisal)
	out.Ledger.Exact, out.Ledger.Share = composite.Fraction(in.Ledger), composite.Fraction(result.Weights.Ledger)
	out.Satisfaction.Exact, out.Satisfaction.Share = composite.Fraction(in.Satisfaction), composite.Fraction(result.Weights.Satisfaction)
	out.Exact, out.Respread, out.Alone = composite.Fraction(result.Exact), result.Respread, result.Alone
	return out, result
}

// ledgerInput is what the year's confirmed services make, by hours or by times;
// nil for who is exempt.
func (m measure) ledgerInput(f yearFacts) *big.Rat {
	done := big.NewRat(int64(f.sum.QuarterHours), 4)
	if m.byTimes {
		done = big.NewRat(int64(f.sum.Times), 1)
	}
	return composite.Ledger(done, m.fullMarks, f.exempt)
}

// quoted are the values of the policy that a result rests on.
func quoted() []string {
	return []string{
		"evaluation.weight.appraisal", "evaluation.weight.ledger", "evaluation.weight.satisfaction",
		"evaluation.mark.good", "evaluation.mark.fairly_good", "evaluation.mark.fair", "evaluation.mark.poor",
		"evaluation.poll_least_ballots", "evaluation.ledger_by_times", "evaluation.full_marks_hours", "evaluation.full_marks_times",
		"evaluation.survey_least_answers", "evaluation.survey_basically_counts",
		"evaluation.opinion.good", "evaluation.opinion.fairly_good",
	}
}

// quotesOf is what the policy says, under the id that follows from that.
func quotesOf(cycleID string, p policy.Policy) (*pb.QuotesRow, error) {
	row := &pb.QuotesRow{CycleId: cycleID}
	for _, name := range quoted() {
		source, _ := p.SourceOf(name)
		row.Quotes = append(row.Quotes, &pb.PolicyQuote{
			Key: name, Value: p.Text(name), SourceTitle: source.Title, SourceNumber: source.Number, SourceArticle: source.Article,
		})
	}
	said, err := proto.MarshalOptions{Deterministic: true}.Marshal(row)
	if err != nil {
		return nil, fmt.Errorf("quote the policy: %w", err)
	}
	sum := sha256.Sum256(said)
	row.Id = hex.EncodeToString(sum[:8])
	return row, nil
}

// keepQuotes keeps what the policy says beside a cycle, once.
func (s *Service) keepQuotes(tx *store.Tx, row *pb.QuotesRow) error {
	_, ok, err := s.surveyTables.quotes.Get(tx, scope.All(), quotesKey(row.GetCycleId(), row.GetId()))
	if err == nil && !ok {
		_, err = s.surveyTables.quotes.Insert(tx, row)
	}
	return err
}

// compositeProto is a composite as it is shown, with what the policy said then.
func (s *Service) compositeProto(r kv.Reader, row *pb.ResultRow) (*pb.Composite, error) {
	kept := row.GetComposite()
	if kept == nil {
		return nil, nil //nolint:nilnil // summed before there were composites
	}
	quotes, _, err := s.surveyTables.quotes.Get(r, scope.All(), quotesKey(row.GetCycleId(), kept.GetQuotesId()))
	if err != nil {
		return nil, err
	}
	said := map[string]string{}
	for _, q := range quotes.Value.GetQuotes() {
		said[q.GetKey()] = q.GetValue()
	}
	out := &pb.Composite{
		Appraisal: inputProto(kept.GetAppraisal(), said["evaluation.weight.appraisal"]),
		Ledger:    inputProto(kept.GetLedger(), said["evaluation.weight.ledger"]), Satisfaction: inputProto(kept.GetSatisfaction(), said["evaluation.weight.satisfaction"]),
		Value: shownExact(kept.GetExact()), Respread: kept.GetRespread(), Alone: kept.GetAlone(),
		Poll: kept.GetPoll(), Survey: kept.GetSurvey(), LedgerByTimes: kept.GetLedgerByTimes(),
		PolicyVersion: kept.GetPolicyVersion(), Policy: quotes.Value.GetQuotes(),
	}
	out.Numerator, out.Denominator, _ = strings.Cut(kept.GetExact(), "/")
	return proto.CloneOf(out), nil
}

func inputProto(row *pb.InputRow, weight string) *pb.SheetInput {
	out := &pb.SheetInput{
		Value: shownExact(row.GetExact()), Weight: weight, Missing: row.GetMissing(), RecordId: row.GetRecordId(),
	}
	out.Numerator, out.Denominator, _ = strings.Cut(row.GetExact(), "/")
	if share, ok := new(big.Rat).SetString(row.GetShare()); ok {
		out.Counted = composite.Text(share.Mul(share, big.NewRat(100, 1)))
	}
	return out
}

// shownExact rounds an exact fraction; empty for none.
func shownExact(exact string) string {
	r, ok := new(big.Rat).SetString(exact)
	if !ok {
		return ""
	}
	return composite.Text(r)
}
