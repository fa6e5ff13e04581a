package registry

import (
	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
)

// districtOrCity answers the path of a district or a city, and the paths whose
// campaign of a year would be about the same members: its own, the city's above
// a district, those of the districts of a city. A member is in one campaign.
func (s *Service) districtOrCity(r kv.Reader, id string) (path string, near []string, err error) {
	row, ok, err := s.organizations.Get(r, scope.All(), idKey(id))
	if err != nil {
		return "", nil, err
	}
	path = row.Value.GetPath()
	switch kind := row.Value.GetKind(); {
	case ok && kind == pb.OrganizationKind_ORGANIZATION_KIND_DISTRICT:
		return path, []string{path, string(scope.Path(path).Parent())}, nil
	case ok && kind == pb.OrganizationKind_ORGANIZATION_KIND_CITY:
		near, err = s.districtsOf(r, path)
		return path, append(near, path), err
	}
	return "", nil, rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "district_id", "id", id)
}

func (s *Service) districtsOf(r kv.Reader, city string) (paths []string, err error) {
	q := table.Query{Index: byPath, Prefix: key.Key(nil).Prefix(city)}
	err = eachRow(r, s.organizations, q, func(rows []table.Row[*pb.Organization]) error {
		for _, row := range rows {
			if row.Value.GetKind() == pb.OrganizationKind_ORGANIZATION_KIND_DISTRICT {
				paths = append(paths, row.Value.GetPath())
			}
		}
		return nil
	})
	return paths, err
}
