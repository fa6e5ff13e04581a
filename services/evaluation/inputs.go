package evaluation

import (
	"sync"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/ledger"
	"github.com/linli-project/linli/services/evaluation/internal/poll"
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

// said is what the polls and the survey of communities say, each read once.
// They are those of one district: not more than its communities. It is safe for
// concurrent use.
type said struct {
	mu      sync.Mutex
	polls   map[string]map[string]pollSays
	surveys map[string]surveyOf
}

func newSaid() *said {
	return &said{polls: map[string]map[string]pollSays{}, surveys: map[string]surveyOf{}}
}

// once answers what is known of a community, or reads it. Two may read the same
// at once, and then the same is kept twice.
func once[T any](s *said, known map[string]T, community string, read func(string) (T, error)) (T, error) {
	s.mu.Lock()
	v, ok := known[community]
	s.mu.Unlock()
	if ok {
		return v, nil
	}
	v, err := read(community)
	if err == nil {
		s.mu.Lock()
		known[community] = v
		s.mu.Unlock()
	}
	return v, err
}

// reading gathers the facts of members of one year on one snapshot.
type reading struct {
	*Service
	r     kv.Reader
	year  int32
	known *said
}

// surveyOf is a community's survey with what it says of each member.
type surveyOf struct {
	surveySays
	members map[string]surveySays
}

func (s *Service) reading(r kv.Reader, year int32, known *said) reading {
	return reading{Service: s, r: r, year: year, known: known}
}

// of answers the facts of a member on the roster.
func (g reading) of(row *pb.ResultRow) (yearFacts, error) {
	all, err := g.ofAll([]table.Row[*pb.ResultRow]{{Value: row}})
	if err != nil {
		return yearFacts{}, err
	}
	return all[0], nil
}

// ofAll answers the facts of members on the roster, with one read for the heads
// of their chains and one for exemptions.
func (g reading) ofAll(rows []table.Row[*pb.ResultRow]) ([]yearFacts, error) {
	heads, exempt := make([]key.Key, len(rows)), make([]key.Key, len(rows))
	for i, row := range rows {
		heads[i], exempt[i] = memberKey(row.Value.GetMemberId()), exemptionKey(row.Value.GetMemberId(), g.year)
	}
	sums, err := g.tables.heads.GetMany(g.r, scope.All(), heads)
	if err != nil {
		return nil, err
	}
	exemptions, err := g.surveyTables.exemptions.GetMany(g.r, scope.All(), exempt)
	if err != nil {
		return nil, err
	}
	out := make([]yearFacts, len(rows))
	for i, row := range rows {
		var head *pb.HeadRow // both lists leave out whom they do not know
		if len(sums) > 0 && sums[0].Value.GetMemberId() == row.Value.GetMemberId() {
			head, sums = sums[0].Value, sums[1:]
		}
		if len(exemptions) > 0 && exemptions[0].Value.GetMemberId() == row.Value.GetMemberId() {
			out[i].exempt, exemptions = true, exemptions[1:]
		}
		if out[i].sum, err = g.yearOf(g.r, row.Value.GetMemberId(), head, g.year); err != nil {
			return nil, err
		}
		if err := g.askCommunity(row.Value, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// askCommunity adds what poll and survey say.
func (g reading) askCommunity(row *pb.ResultRow, f *yearFacts) (err error) {
	if row.GetCommunityPath() == "" {
		f.poll.missing, f.survey.missing = pb.InputMissing_INPUT_MISSING_NO_COMMUNITY, pb.InputMissing_INPUT_MISSING_NO_COMMUNITY
		return nil
	}
	if f.poll, err = g.pollOf(row); err != nil {
		return err
	}
	f.survey, err = g.surveyOf(row)
	return err
}

// pollOf answers what the poll of the member's community and year says.
func (g reading) pollOf(row *pb.ResultRow) (pollSays, error) {
	says, err := once(g.known, g.known.polls, row.GetCommunityPath(), g.pollsOf)
	if err != nil {
		return pollSays{}, err
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
	of, err := once(g.known, g.known.surveys, row.GetCommunityPath(), g.readSurvey)
	if err != nil {
		return surveySays{}, err
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
