package registry

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/registry/internal/session"
)

func TestRefresh_ChangesBothTokens(t *testing.T) {
	g := newGate(t)
	g.account("chen")
	s := g.enter("chen")
	g.pass(9 * time.Minute)
	next, err := g.refresh(s.GetRefreshToken())
	must(t, err)
	if next.GetId() != s.GetId() || next.GetRefreshToken() == s.GetRefreshToken() || next.GetAccessToken() == s.GetAccessToken() {
		t.Errorf("refreshed %v to %v", s, next)
	}
	if !next.GetIdleUntil().AsTime().Equal(g.Now().Add(30*time.Minute)) || !next.GetEndsAt().AsTime().Equal(s.GetEndsAt().AsTime()) {
		t.Errorf("idle until %v, ends at %v", next.GetIdleUntil().AsTime(), next.GetEndsAt().AsTime())
	}
	_, err = g.verify(next.GetAccessToken())
	must(t, err)
}

// TestRefresh_StolenToken: whoever of thief and owner comes second ends the
// session for both, and no token of it holds any more.
func TestRefresh_StolenToken(t *testing.T) {
	for _, first := range []string{"thief", "owner"} {
		g := newGate(t)
		g.account("chen")
		s := g.enter("chen")
		g.pass(5 * time.Minute)
		got, err := g.refresh(s.GetRefreshToken())
		must(t, err)
		_, err = g.verify(got.GetAccessToken())
		must(t, err)
		_, err = g.refresh(s.GetRefreshToken()) // the other's copy
		refused(t, err, "SESSION_ENDED")
		for _, token := range []string{s.GetAccessToken(), got.GetAccessToken()} {
			_, err = g.verify(token)
			refused(t, err, "TOKEN_EXPIRED")
		}
		_, err = g.refresh(got.GetRefreshToken())
		refused(t, err, "SESSION_ENDED")
		if ended := g.announced(); len(ended) != 1 || ended[0].GetSessionId() != s.GetId() {
			t.Errorf("%s first: announced %v", first, ended)
		}
		if got := g.outcomes(); got[len(got)-1] != "refused SESSION_ENDED" {
			t.Errorf("%s first: audit %q", first, got)
		}
		if row := g.session(s.GetId()); row.GetEndReason() != session.Reuse || row.GetRefreshHash() != nil {
			t.Errorf("%s first: the row is %v", first, row)
		}
	}
}

func (g *gate) session(id string) (out *pb.SessionRow) {
	g.t.Helper()
	must(g.t, g.store.View(g.t.Context(), func(r kv.Reader) error {
		row, _, err := g.Service.sessions.Get(r, scope.All(), idKey(id))
		out = row.Value
		return err
	}))
	return out
}

// TestRefresh_MadeUpTokenEndsNothing: session ids stand in events and tokens;
// knowing one must not be enough to end a session.
func TestRefresh_MadeUpTokenEndsNothing(t *testing.T) {
	g := newGate(t)
	g.account("chen")
	s, other := g.enter("chen"), g.enter("chen")
	_, secret, _ := strings.Cut(s.GetRefreshToken(), ".")
	_, others, _ := strings.Cut(other.GetRefreshToken(), ".")
	flipped := []byte(secret)
	flipped[3] ^= 1
	for _, token := range []string{
		"", ".", s.GetId(), s.GetId() + ".", s.GetId() + "." + others, "." + secret, "ses_nobody." + secret,
		s.GetId() + "." + string(flipped), s.GetId() + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 48)),
		s.GetId() + "." + secret + "=", s.GetId() + "." + secret[:40], strings.Repeat("x", 256),
	} {
		_, err := g.refresh(token)
		refused(t, err, "SESSION_ENDED")
	}
	_, err := g.refresh(s.GetRefreshToken())
	must(t, err)
	_, err = g.refresh(other.GetRefreshToken())
	must(t, err)
}

func TestSession_EndsIdleAndAtItsEndToTheSecond(t *testing.T) {
	g := newGate(t)
	g.account("chen")
	s := g.enter("chen")
	g.pass(30*time.Minute - time.Second)
	s, err := g.refresh(s.GetRefreshToken())
	must(t, err)
	g.pass(30 * time.Minute)
	_, err = g.refresh(s.GetRefreshToken())
	refused(t, err, "SESSION_ENDED")

	s = g.enter("chen")
	began := g.Now()
	for range 35 { // used every twenty minutes, to 11:40
		g.pass(20 * time.Minute)
		s, err = g.refresh(s.GetRefreshToken())
		must(t, err)
	}
	g.pass(20*time.Minute - time.Second)
	s, err = g.refresh(s.GetRefreshToken())
	must(t, err)
	if at := s.GetAccessExpiresAt().AsTime(); !at.Equal(began.Add(12 * time.Hour)) {
		t.Errorf("the last token outlives the session: %v", at.Sub(began))
	}
	_, err = g.verify(s.GetAccessToken())
	must(t, err)
	g.pass(time.Second)
	_, err = g.verify(s.GetAccessToken())
	refused(t, err, "TOKEN_EXPIRED")
	_, err = g.refresh(s.GetRefreshToken())
	refused(t, err, "SESSION_ENDED")
	if ended := g.announced(); len(ended) != 0 {
		t.Errorf("what lapsed was announced: %v", ended)
	}
}

func TestRefresh_SaysWhatTheAccountMayDoNow(t *testing.T) {
	g := newGate(t)
	id := g.account("chen", typev1.Role_ROLE_CITY_OFFICER).GetAccount().GetId()
	s := g.enter("chen")
	g.change(id, func(_ *store.Tx, row *pb.AccountRow) error {
		row.Account.Grants = []*pb.RoleGrant{{Id: "g2", Role: typev1.Role_ROLE_REVIEWER}}
		return nil
	})
	s, err := g.refresh(s.GetRefreshToken())
	must(t, err)
	who, err := g.verify(s.GetAccessToken())
	must(t, err)
	if len(who.Grants) != 1 || who.Grants[0].Role != typev1.Role_ROLE_REVIEWER {
		t.Errorf("grants %v", who.Grants)
	}
	g.change(id, func(_ *store.Tx, row *pb.AccountRow) error {
		row.Account.State = pb.AccountState_ACCOUNT_STATE_LOCKED
		return nil
	})
	_, err = g.refresh(s.GetRefreshToken())
	refused(t, err, "SESSION_ENDED")
	if ended := g.announced(); len(ended) != 1 {
		t.Errorf("announced %v", ended)
	}
}

// TestEndSessions_OfALockedAccount: what locks an account or resets its password
// ends all its sessions in the same commit.
func TestEndSessions_OfALockedAccount(t *testing.T) {
	g := newGate(t)
	id := g.account("chen").GetAccount().GetId()
	g.account("wang")
	all := []*pb.Session{g.enter("chen"), g.enter("chen"), g.enter("chen")}
	others := g.enter("wang")
	g.change(id, func(tx *store.Tx, _ *pb.AccountRow) error { return g.endSessions(tx, id, "", session.Close) })
	for _, s := range all {
		_, err := g.verify(s.GetAccessToken())
		refused(t, err, "TOKEN_EXPIRED")
		_, err = g.refresh(s.GetRefreshToken())
		refused(t, err, "SESSION_ENDED")
	}
	_, err := g.refresh(others.GetRefreshToken())
	must(t, err)
}

func TestAct_ChoosesARole(t *testing.T) {
	g := newGate(t)
	g.account("chen", typev1.Role_ROLE_CITY_OFFICER, typev1.Role_ROLE_REVIEWER)
	s := g.enter("chen")
	reply, err := g.Act(g.by(s.GetAccessToken()), &pb.ActRequest{GrantId: "g2"})
	must(t, err)
	who, err := g.verify(reply.GetSession().GetAccessToken())
	must(t, err)
	if who.Chosen != 2 || reply.GetSession().GetActing().GetRole() != typev1.Role_ROLE_REVIEWER || reply.GetSession().GetRefreshToken() != "" {
		t.Errorf("%v, %+v", reply, who)
	}
	_, err = g.Act(g.by(s.GetAccessToken()), &pb.ActRequest{GrantId: "g3"})
	refused(t, err, "NOT_FOUND")
	next, err := g.refresh(s.GetRefreshToken()) // the choice stays
	must(t, err)
	if who, err := g.verify(next.GetAccessToken()); err != nil || who.Chosen != 2 {
		t.Errorf("after a refresh: %+v, %v", who, err)
	}
}

func TestListMySessions_AreTheOwnOnes(t *testing.T) {
	g := newGate(t)
	g.account("chen")
	g.account("wang")
	first := g.enter("chen")
	g.pass(time.Minute)
	second := g.enter("chen")
	wang := g.enter("wang")
	list := func(s *pb.Session) (ids []string) {
		reply, err := g.ListMySessions(g.by(s.GetAccessToken()), &pb.ListMySessionsRequest{})
		must(t, err)
		for _, one := range reply.GetSessions() {
			ids = append(ids, one.GetId())
			if one.GetProgram() != "Chromium on Linux" || one.GetNetwork() != "192.0.2.*" || one.GetThisOne() != (one.GetId() == s.GetId()) {
				t.Errorf("%v", one)
			}
		}
		return ids
	}
	if got := list(first); !slices.Equal(got, []string{second.GetId(), first.GetId()}) {
		t.Errorf("sessions %v", got)
	}
	if got := list(wang); !slices.Equal(got, []string{wang.GetId()}) {
		t.Errorf("sessions of another %v", got)
	}
	for _, id := range []string{first.GetId(), "ses_nobody"} { // another's is as one that is not there
		_, err := g.EndSession(g.by(wang.GetAccessToken()), &pb.EndSessionRequest{Id: id})
		refused(t, err, "NOT_FOUND")
	}
	_, err := g.EndSession(g.by(second.GetAccessToken()), &pb.EndSessionRequest{Id: first.GetId()})
	must(t, err)
	_, err = g.verify(first.GetAccessToken())
	refused(t, err, "TOKEN_EXPIRED")
	if got := list(second); !slices.Equal(got, []string{second.GetId()}) {
		t.Errorf("sessions after one was ended %v", got)
	}
}

func TestSignOut_EndsTheSession(t *testing.T) {
	g := newGate(t)
	g.account("chen")
	s, other := g.enter("chen"), g.enter("chen")
	ctx := g.by(s.GetAccessToken())
	for range 2 { // the second finds it ended
		_, err := g.SignOut(ctx, &pb.SignOutRequest{})
		must(t, err)
		ctx = withoutKey(ctx)
	}
	for name, call := range map[string]func() error{
		"refresh": func() error { _, err := g.refresh(s.GetRefreshToken()); return err },
		"get me":  func() error { _, err := g.GetMe(ctx, &pb.GetMeRequest{}); return err },
		"act":     func() error { _, err := g.Act(ctx, &pb.ActRequest{GrantId: "g1"}); return err },
		"change password": func() error {
			_, err := g.ChangePassword(ctx, &pb.ChangePasswordRequest{OldPassword: rightPassword, NewPassword: "wide fields by Liuyang town"})
			return err
		},
		"begin factor": func() error {
			_, err := g.BeginSecondFactor(ctx, &pb.BeginSecondFactorRequest{Password: rightPassword})
			return err
		},
	} {
		if got := reasonIn(call()); got != "SESSION_ENDED" {
			t.Errorf("%s after the sign-out: %s", name, got)
		}
	}
	_, err := g.verify(s.GetAccessToken())
	refused(t, err, "TOKEN_EXPIRED")
	_, err = g.verify(other.GetAccessToken())
	must(t, err)
}

func withoutKey(ctx context.Context) context.Context {
	call := access.From(ctx)
	call.IdempotencyKey = ""
	return access.NewContext(ctx, call)
}

func TestBegin_OneTooManyEndsTheOldest(t *testing.T) {
	g := newGate(t)
	g.account("chen")
	var all []*pb.Session
	for range session.Most + 2 {
		all = append(all, g.enter("chen"))
		g.pass(time.Second)
	}
	for i, s := range all {
		_, err := g.refresh(s.GetRefreshToken())
		if i < 2 {
			refused(t, err, "SESSION_ENDED")
		} else {
			must(t, err)
		}
	}
	if got := g.session(all[0].GetId()).GetEndReason(); got != session.Displace {
		t.Errorf("the oldest ended by %q", got)
	}
	g.pass(session.Idle)
	again := g.enter("chen") // the idle ones go without a word
	if ended := g.announced(); len(ended) != 2 {
		t.Errorf("announced %v", ended)
	}
	_, err := g.refresh(again.GetRefreshToken())
	must(t, err)
}

func TestSweepSessions_KeepsWhatMatters(t *testing.T) {
	g := newGate(t)
	g.account("chen")
	old := g.enter("chen")
	_, err := g.signIn("chen", "wrong", "")
	refused(t, err, "NOT_SIGNED_IN")
	g.pass(session.Longest + session.Kept)
	fresh := g.enter("chen")
	_, err = g.signIn("wang", "wrong", "")
	refused(t, err, "NOT_SIGNED_IN")
	must(t, g.sweepSessions(t.Context()))
	if g.session(old.GetId()) == nil || g.session(fresh.GetId()) == nil {
		t.Error("a session was swept too early")
	}
	if n := g.throttled(); n != 2 { // the login that failed just now, and the address
		t.Errorf("%d counts of failures, want 2", n)
	}
	g.pass(time.Second)
	must(t, g.sweepSessions(t.Context()))
	if g.session(old.GetId()) != nil || g.session(fresh.GetId()) == nil {
		t.Error("the old session is there, or the fresh one is not")
	}
	g.pass(session.Forgiven)
	must(t, g.sweepSessions(t.Context()))
	if n := g.throttled(); n != 0 {
		t.Errorf("%d counts of failures are left", n)
	}
}

func (g *gate) throttled() (n int) {
	g.t.Helper()
	must(g.t, g.store.View(g.t.Context(), func(r kv.Reader) error {
		page, err := g.throttles.List(r, scope.All(), listSome(1000))
		n = len(page.Rows)
		return err
	}))
	return n
}

// TestSweepSessions_OfMany goes on from commit to commit.
func TestSweepSessions_OfMany(t *testing.T) {
	g := newGate(t)
	must(t, g.store.Update(t.Context(), func(tx *store.Tx) error {
		for i := range 2*sweptAtOnce + 1 {
			one := guard{s: g.Service, marks: []mark{{session.Account, g.store.Keyring().Blind("throttle", decimal(i))}}}
			if err := one.fail(tx); err != nil {
				return err
			}
		}
		return nil
	}))
	g.pass(session.Forgiven + time.Second)
	must(t, g.sweepSessions(t.Context()))
	if n := g.throttled(); n != 0 {
		t.Errorf("%d counts of failures are left", n)
	}
}

func TestShortProgram(t *testing.T) {
	for agent, want := range map[string]string{
		"": "", "curl/8.5.0": "curl/8.5.0", "linli-demo/1 (x)": "linli-demo/1",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0": "Edge on Windows",
		"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0":                                                    "Firefox on Linux",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605 Version/19.0 Mobile Safari/604.1":                   "Safari on iOS",
		"Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/142.0 Mobile Safari/537.36 MicroMessenger/8.0":                   "WeChat on Android",
		strings.Repeat("x", 256): strings.Repeat("x", 40),
	} {
		if got := shortProgram(agent); got != want {
			t.Errorf("%q: %q, want %q", agent, got, want)
		}
	}
}

func TestNetworks(t *testing.T) {
	for address, want := range map[string][2]string{
		"192.0.2.7":                {"192.0.2.7/32", "192.0.2.*"},
		"192.0.2.7:443":            {"192.0.2.7/32", "192.0.2.*"},
		"::ffff:192.0.2.7":         {"192.0.2.7/32", "192.0.2.*"},
		"2001:db8:1:2:3:4:5:6":     {"2001:db8:1:2::/64", "2001:db8:1:*"},
		"[2001:db8:1:2::9]:443":    {"2001:db8:1:2::/64", "2001:db8:1:*"},
		"fe80::1%eth0":             {"fe80::/64", "fe80:*"},
		"":                         {"", ""},
		"a socket without address": {"a socket without address", ""},
	} {
		if got := [2]string{networkOf(address), coveredNetwork(address)}; got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}
