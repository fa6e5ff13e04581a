package registry

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/scope"
)

// modelAccount is an account as simple as it can be thought of.
type modelAccount struct {
	id, person string
	locked     bool
	grants     map[string]modelGrant // by id
	next       int
}

type modelGrant struct {
	role typev1.Role
	path scope.Path
}

// accountModel decides by the words of docs/accounts.md, in no other way than the
// page does.
type accountModel struct{ all []*modelAccount }

const cityID = "430100"

var modelPlaces = map[string]struct {
	path scope.Path
	kind string
}{
	"": {"/", ""}, cityID: {"/430100/", "city"}, districtID: {district, "district"}, communityID: {communityA, "community"},
	communityBID: {communityB, "community"}, workplaceID: {workplace, "workplace"},
}

func modelFits(role typev1.Role, kind string) string {
	switch role {
	case typev1.Role_ROLE_MEMBER, typev1.Role_ROLE_RESIDENT:
		return "ROLE_NOT_GIVEN"
	case typev1.Role_ROLE_SECURITY_ADMIN, typev1.Role_ROLE_AUDIT_ADMIN:
		if kind == "" || kind == "city" || kind == "district" {
			return ""
		}
	case typev1.Role_ROLE_DISTRICT_OFFICER:
		if kind == "district" {
			return ""
		}
	case typev1.Role_ROLE_COMMITTEE_STAFF:
		if kind == "community" {
			return ""
		}
	case typev1.Role_ROLE_REVIEWER:
		if kind != "" {
			return ""
		}
	}
	return "ROLE_NOT_THERE"
}

func modelApart(r typev1.Role) bool {
	return r == typev1.Role_ROLE_SECURITY_ADMIN || r == typev1.Role_ROLE_AUDIT_ADMIN
}

// part is where an account may act as a security administrator.
func (a *modelAccount) part() (out []scope.Path) {
	for _, g := range a.grants {
		if g.role == typev1.Role_ROLE_SECURITY_ADMIN && !a.locked {
			out = append(out, g.path)
		}
	}
	return out
}

func covers(part []scope.Path, p scope.Path) bool {
	return slices.ContainsFunc(part, func(q scope.Path) bool { return q.Contains(p) })
}

func (m *accountModel) keepers(but *modelAccount, locked bool, without string) (out []string) {
	for _, a := range m.all {
		for id, g := range a.grants {
			gone := a == but && (locked || id == without)
			if g.role == typev1.Role_ROLE_SECURITY_ADMIN && g.path == "/" && !a.locked && !gone {
				out = append(out, a.id)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// seen and whole: what of an account lies in a part.
func (a *modelAccount) seen(part []scope.Path) (some, whole bool) {
	whole = true
	for _, g := range a.grants {
		if covers(part, g.path) {
			some = true
		} else {
			whole = false
		}
	}
	return some, whole
}

func (m *accountModel) give(by, of *modelAccount, role typev1.Role, organization string) string {
	place, part := modelPlaces[organization], by.part()
	if some, _ := of.seen(part); !some {
		return "NOT_FOUND"
	}
	if !covers(part, place.path) {
		return "UNKNOWN_ORGANIZATION"
	}
	if by == of {
		return "NOT_ONESELF"
	}
	for _, g := range of.grants {
		if g.role == role && g.path == place.path {
			return "ROLE_HELD"
		}
	}
	if bad := modelFits(role, place.kind); bad != "" {
		return bad
	}
	for _, g := range of.grants {
		if g.role != role && (modelApart(role) || modelApart(g.role)) {
			return "ADMINISTRATORS_ARE_SEPARATE"
		}
	}
	of.add(role, place.path)
	return ""
}

func (a *modelAccount) add(role typev1.Role, path scope.Path) {
	a.next++
	a.grants[fmt.Sprintf("g%d", a.next)] = modelGrant{role, path}
}

func (m *accountModel) take(by, of *modelAccount, id string) string {
	part := by.part()
	some, _ := of.seen(part)
	g, there := of.grants[id]
	switch {
	case !some:
		return "NOT_FOUND"
	case by == of:
		return "NOT_ONESELF"
	case !there || !covers(part, g.path):
		return "NOT_FOUND"
	case len(of.grants) == 1:
		return "LAST_ROLE"
	case len(m.keepers(of, false, id)) == 0:
		return "LAST_ADMINISTRATOR"
	}
	delete(of.grants, id)
	return ""
}

func (m *accountModel) lock(by, of *modelAccount, lock bool) string {
	some, whole := of.seen(by.part())
	switch {
	case !some:
		return "NOT_FOUND"
	case by == of:
		return "NOT_ONESELF"
	case !whole:
		return "STANDS_ELSEWHERE"
	case of.locked == lock:
		return "WRONG_STATE"
	case lock && len(m.keepers(of, true, "")) == 0:
		return "LAST_ADMINISTRATOR"
	}
	of.locked = lock
	return ""
}

// TestAccounts_AsTheModel lets random administrators send random commands, and
// compares each answer, and in the end every account, with the model.
func TestAccounts_AsTheModel(t *testing.T) {
	h := start(t).withDistrict()
	m, random, client := &accountModel{}, rand.New(rand.NewPCG(5, 2000)), h.accounts()
	made := func(a *pb.Account) {
		of := &modelAccount{id: a.GetId(), person: a.GetPerson(), grants: map[string]modelGrant{}}
		for _, g := range a.GetGrants() {
			of.add(g.GetRole(), scope.Path(g.GetOrganizationPath()))
		}
		m.all = append(m.all, of)
	}
	made(h.makeAccount("first", roleAt(typev1.Role_ROLE_SECURITY_ADMIN, "")))
	made(h.makeAccount("of.the.district", roleAt(typev1.Role_ROLE_SECURITY_ADMIN, districtID)))
	made(h.makeAccount("of.the.district.too", roleAt(typev1.Role_ROLE_SECURITY_ADMIN, districtID)))
	made(h.makeAccount("reviewer", roleAt(typev1.Role_ROLE_REVIEWER, communityID), roleAt(typev1.Role_ROLE_REVIEWER, cityID)))
	made(h.makeAccount("staff", roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID)))
	roles := []typev1.Role{typev1.Role_ROLE_SECURITY_ADMIN, typev1.Role_ROLE_SECURITY_ADMIN, typev1.Role_ROLE_AUDIT_ADMIN,
		typev1.Role_ROLE_DISTRICT_OFFICER, typev1.Role_ROLE_COMMITTEE_STAFF, typev1.Role_ROLE_REVIEWER, typev1.Role_ROLE_MEMBER}
	organizations := []string{"", cityID, districtID, communityID, communityBID, workplaceID}
	answers := map[string]int{}
	for step := range 600 {
		able := slices.DeleteFunc(slices.Clone(m.all), func(a *modelAccount) bool { return len(a.part()) == 0 })
		by, of := able[random.IntN(len(able))], m.all[random.IntN(len(m.all))]
		var grants []access.Grant
		for _, p := range by.part() {
			grants = append(grants, access.Grant{Role: typev1.Role_ROLE_SECURITY_ADMIN, Path: p})
		}
		ctx := h.as(by.person, grants...)
		role, organization := roles[random.IntN(len(roles))], organizations[random.IntN(len(organizations))]
		var err error
		var want string
		switch random.IntN(6) {
		case 0, 1:
			want = m.give(by, of, role, organization)
			_, err = client.GrantRole(ctx, &pb.GrantRoleRequest{Id: of.id, Grant: roleAt(role, organization)})
		case 2:
			id := fmt.Sprintf("g%d", 1+random.IntN(of.next))
			want = m.take(by, of, id)
			_, err = client.RevokeRole(ctx, &pb.RevokeRoleRequest{Id: of.id, GrantId: id})
		case 3:
			want = m.lock(by, of, true)
			_, err = client.LockAccount(ctx, &pb.LockAccountRequest{Id: of.person, Reason: "x"})
		case 4:
			want = m.lock(by, of, false)
			_, err = client.UnlockAccount(ctx, &pb.UnlockAccountRequest{Id: of.id})
		case 5:
			if some, _ := of.seen(by.part()); !some {
				want = "NOT_FOUND"
			}
			_, err = client.GetAccount(ctx, &pb.GetAccountRequest{Id: of.id})
		}
		if got := rpc.Reason(err); got != want {
			t.Fatalf("step %d: %s on %s: %q, want %q", step, by.id, of.id, got, want)
		}
		answers[want]++
	}
	for _, reason := range []string{"", "ADMINISTRATORS_ARE_SEPARATE", "LAST_ROLE", "NOT_FOUND", "NOT_ONESELF", "ROLE_HELD", "ROLE_NOT_GIVEN", "ROLE_NOT_THERE",
		"STANDS_ELSEWHERE", "UNKNOWN_ORGANIZATION", "WRONG_STATE"} {
		if answers[reason] == 0 {
			t.Errorf("nothing was answered with %q: %v", reason, answers)
		}
	}
	m.compare(t, h)
}

func (m *accountModel) compare(t *testing.T, h *house) {
	t.Helper()
	for _, a := range m.all {
		row := h.accountRow(a.id).GetAccount()
		if (row.GetState() == pb.AccountState_ACCOUNT_STATE_LOCKED) != a.locked || len(row.GetGrants()) != len(a.grants) {
			t.Errorf("%s is %v, want %+v", a.id, row, a)
		}
		for _, g := range row.GetGrants() {
			if want := a.grants[g.GetId()]; want.role != g.GetRole() || string(want.path) != g.GetOrganizationPath() {
				t.Errorf("%s has %v, want %+v", a.id, g, want)
			}
		}
	}
	must(t, h.store.View(t.Context(), func(r kv.Reader) error {
		row, _, err := h.service.administrators.Get(r, scope.All(), onlyRow())
		if want := m.keepers(nil, false, ""); !slices.Equal(row.Value.GetAccountIds(), want) || len(want) == 0 {
			t.Errorf("%v keep the accounts, want %v", row.Value.GetAccountIds(), want)
		}
		return err
	}))
}
