package registry

import (
	"context"
	"strings"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/organization"
)

// offices are the roles that see members by grant. A resident, a reviewer or a
// provider with a grant in the same community sees none.
func offices(call access.Call) scope.Scope {
	return call.ScopeOf(
		typev1.Role_ROLE_CITY_OFFICER, typev1.Role_ROLE_DISTRICT_OFFICER, typev1.Role_ROLE_STREET_OFFICER,
		typev1.Role_ROLE_COMMITTEE_STAFF, typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, typev1.Role_ROLE_WORKPLACE_OFFICER,
		typev1.Role_ROLE_BRANCH_OFFICER)
}

// GetMember answers one member, ID number and phone masked.
func (s *Service) GetMember(ctx context.Context, req *pb.GetMemberRequest) (*pb.GetMemberResponse, error) {
	call, reply := access.From(ctx), &pb.GetMemberResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.member(r, offices(call), req.GetId())
		if err != nil {
			return err
		}
		reply.Member, err = s.memberSeen(r, call, row)
		return err
	})
	return reply, err
}

// ListMembers answers the members whose home organization lies in the named
// one; to party staff of a community, after these, those who reported in to it.
func (s *Service) ListMembers(ctx context.Context, req *pb.ListMembersRequest) (*pb.ListMembersResponse, error) {
	call, reply := access.From(ctx), &pb.ListMembersResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		o, ok, err := s.organizations.Get(r, scope.All(), idKey(req.GetOrganizationId()))
		if err != nil || !ok {
			return absentOr(err, s.organizations.Name(), req.GetOrganizationId())
		}
		path := o.Value.GetPath()
		both := organizationKind(o.Value.GetKind()) == organization.Community && decidesAt(call, path)
		token, reported := strings.CutPrefix(req.GetPageToken(), reportedToken)
		if reported && both {
			return s.reportedPage(r, call, req, path, token, reply)
		}
		rows, next, err := table.Page(s.pager, s.members, r, table.PageCall{
			Method: call.Method, Person: call.Person, Scope: call.Scope, Filter: []string{req.GetOrganizationId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}, table.Query{Index: byHome, Prefix: key.Key(nil).Prefix(path)})
		if err != nil {
			return err
		}
		reply.NextPageToken = next
		if reply.Members, err = s.membersSeen(r, call, rows); err != nil {
			return err
		}
		switch {
		case next != "" || !both:
			return nil
		case len(rows) == 0:
			return s.reportedPage(r, call, req, path, "", reply)
		}
		reply.NextPageToken = reportedToken
		return nil
	})
	return reply, err
}

// reportedToken begins the page tokens of those who reported in.
const reportedToken = "reported."

// reportedPage answers a page of those whose report-in a community has accepted,
// but for those at home there, who stand on the pages before.
func (s *Service) reportedPage(r kv.Reader, call access.Call, req *pb.ListMembersRequest, path, token string, reply *pb.ListMembersResponse) error {
	accepted := uint64(pb.ReportInState_REPORT_IN_STATE_ACCEPTED)
	fromElsewhere := table.Keep(func(r *pb.ReportInRow) bool { return !scope.Path(path).Contains(scope.Path(r.GetHomePath())) })
	rows, next, err := table.PageOf(s.pager, s.reportIns, r, table.PageCall{
		Method: call.Method, Person: call.Person, Scope: call.Scope, Filter: []string{req.GetOrganizationId(), reportedToken},
		Size: req.GetPageSize(), Token: token,
	}, table.Query{Index: byState, Prefix: key.Key(nil).Uint(accepted).Prefix(path)}, fromElsewhere)
	if err != nil {
		return err
	}
	if next != "" {
		reply.NextPageToken = reportedToken + next
	}
	keys := make([]key.Key, len(rows))
	for i, row := range rows {
		keys[i] = idKey(row.Value.GetReportIn().GetMemberId())
	}
	members, err := s.members.GetMany(r, scope.All(), keys)
	if err == nil {
		reply.Members, err = s.membersSeen(r, call, members)
	}
	return err
}

// member answers a member that the scope may see, or NOT_FOUND.
func (s *Service) member(r kv.Reader, sc scope.Scope, id string) (table.Row[*pb.MemberRow], error) {
	row, ok, err := s.members.Get(r, sc, idKey(id))
	if err == nil && !ok {
		err = rule.Absent(s.members.Name(), id)
	}
	return row, err
}

// pathOf answers the path of an organization that the door has let pass.
func (s *Service) pathOf(r kv.Reader, id string) (scope.Path, error) {
	row, ok, err := s.organizations.Get(r, scope.All(), idKey(id))
	if err == nil && !ok {
		err = rule.Absent(s.organizations.Name(), id)
	}
	if err != nil {
		return "", err
	}
	return scope.Path(row.Value.GetPath()), nil
}
