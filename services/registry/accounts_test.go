package registry

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
)

// accountsIn answers the client of the accounts.
func (h *house) accounts() pb.AccountServiceClient { return pb.NewAccountServiceClient(h.Conn()) }

// security is a security administrator of a part of the tree.
func (h *house) security(path string) context.Context {
	return h.as("keeper of "+path, grant(typev1.Role_ROLE_SECURITY_ADMIN, path))
}

func roleAt(role typev1.Role, organization string) *pb.RoleGrant {
	return &pb.RoleGrant{Role: role, OrganizationId: organization}
}

// makeAccount makes an account everywhere, with a login of its own.
func (h *house) makeAccount(login string, grants ...*pb.RoleGrant) *pb.Account {
	h.t.Helper()
	reply, err := h.accounts().CreateAccount(h.security("/"), &pb.CreateAccountRequest{Login: login, DisplayName: "姓名 " + login, Grants: grants})
	must(h.t, err)
	if len(reply.GetFirstPassword()) < 20 {
		h.t.Errorf("first password %q", reply.GetFirstPassword())
	}
	return reply.GetAccount()
}

// accountRow answers what lies in the store.
func (h *house) accountRow(id string) *pb.AccountRow {
	h.t.Helper()
	var out *pb.AccountRow
	must(h.t, h.store.View(h.t.Context(), func(r kv.Reader) error {
		row, ok, err := h.service.accounts.Get(r, scope.All(), idKey(id))
		if err == nil && !ok {
			err = fmt.Errorf("no account %s", id)
		}
		out = row.Value
		return err
	}))
	return out
}

const (
	communityID  = "430101002001"
	communityBID = "430101002002"
	workplaceID  = "W00005"
	districtID   = "430101"
)

func TestCreateAccount_WhatTheCallerSaysAndNoMore(t *testing.T) {
	h := start(t).withDistrict()
	asked := func(more *pb.RoleGrant) *pb.CreateAccountRequest {
		more.Role, more.OrganizationId = typev1.Role_ROLE_COMMITTEE_STAFF, communityID
		return &pb.CreateAccountRequest{Login: "xiong.na", DisplayName: "熊娜", Grants: []*pb.RoleGrant{more}}
	}
	// Mass assignment: none of it is the caller's to say.
	for _, more := range []*pb.RoleGrant{{Id: "g77"}, {OrganizationPath: "/"}, {GrantedBy: "the emperor"}, {GrantedAt: timestamppb.New(time.Unix(0, 0))}} {
		if _, err := h.accounts().CreateAccount(h.security(district), asked(more)); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", more, err)
		}
	}
	reply, err := h.accounts().CreateAccount(h.security(district), asked(&pb.RoleGrant{}))
	must(t, err)
	a, g := reply.GetAccount(), reply.GetAccount().GetGrants()[0]
	if g.GetId() != "g1" || g.GetOrganizationPath() != communityA || g.GetGrantedBy() != "keeper of "+district || g.GetGrantedAt().AsTime().Unix() == 0 {
		t.Errorf("grant %v", g)
	}
	if !strings.HasPrefix(a.GetPerson(), "per_") || a.GetDisplayName() != "熊娜" || !a.GetMustChangePassword() || a.GetSecondFactor() ||
		a.GetState() != pb.AccountState_ACCOUNT_STATE_ACTIVE || a.GetEtag() != "1" {
		t.Errorf("account %v", a)
	}
	row := h.accountRow(a.GetId())
	if row.GetAccount().GetDisplayName() != "" || strings.Contains(row.String(), "熊娜") || strings.Contains(row.String(), reply.GetFirstPassword()) {
		t.Errorf("in plain: %v", row)
	}
	grants := h.grantsOf(a.GetId())
	if !slices.Equal(grants, []access.Grant{grant(typev1.Role_ROLE_COMMITTEE_STAFF, communityA)}) {
		t.Errorf("grants %v", grants)
	}
	phc, err := h.service.openOf(a.GetId(), secretPassword, row.GetSealedPassword())
	must(t, err)
	if ok, err := h.service.passwords.Verify(t.Context(), phc, reply.GetFirstPassword()); !ok || err != nil {
		t.Errorf("the first password is not the account's: %v", err)
	}
}

func (h *house) grantsOf(id string) (out []access.Grant) {
	h.t.Helper()
	row := h.accountRow(id)
	must(h.t, h.store.View(h.t.Context(), func(r kv.Reader) (err error) {
		out, err = h.service.grantsOf(r, row)
		return err
	}))
	return out
}

func TestCreateAccount_Refusals(t *testing.T) {
	h := start(t).withDistrict()
	h.makeAccount("zhao", roleAt(typev1.Role_ROLE_DISTRICT_OFFICER, districtID))
	_, err := h.accounts().CreateAccount(h.security("/"), &pb.CreateAccountRequest{Login: "sso", DisplayName: "名",
		Grants: []*pb.RoleGrant{roleAt(typev1.Role_ROLE_DISTRICT_OFFICER, districtID)}, OidcIssuer: "https://id.example", OidcSubject: "7"})
	must(t, err)
	staff := roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID)
	for what, c := range map[string]struct {
		by     context.Context
		change func(*pb.CreateAccountRequest)
		want   string
	}{
		"by an officer":    {h.districtOfficer(), nil, "ROLE_NOT_ALLOWED"},
		"by a system's":    {h.admin(), nil, "ROLE_NOT_ALLOWED"},
		"login of another": {nil, func(r *pb.CreateAccountRequest) { r.Login = "zhao" }, "LOGIN_TAKEN"},
		"capital login":    {nil, func(r *pb.CreateAccountRequest) { r.Login = "Zhao" }, "INVALID_FIELD"},
		"no role":          {nil, func(r *pb.CreateAccountRequest) { r.Grants = nil }, "INVALID_FIELD"},
		"two kinds": {nil, func(r *pb.CreateAccountRequest) {
			r.Grants = append(r.Grants, roleAt(typev1.Role_ROLE_AUDIT_ADMIN, ""))
		}, "ADMINISTRATORS_ARE_SEPARATE"},
		"member by hand":        {nil, func(r *pb.CreateAccountRequest) { r.Grants[0].Role = typev1.Role_ROLE_MEMBER }, "ROLE_NOT_GIVEN"},
		"staff everywhere":      {nil, func(r *pb.CreateAccountRequest) { r.Grants[0].OrganizationId = "" }, "ROLE_NOT_THERE"},
		"staff of a district":   {nil, func(r *pb.CreateAccountRequest) { r.Grants[0].OrganizationId = districtID }, "ROLE_NOT_THERE"},
		"nowhere":               {nil, func(r *pb.CreateAccountRequest) { r.Grants[0].OrganizationId = "999" }, "UNKNOWN_ORGANIZATION"},
		"outside":               {h.security(communityB), nil, "UNKNOWN_ORGANIZATION"},
		"everywhere, from less": {h.security(district), func(r *pb.CreateAccountRequest) { r.Grants[0] = roleAt(typev1.Role_ROLE_SECURITY_ADMIN, "") }, "UNKNOWN_ORGANIZATION"},
		"half a subject":        {nil, func(r *pb.CreateAccountRequest) { r.OidcSubject = "7" }, "INVALID_FIELD"},
		"subject of another":    {nil, func(r *pb.CreateAccountRequest) { r.OidcIssuer, r.OidcSubject = "https://id.example", "7" }, "SUBJECT_TAKEN"},
	} {
		by := c.by
		if by == nil {
			by = h.security("/")
		}
		req := &pb.CreateAccountRequest{Login: "new.one", DisplayName: "名", Grants: []*pb.RoleGrant{roleAt(staff.GetRole(), staff.GetOrganizationId())}}
		if c.change != nil {
			c.change(req)
		}
		_, err := h.accounts().CreateAccount(by, req)
		if wantReason(t, err, c.want); t.Failed() {
			t.Fatal(what)
		}
	}
}

func TestGetAccount_OutsideThePartIsMissing(t *testing.T) {
	h := start(t).withDistrict()
	a := h.makeAccount("xiong", roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID), roleAt(typev1.Role_ROLE_REVIEWER, communityBID))
	for _, id := range []string{a.GetId(), a.GetPerson()} {
		reply, err := h.accounts().GetAccount(h.security(communityA), &pb.GetAccountRequest{Id: id})
		must(t, err)
		if got := reply.GetAccount().GetGrants(); len(got) != 1 || got[0].GetOrganizationId() != communityID {
			t.Errorf("sees %v", got)
		}
		_, outside := h.accounts().GetAccount(h.security(workplace), &pb.GetAccountRequest{Id: id})
		_, missing := h.accounts().GetAccount(h.security(workplace), &pb.GetAccountRequest{Id: "acc_none"})
		wantReason(t, outside, "NOT_FOUND")
		if strings.ReplaceAll(outside.Error(), id, "") != strings.ReplaceAll(missing.Error(), "acc_none", "") {
			t.Errorf("outside says %v, missing %v", outside, missing)
		}
	}
}

func TestListAccounts_OnceEachBelowAPlace(t *testing.T) {
	h := start(t).withDistrict()
	var ids []string
	for i, organization := range []string{communityID, communityBID, communityID} {
		ids = append(ids, h.makeAccount(fmt.Sprintf("staff%d", i), roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, organization),
			roleAt(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, organization), roleAt(typev1.Role_ROLE_REVIEWER, districtID)).GetId())
	}
	everywhere := h.makeAccount("auditor", roleAt(typev1.Role_ROLE_AUDIT_ADMIN, "")).GetId()
	list := func(by context.Context, organization string, size int32) (out []string) {
		for token := ""; ; {
			reply, err := h.accounts().ListAccounts(by, &pb.ListAccountsRequest{OrganizationId: organization, PageSize: size, PageToken: token})
			must(t, err)
			for _, a := range reply.GetAccounts() {
				out = append(out, a.GetId())
			}
			if token = reply.GetNextPageToken(); token == "" {
				return out
			}
		}
	}
	if got := list(h.security("/"), districtID, 1); !slices.Equal(got, ids) {
		t.Errorf("district: %v, want %v", got, ids)
	}
	if got := list(h.security(district), communityID, 0); !slices.Equal(got, []string{ids[0], ids[2]}) {
		t.Errorf("community: %v", got)
	}
	if got := list(h.security("/"), "", 2); !slices.Equal(got, append(ids, everywhere)) {
		t.Errorf("everywhere: %v", got)
	}
	for _, outside := range []string{"", districtID, communityBID, "999"} {
		_, err := h.accounts().ListAccounts(h.security(communityA), &pb.ListAccountsRequest{OrganizationId: outside})
		wantReason(t, err, "UNKNOWN_ORGANIZATION")
	}
}

func TestGrantAndRevoke(t *testing.T) {
	h := start(t).withDistrict()
	a := h.makeAccount("xiong", roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID))
	more := roleAt(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, communityID)
	given, err := h.accounts().GrantRole(h.security(district), &pb.GrantRoleRequest{Id: a.GetId(), Grant: more})
	must(t, err)
	if g := given.GetAccount().GetGrants(); len(g) != 2 || g[1].GetId() != "g2" || g[1].GetOrganizationPath() != communityA {
		t.Fatalf("grants %v", g)
	}
	if h.countEvents("account.changed", a.GetId()) != 1 {
		t.Error("nobody was told of the role")
	}
	_, err = h.accounts().RevokeRole(h.security(communityB), &pb.RevokeRoleRequest{Id: a.GetId(), GrantId: "g1"})
	wantReason(t, err, "NOT_FOUND")
	taken, err := h.accounts().RevokeRole(h.security(communityA), &pb.RevokeRoleRequest{Id: a.GetId(), GrantId: "g1"})
	must(t, err)
	if g := taken.GetAccount().GetGrants(); len(g) != 1 || g[0].GetId() != "g2" {
		t.Errorf("left %v", g)
	}
	_, err = h.accounts().RevokeRole(h.security(communityA), &pb.RevokeRoleRequest{Id: a.GetId(), GrantId: "g2"})
	wantReason(t, err, "LAST_ROLE")
	// The number of a grant is never given again.
	given, err = h.accounts().GrantRole(h.security("/"), &pb.GrantRoleRequest{Id: a.GetId(), Grant: roleAt(typev1.Role_ROLE_REVIEWER, districtID)})
	must(t, err)
	if g := given.GetAccount().GetGrants(); g[len(g)-1].GetId() != "g3" {
		t.Errorf("grants %v", g)
	}
	_, err = h.accounts().GrantRole(h.security("/"), &pb.GrantRoleRequest{Id: a.GetId(), Grant: roleAt(typev1.Role_ROLE_SYSTEM_ADMIN, "")})
	wantReason(t, err, "ADMINISTRATORS_ARE_SEPARATE")
}

// countEvents counts what was announced of an entity.
func (h *house) countEvents(name, entity string) (n int) {
	h.t.Helper()
	h.Drain()
	must(h.t, h.store.View(h.t.Context(), func(r kv.Reader) error {
		return store.EachEvent(r, func(data []byte) {
			var e typev1.EventRow
			must(h.t, proto.Unmarshal(data, &e))
			if e.GetSubject() == "linli.registry."+name && e.GetEntityId() == entity {
				n++
			}
		})
	}))
	return n
}

func TestAccounts_NobodyChangesTheOwn(t *testing.T) {
	h := start(t).withDistrict()
	mine := h.makeAccount("keeper.one", roleAt(typev1.Role_ROLE_SECURITY_ADMIN, ""))
	other := h.makeAccount("keeper.two", roleAt(typev1.Role_ROLE_SECURITY_ADMIN, ""))
	me := h.as(mine.GetPerson(), grant(typev1.Role_ROLE_SECURITY_ADMIN, "/"))
	client := h.accounts()
	for what, call := range map[string]func() error{
		"give": func() error {
			_, err := client.GrantRole(me, &pb.GrantRoleRequest{Id: mine.GetId(), Grant: roleAt(typev1.Role_ROLE_SECURITY_ADMIN, districtID)})
			return err
		},
		"take": func() error {
			_, err := client.RevokeRole(me, &pb.RevokeRoleRequest{Id: mine.GetId(), GrantId: "g1"})
			return err
		},
		"lock": func() error {
			_, err := client.LockAccount(me, &pb.LockAccountRequest{Id: mine.GetPerson(), Reason: "x"})
			return err
		},
		"open": func() error {
			_, err := client.UnlockAccount(me, &pb.UnlockAccountRequest{Id: mine.GetId()})
			return err
		},
		"reset": func() error {
			_, err := client.ResetPassword(me, &pb.ResetPasswordRequest{Id: mine.GetId()})
			return err
		},
		"hand over": func() error {
			_, err := client.HandOver(me, &pb.HandOverRequest{Id: mine.GetId(), ToAccountId: other.GetId(), Reason: "x"})
			return err
		},
	} {
		if wantReason(t, call(), "NOT_ONESELF"); t.Failed() {
			t.Fatal(what)
		}
	}
}

func TestAccounts_TheLastAdministratorStays(t *testing.T) {
	h := start(t).withDistrict()
	client, tool := h.accounts(), h.security("/")
	first := h.makeAccount("keeper.one", roleAt(typev1.Role_ROLE_SECURITY_ADMIN, ""), roleAt(typev1.Role_ROLE_SECURITY_ADMIN, districtID))
	_, err := client.LockAccount(tool, &pb.LockAccountRequest{Id: first.GetId(), Reason: "x"})
	wantReason(t, err, "LAST_ADMINISTRATOR")
	_, err = client.RevokeRole(tool, &pb.RevokeRoleRequest{Id: first.GetId(), GrantId: "g1"})
	wantReason(t, err, "LAST_ADMINISTRATOR")
	second := h.makeAccount("keeper.two", roleAt(typev1.Role_ROLE_SECURITY_ADMIN, ""))
	// Both at once: one of them stays, whichever it is.
	done := make(chan error, 2)
	for _, id := range []string{first.GetId(), second.GetId()} {
		go func() {
			_, err := client.LockAccount(tool, &pb.LockAccountRequest{Id: id, Reason: "x"})
			done <- err
		}()
	}
	refused := 0
	for range 2 {
		if err := <-done; err != nil {
			wantReason(t, err, "LAST_ADMINISTRATOR")
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("%d of two locks were refused", refused)
	}
}

func TestLock_TheWholeAccountIsTheCallers(t *testing.T) {
	h := start(t).withDistrict()
	client := h.accounts()
	a := h.makeAccount("xiong", roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID), roleAt(typev1.Role_ROLE_REVIEWER, communityBID))
	_, err := client.LockAccount(h.security(communityA), &pb.LockAccountRequest{Id: a.GetId(), Reason: "leaves"})
	wantReason(t, err, "STANDS_ELSEWHERE")
	_, err = client.ResetPassword(h.security(communityA), &pb.ResetPasswordRequest{Id: a.GetId()})
	wantReason(t, err, "STANDS_ELSEWHERE")
	locked, err := client.LockAccount(h.security(district), &pb.LockAccountRequest{Id: a.GetId(), Reason: "leaves"})
	must(t, err)
	if locked.GetAccount().GetState() != pb.AccountState_ACCOUNT_STATE_LOCKED {
		t.Error(locked)
	}
	_, err = client.LockAccount(h.security(district), &pb.LockAccountRequest{Id: a.GetId(), Reason: "leaves"})
	wantReason(t, err, "WRONG_STATE")
	open, err := client.UnlockAccount(h.security(district), &pb.UnlockAccountRequest{Id: a.GetId()})
	must(t, err)
	if open.GetAccount().GetState() != pb.AccountState_ACCOUNT_STATE_ACTIVE {
		t.Error(open)
	}
	if h.countEvents("account.changed", a.GetId()) != 2 {
		t.Error("not both steps were announced")
	}
}

func TestNamePeople_ColleaguesOnly(t *testing.T) {
	h := start(t).withDistrict()
	here := h.makeAccount("xiong", roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID))
	above := h.makeAccount("zhao", roleAt(typev1.Role_ROLE_DISTRICT_OFFICER, districtID))
	beside := h.makeAccount("beside", roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityBID))
	auditor := h.makeAccount("auditor", roleAt(typev1.Role_ROLE_AUDIT_ADMIN, ""))
	member := h.withMembers(1)[0]
	h.invite(h.security(district), districtID, false)
	ask := []string{here.GetPerson(), above.GetPerson(), beside.GetPerson(), auditor.GetPerson(), member, "per_none", here.GetId()}
	for what, c := range map[string]struct {
		by   context.Context
		want string
	}{
		"staff here": {h.as("x", grant(typev1.Role_ROLE_COMMITTEE_STAFF, communityA)), "姓名 xiong 姓名 zhao 姓名 auditor"},
		"district":   {h.districtOfficer(), "姓名 xiong 姓名 zhao 姓名 beside 姓名 auditor"},
		"workplace":  {h.officer(workplace), "姓名 zhao 姓名 auditor"},
		"audit":      {h.as("x", grant(typev1.Role_ROLE_AUDIT_ADMIN, "/")), "姓名 xiong 姓名 zhao 姓名 beside 姓名 auditor"},
	} {
		reply, err := h.accounts().NamePeople(c.by, &pb.NamePeopleRequest{Ids: ask})
		must(t, err)
		var names []string
		for _, p := range reply.GetPeople() {
			names = append(names, p.GetDisplayName())
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%s: %s", what, got)
		}
	}
	for _, by := range []context.Context{h.member(member), h.as("r", grant(typev1.Role_ROLE_RESIDENT, communityA))} {
		_, err := h.accounts().NamePeople(by, &pb.NamePeopleRequest{Ids: ask})
		wantReason(t, err, "ROLE_NOT_ALLOWED")
	}
}
