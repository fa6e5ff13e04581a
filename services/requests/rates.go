package requests

import (
	"context"
	"strconv"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/requests/internal/request"
)

// The rates are counted from the service's own events: what a request adds is
// kept as last counted, and the difference goes into the sums of its year. So a
// request that is reopened, or taken out, leaves nothing behind.

// Measures of the rates; each stands under the year of the post.
const (
	rateDue       = "due"
	rateInTime    = "in_time"
	rateAdmitted  = "admitted"
	rateSolved    = "solved"
	rateRated     = "rated"
	rateSatisfied = "satisfied"
	rateExcluded  = "excluded"

	rateNotToSolve = "not_to_solve"
)

func rateOf(year int32, what string) string { return strconv.Itoa(int(year)) + "/" + what }

func (s *Service) ratesConsumer() events.Consumer {
	return events.Consumer{
		Name: "requests-rates", From: "requests", Kind: events.Copy,
		Subjects: subjects(
			"posted", "admitted", "resolved", "rated", "closed", "declined", "merged", "unsolved", "reopened",
			"excluded", "answered", "answer_late", "overdue", "escalated", "handed_back", seededStep),
		Apply: s.countStandings,
	}
}

func subjects(steps ...string) []string {
	out := make([]string, len(steps))
	for i, step := range steps {
		out[i] = "linli.requests.request." + step
	}
	return out
}

func (s *Service) countStandings(tx *store.Tx, e *typev1.EventRow) error {
	_, changes, err := changesOf(e)
	if err != nil {
		return err
	}
	for _, ev := range changes {
		if err := s.countStanding(tx, ev); err != nil {
			return err
		}
	}
	return nil
}

// countStanding puts the difference between what a request added before and
// what it adds now into the sums. What is not newer adds nothing.
func (s *Service) countStanding(tx *store.Tx, ev *pb.RequestChanged) error {
	row, known, err := s.tables.standings.Get(tx, scope.All(), requestKey(ev.GetId()))
	if err != nil || known && row.Value.GetRevision() >= ev.GetRevision() {
		return err
	}
	next := &pb.StandingRow{
		RequestId: ev.GetId(), CommunityPath: ev.GetCommunityPath(), Year: ev.GetYear(), Revision: ev.GetRevision(),
		Answered: ev.GetAnswered(), InTime: ev.GetInTime(), Admitted: ev.GetAdmitted(), Solved: ev.GetSolved(),
		Rated: ev.GetRated(), Satisfied: ev.GetSatisfied(), Excluded: ev.GetExcluded(),
		NotToSolve: ev.GetState() == pb.RequestState_REQUEST_STATE_DECLINED || ev.GetState() == pb.RequestState_REQUEST_STATE_MERGED,
	}
	before, after := adds(row.Value), adds(next)
	for _, what := range []string{rateDue, rateInTime, rateAdmitted, rateSolved, rateRated, rateSatisfied, rateExcluded, rateNotToSolve} {
		if err := s.add(tx, ev.GetCommunityPath(), rateOf(ev.GetYear(), what), after[what]-before[what]); err != nil {
			return err
		}
	}
	if known {
		_, err = s.tables.standings.Replace(tx, row, next)
	} else {
		_, err = s.tables.standings.Insert(tx, next)
	}
	return err
}

// adds answers what a standing adds to each measure. One that is excluded adds
// to nothing else.
func adds(s *pb.StandingRow) map[string]int64 {
	if s.GetExcluded() {
		return map[string]int64{rateExcluded: 1}
	}
	out := map[string]int64{}
	for what, holds := range map[string]bool{
		rateDue: s.GetAnswered(), rateInTime: s.GetInTime(), rateAdmitted: s.GetAdmitted(),
		rateSolved: s.GetAdmitted() && s.GetSolved(), rateRated: s.GetRated(), rateSatisfied: s.GetSatisfied(),
		rateNotToSolve: s.GetNotToSolve(),
	} {
		if holds {
			out[what] = 1
		}
	}
	return out
}

// GetRates answers the three rates of a year.
func (s circle) GetRates(ctx context.Context, req *pb.GetRatesRequest) (*pb.GetRatesResponse, error) {
	sums := map[string]int64{}
	least := int64(0)
	err := s.store.View(ctx, func(r kv.Reader) error {
		o, ok, err := s.organizations.Shown(r, req.GetOrganizationId(), access.From(ctx).Caller.Scope())
		if err != nil {
			return err
		}
		if !ok {
			return rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "organization_id", "id", req.GetOrganizationId())
		}
		p, err := s.policies.For(r, o.Path, int(req.GetYear()))
		if err != nil {
			return err
		}
		least = int64(p.Int("requests.rate_least_cases"))
		return s.sum(r, o.Path, sums)
	})
	if err != nil {
		return nil, err
	}
	rate := func(numerator, denominator string) *pb.Rate {
		out := &pb.Rate{
			Numerator: sums[rateOf(req.GetYear(), numerator)], Denominator: sums[rateOf(req.GetYear(), denominator)], LeastCases: int32(least),
		}
		if percent, enough := request.Percent(out.GetNumerator(), out.GetDenominator(), least); enough {
			out.Percent = proto.String(percent)
		}
		return out
	}
	return &pb.GetRatesResponse{Rates: &pb.Rates{
		OrganizationId: req.GetOrganizationId(), Year: req.GetYear(),
		Response: rate(rateInTime, rateDue), Resolution: rate(rateSolved, rateAdmitted), Satisfaction: rate(rateSatisfied, rateRated),
		Excluded: int32(sums[rateOf(req.GetYear(), rateExcluded)]), NotToSolve: int32(sums[rateOf(req.GetYear(), rateNotToSolve)]),
	}}, nil
}
