package registry

import (
	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
)

// grantsOf answers what an account may do where, in the order of its grants, as
// its tokens say it. Staff and residents have what stands in the row, each at
// the place where the organization is now; a member is one at home and, once
// the report-in is accepted, in that community too.
func (s *Service) grantsOf(r kv.Reader, row *pb.AccountRow) ([]access.Grant, error) {
	if row.GetMemberId() != "" {
		return s.memberGrants(r, row.GetMemberId())
	}
	stored := row.GetAccount().GetGrants()
	var keys []key.Key
	for _, g := range stored {
		if g.GetOrganizationId() != "" {
			keys = append(keys, idKey(g.GetOrganizationId()))
		}
	}
	organizations, err := s.organizations.GetMany(r, scope.All(), keys)
	if err != nil {
		return nil, err
	}
	paths := map[string]string{"": grantPath(nil)}
	for _, o := range organizations {
		paths[o.Value.GetId()] = grantPath(o.Value)
	}
	var grants []access.Grant
	for _, g := range stored {
		if path, known := paths[g.GetOrganizationId()]; known {
			grants = append(grants, access.Grant{Role: g.GetRole(), Path: scope.Path(path)})
		}
	}
	return grants, nil
}

// memberGrants answers where a member is one; nothing for a member who is gone.
func (s *Service) memberGrants(r kv.Reader, id string) ([]access.Grant, error) {
	row, ok, err := s.members.Get(r, scope.All(), idKey(id))
	if err != nil || !ok {
		return nil, err
	}
	var grants []access.Grant
	for _, path := range pathsOf(row.Value.GetHomePath(), row.Value.GetReportedPath()) {
		if len(grants) == 0 || grants[0].Path != path {
			grants = append(grants, access.Grant{Role: typev1.Role_ROLE_MEMBER, Path: path})
		}
	}
	return grants, nil
}
