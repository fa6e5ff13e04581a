package registry

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/boltkv"
	"github.com/linli-project/linli/pkg/table"
)

// invite answers the codes of the members of an organization by member.
func (h *house) invite(by context.Context, organization string, renew bool) map[string]string {
	h.t.Helper()
	codes, err := h.tryInvite(by, organization, renew)
	must(h.t, err)
	return codes
}

func (h *house) tryInvite(by context.Context, organization string, renew bool) (map[string]string, error) {
	stream, err := h.accounts().InviteMembers(by, &pb.InviteMembersRequest{OrganizationId: organization, Renew: renew})
	codes := map[string]string{}
	for err == nil {
		var part *pb.InviteMembersResponse
		part, err = stream.Recv()
		for _, i := range part.GetInvitations() {
			if codes[i.GetMemberId()] != "" || i.GetCardNumber() != "" {
				h.t.Errorf("invitation %v, and before %q", i, codes[i.GetMemberId()])
			}
			codes[i.GetMemberId()] = i.GetCode()
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return codes, err
}

func TestInviteMembers_NamesForThoseWhoReadThem(t *testing.T) {
	h := start(t).withDistrict()
	h.withMembers(1)
	for by, want := range map[context.Context]string{h.officer(workplace): "党员0", h.security(district): ""} {
		stream, err := h.accounts().InviteMembers(by, &pb.InviteMembersRequest{OrganizationId: workplaceID, Renew: true})
		must(t, err)
		part, err := stream.Recv()
		must(t, err)
		if got := part.GetInvitations()[0].GetName(); got != want {
			t.Errorf("name %q, want %q", got, want)
		}
	}
}

// byCode answers the account of a code.
func (h *house) byCode(typed string) (row table.Row[*pb.AccountRow], ok bool) {
	h.t.Helper()
	must(h.t, h.store.View(h.t.Context(), func(r kv.Reader) (err error) {
		row, ok, err = h.service.accountByCode(r, typed)
		return err
	}))
	return row, ok
}

func TestInviteMembers_EachCodeOnce(t *testing.T) {
	h := start(t).withDistrict()
	members := h.withMembers(5)
	first := h.invite(h.officer(workplace), workplaceID, false)
	if len(first) != len(members) {
		t.Fatalf("%d codes for %d members", len(first), len(members))
	}
	for member, code := range first {
		row, ok := h.byCode(strings.ToLower(code[:8] + " " + code[8:]))
		if !ok || row.Value.GetAccount().GetPerson() != member || row.Value.GetAccount().GetLogin() != "" {
			t.Errorf("%s leads to %v", code, row.Value)
		}
		if got := h.grantsOf(row.Value.GetAccount().GetId()); len(got) != 1 || got[0] != grant(typev1.Role_ROLE_MEMBER, workplace) {
			t.Errorf("grants %v", got)
		}
		if strings.Contains(row.Value.String(), code) {
			t.Error("the code lies in plain")
		}
	}
	if again := h.invite(h.officer(workplace), workplaceID, false); len(again) != 0 {
		t.Errorf("told again: %v", again)
	}
	renewed := h.invite(h.security(district), districtID, true)
	for member, code := range first {
		old, ok := h.byCode(code)
		if ok || renewed[member] == code || renewed[member] == "" {
			t.Errorf("the old code of %s still leads to %v", member, old.Value)
		}
		row, ok := h.byCode(renewed[member])
		if !ok || h.countEvents("account.changed", row.Value.GetAccount().GetId()) != 1 {
			t.Errorf("%s: the new code leads to %v, and who had the old one goes on", member, row.Value)
		}
	}
	if _, ok := h.byCode("not a code"); ok {
		t.Error("anything is a code")
	}
}

func TestInviteMembers_OwnMembersOnly(t *testing.T) {
	h := start(t).withDistrict()
	h.withMembers(2)
	for what, by := range map[string]context.Context{
		"another workplace":      h.officer(district + "W00006/"),
		"the community they are": h.staff(communityA),
	} {
		_, err := h.tryInvite(by, workplaceID, true)
		if wantReason(t, err, "UNKNOWN_ORGANIZATION"); t.Failed() {
			t.Fatal(what)
		}
	}
	_, err := h.tryInvite(h.districtOfficer(), workplaceID, true)
	wantReason(t, err, "ROLE_NOT_ALLOWED")
	if codes := h.invite(h.staff(communityA), communityID, true); len(codes) != 0 {
		t.Errorf("the community was told %v", codes)
	}
}

func TestMemberGrants_FollowTheRow(t *testing.T) {
	h := start(t).withDistrict()
	member := h.withMembers(1)[0]
	code := h.invite(h.officer(workplace), workplaceID, false)[member]
	row, _ := h.byCode(code)
	reply, err := h.SubmitReportIn(h.member(member), &pb.SubmitReportInRequest{MemberId: member})
	must(t, err)
	h.accept(reply.GetReportIn().GetId())
	want := []access.Grant{grant(typev1.Role_ROLE_MEMBER, workplace), grant(typev1.Role_ROLE_MEMBER, communityA)}
	got := h.grantsOf(row.Value.GetAccount().GetId())
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("grants %v", got)
	}
	seen, err := h.accounts().GetAccount(h.security(communityA), &pb.GetAccountRequest{Id: member})
	must(t, err)
	if g := seen.GetAccount().GetGrants(); len(g) != 1 || g[0].GetOrganizationId() != communityID || seen.GetAccount().GetDisplayName() != "" {
		t.Errorf("the community's administrator sees %v", seen)
	}
	for _, err := range []error{
		func() error {
			_, err := h.accounts().GrantRole(h.security("/"), &pb.GrantRoleRequest{Id: member, Grant: roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID)})
			return err
		}(),
		func() error {
			_, err := h.accounts().ResetPassword(h.security("/"), &pb.ResetPasswordRequest{Id: member})
			return err
		}(),
	} {
		wantReason(t, err, "NO_LOGIN")
	}
}

// TestInviteMembers_ADistrictInSeconds invites the 15,000 members of the record
// on a file.
func TestInviteMembers_ADistrictInSeconds(t *testing.T) {
	engine, err := boltkv.Open(filepath.Join(t.TempDir(), "registry.db"), boltkv.Options{})
	must(t, err)
	h := startOn(t, kv.New(engine, kv.Options{})).withDistrict()
	done, err := h.sendRoster(h.districtOfficer(), districtID, false, record(t, "district-roster.csv.gz"))
	must(t, err)
	began := time.Now()
	codes := h.invite(h.security("/"), "", false) // some are at home outside the district
	took := time.Since(began)
	if len(codes) != int(done.GetCreated()) || len(codes) < 15000 {
		t.Fatalf("%d codes for %d members", len(codes), done.GetCreated())
	}
	t.Logf("%d members were invited in %s", len(codes), took.Round(time.Millisecond))
	if took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}
