package registry

import (
	"errors"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/reportin"
)

// decidesAt says whether the caller is party staff of a community.
func decidesAt(call access.Call, community string) bool {
	return call.ScopeOf(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF).Covers(scope.Path(community))
}

// reportInSeen is a report-in as the caller sees it. The member's row opens to
// the community when it accepts; before, it is told what it needs to decide, and
// nothing any more once it has sent the report-in back or the member has left.
func (s *Service) reportInSeen(r kv.Reader, call access.Call, row table.Row[*pb.ReportInRow]) (*pb.ReportIn, error) {
	out, err := s.reportInTold(r, call, row)
	if err != nil {
		return nil, err
	}
	state := reportInState(out.GetState())
	if state != reportin.Submitted && state != reportin.Accepted || !decidesAt(call, row.Value.GetCommunityPath()) {
		return out, nil
	}
	applicant, err := s.member(r, scope.All(), out.GetMemberId())
	if err != nil {
		return nil, err
	}
	m := applicant.Value.GetMember()
	out.Applicant = &pb.ReportInApplicant{
		Name: m.GetName(), Kind: m.GetKind(), CommunityId: m.GetCommunityId(), Building: m.GetBuilding(), MaskedPhone: m.GetMaskedPhone(),
	}
	home, err := s.visibleOrganization(r, call.Scope, m.GetHomeOrganizationId())
	if hidden := (*rule.Error)(nil); errors.As(err, &hidden) && hidden.Kind == rule.NotFound {
		return out, nil
	}
	out.Applicant.HomeOrganizationName = home.Value.GetName()
	return out, err
}
