package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/registry/internal/session"
)

func TestSignIn_AnswersATokenOfWhatTheAccountMayDo(t *testing.T) {
	g := newGate(t)
	a := g.account("chen.hua", typev1.Role_ROLE_CITY_OFFICER)
	s := g.enter(" Chen.Hua ")
	who, err := g.verify(s.GetAccessToken())
	must(t, err)
	if who.Person != a.GetAccount().GetPerson() || who.Account != a.GetAccount().GetId() || who.Session != s.GetId() || who.Strong || who.Limit != "" {
		t.Errorf("the token speaks of %+v", who)
	}
	if len(who.Grants) != 1 || who.Grants[0] != (access.Grant{Role: typev1.Role_ROLE_CITY_OFFICER, Path: "/"}) {
		t.Errorf("grants %v", who.Grants)
	}
	if got := s.GetAccessExpiresAt().AsTime().Sub(g.Now()); got != 10*time.Minute {
		t.Errorf("the token holds for %v", got)
	}
	me, err := g.GetMe(g.by(s.GetAccessToken()), &pb.GetMeRequest{})
	must(t, err)
	if me.GetDisplayName() != "陈华" || me.GetMethod() != pb.SignInMethod_SIGN_IN_METHOD_PASSWORD || me.GetActing().GetId() != "g1" {
		t.Errorf("me: %v", me)
	}
	if got := g.stored(a.GetAccount().GetId()).GetAccount().GetLastSignInAt().AsTime(); !got.Equal(g.Now()) {
		t.Errorf("last sign-in %v", got)
	}
	if got := g.outcomes(); got[len(got)-1] != "signed in " {
		t.Errorf("audit: %q", got)
	}
}

// TestSignIn_TellsNobodyWhoHasAnAccount: every way to be refused is the same
// answer at the same cost in hashes, try after try.
func TestSignIn_TellsNobodyWhoHasAnAccount(t *testing.T) {
	tries := func(password string, prepare func(g *gate) (login string)) (answers []string) {
		g := newGate(t)
		login := prepare(g)
		for range 9 {
			before := g.passwords.Done()
			_, err := g.signIn(login, password, "")
			answers = append(answers, fmt.Sprintf("%v after %d hashes", err, g.passwords.Done()-before))
			g.pass(14 * time.Second)
		}
		return answers
	}
	known := tries("another password altogether", func(g *gate) string {
		g.account("chen")
		return "chen"
	})
	for name, got := range map[string][]string{
		"unknown": tries(rightPassword, func(*gate) string { return "nobody" }),
		"locked, with the right password": tries(rightPassword, func(g *gate) string {
			id := g.account("chen").GetAccount().GetId()
			g.change(id, func(_ *store.Tx, row *pb.AccountRow) error {
				row.Account.State = pb.AccountState_ACCOUNT_STATE_LOCKED
				return nil
			})
			return "chen"
		}),
		"without a password": tries("", func(g *gate) string {
			id := g.account("chen").GetAccount().GetId()
			g.change(id, func(_ *store.Tx, row *pb.AccountRow) error {
				row.SealedPassword = nil
				return nil
			})
			return "chen"
		}),
	} {
		if fmt.Sprint(got) != fmt.Sprint(known) {
			t.Errorf("%s:\n%s\nknown, with a wrong password:\n%s", name, strings.Join(got, "\n"), strings.Join(known, "\n"))
		}
	}
	if !strings.HasPrefix(known[0], "NOT_SIGNED_IN after 1 hashes") || !strings.HasPrefix(known[5], "SLOW_DOWN seconds=1 after 0 hashes") {
		t.Errorf("a wrong password: %q", known)
	}
}

// TestSignIn_Flooded: of many guesses at once five are judged, and the right one
// among the others is not told from a wrong one.
func TestSignIn_Flooded(t *testing.T) {
	g := newGate(t)
	g.account("chen")
	var judged, slowed, let atomic.Int32
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			password := "guess number " + decimal(i)
			if i >= 30 {
				password = "the guess " + decimal(i)
			}
			switch _, err := g.signIn("chen", password, ""); {
			case err == nil:
				let.Add(1)
			case reasonIn(err) == "NOT_SIGNED_IN":
				judged.Add(1)
			case reasonIn(err) == "SLOW_DOWN":
				slowed.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if judged.Load() != 5 || slowed.Load() != 35 || let.Load() != 0 {
		t.Fatalf("judged %d, slowed down %d, let in %d", judged.Load(), slowed.Load(), let.Load())
	}
	hashes := g.passwords.Done()
	for range 100 {
		_, err := g.signIn("chen", rightPassword, "")
		refused(t, err, "SLOW_DOWN")
	}
	if g.passwords.Done() != hashes {
		t.Error("a flood that is to wait costs hashes")
	}
	g.open() // a restart forgets nothing
	_, err := g.signIn("chen", rightPassword, "")
	refused(t, err, "SLOW_DOWN")
	g.pass(15 * time.Second)
	g.enter("chen")
	for range 4 { // the count began anew
		_, err := g.signIn("chen", "wrong", "")
		refused(t, err, "NOT_SIGNED_IN")
	}
}

func reasonIn(err error) string {
	var broken *rule.Error
	if errors.As(err, &broken) {
		return broken.Reason
	}
	return ""
}

func TestSignIn_WaitsDoubleUpToAQuarterOfAnHour(t *testing.T) {
	g := newGate(t)
	for range 4 {
		_, err := g.signIn("chen", "wrong", "")
		refused(t, err, "NOT_SIGNED_IN")
	}
	for _, wait := range []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute} {
		_, err := g.signIn("chen", "wrong", "")
		refused(t, err, "NOT_SIGNED_IN")
		g.pass(wait - time.Second)
		_, err = g.signIn("chen", "wrong", "")
		if want := rule.New(rule.Exhausted, "SLOW_DOWN", "", "seconds", "1").Error(); err == nil || err.Error() != want {
			t.Errorf("after %v but a second: %v", wait, err)
		}
		g.pass(time.Second)
	}
	g.pass(session.Forgiven + time.Second)
	for range 4 {
		_, err := g.signIn("chen", "wrong", "")
		refused(t, err, "NOT_SIGNED_IN")
	}
	if _, err := g.signIn("chen", "wrong", ""); reasonIn(err) != "NOT_SIGNED_IN" {
		t.Errorf("an hour later: %v", err)
	}
}

// TestSignIn_AddressThatTriesMany: one guess at each of many logins is slowed
// down by where it comes from, and nobody else with it.
func TestSignIn_AddressThatTriesMany(t *testing.T) {
	g := newGate(t)
	g.account("chen")
	try := func(address, login, password string) error {
		_, err := g.SignIn(g.from(address), &pb.SignInRequest{Login: login, Password: password})
		return err
	}
	for i := range 20 {
		address := "2001:db8:1:2::" + decimal(i+1) // one network, whichever address of it
		refused(t, try(address, "somebody"+decimal(i), "wrong"), "NOT_SIGNED_IN")
	}
	refused(t, try("2001:db8:1:2::ffff", "chen", rightPassword), "SLOW_DOWN")
	must(t, try("2001:db8:1:3::1", "chen", rightPassword))
	must(t, try("192.0.2.9", "chen", rightPassword))
	g.pass(15 * time.Second)
	must(t, try("2001:db8:1:2::ffff", "chen", rightPassword))
	// Who has an account does not wash failures off with it.
	refused(t, try("2001:db8:1:2::1", "somebody", "wrong"), "NOT_SIGNED_IN")
	refused(t, try("2001:db8:1:2::2", "chen", rightPassword), "SLOW_DOWN")
}

// TestSignIn_PasswordChangedMeanwhile: a password that was right when it was
// looked at, and is not any more when the session would begin, lets nobody in.
func TestSignIn_PasswordChangedMeanwhile(t *testing.T) {
	seen := &pb.AccountRow{Account: &pb.Account{Id: "acc_1", State: pb.AccountState_ACCOUNT_STATE_ACTIVE}, SealedPassword: []byte{1}}
	if !sameKeeping(seen, proto.CloneOf(seen)) {
		t.Error("an account that stayed may not sign in")
	}
	for name, edit := range map[string]func(*pb.AccountRow){
		"another password": func(r *pb.AccountRow) { r.SealedPassword = []byte{2} },
		"locked":           func(r *pb.AccountRow) { r.Account.State = pb.AccountState_ACCOUNT_STATE_LOCKED },
		"another account":  func(r *pb.AccountRow) { r.Account.Id = "acc_2" },
	} {
		now := proto.CloneOf(seen)
		if edit(now); sameKeeping(seen, now) {
			t.Errorf("%s: may sign in", name)
		}
	}
}

// TestSignIn_KeepsNoSecret: neither password nor token nor code lies in the
// store, whatever idempotency key a call had; and each refusal is written down.
func TestSignIn_KeepsNoSecret(t *testing.T) {
	g := newGate(t)
	g.account("chen")
	s := g.enter("chen")
	keyed := access.From(g.by(s.GetAccessToken()))
	keyed.IdempotencyKey = "sign-in-1"
	again, err := g.SignIn(access.NewContext(t.Context(), keyed), &pb.SignInRequest{Login: "chen", Password: rightPassword})
	must(t, err)
	third, err := g.SignIn(access.NewContext(t.Context(), keyed), &pb.SignInRequest{Login: "chen", Password: rightPassword})
	must(t, err)
	if third.GetSession().GetId() == again.GetSession().GetId() {
		t.Error("a sign-in was answered from memory")
	}
	secret, recovery, strong := g.withFactor(s)
	next, err := g.refresh(strong.GetRefreshToken())
	must(t, err)
	changed, err := g.ChangePassword(g.by(next.GetAccessToken()), &pb.ChangePasswordRequest{OldPassword: rightPassword, NewPassword: "wide fields by Liuyang town"})
	must(t, err)
	texts := []string{rightPassword, "wide fields by Liuyang town", secret, "陈华", "192.0.2.7"}
	for _, code := range recovery {
		texts = append(texts, code, strings.ReplaceAll(code, "-", ""))
	}
	for _, s := range []*pb.Session{s, again.GetSession(), strong, next, changed.GetSession()} {
		_, secret, _ := strings.Cut(s.GetRefreshToken(), ".")
		texts = append(texts, s.GetAccessToken(), secret)
	}
	for _, text := range texts {
		if text == "" || g.lies(text) {
			t.Errorf("%q lies in the store", text)
		}
	}
	if !g.lies("chen") { // the login does: the search finds what is there
		t.Error("the login does not lie in the store")
	}
	if n := strings.Count(strings.Join(g.outcomes(), "\n"), "signed in"); n != 3 {
		t.Errorf("%d sign-ins in the audit", n)
	}
}

// TestSignIn_EndedContext: who went away while a hash was waited for is counted
// as nothing.
func TestSignIn_EndedContext(t *testing.T) {
	g := newGate(t)
	ctx, end := context.WithCancel(g.nobody())
	end()
	if _, err := g.SignIn(ctx, &pb.SignInRequest{Login: "chen", Password: "wrong"}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if got := g.outcomes(); len(got) != 0 {
		t.Errorf("audit: %q", got)
	}
}
