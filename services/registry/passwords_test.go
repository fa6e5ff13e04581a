package registry

import (
	"bytes"
	"testing"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/store"
)

// must makes an account change its password, as after a reset.
func (g *gate) must(id string) {
	g.t.Helper()
	g.change(id, func(_ *store.Tx, row *pb.AccountRow) error {
		row.Account.MustChangePassword = true
		return nil
	})
}

func TestChangePassword_EndsTheOtherSessions(t *testing.T) {
	g := newGate(t)
	id := g.account("chen").GetAccount().GetId()
	g.must(id)
	s, other := g.enter("chen"), g.enter("chen")
	if who, err := g.verify(s.GetAccessToken()); err != nil || who.Limit != access.LimitPassword {
		t.Errorf("before: %+v, %v", who, err)
	}
	g.pass(time.Minute)
	const fresh = "wide fields by Liuyang town"
	reply, err := g.ChangePassword(g.by(s.GetAccessToken()), &pb.ChangePasswordRequest{OldPassword: rightPassword, NewPassword: fresh})
	must(t, err)
	if who, err := g.verify(reply.GetSession().GetAccessToken()); err != nil || who.Limit != "" || who.Session != s.GetId() {
		t.Errorf("after: %+v, %v", who, err)
	}
	_, err = g.verify(other.GetAccessToken())
	refused(t, err, "TOKEN_EXPIRED")
	_, err = g.refresh(other.GetRefreshToken())
	refused(t, err, "SESSION_ENDED")
	_, err = g.signIn("chen", rightPassword, "")
	refused(t, err, "NOT_SIGNED_IN")
	_, err = g.signIn("chen", fresh, "")
	must(t, err)
	if at := g.stored(id).GetPasswordSetAt().AsTime(); !at.Equal(g.Now()) {
		t.Errorf("set at %v", at)
	}
	_, err = g.refresh(reply.GetSession().GetRefreshToken())
	must(t, err)
	_, err = g.refresh(s.GetRefreshToken()) // a copy of before the change
	refused(t, err, "SESSION_ENDED")
}

func TestChangePassword_TakesNoneOfBefore(t *testing.T) {
	g := newGate(t)
	g.account("chen.hua")
	s := g.enter("chen.hua")
	change := func(before, after string) error {
		reply, err := g.ChangePassword(g.by(s.GetAccessToken()), &pb.ChangePasswordRequest{OldPassword: before, NewPassword: after})
		if err == nil {
			s = reply.GetSession()
		}
		return err
	}
	for _, weak := range []string{"short", "password1234", "chen.hua and his dog", "陈华 Xk3#mQ9pLw2z", rightPassword} {
		refused(t, change(rightPassword, weak), "WEAK_PASSWORD")
	}
	// Who does not know the old one learns nothing of the new.
	refused(t, change("wrong", "short"), "WRONG_PASSWORD")
	had := []string{rightPassword, "wide fields by Liuyang town", "old bridges over a canal", "three lamps in the tower"}
	for i := range had[1:] {
		must(t, change(had[i], had[i+1]))
	}
	for _, before := range had {
		refused(t, change(had[3], before), "WEAK_PASSWORD")
	}
	must(t, change(had[3], "nobody sleeps on market days"))
	must(t, change("nobody sleeps on market days", had[0])) // long ago
}

func TestChangePassword_OfAnAccountWithoutOne(t *testing.T) {
	g := newGate(t)
	id := g.account("chen").GetAccount().GetId()
	s := g.enter("chen")
	g.change(id, func(_ *store.Tx, row *pb.AccountRow) error {
		row.SealedPassword = nil
		return nil
	})
	_, err := g.ChangePassword(g.by(s.GetAccessToken()), &pb.ChangePasswordRequest{OldPassword: rightPassword, NewPassword: "wide fields by Liuyang town"})
	refused(t, err, "NO_PASSWORD")
}

// TestChangePassword_GuessesAreSlowedDown: who finds a session left open does
// not get to try passwords in it.
func TestChangePassword_GuessesAreSlowedDown(t *testing.T) {
	g := newGate(t)
	g.account("chen")
	s := g.enter("chen")
	try := func(old string) error {
		_, err := g.ChangePassword(g.by(s.GetAccessToken()), &pb.ChangePasswordRequest{OldPassword: old, NewPassword: "wide fields by Liuyang town"})
		return err
	}
	for range 5 {
		refused(t, try("wrong"), "WRONG_PASSWORD")
	}
	refused(t, try(rightPassword), "SLOW_DOWN")
	_, err := g.signIn("chen", rightPassword, "") // it is one count with signing in
	refused(t, err, "SLOW_DOWN")
	g.pass(15 * time.Second)
	must(t, try(rightPassword))
}

func TestResetPassword(t *testing.T) {
	h := start(t).withDistrict()
	a := h.makeAccount("xiong", roleAt(typev1.Role_ROLE_COMMITTEE_STAFF, communityID))
	before := h.accountRow(a.GetId())
	reply, err := h.accounts().ResetPassword(h.security(district), &pb.ResetPasswordRequest{Id: a.GetId(), SecondFactor: true})
	must(t, err)
	after := h.accountRow(a.GetId())
	phc, err := h.service.openOf(a.GetId(), secretPassword, after.GetSealedPassword())
	must(t, err)
	ok, err := h.service.passwords.Verify(t.Context(), phc, reply.GetFirstPassword())
	if !ok || err != nil || !after.GetAccount().GetMustChangePassword() || !after.GetPasswordSetAt().AsTime().After(before.GetPasswordSetAt().AsTime()) ||
		len(after.GetSealedOldPasswords()) != 1 || !bytes.Equal(after.GetSealedOldPasswords()[0], before.GetSealedPassword()) { // it does not come back
		t.Errorf("%v, %v, %v", ok, err, after)
	}
}
