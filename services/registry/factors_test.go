package registry

import (
	"encoding/base32"
	"net/url"
	"testing"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
)

// TestFactorStep_VectorsOfRFC6238: those of SHA-1 in appendix B, of whose eight
// digits an authenticator shows the last six.
func TestFactorStep_VectorsOfRFC6238(t *testing.T) {
	secret := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte("12345678901234567890"))
	for at, code := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		now := time.Unix(at, 0)
		step, ok := factorStep(secret, code, now, -1)
		if !ok || step != at/30 {
			t.Errorf("at %d: step %d, %v", at, step, ok)
		}
		if _, ok := factorStep(secret, code, now, step); ok {
			t.Errorf("at %d: the code was taken twice", at)
		}
		for _, off := range []time.Duration{-30 * time.Second, 30 * time.Second} { // a phone's clock
			if _, ok := factorStep(secret, code, now.Add(off), -1); !ok {
				t.Errorf("at %d: refused %v beside its time", at, off)
			}
		}
		for _, off := range []time.Duration{-60 * time.Second, 60 * time.Second} {
			if _, ok := factorStep(secret, code, now.Add(off), -1); ok && now.Add(off).Unix() >= 0 {
				t.Errorf("at %d: taken %v beside its time", at, off)
			}
		}
		if _, ok := factorStep(secret, code[1:], now, -1); ok {
			t.Errorf("at %d: five digits were taken", at)
		}
	}
	if _, ok := factorStep("", "287082", time.Unix(59, 0), -1); ok {
		t.Error("taken without a secret")
	}
}

func TestSecondFactor_IsWantedOnceItWasConfirmed(t *testing.T) {
	g := newGate(t)
	id := g.account("chen").GetAccount().GetId()
	s, other := g.enter("chen"), g.enter("chen")
	begun, err := g.BeginSecondFactor(g.by(s.GetAccessToken()), &pb.BeginSecondFactorRequest{Password: rightPassword})
	must(t, err)
	if u, err := url.Parse(begun.GetUri()); err != nil || u.Scheme != "otpauth" || u.Query().Get("secret") != begun.GetSecret() {
		t.Errorf("uri %s, %v", begun.GetUri(), err)
	}
	g.enter("chen") // it does not count yet
	_, err = g.ConfirmSecondFactor(g.by(s.GetAccessToken()), &pb.ConfirmSecondFactorRequest{Code: "000000"})
	refused(t, err, "CODE_NOT_VALID")
	reply, err := g.ConfirmSecondFactor(g.by(s.GetAccessToken()), &pb.ConfirmSecondFactorRequest{Code: g.code(begun.GetSecret())})
	must(t, err)
	who, err := g.verify(reply.GetSession().GetAccessToken())
	must(t, err)
	if !who.Strong || len(reply.GetRecoveryCodes()) != recoveryCodes || !g.stored(id).GetAccount().GetSecondFactor() {
		t.Errorf("confirmed: %+v, %d recovery codes", who, len(reply.GetRecoveryCodes()))
	}
	_, err = g.refresh(other.GetRefreshToken()) // begun without it
	refused(t, err, "SESSION_ENDED")

	_, err = g.signIn("chen", "wrong", g.code(begun.GetSecret()))
	refused(t, err, "NOT_SIGNED_IN")
	_, err = g.signIn("chen", rightPassword, "")
	refused(t, err, "SECOND_FACTOR_WANTED")
	_, err = g.signIn("chen", rightPassword, g.code(begun.GetSecret())) // that of the confirmation
	refused(t, err, "NOT_SIGNED_IN")
	g.pass(30 * time.Second)
	code := g.code(begun.GetSecret())
	in, err := g.signIn("chen", rightPassword, code)
	must(t, err)
	if who, err := g.verify(in.GetAccessToken()); err != nil || !who.Strong {
		t.Errorf("signed in with the factor: %+v, %v", who, err)
	}
	_, err = g.signIn("chen", rightPassword, code) // over a shoulder
	refused(t, err, "NOT_SIGNED_IN")
}

func TestRecoveryCodes_EachOnce(t *testing.T) {
	g := newGate(t)
	g.account("chen")
	_, recovery, _ := g.withFactor(g.enter("chen"))
	for _, code := range recovery {
		_, err := g.signIn("chen", rightPassword, code)
		must(t, err)
		_, err = g.signIn("chen", rightPassword, code)
		refused(t, err, "NOT_SIGNED_IN")
	}
	_, err := g.signIn("chen", rightPassword, "aaaaa-aaaaa")
	refused(t, err, "NOT_SIGNED_IN")
}

// TestSecondFactor_GuessesAreSlowedDown: who has the password has five guesses.
func TestSecondFactor_GuessesAreSlowedDown(t *testing.T) {
	g := newGate(t)
	g.account("chen")
	secret, _, _ := g.withFactor(g.enter("chen"))
	g.pass(time.Minute)
	for range 5 {
		_, err := g.signIn("chen", rightPassword, "000000")
		refused(t, err, "NOT_SIGNED_IN")
		_, err = g.signIn("chen", rightPassword, "") // asking for it begins nothing anew
		if got := reasonIn(err); got != "SECOND_FACTOR_WANTED" && got != "SLOW_DOWN" {
			t.Errorf("%v", err)
		}
	}
	_, err := g.signIn("chen", rightPassword, g.code(secret))
	refused(t, err, "SLOW_DOWN")
	g.pass(15 * time.Second)
	_, err = g.signIn("chen", rightPassword, g.code(secret))
	must(t, err)
}

// TestSecondFactor_OfAdministratorsComesFirst: until it is there the session may
// do nothing else; a password to be changed comes before it.
func TestSecondFactor_OfAdministratorsComesFirst(t *testing.T) {
	g := newGate(t)
	for _, role := range []typev1.Role{typev1.Role_ROLE_SYSTEM_ADMIN, typev1.Role_ROLE_SECURITY_ADMIN, typev1.Role_ROLE_AUDIT_ADMIN} {
		login := access.RoleName(role)
		row := g.account(login, role)
		s := g.enter(login)
		if who, err := g.verify(s.GetAccessToken()); err != nil || who.Limit != access.LimitFactor || !s.GetMustSetSecondFactor() {
			t.Errorf("%s without a factor: %+v, %v", login, who, err)
		}
		_, _, strong := g.withFactor(s)
		if who, err := g.verify(strong.GetAccessToken()); err != nil || who.Limit != "" || !who.Strong || strong.GetMustSetSecondFactor() {
			t.Errorf("%s with a factor: %+v, %v", login, who, err)
		}
		g.must(row.GetAccount().GetId())
		next, err := g.refresh(strong.GetRefreshToken())
		must(t, err)
		if who, err := g.verify(next.GetAccessToken()); err != nil || who.Limit != access.LimitPassword || !next.GetMustChangePassword() {
			t.Errorf("%s after a reset: %+v, %v", login, who, err)
		}
	}
}

// TestBeginSecondFactor_AsksForThePasswordAndTheFactorThatIs: a session that was
// left open does not get to change either.
func TestBeginSecondFactor_AsksForThePasswordAndTheFactorThatIs(t *testing.T) {
	g := newGate(t)
	g.account("chen")
	s := g.enter("chen")
	_, err := g.BeginSecondFactor(g.by(s.GetAccessToken()), &pb.BeginSecondFactorRequest{Password: "wrong"})
	refused(t, err, "WRONG_PASSWORD")
	_, err = g.ConfirmSecondFactor(g.by(s.GetAccessToken()), &pb.ConfirmSecondFactorRequest{Code: "000000"})
	refused(t, err, "SECOND_FACTOR_NOT_BEGUN")
	_, _, strong := g.withFactor(s)
	_, err = g.BeginSecondFactor(g.by(strong.GetAccessToken()), &pb.BeginSecondFactorRequest{Password: rightPassword})
	must(t, err)
	weak := access.From(g.by(strong.GetAccessToken()))
	weak.Strong = false
	_, err = g.BeginSecondFactor(access.NewContext(t.Context(), weak), &pb.BeginSecondFactorRequest{Password: rightPassword})
	refused(t, err, "STRONG_SESSION_WANTED")
	for range 5 {
		_, err = g.BeginSecondFactor(g.by(strong.GetAccessToken()), &pb.BeginSecondFactorRequest{Password: "wrong"})
		refused(t, err, "WRONG_PASSWORD")
	}
	_, err = g.BeginSecondFactor(g.by(strong.GetAccessToken()), &pb.BeginSecondFactorRequest{Password: rightPassword})
	refused(t, err, "SLOW_DOWN")
}
