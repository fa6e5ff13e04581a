package requests

import (
	"context"
	"slices"
	"strings"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/copies"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/policy"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/requests/internal/matching"
)

const (
	// suggestPage members are read at a time.
	suggestPage = 500
	// mostAsked bounds the offers of one request that are looked at.
	mostAsked = 200
	// usualSuggestions are answered when nothing is said.
	usualSuggestions = 10
	// scoreScale is the score of a member for whom everything fits.
	scoreScale = 10000
)

// job is one piece of work with all that decides who fits it.
type job struct {
	work      matching.Work
	weights   matching.Weights
	hours     matching.Hours
	loadDays  int
	working   bool
	community scope.Path
	building  string
	policy    policy.Policy
}

// newJob reads the policy of the day of the work and checks its time.
func (m matcher) newJob(r kv.Reader, request *pb.RequestRow, specialty string, starts time.Time, quarters int32) (job, error) {
	from := starts.In(clock.Shanghai())
	p, err := m.policyOf(r, request.GetCommunityPath(), from)
	if err != nil {
		return job{}, err
	}
	j := job{
		work: matching.Work{
			Specialty: specialty, Slot: matching.Span{From: from, To: from.Add(time.Duration(quarters) * 15 * time.Minute)},
			NeedsQualification: slices.Contains(p.List("requests.matching.qualified"), specialty),
			NeedsInsurance:     slices.Contains(p.List("requests.matching.insured"), specialty),
		},
		weights: matching.Weights{
			Building: p.Int("requests.matching.building"), Community: p.Int("requests.matching.community"),
			Street: p.Int("requests.matching.street"), Unstated: p.Int("requests.matching.time_unstated"),
			HalfLoadHours: p.Int("requests.matching.half_load_hours"),
		},
		hours:     hoursOf(p),
		loadDays:  p.Int("requests.matching.load_days"),
		community: scope.Path(request.GetCommunityPath()),
		building:  request.GetRequest().GetBuilding(),
		policy:    p,
	}
	if err := matching.CheckSlot(j.work.Slot, m.store.Civil().Now(), j.hours); err != nil {
		return job{}, err
	}
	j.working, err = j.hours.Working(j.work.Slot, p.Workday)
	return j, err
}

func hoursOf(p policy.Policy) matching.Hours {
	return matching.Hours{
		WorkFrom: p.Int("requests.matching.work_from"), WorkTo: p.Int("requests.matching.work_to"),
		NightFrom: p.Int("requests.matching.night_from"), NightTo: p.Int("requests.matching.night_to"),
	}
}

// candidate is a member as the rules see one.
func (j job) candidate(c copies.Member, said *pb.Availability, engaged *pb.EngagementsRow) matching.Member {
	m := matching.Member{ID: c.ID, Distance: j.distance(c, said), InvitesWorkingHours: said.GetInvitesWorkingHours()}
	for _, s := range said.GetSpecialties() {
		m.Specialties = append(m.Specialties, matching.Specialty{
			Name: s.GetName(), QualifiedUntil: s.GetQualifiedUntil(), InsuredUntil: s.GetInsuredUntil(),
		})
	}
	for _, f := range said.GetFreeTimes() {
		m.Free = append(m.Free, freeTime(f))
	}
	since := j.work.Slot.From.AddDate(0, 0, -j.loadDays)
	m.Engagements = spans(engaged)
	for i, e := range engaged.GetEngagements() {
		if m.Engagements[i].From.After(since) {
			m.LoadQuarters += int(e.GetQuarterHours())
		}
	}
	return m
}

func spans(row *pb.EngagementsRow) (out []matching.Span) {
	for _, e := range row.GetEngagements() {
		out = append(out, matching.Span{From: e.GetStartsAt().AsTime(), To: e.GetEndsAt().AsTime()})
	}
	return out
}

func (j job) distance(c copies.Member, said *pb.Availability) matching.Distance {
	building := strings.TrimSpace(j.building)
	switch {
	case c.ReportedPath == j.community && building != "" && strings.TrimSpace(said.GetBuilding()) == building:
		return matching.SameBuilding
	case c.ReportedPath == j.community:
		return matching.SameCommunity
	case c.ReportedPath != "" && j.community.Parent().Contains(c.ReportedPath):
		return matching.SameStreet
	}
	return matching.TooFar
}

// SuggestMembers looks at who reported in to the street, consented to be
// suggested and is not asked for this request already.
func (m matcher) SuggestMembers(ctx context.Context, req *pb.SuggestMembersRequest) (*pb.SuggestMembersResponse, error) {
	call, reply := access.From(ctx), &pb.SuggestMembersResponse{}
	var found []matching.Suggestion
	err := m.store.View(ctx, func(r kv.Reader) error {
		request, err := m.read(r, staffScope(call), req.GetRequestId())
		if err != nil {
			return err
		}
		j, err := m.newJob(r, request.Value, req.GetSpecialty(), req.GetStartsAt().AsTime(), req.GetQuarterHours())
		if err != nil {
			return err
		}
		asked, err := m.asked(r, request.Value.GetRequest())
		if err != nil {
			return err
		}
		found, reply.LookedAt, err = m.walk(r, j, asked)
		return err
	})
	if err != nil {
		return nil, err
	}
	matching.Sort(found)
	reply.Fit = int32(len(found))
	most := int(req.GetMost())
	if most == 0 {
		most = usualSuggestions
	}
	for _, s := range found[:min(most, len(found))] {
		reply.Suggestions = append(reply.Suggestions, suggestionProto(s))
	}
	return reply, nil
}

// asked are those who are no candidates: who has an offer for the request, and
// who posted it.
func (m matcher) asked(r kv.Reader, request *pb.Request) (map[string]bool, error) {
	page, err := m.matchingTables.offers.List(r, scope.All(), table.Query{
		Index: byRequest, Prefix: key.Key(nil).String(request.GetId()), Limit: mostAsked,
	})
	asked := map[string]bool{request.GetAuthor(): true}
	for _, row := range page.Rows {
		asked[row.Value.GetOffer().GetMemberId()] = true
	}
	return asked, err
}

// walk goes through the members of the street and answers who fits.
func (m matcher) walk(r kv.Reader, j job, asked map[string]bool) (found []matching.Suggestion, lookedAt int32, err error) {
	var after key.Key
	for {
		page, err := m.members.ByReported(r, j.community.Parent(), after, suggestPage)
		if err != nil {
			return nil, 0, err
		}
		said, engaged, err := m.saidBy(r, page.Members)
		if err != nil {
			return nil, 0, err
		}
		for _, c := range page.Members {
			if asked[c.ID] || !said[c.ID].GetConsent() {
				continue
			}
			lookedAt++
			s, out := matching.Suggest(j.work, j.candidate(c, said[c.ID], engaged[c.ID]), j.weights, j.working)
			if out == matching.Fits {
				found = append(found, s)
			}
		}
		if after = page.Next; after == nil {
			return found, lookedAt, nil
		}
	}
}

// saidBy reads what members said and what they are engaged for.
func (m matcher) saidBy(r kv.Reader, members []copies.Member) (map[string]*pb.Availability, map[string]*pb.EngagementsRow, error) {
	keys := make([]key.Key, len(members))
	for i, c := range members {
		keys[i] = memberKey(c.ID)
	}
	rows, err := m.matchingTables.availability.GetMany(r, scope.All(), keys)
	if err != nil {
		return nil, nil, err
	}
	said := map[string]*pb.Availability{}
	keys = keys[:0]
	for _, row := range rows {
		said[row.Value.GetMemberId()] = row.Value.GetAvailability()
		keys = append(keys, memberKey(row.Value.GetMemberId()))
	}
	busy, err := m.matchingTables.engagements.GetMany(r, scope.All(), keys)
	engaged := map[string]*pb.EngagementsRow{}
	for _, row := range busy {
		engaged[row.Value.GetMemberId()] = row.Value
	}
	return said, engaged, err
}

func suggestionProto(s matching.Suggestion) *pb.Suggestion {
	out := &pb.Suggestion{MemberId: s.Member, Score: int32(matching.Rounded(s.Score, scoreScale))}
	for _, r := range s.Reasons {
		out.Reasons = append(out.Reasons, &pb.SuggestionReason{
			Kind: pb.SuggestionReasonKind(r.Kind), Percent: int32(r.Percent), Detail: r.Detail,
		})
	}
	return out
}
