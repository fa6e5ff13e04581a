package registry

import (
	"context"

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
		typev1.Role_ROLE_COMMITTEE_STAFF, typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, typev1.Role_ROLE_WORKPLACE_OFFICER)
}

// GetMember answers one member, ID number and phone masked.
func (s *Service) GetMember(ctx context.Context, req *pb.GetMemberRequest) (*pb.GetMemberResponse, error) {
	call, reply := access.From(ctx), &pb.GetMemberResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.member(r, offices(call), req.GetId())
		if err == nil {
			reply.Member = memberProto(row)
		}
		return err
	})
	return reply, err
}

// ListMembers answers the members whose home organization lies in the named
// one; to party staff of a community those who reported in to it as well.
func (s *Service) ListMembers(ctx context.Context, req *pb.ListMembersRequest) (*pb.ListMembersResponse, error) {
	call, reply := access.From(ctx), &pb.ListMembersResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		q, err := s.membersOf(r, call, req.GetOrganizationId())
		if err != nil {
			return err
		}
		rows, next, err := table.Page(s.pager, s.members, r, table.PageCall{
			Method: call.Method, Scope: call.Scope, Filter: []string{req.GetOrganizationId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}, q)
		if err != nil {
			return err
		}
		reply.NextPageToken = next
		for _, row := range rows {
			reply.Members = append(reply.Members, memberProto(row))
		}
		return nil
	})
	return reply, err
}

// membersOf is the range of an organization's members, as far as the caller's
// office goes.
func (s *Service) membersOf(r kv.Reader, call access.Call, id string) (table.Query, error) {
	row, ok, err := s.organizations.Get(r, scope.All(), idKey(id))
	if err == nil && !ok {
		err = rule.Absent(s.organizations.Name(), id)
	}
	if err != nil {
		return table.Query{}, err
	}
	q := table.Query{Index: byHome, Prefix: key.Key(nil).Prefix(row.Value.GetPath())}
	if organizationKind(row.Value.GetKind()) == organization.Community && decidesAt(call, row.Value.GetPath()) {
		q.Index = byCustody
	}
	return q, nil
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
