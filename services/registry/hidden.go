package registry

import (
	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/pkg/texts"
)

// An organization that is not displayed is known in it, below it and above it.
// Its members are known there, to themselves, and to the party organization of
// the community that they reported in to, which is not told where they belong.

// knownTo says of which organizations, by path, a caller may know.
func (s *Service) knownTo(r kv.Reader, call access.Call, paths ...string) (func(path string) bool, error) {
	caller := call.Caller.Scope()
	var ask []table.Row[*pb.Organization]
	for _, p := range paths {
		if p != "" && !caller.Covers(scope.Path(p)) {
			ask = append(ask, table.Row[*pb.Organization]{Value: &pb.Organization{Path: p}})
		}
	}
	if len(ask) == 0 {
		return func(string) bool { return true }, nil
	}
	seen, err := s.look(r, caller, ask)
	return seen.allows, err
}

// memberSeen is a member as the caller sees them; NOT_FOUND where they belong to
// an organization that the caller may not know of.
func (s *Service) memberSeen(r kv.Reader, call access.Call, row table.Row[*pb.MemberRow]) (*pb.Member, error) {
	seen, err := s.membersSeen(r, call, []table.Row[*pb.MemberRow]{row})
	if err == nil && len(seen) == 0 {
		err = rule.Absent(s.members.Name(), row.Value.GetMember().GetId())
	}
	if err != nil {
		return nil, err
	}
	return seen[0], nil
}

// membersSeen are the members as the caller sees them, without those of whom the
// caller may not know.
func (s *Service) membersSeen(r kv.Reader, call access.Call, rows []table.Row[*pb.MemberRow]) ([]*pb.Member, error) {
	workplaces, err := s.workplacesOf(r, rows)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, row := range rows {
		paths = append(paths, row.Value.GetHomePath(), workplaces[row.Value.GetMember().GetWorkplaceId()])
	}
	known, err := s.knownTo(r, call, paths...)
	if err != nil {
		return nil, err
	}
	out := make([]*pb.Member, 0, len(rows))
	for _, row := range rows {
		m := memberProto(row)
		home, own := known(row.Value.GetHomePath()), m.GetId() == call.Person
		if !home && !own && !decidesAt(call, row.Value.GetReportedPath()) {
			continue
		}
		at, elsewhere := workplaces[m.GetWorkplaceId()]
		if workplace := elsewhere && known(at) || !elsewhere && home; !workplace && !own {
			m.WorkplaceId = ""
		}
		if !home && !own {
			m.HomeOrganizationId = ""
		}
		out = append(out, m)
	}
	return out, nil
}

// workplacesOf answers the paths of the workplaces that are not the home
// organization as well, by id.
func (s *Service) workplacesOf(r kv.Reader, rows []table.Row[*pb.MemberRow]) (map[string]string, error) {
	out := map[string]string{}
	var keys []key.Key
	for _, row := range rows {
		m := row.Value.GetMember()
		if _, asked := out[m.GetWorkplaceId()]; asked || m.GetWorkplaceId() == "" || m.GetWorkplaceId() == m.GetHomeOrganizationId() {
			continue
		}
		out[m.GetWorkplaceId()] = ""
		keys = append(keys, idKey(m.GetWorkplaceId()))
	}
	if len(keys) == 0 {
		return out, nil
	}
	found, err := s.organizations.GetMany(r, scope.All(), keys)
	for _, o := range found {
		out[o.Value.GetId()] = o.Value.GetPath()
	}
	return out, err
}

// reportInTold is a report-in as the caller may know it: without its home
// organization where the caller may not know of that.
func (s *Service) reportInTold(r kv.Reader, call access.Call, row table.Row[*pb.ReportInRow]) (*pb.ReportIn, error) {
	out := reportInProto(row)
	if out.GetMemberId() == call.Person {
		return out, nil
	}
	known, err := s.knownTo(r, call, row.Value.GetHomePath())
	if err == nil && !known(row.Value.GetHomePath()) {
		out.HomeOrganizationId = ""
	}
	return out, err
}

// placesSeen leaves out the places of units that the caller may not know of, and
// of a member's place the home organization. Second homes are for the home
// organization and for the community; offices above see units.
func (s *Service) placesSeen(r kv.Reader, call access.Call) func([]table.Row[*pb.PlaceRow]) ([]table.Row[*pb.PlaceRow], error) {
	return func(rows []table.Row[*pb.PlaceRow]) ([]table.Row[*pb.PlaceRow], error) {
		var paths []string
		for _, row := range rows {
			paths = append(paths, row.Value.GetHomePath())
		}
		known, err := s.knownTo(r, call, paths...)
		if err != nil {
			return nil, err
		}
		offices := call.ScopeOf(typev1.Role_ROLE_WORKPLACE_OFFICER, typev1.Role_ROLE_BRANCH_OFFICER, typev1.Role_ROLE_COMMUNITY_PARTY_STAFF)
		var out []table.Row[*pb.PlaceRow]
		for _, row := range rows {
			home, community := scope.Path(row.Value.GetHomePath()), scope.Path(row.Value.GetCommunityPath())
			if row.Value.GetPlace().GetKind() == pb.PlaceKind_PLACE_KIND_SECOND_HOME && !offices.Covers(home) && !offices.Covers(community) {
				continue
			}
			if p := row.Value.GetPlace(); !known(row.Value.GetHomePath()) {
				if p.GetKind() != pb.PlaceKind_PLACE_KIND_SECOND_HOME {
					continue
				}
				p.HomeOrganizationId = ""
			}
			out = append(out, row)
		}
		return out, nil
	}
}

// nameIn is an organization's name as a message to an address says it: an office,
// or a member, that may not know of the organization is not told which it is.
func (s *Service) nameIn(r kv.Reader, language, address string, o *pb.Organization) (string, error) {
	var reader scope.Scope
	if path, ok := officeOf(address); ok {
		reader.Paths = []scope.Path{path}
	} else if person, ok := personOf(address); ok {
		m, found, err := s.members.Get(r, scope.All(), idKey(person))
		if err != nil {
			return "", err
		}
		if found {
			reader.Paths = []scope.Path{scope.Path(m.Value.GetHomePath())}
		}
	}
	seen, err := s.look(r, reader, []table.Row[*pb.Organization]{{Value: o}})
	if err != nil || seen.allows(o.GetPath()) {
		return o.GetName(), err
	}
	return texts.Text(language, "message.some_organization"), nil
}
