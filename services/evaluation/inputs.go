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
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/composite"
	"github.com/linli-project/linli/services/evaluation/internal/cycle"
	"github.com/linli-project/linli/services/evaluation/internal/ledger"
	"github.com/linli-project/linli/services/evaluation/internal/poll"
	"github.com/linli-project/linli/services/evaluation/internal/sheet"
	"github.com/linli-project/linli/services/evaluation/internal/survey"
)

// yearFacts of a member,, as they stand on one snapshot.
type yearFacts struct {
	sum    ledger.Sum
	exempt bool
	poll   pollSays
	survey surveySays
}

// pollSays is what a community's poll says of a member, or why it says nothing.
type pollSays struct {
	id      string
	missing pb.InputMissing
	tally   *pb.TallyRow
}

// surveySays is what a community's survey says of a member, or why it says
// nothing.
type surveySays struct {
	id      string
	missing pb.InputMissing
	tally   survey.Tally
}

// reading gathers the facts of members of one year. What a community's polls
// and survey say is read once.
type reading struct {
	*Service
	r       kv.Reader
	year    int32
	polls   map[string]map[string]pollSays
	surveys map[string]surveyOf
}

// surveyOf is a community's survey with what it says of each member.
type surveyOf struct {
	surveySays
	members map[string]surveySays
}

func (s *Service) reading(r kv.Reader, year int32) reading {
	return reading{Service: s, r: r, year: year, polls: map[string]map[string]pollSays{}, surveys: map[string]surveyOf{}}
}

// of answers the facts of a member on the roster.
func (g reading) of(row *pb.ResultRow) (f yearFacts, err error) {
	if f.sum, err = g.sumMember(g.r, row.GetMemberId(), cycle.YearPrefix(g.year)); err != nil {
		return f, err
	}
	if _, f.exempt, err = g.surveyTables.exemptions.Get(g.r, scope.All(), exemptionKey(row.GetMemberId(), g.year)); err != nil {
		return f, err
	}
	if row.GetCommunityPath() == "" {
		f.poll.missing, f.survey.missing = pb.InputMissing_INPUT_MISSING_NO_COMMUNITY, pb.InputMissing_INPUT_MISSING_NO_COMMUNITY
		return f, nil
	}
	if f.poll, err = g.pollOf(row); err != nil {
		return f, err
	}
	f.survey, err = g.surveyOf(row)
	return f, err
}

// pollOf answers what the poll of the member's community and year says.
func (g reading) pollOf(row *pb.ResultRow) (pollSays, error) {
	says, known := g.polls[row.GetCommunityPath()]
	if !known {
		var err error
		if says, err = g.pollsOf(row.GetCommunityPath()); err != nil {
			return pollSays{}, err
		}
		g.polls[row.GetCommunityPath()] = says
	}
	if of, ok := says[row.GetMemberId()]; ok {
		return of, nil
	}
	return pollSays{missing: pb.InputMissing_INPUT_MISSING_NOT_POLLED}, nil
}

// pollsAtOnce bounds one read of a community's polls.
const pollsAtOnce = 50

// pollsOf answers what the polls of a community and year say, by member. One
// that was annulled says so only of members who were not polled anew.
func (g reading) pollsOf(community string) (map[string]pollSays, error) {
	out := map[string]pollSays{}
	q := table.Query{Index: byKeeper, Prefix: placeYearKey(community, g.year), Limit: pollsAtOnce}
	for {
		page, err := g.pollTables.polls.List(g.r, scope.All(), q)
		if err != nil {
			return nil, err
		}
		for _, row := range page.Rows {
			if row.Value.GetPoll().GetKind() != pb.PollKind_POLL_KIND_COMMUNITY {
				continue
			}
			if err := g.addPoll(out, row.Value.GetPoll()); err != nil {
				return nil, err
			}
		}
		if page.Last == nil {
			return out, nil
		}
		q.After = page.Last
	}
}

func (g reading) addPoll(out map[string]pollSays, p *pb.Poll) error {
	says := pollSays{id: p.GetId(), missing: pb.InputMissing_INPUT_MISSING_POLL_NOT_CLOSED}
	var tallies []*pb.TallyRow
	switch poll.State(p.GetState()) {
	case poll.Annulled:
		says.missing = pb.InputMissing_INPUT_MISSING_POLL_ANNULLED
	case poll.Closed:
		urn, err := g.urn(g.r, p.GetId())
		if err != nil {
			return err
		}
		says.missing, tallies = pb.InputMissing_INPUT_MISSING_UNSPECIFIED, urn.Value.GetTallies()
	default: // still going on
	}
	for i, m := range p.GetMemberIds() {
		if _, known := out[m]; known && says.missing == pb.InputMissing_INPUT_MISSING_POLL_ANNULLED {
			continue
		}
		of := says
		if tallies != nil {
			of.tally = tallies[i]
		}
		out[m] = of
	}
	return nil
}

// surveyOf answers what the survey of the member's community and year says.
func (g reading) surveyOf(row *pb.ResultRow) (surveySays, error) {
	of, known := g.surveys[row.GetCommunityPath()]
	if !known {
		var err error
		if of, err = g.readSurvey(row.GetCommunityPath()); err != nil {
			return surveySays{}, err
		}
		g.surveys[row.GetCommunityPath()] = of
	}
	if of.missing != pb.InputMissing_INPUT_MISSING_UNSPECIFIED {
		return of.surveySays, nil
	}
	if says, ok := of.members[row.GetMemberId()]; ok {
		return says, nil
	}
	return surveySays{id: of.id, missing: pb.InputMissing_INPUT_MISSING_NOT_ASKED}, nil
}

func (g reading) readSurvey(community string) (surveyOf, error) {
	row, ok, err := g.surveyTables.surveys.By(g.r, scope.All(), byYear, placeYearKey(community, g.year))
	if err != nil || !ok {
		return surveyOf{surveySays: surveySays{missing: pb.InputMissing_INPUT_MISSING_NO_SURVEY}}, err
	}
	v := row.Value.GetSurvey()
	if survey.State(v.GetState()) != survey.Counted {
		return surveyOf{surveySays: surveySays{id: v.GetId(), missing: pb.InputMissing_INPUT_MISSING_SURVEY_NOT_COUNTED}}, nil
	}
	kept, err := g.surveySums(g.r, v.GetId())
	if err != nil {
		return surveyOf{}, err
	}
	out := surveyOf{surveySays: surveySays{id: v.GetId()}, members: map[string]surveySays{}}
	sums := sumsOf(kept.Value)
	for i, m := range v.GetMemberIds() {
		out.members[m] = surveySays{id: v.GetId(), tally: sums.Members[i]}
	}
	return out, nil
}

// measure is the policy as members are measured by it, read once for many.
type measure struct {
	policy    policy.Policy
	quotesID  string
	weights   composite.Weights
	byTimes   bool
	fullMarks *big.Rat // hours, or times
	lines     sheet.Lines
}

// measure keeps what the policy says beside a cycle, and answers how its members
// are measured.
func (s *Service) measure(tx *store.Tx, cycleID string, p policy.Policy) (measure, error) {
	m := measure{
		policy: p, byTimes: p.On("evaluation.ledger_by_times"), fullMarks: p.Rat("evaluation.full_marks_hours"),
		weights: composite.Weights{
			Appraisal: p.Rat("evaluation.weight.appraisal"), Ledger: p.Rat("evaluation.weight.ledger"),
			Satisfaction: p.Rat("evaluation.weight.satisfaction"),
		},
		lines: sheet.Lines{Good: p.Rat("evaluation.opinion.good"), FairlyGood: p.Rat("evaluation.opinion.fairly_good")},
	}
	if m.byTimes {
		m.fullMarks = p.Rat("evaluation.full_marks_times")
	}
	var err error
	m.quotesID, err = s.keepQuotes(tx, cycleID, p)
	return m, err
}

// summed answers a result with the facts of its year, the composite they make,
// and what that proposes.
func (m measure) summed(row *pb.ResultRow, f yearFacts) *pb.ResultRow {
	next := proto.CloneOf(row)
	next.Times, next.Cases, next.QuarterHours = f.sum.Times, f.sum.Cases, f.sum.QuarterHours
	made, result := m.compositeRow(next, f)
	next.Composite = made
	next.Proposed = pb.Opinion(sheet.Propose(sheet.Year{
		HasCommunity: row.GetCommunityPath() != "", Exempt: f.exempt, Composite: result.Rounded,
		Served: f.sum.Times > 0 || f.sum.Cases > 0 || f.sum.QuarterHours > 0,
	}, m.lines))
	return next
}

// compositeRow makes the composite of a member's year.
func (m measure) compositeRow(row *pb.ResultRow, f yearFacts) (*pb.CompositeRow, composite.Result) {
	out := &pb.CompositeRow{
		Appraisal: &pb.InputRow{RecordId: f.poll.id, Missing: f.poll.missing}, Ledger: &pb.InputRow{},
		Satisfaction:  &pb.InputRow{RecordId: f.survey.id, Missing: f.survey.missing},
		PolicyVersion: m.policy.Version, LedgerByTimes: m.byTimes, QuotesId: m.quotesID,
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

// keepQuotes keeps what the policy says beside a cycle, once, and answers under
// which id.
func (s *Service) keepQuotes(tx *store.Tx, cycleID string, p policy.Policy) (string, error) {
	row := &pb.QuotesRow{CycleId: cycleID}
	for _, name := range quoted() {
		source, _ := p.SourceOf(name)
		row.Quotes = append(row.Quotes, &pb.PolicyQuote{
			Key: name, Value: p.Text(name), SourceTitle: source.Title, SourceNumber: source.Number, SourceArticle: source.Article,
		})
	}
	said, err := proto.MarshalOptions{Deterministic: true}.Marshal(row)
	if err != nil {
		return "", fmt.Errorf("quote the policy: %w", err)
	}
	sum := sha256.Sum256(said)
	row.Id = hex.EncodeToString(sum[:8])
	_, ok, err := s.surveyTables.quotes.Get(tx, scope.All(), quotesKey(cycleID, row.GetId()))
	if err == nil && !ok {
		_, err = s.surveyTables.quotes.Insert(tx, row)
	}
	return row.GetId(), err
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
