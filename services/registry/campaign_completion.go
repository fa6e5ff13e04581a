package registry

import (
	"context"
	"slices"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/campaign"
	"github.com/linli-project/linli/services/registry/internal/member"
	"github.com/linli-project/linli/services/registry/internal/organization"
)

// GetCampaignCompletion counts the members of an organization.
//
// Members and acceptances are figures that the projector keeps for each home
// organization and kind, so a district of 100,000 costs as much as its few
// hundred homes. Acceptances are kept by day and not by campaign: whether one
// was on time is a sum up to the deadline, so a campaign that opens later, or
// several of them, need no figures of their own. Exclusions are read as they
// are, in pages of their index of what holds: they are few beside the members,
// an exemption ends by the calendar and not by an event, and the member's row
// says whether an acceptance has overtaken it.
func (s campaigns) GetCampaignCompletion(ctx context.Context, req *pb.GetCampaignCompletionRequest) (*pb.GetCampaignCompletionResponse, error) {
	today, sums := s.today(), map[pb.MemberKind]*pb.CampaignOfKind{}
	var c *pb.Campaign
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, at, err := s.campaignAt(r, req.GetCampaignId(), req.GetOrganizationId())
		if err != nil {
			return err
		}
		c = row.GetCampaign()
		sum := &campaignSum{campaigns: s, r: r, campaign: c, at: at, today: today, kinds: sums}
		if err := sum.all(); err != nil {
			return err
		}
		return s.refuseNobody(r, req.GetOrganizationId(), sums)
	})
	if err != nil {
		return nil, err
	}
	return &pb.GetCampaignCompletionResponse{Completion: campaignCompletion(c, req.GetOrganizationId(), sums)}, nil
}

// refuseNobody refuses a community or street at which nobody is at home: a
// completion without figures would read as if nobody were due, while those who
// live there are counted at their workplaces. A workplace without members has
// none that are due.
func (s campaigns) refuseNobody(r kv.Reader, id string, sums map[pb.MemberKind]*pb.CampaignOfKind) error {
	for _, sum := range sums {
		if sum.GetMembers() > 0 {
			return nil
		}
	}
	o, _, err := s.organizations.Get(r, scope.All(), idKey(id))
	if err != nil {
		return err
	}
	switch organizationKind(o.Value.GetKind()) {
	case organization.Community, organization.Street, organization.Building:
		return rule.New(rule.Precondition, "NO_MEMBERSHIPS", "organization_id", "id", id)
	}
	return nil
}

// campaignSum adds up one completion.
type campaignSum struct {
	campaigns
	r        kv.Reader
	campaign *pb.Campaign
	at       scope.Path
	today    string
	kinds    map[pb.MemberKind]*pb.CampaignOfKind
}

func (s *campaignSum) all() error {
	for _, add := range []func() error{s.members, s.accepted, s.excluded} {
		if err := add(); err != nil {
			return err
		}
	}
	return nil
}

func (s *campaignSum) of(k pb.MemberKind) *pb.CampaignOfKind {
	if s.kinds[k] == nil {
		s.kinds[k] = &pb.CampaignOfKind{Kind: k, InScope: slices.Contains(s.campaign.GetKinds(), k)}
	}
	return s.kinds[k]
}

// members adds who there is, and whose report-in waits.
func (s *campaignSum) members() error {
	prefix := key.Key(nil).String(dimensionHome).Prefix(string(s.at))
	return eachRow(s.r, s.figures, table.Query{Prefix: prefix}, func(rows []table.Row[*pb.FigureRow]) error {
		for _, row := range rows {
			sum := s.of(row.Value.GetKind())
			sum.Members += row.Value.GetMembers()
			sum.Waiting += row.Value.GetSubmitted()
		}
		return nil
	})
}

// accepted adds who was accepted, on time up to the deadline.
func (s *campaignSum) accepted() error {
	return eachRow(s.r, s.days, table.Query{Prefix: key.Key(nil).Prefix(string(s.at))}, func(rows []table.Row[*pb.DaysRow]) error {
		for _, row := range rows {
			sum := s.of(row.Value.GetKind())
			for _, d := range row.Value.GetDays() {
				if d.GetDay() <= s.campaign.GetDeadlineOn() {
					sum.AcceptedOnTime += d.GetAccepted()
				} else {
					sum.AcceptedLate += d.GetAccepted()
				}
			}
		}
		return nil
	})
}

// excluded adds whose exclusion counts today.
func (s *campaignSum) excluded() error {
	prefix := key.Key(nil).String(s.campaign.GetId()).Prefix(string(s.at))
	return eachRow(s.r, s.exclusions, table.Query{Index: byApproved, Prefix: prefix}, func(rows []table.Row[*pb.ExclusionRow]) error {
		keys := make([]key.Key, len(rows))
		for i, row := range rows {
			keys[i] = idKey(row.Value.GetExclusion().GetMemberId())
		}
		members, err := s.campaigns.members.GetMany(s.r, scope.All(), keys)
		if err != nil {
			return err
		}
		byID := map[string]*pb.MemberRow{}
		for _, m := range members {
			byID[m.Value.GetMember().GetId()] = m.Value
		}
		for _, row := range rows {
			s.exclude(row.Value.GetExclusion(), byID[row.Value.GetExclusion().GetMemberId()])
		}
		return nil
	})
}

func (s *campaignSum) exclude(e *pb.Exclusion, m *pb.MemberRow) {
	if m.GetReportedPath() != "" {
		return // accepted, and counted as such
	}
	sum, reason := s.of(m.GetMember().GetKind()), campaign.Reason(e.GetReason())
	switch campaign.Of(campaign.Case{Excluded: true, Reason: reason, Until: e.GetUntil()}, s.campaign.GetDeadlineOn(), s.today) {
	case campaign.NotDue:
		sum.NotDue++
	case campaign.Exempt:
		sum.Exempt++
	default:
		return
	}
	i, known := slices.BinarySearchFunc(sum.Reasons, e.GetReason(), func(c *pb.ExclusionCount, r pb.ExclusionReason) int { return int(c.GetReason() - r) })
	if !known {
		sum.Reasons = slices.Insert(sum.Reasons, i, &pb.ExclusionCount{Reason: e.GetReason()})
	}
	sum.Reasons[i].Members++
}

// campaignCompletion answers the kinds that occur, in their order, and the
// percent of those that the campaign is about. Figures follow the rows a moment
// later, so that nobody is missing below zero meanwhile.
func campaignCompletion(c *pb.Campaign, organizationID string, sums map[pb.MemberKind]*pb.CampaignOfKind) *pb.CampaignCompletion {
	out := &pb.CampaignCompletion{CampaignId: c.GetId(), OrganizationId: organizationID}
	var onTime, late, missing int64
	for _, k := range member.Kinds() {
		sum, ok := sums[memberKindProto(k)]
		if !ok || sum.GetMembers() == 0 {
			continue
		}
		out.Kinds = append(out.Kinds, sum)
		if !sum.GetInScope() {
			continue
		}
		sum.Missing = max(0, sum.GetMembers()-sum.GetNotDue()-sum.GetExempt()-sum.GetAcceptedOnTime()-sum.GetAcceptedLate())
		onTime, late, missing = onTime+sum.GetAcceptedOnTime(), late+sum.GetAcceptedLate(), missing+sum.GetMissing()
	}
	out.Accepted, out.Due = onTime+late, onTime+late+missing
	out.Percent = campaign.Percent(onTime, late, missing)
	return out
}
