package projects

import (
	"slices"
	"strings"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/scope"
)

// Who may see a row of this service depends on the role as well as on the
// place: the path of a district contains that of an applicant, yet the
// district must not see what is sealed. So a path stands in a row, and in a
// scope, under the side that it is seen from: "/district/430100/430101/" and
// "/applicant/430100/430101/430101002/" are different trees, and a prefix test
// in one says nothing about the other. A grant at the root becomes the root of
// its side, never scope.Root, which sees everything.
//
// Rows are read through sight only, or through scope.All where the service
// itself counts or moves them.

func districtSide(p scope.Path) scope.Path  { return "/district" + p }
func citySide(p scope.Path) scope.Path      { return "/city" + p }
func applicantSide(p scope.Path) scope.Path { return "/applicant" + p }

// standsAt is a path that only those see who stand at p or below it: the
// other direction of a prefix test. The closing mark keeps it from containing
// anything but itself.
func standsAt(p scope.Path) scope.Path { return "/stands" + p + "./" }

// ancestry answers standsAt for an organization and for all above it.
func ancestry(p scope.Path) []scope.Path {
	var out []scope.Path
	for i := range len(p) {
		if p[i] == '/' {
			out = append(out, standsAt(p[:i+1]))
		}
	}
	return out
}

func applies(r typev1.Role) bool {
	return slices.Contains([]typev1.Role{
		typev1.Role_ROLE_COMMITTEE_STAFF, typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, typev1.Role_ROLE_STREET_OFFICER,
		typev1.Role_ROLE_WORKPLACE_OFFICER, typev1.Role_ROLE_GROUP_SECRETARY,
	}, r)
}

// sight answers what a call may see here: of the caller's grants those whose
// role the method takes, each on the side of its role. A method for
// everybody, and one for applicants, also sees what is published where the
// caller stands.
func sight(c access.Call) scope.Scope {
	var s scope.Scope
	roles := c.Rule.GetRoles()
	for _, g := range c.Grants {
		if !access.Admits(c.Rule, g.Role) || !access.ByPlace(c.Rule, g.Role) && g.Role != typev1.Role_ROLE_REVIEWER || !strings.HasPrefix(string(g.Path), "/") {
			continue
		}
		switch {
		case g.Role == typev1.Role_ROLE_DISTRICT_OFFICER:
			s.Paths = append(s.Paths, districtSide(g.Path))
		case g.Role == typev1.Role_ROLE_CITY_OFFICER:
			s.Paths = append(s.Paths, citySide(g.Path))
		case g.Role == typev1.Role_ROLE_REVIEWER:
			s.Person = c.Person // rows name their reviewers as owners
		case applies(g.Role):
			s.Paths = append(s.Paths, applicantSide(g.Path))
		}
		if len(roles) == 0 || applies(g.Role) {
			s.Paths = append(s.Paths, ancestry(g.Path)...)
		}
	}
	return s
}
