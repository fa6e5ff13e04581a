package registry

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/held"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

const accountCanary = "canary-of-an-account"

// edit changes an account's row in the store.
func (h *house) edit(id string, fn func(*pb.AccountRow)) {
	h.t.Helper()
	must(h.t, h.store.Update(h.t.Context(), func(tx *store.Tx) error {
		row, ok, err := h.service.accounts.Get(tx, scope.All(), idKey(id))
		if err != nil || !ok {
			return fmt.Errorf("no account %s: %w", id, err)
		}
		next := proto.CloneOf(row.Value)
		fn(next)
		_, err = h.service.accounts.Replace(tx, row, next)
		return err
	}))
}

// filled makes an account and puts something into each field that is personal.
func (h *house) filled(login string, grants ...*pb.RoleGrant) *pb.Account {
	h.t.Helper()
	a := h.makeAccount(login, grants...)
	said := func(what secret) []byte { return h.service.sealOf(a.GetId(), what, accountCanary+login) }
	h.edit(a.GetId(), func(r *pb.AccountRow) {
		r.SealedDisplayName, r.SealedPassword, r.SealedOldPasswords = said(secretName), said(secretPassword), [][]byte{said(secretPassword), said(secretPassword)}
		r.SealedSecondFactor, r.SealedSecondFactorNext, r.SecondFactorStep = said(secretFactor), said(secretFactor), 7
		r.RecoveryHashes = [][]byte{[]byte(accountCanary + "recovery")}
		r.CodeHash, r.PhoneHash, r.ProviderHash = []byte(accountCanary+"code"+login), []byte(accountCanary+"phone"+login), []byte(accountCanary+"provider"+login)
	})
	return a
}

func (h *house) lock(id string) *pb.Account {
	h.t.Helper()
	reply, err := h.accounts().LockAccount(h.security("/"), &pb.LockAccountRequest{Id: id, Reason: "leaves"})
	must(h.t, err)
	return reply.GetAccount()
}

// days lets days pass for people, and the daily round look.
func (h *house) days(n int) (taken int) {
	h.t.Helper()
	h.Civil.Advance(h.Civil.Now().AddDate(0, 0, n))
	taken, err := h.service.keeper.Expire(h.t.Context())
	must(h.t, err)
	return taken
}

// TestRetention_OfLockedAccounts: a year after it was locked nothing says any more
// whose an office's account was, its login is free, and nobody brings it back; its
// id and its roles with their days stay.
func TestRetention_OfLockedAccounts(t *testing.T) {
	h := startClaims(t)
	client, by := h.accounts(), h.security("/")
	a := h.filled("xiong", roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID))
	to := h.makeAccount("liu", roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID))
	_, err := pb.NewInboxServiceClient(h.Conn()).SetContact(h.as(a.GetPerson(), grant(typev1.Role_ROLE_COMMITTEE_STAFF, communityA)),
		&pb.SetContactRequest{Email: accountCanary + "@example.org"})
	must(t, err)
	left, err := h.handOver(by, a.GetId(), to.GetId(), nil)
	must(t, err)
	if !left.GetLockedAt().AsTime().Equal(h.Civil.Now()) || left.GetErasedAt() != nil {
		t.Fatalf("locked since %v, erased at %v", left.GetLockedAt(), left.GetErasedAt())
	}
	if n := h.days(364); n != 0 || h.accountRow(a.GetId()).GetAccount().GetLogin() != "xiong" {
		t.Fatalf("%d rows were taken before the time", n)
	}
	changed := h.countEvents("account.changed", a.GetId())
	h.days(2)
	h.holdsNot(accountCanary)
	row := h.accountRow(a.GetId())
	want := &pb.AccountRow{HandedTo: to.GetId(), NextGrant: 2, Account: &pb.Account{
		Id: a.GetId(), Person: a.GetPerson(), Grants: a.GetGrants(), State: pb.AccountState_ACCOUNT_STATE_LOCKED,
		CreatedAt: a.GetCreatedAt(), LockedAt: left.GetLockedAt(), ErasedAt: row.GetAccount().GetErasedAt(),
	}}
	if !proto.Equal(row, want) || row.GetAccount().GetErasedAt() == nil {
		t.Errorf("left of it: %v, want %v", row, want)
	}
	if h.countEvents("account.changed", a.GetId()) != changed+1 {
		t.Error("the processes were not told")
	}
	if n := h.days(1); n != 0 {
		t.Errorf("a second look took %d rows", n)
	}
	h.refusesAnErased(a)
	if again := h.makeAccount("xiong", roleAt(typev1.Role_ROLE_REVIEWER, communityID)); again.GetId() == a.GetId() || again.GetPerson() == a.GetPerson() {
		t.Errorf("who has the login now has the other's ids: %v", again)
	}
	if _, err := h.handOver(by, a.GetId(), to.GetId(), nil); err != nil {
		t.Errorf("work that was found later cannot be handed over: %v", err)
	}
	seen, err := client.GetAccount(by, &pb.GetAccountRequest{Id: a.GetPerson()})
	must(t, err)
	if seen.GetAccount().GetDisplayName() != "" || len(seen.GetAccount().GetGrants()) != 1 || seen.GetAccount().GetErasedAt() == nil {
		t.Errorf("the administrator sees %v", seen.GetAccount())
	}
}

// refusesAnErased: neither unlocking nor a password nor a role brings an account
// back, and colleagues are told in their language that somebody left.
func (h claimsHouse) refusesAnErased(a *pb.Account) {
	h.t.Helper()
	client, by := h.accounts(), h.security("/")
	for what, err := range map[string]error{
		"unlock":   errOf(client.UnlockAccount(by, &pb.UnlockAccountRequest{Id: a.GetId()})),
		"lock":     errOf(client.LockAccount(by, &pb.LockAccountRequest{Id: a.GetId(), Reason: "leaves"})),
		"password": errOf(client.ResetPassword(by, &pb.ResetPasswordRequest{Id: a.GetId()})),
		"grant":    errOf(client.GrantRole(by, &pb.GrantRoleRequest{Id: a.GetId(), Grant: roleAt(typev1.Role_ROLE_REVIEWER, communityID)})),
		"revoke":   errOf(client.RevokeRole(by, &pb.RevokeRoleRequest{Id: a.GetId(), GrantId: "g1"})),
	} {
		if err == nil {
			h.t.Errorf("%s: went through", what)
			continue
		}
		wantReason(h.t, err, "ACCOUNT_ERASED")
	}
	colleague := h.as("x", grant(typev1.Role_ROLE_COMMITTEE_STAFF, communityA))
	md, _ := metadata.FromOutgoingContext(colleague)
	for language, want := range map[string]string{"en": "somebody who has left", "zh": "已离岗人员"} {
		said := md.Copy()
		said.Set(rpc.HeaderLanguage, language)
		reply, err := client.NamePeople(metadata.NewOutgoingContext(h.t.Context(), said), &pb.NamePeopleRequest{Ids: []string{a.GetPerson()}})
		must(h.t, err)
		if len(reply.GetPeople()) != 1 || reply.GetPeople()[0].GetDisplayName() != want {
			h.t.Errorf("%s: %v", language, reply.GetPeople())
		}
	}
}

// TestRetention_KeepsOtherAccounts: what was unlocked, what waits for a hand-over,
// and what is a member's or a resident's keeps everything, however long it takes.
func TestRetention_KeepsOtherAccounts(t *testing.T) {
	h := startClaims(t)
	reviewer, office := roleAt(typev1.Role_ROLE_REVIEWER, communityID), roleAt(typev1.Role_ROLE_STREET_OFFICER, "430101002")
	back, waits, active := h.filled("back", reviewer), h.filled("waits", office), h.filled("active", reviewer)
	member := h.withMembers(1)[0]
	h.invite(h.security("/"), districtID, false)
	h.withResident("res_1")
	members, err := h.accounts().GetAccount(h.security("/"), &pb.GetAccountRequest{Id: member})
	must(t, err)
	h.lock(back.GetId())
	h.lock(waits.GetId())
	h.lock(members.GetAccount().GetId())
	h.edit("acc_res_1", func(r *pb.AccountRow) { h.service.stands(r, "locked") })
	h.days(360)
	open, err := h.accounts().UnlockAccount(h.security("/"), &pb.UnlockAccountRequest{Id: back.GetId()})
	must(t, err)
	if open.GetAccount().GetLockedAt() != nil {
		t.Errorf("unlocked, and locked since %v", open.GetAccount().GetLockedAt())
	}
	h.lock(back.GetId()) // its days begin anew
	before := map[string]*pb.AccountRow{}
	for _, id := range []string{back.GetId(), waits.GetId(), active.GetId(), members.GetAccount().GetId(), "acc_res_1"} {
		before[id] = h.accountRow(id)
	}
	h.days(300)
	for id, row := range before {
		if got := h.accountRow(id); !proto.Equal(got, row) {
			t.Errorf("%s became %v", row.GetAccount().GetLogin(), got)
		}
	}
	h.days(66)
	if got := h.accountRow(back.GetId()).GetAccount(); got.GetLogin() != "" {
		t.Errorf("locked a second time for a year: %v", got)
	}
	h.days(2000)
	for id, row := range before {
		if got := h.accountRow(id); id != back.GetId() && !proto.Equal(got, row) {
			t.Errorf("years later %s became %v", row.GetAccount().GetLogin(), got)
		}
	}
}

// TestRetention_WaitsForTheHandOver: work that was handed over while somebody was
// away is not all there is of who came back; what was when the account was locked is.
func TestRetention_WaitsForTheHandOver(t *testing.T) {
	h := startClaims(t)
	staff := roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID)
	cameBack, stayedAway, to := h.filled("back", staff), h.filled("away", staff), h.makeAccount("liu", staff)
	by := h.security("/")
	for id, days := range map[string]int{cameBack.GetId(): 10, stayedAway.GetId(): 40} {
		_, err := h.handOver(by, id, to.GetId(), timestamppb.New(h.Civil.Now().AddDate(0, 0, days)))
		must(t, err)
	}
	h.days(20)
	h.lock(cameBack.GetId())
	h.lock(stayedAway.GetId())
	erased := func(a *pb.Account) bool { return h.accountRow(a.GetId()).GetAccount().GetErasedAt() != nil }
	h.days(366)
	if erased(cameBack) || !erased(stayedAway) {
		t.Errorf("who came back is erased: %v; who stayed away: %v", erased(cameBack), erased(stayedAway))
	}
	_, err := h.handOver(by, cameBack.GetId(), to.GetId(), nil)
	must(t, err)
	if h.days(1); !erased(cameBack) {
		t.Error("handed over, and kept")
	}
}

// TestRetention_OfAccountsLockedBefore: one that was locked when nobody wrote down
// since when has all of its days from the first look on.
func TestRetention_OfAccountsLockedBefore(t *testing.T) {
	h := startClaims(t)
	a := h.filled("xiong", roleAt(typev1.Role_ROLE_REVIEWER, communityID))
	h.lock(a.GetId())
	h.edit(a.GetId(), func(r *pb.AccountRow) { r.Account.LockedAt = nil })
	for _, c := range []struct {
		days int
		kept bool
	}{{1, true}, {364, true}, {2, false}} {
		h.days(c.days)
		if got := h.accountRow(a.GetId()).GetAccount(); (got.GetLogin() != "") != c.kept || got.GetLockedAt() == nil {
			t.Errorf("after %d days more: %v", c.days, got)
		}
	}
}

var errKilled = errors.New("killed")

// TestRetention_OfAccountsKilledAnywhere: broken off after some accounts, the round
// has taken whole slices and nothing else, and the next one takes the rest.
func TestRetention_OfAccountsKilledAnywhere(t *testing.T) {
	for _, fails := range []int{0, 1, 10, 14} {
		t.Run(fmt.Sprint(fails), func(t *testing.T) {
			h := startClaims(t)
			var made []string
			for i := range 15 {
				a := h.filled("reviewer-"+strings.Repeat("x", i), roleAt(typev1.Role_ROLE_REVIEWER, communityID))
				h.lock(a.GetId())
				made = append(made, a.GetId())
			}
			h.Civil.Advance(h.Civil.Now().AddDate(0, 0, 366))
			dies, done := h.service.accountHolding().(held.Of[*pb.AccountRow]), map[string]bool{} // a commit runs again
			dies.Expire = func(tx *store.Tx, row table.Row[*pb.AccountRow], next *pb.AccountRow) (held.Effect, error) {
				if id := row.Value.GetAccount().GetId(); !done[id] && len(done) == fails {
					return held.Leave, errKilled
				}
				done[row.Value.GetAccount().GetId()] = true
				return h.service.withoutPerson(tx, row, next)
			}
			round := held.New(held.Config{Store: h.store, Log: h.Logger(), Number: numberErasure}, dies)
			if _, err := round.Expire(t.Context()); !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			erased := 0
			for _, id := range made {
				row := h.accountRow(id)
				whole := row.GetAccount().GetLogin() != "" && len(row.GetSealedDisplayName()) > 0 && len(row.GetSealedOldPasswords()) == 2
				if row.GetAccount().GetErasedAt() != nil {
					erased++
				} else if !whole {
					t.Errorf("half erased: %v", row)
				}
			}
			if want := fails / 10 * 10; erased != want {
				t.Errorf("%d were erased, want %d", erased, want)
			}
			if n := h.days(0); n != len(made)-erased {
				t.Errorf("the next round took %d of %d", n, len(made)-erased)
			}
			h.holdsNot(accountCanary)
		})
	}
}
