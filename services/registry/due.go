package registry

import (
	"context"
	"slices"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/campaign"
)

// ListDue answers how each member of a home organization counts.
func (s campaigns) ListDue(ctx context.Context, req *pb.ListDueRequest) (*pb.ListDueResponse, error) {
	members, next, err := s.listDue(ctx, req)
	return &pb.ListDueResponse{Members: members, NextPageToken: next}, err
}

// ListMissing answers the missing of each page of members, so that a page can
// be short.
func (s campaigns) ListMissing(ctx context.Context, req *pb.ListMissingRequest) (*pb.ListMissingResponse, error) {
	members, next, err := s.listDue(ctx, req)
	members = slices.DeleteFunc(members, func(m *pb.DueMember) bool { return m.GetStanding() != pb.Standing_STANDING_MISSING })
	return &pb.ListMissingResponse{Members: members, NextPageToken: next}, err
}

// dueRequest is what both lists are asked with.
type dueRequest interface {
	GetCampaignId() string
	GetHomeOrganizationId() string
	GetPageSize() int32
	GetPageToken() string
}

func (s campaigns) listDue(ctx context.Context, req dueRequest) (due []*pb.DueMember, next string, err error) {
	call, today := access.From(ctx), s.today()
	err = s.store.View(ctx, func(r kv.Reader) error {
		c, at, err := s.campaignAt(r, req.GetCampaignId(), req.GetHomeOrganizationId())
		if err != nil {
			return err
		}
		rows, token, err := table.Page(s.pager, s.members, r, table.PageCall{
			Method: call.Method, Person: call.Person, Scope: scope.Scope{Paths: call.Scope.Paths}, Filter: []string{req.GetCampaignId(), req.GetHomeOrganizationId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}, table.Query{Index: byHome, Prefix: key.Key(nil).Prefix(string(at))})
		if err != nil {
			return err
		}
		next = token
		due, err = s.standings(r, c, rows, today)
		return err
	})
	return due, next, err
}

// standings answers how each of some members counts on a day, in their order.
func (s campaigns) standings(r kv.Reader, c *pb.CampaignRow, members []table.Row[*pb.MemberRow], today string) ([]*pb.DueMember, error) {
	excluded, err := s.exclusionsOf(r, c.GetCampaign().GetId(), members)
	if err != nil {
		return nil, err
	}
	out := make([]*pb.DueMember, len(members))
	for i, m := range members {
		reportIn, _, err := s.reportIns.By(r, scope.All(), byMember, idKey(m.Value.GetMember().GetId()))
		if err != nil {
			return nil, err
		}
		out[i] = standing(c, m.Value, reportIn.Value, excluded[m.Value.GetMember().GetId()], today)
	}
	return out, nil
}

// exclusionsOf answers the approved exclusions of some members, by member.
func (s campaigns) exclusionsOf(r kv.Reader, campaignID string, members []table.Row[*pb.MemberRow]) (map[string]*pb.Exclusion, error) {
	keys := make([]key.Key, len(members))
	for i, m := range members {
		keys[i] = exclusionKey(campaignID, m.Value.GetMember().GetId())
	}
	rows, err := s.exclusions.GetMany(r, scope.All(), keys)
	out := map[string]*pb.Exclusion{}
	for _, row := range rows {
		if e := row.Value.GetExclusion(); e.GetState() == pb.ExclusionState_EXCLUSION_STATE_APPROVED {
			out[e.GetMemberId()] = e
		}
	}
	return out, err
}

// standing answers how one member counts; without a standing where the campaign
// is not about the member.
func standing(c *pb.CampaignRow, m *pb.MemberRow, reportIn *pb.ReportInRow, e *pb.Exclusion, today string) *pb.DueMember {
	out := &pb.DueMember{
		MemberId: m.GetMember().GetId(), Kind: m.GetMember().GetKind(), ReportInState: reportIn.GetReportIn().GetState(),
	}
	if !isDue(c, m) {
		return out
	}
	class := campaign.Of(campaign.Case{
		Excluded: e != nil, Reason: campaign.Reason(e.GetReason()), Until: e.GetUntil(), AcceptedFor: countedOn(reportIn),
	}, c.GetCampaign().GetDeadlineOn(), today)
	out.Standing = pb.Standing(class)
	if class == campaign.NotDue || class == campaign.Exempt {
		out.Reason, out.Until = e.GetReason(), e.GetUntil()
	}
	return out
}
