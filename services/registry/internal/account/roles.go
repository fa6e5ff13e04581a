package account

import (
	"slices"

	"github.com/linli-project/linli/pkg/rule"
)

// Role is a role in the word that tokens use.
type Role string

// The roles.
const (
	CityOfficer         Role = "city_officer"
	DistrictOfficer     Role = "district_officer"
	StreetOfficer       Role = "street_officer"
	CommitteeStaff      Role = "committee_staff"
	CommunityPartyStaff Role = "community_party_staff"
	GroupSecretary      Role = "group_secretary"
	WorkplaceOfficer    Role = "workplace_officer"
	BranchOfficer       Role = "branch_officer"
	Reviewer            Role = "reviewer"
	Provider            Role = "provider"
	Member              Role = "member"
	Resident            Role = "resident"
	SystemAdmin         Role = "system_admin"
	SecurityAdmin       Role = "security_admin"
	AuditAdmin          Role = "audit_admin"
)

// Kind is the kind of an organization in the word that files use; Everywhere is
// no organization.
type Kind string

// The kinds that roles are given at.
const (
	Everywhere      Kind = ""
	City            Kind = "city"
	District        Kind = "district"
	Street          Kind = "street"
	Community       Kind = "community"
	Workplace       Kind = "workplace"
	Branch          Kind = "branch"
	FunctionalGroup Kind = "functional_group"
	HeartHome       Kind = "heart_home"
	External        Kind = "external"
)

// trait is what holds for a role.
type trait struct {
	role Role
	// at is where it is given; none for a role that follows from elsewhere: a
	// member's from the roster, a resident's from the own sign-in.
	at []Kind
	// office: work waits for whoever has it, and a colleague can go on with it.
	office bool
	// apart: it stands with no other role.
	apart bool
}

func traits() []trait {
	administered := []Kind{Everywhere, City, District}
	return []trait{
		{role: CityOfficer, at: []Kind{City}, office: true},
		{role: DistrictOfficer, at: []Kind{District}, office: true},
		{role: StreetOfficer, at: []Kind{Street}, office: true},
		{role: CommitteeStaff, at: []Kind{Community}, office: true},
		{role: CommunityPartyStaff, at: []Kind{Community}, office: true},
		// A group's secretary has the group, or all of a community's groups.
		{role: GroupSecretary, at: []Kind{FunctionalGroup, HeartHome, Community}, office: true},
		// An organization elsewhere that wants its members' letters here gets an
		// account as well.
		{role: WorkplaceOfficer, at: []Kind{Workplace, External}, office: true},
		{role: BranchOfficer, at: []Kind{Branch}, office: true},
		{role: Reviewer, at: []Kind{City, District, Street, Community, Workplace, Branch}},
		{role: Provider, at: []Kind{Community}},
		{role: Member},
		{role: Resident},
		{role: SystemAdmin, at: administered, apart: true},
		{role: SecurityAdmin, at: administered, apart: true},
		{role: AuditAdmin, at: administered, apart: true},
	}
}

// Roles answers every role.
func Roles() []Role {
	var out []Role
	for _, t := range traits() {
		out = append(out, t.role)
	}
	return out
}

func (r Role) trait() trait {
	all := traits()
	if i := slices.IndexFunc(all, func(t trait) bool { return t.role == r }); i >= 0 {
		return all[i]
	}
	return trait{role: r}
}

// fits answers ROLE_NOT_GIVEN for a role that nobody gives, ROLE_NOT_THERE for
// one that is not given at organizations of the kind, else nil.
func (r Role) fits(kind Kind, field string) error {
	t := r.trait()
	switch {
	case len(t.at) == 0:
		return rule.New(rule.Invalid, "ROLE_NOT_GIVEN", field+".role", "role", string(r))
	case !slices.Contains(t.at, kind):
		return rule.New(rule.Invalid, "ROLE_NOT_THERE", field+".organization_id", "role", string(r), "kind", string(kind))
	}
	return nil
}

// worksInOffice says whether work waits for whoever has the role.
func (r Role) worksInOffice() bool { return r.trait().office }

// together says whether one account may have both roles: an administrator has
// no other role, but may have the same one in several places.
func together(a, b Role) bool { return a == b || !a.trait().apart && !b.trait().apart }
