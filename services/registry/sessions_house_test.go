package registry

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/seal"
	"github.com/linli-project/linli/pkg/store"
)

// watch is a wall clock that a test moves.
type watch struct {
	mu  sync.Mutex
	now time.Time
}

func (w *watch) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *watch) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// gate is a registry to sign in at, on a clock that stands still, with a
// verifier of its tokens as every process has one.
type gate struct {
	sessions
	*watch

	t      testing.TB
	engine kv.Engine
	tokens *access.TokenVerifier
	ended  *access.Ended
}

const rightPassword = "tall trees on Xiang river"

func newGate(t testing.TB) *gate {
	t.Helper()
	g := &gate{t: t, watch: &watch{now: time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)}, engine: memkv.New()}
	g.open()
	return g
}

// open starts the registry on the engine, as after a restart.
func (g *gate) open() {
	g.t.Helper()
	log := slog.New(slog.DiscardHandler)
	st, err := store.Open(g.t.Context(), store.Config{
		Service: "registry", DB: kvtest.Rerun(kv.New(g.engine, kv.Options{})), Master: seal.MasterKey{1}, Civil: g.watch, Wall: g.watch, IDs: ids.New, Log: log,
	})
	must(g.t, err)
	service, err := New(Deps{Store: st, IDs: ids.New, Log: log})
	must(g.t, err)
	g.sessions = sessions{Service: service}
	g.ended = access.NewEnded(g.watch, 1000)
	g.tokens, err = access.NewTokenVerifier(access.VerifierConfig{Keys: g, Ended: g.ended, Wall: g.watch, Most: 100})
	must(g.t, err)
}

// Keys are those that the registry shows.
func (g *gate) Keys(ctx context.Context) ([]access.PublicKey, error) {
	reply, err := g.GetKeys(ctx, &pb.GetKeysRequest{})
	if err != nil {
		return nil, err
	}
	var keys []access.PublicKey
	for _, k := range reply.GetKeys() {
		x, err := base64.RawURLEncoding.DecodeString(k.GetX())
		if err != nil || k.GetKty() != "OKP" || k.GetCrv() != "Ed25519" || k.GetAlg() != "EdDSA" || k.GetUse() != "sig" {
			return nil, errors.New("not a key of RFC 8037")
		}
		keys = append(keys, access.PublicKey{ID: k.GetKid(), Key: ed25519.PublicKey(x)})
	}
	return keys, nil
}

// account makes an account with a password and roles.
func (g *gate) account(login string, roles ...typev1.Role) *pb.AccountRow {
	g.t.Helper()
	phc, err := g.passwords.Hash(g.t.Context(), rightPassword)
	must(g.t, err)
	return g.accountWith(login, phc, roles...)
}

// accountWith makes one with the hash of a password; "" = it has none.
func (g *gate) accountWith(login, phc string, roles ...typev1.Role) *pb.AccountRow {
	g.t.Helper()
	id := g.ids("acc")
	row := &pb.AccountRow{
		Account:           &pb.Account{Id: id, Person: g.ids("per"), Login: login, State: pb.AccountState_ACCOUNT_STATE_ACTIVE},
		SealedDisplayName: g.sealOf(id, secretName, "陈华"), SealedPassword: g.sealOf(id, secretPassword, phc), PasswordSetAt: timestamppb.New(g.Now()),
	}
	for i, role := range roles {
		row.Account.Grants = append(row.Account.Grants, &pb.RoleGrant{Id: "g" + decimal(i+1), Role: role})
	}
	must(g.t, g.store.Update(g.t.Context(), func(tx *store.Tx) error {
		_, err := g.accounts.Insert(tx, row)
		return err
	}))
	return row
}

// change edits an account as the security administrator's methods do.
func (g *gate) change(id string, edit func(tx *store.Tx, row *pb.AccountRow) error) {
	g.t.Helper()
	must(g.t, g.store.Update(g.t.Context(), func(tx *store.Tx) error {
		row, _, err := g.accounts.Get(tx, scope.All(), idKey(id))
		if err != nil {
			return err
		}
		if err := edit(tx, row.Value); err != nil {
			return err
		}
		_, err = g.accounts.Replace(tx, row, row.Value)
		return err
	}))
}

func (g *gate) stored(id string) *pb.AccountRow {
	g.t.Helper()
	var out *pb.AccountRow
	must(g.t, g.store.View(g.t.Context(), func(r kv.Reader) error {
		row, _, err := g.accounts.Get(r, scope.All(), idKey(id))
		out = row.Value
		return err
	}))
	return out
}

// nobody is a call without a token.
func (g *gate) nobody() context.Context { return g.from("192.0.2.7") }

func (g *gate) from(address string) context.Context {
	return access.NewContext(g.t.Context(), access.Call{
		Address: address, Program: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36", Rule: &typev1.Access{Mutates: true},
	})
}

// by is a call with a token, which must hold.
func (g *gate) by(token string) context.Context {
	g.t.Helper()
	c, err := g.verify(token)
	must(g.t, err)
	call := access.From(g.nobody())
	call.Caller, call.IdempotencyKey = c, g.ids("key")
	return access.NewContext(g.t.Context(), call)
}

// verify takes a token as every process does, which has heard all that was
// announced.
func (g *gate) verify(token string) (access.Caller, error) {
	g.t.Helper()
	for _, e := range g.announced() {
		g.ended.EndSession(e.GetSessionId(), e.GetTokensExpireAt().AsTime())
	}
	return g.tokens.Authenticate(g.t.Context(), token)
}

// announced answers the sessions that were announced as ended.
func (g *gate) announced() (out []*pb.SessionEnded) {
	g.t.Helper()
	must(g.t, g.store.View(g.t.Context(), func(r kv.Reader) error {
		rows, err := store.Pending(r, 10_000)
		for _, e := range rows {
			var ended pb.SessionEnded
			if e.GetSubject() == "linli.registry.session.ended" {
				err = errors.Join(err, events.Decode(e, &ended))
				out = append(out, &ended)
			}
		}
		return err
	}))
	return out
}

func (g *gate) signIn(login, password, factor string) (*pb.Session, error) {
	reply, err := g.SignIn(g.nobody(), &pb.SignInRequest{Login: login, Password: password, SecondFactor: factor})
	return reply.GetSession(), err
}

func (g *gate) enter(login string) *pb.Session {
	g.t.Helper()
	out, err := g.signIn(login, rightPassword, "")
	must(g.t, err)
	return out
}

func (g *gate) refresh(token string) (*pb.Session, error) {
	reply, err := g.Refresh(g.nobody(), &pb.RefreshRequest{RefreshToken: token})
	return reply.GetSession(), err
}

// code is what an authenticator with a secret shows now.
func (g *gate) code(secret string) string {
	g.t.Helper()
	out, err := totp.GenerateCode(secret, g.Now())
	must(g.t, err)
	return out
}

// withFactor sets up a second factor, and answers its secret, the recovery
// codes and the session that has shown it.
func (g *gate) withFactor(s *pb.Session) (secret string, recovery []string, strong *pb.Session) {
	g.t.Helper()
	begun, err := g.BeginSecondFactor(g.by(s.GetAccessToken()), &pb.BeginSecondFactorRequest{Password: rightPassword})
	must(g.t, err)
	reply, err := g.ConfirmSecondFactor(g.by(s.GetAccessToken()), &pb.ConfirmSecondFactorRequest{Code: g.code(begun.GetSecret())})
	must(g.t, err)
	return begun.GetSecret(), reply.GetRecoveryCodes(), reply.GetSession()
}

// outcomes answers the outcomes and reasons of the audit, the oldest first.
func (g *gate) outcomes() (out []string) {
	g.t.Helper()
	must(g.t, g.store.View(g.t.Context(), func(r kv.Reader) error {
		rows, err := store.AuditRows(r, 10_000)
		out = nil
		for _, row := range rows {
			out = append(out, row.GetOutcome()+" "+cmp.Or(row.GetRefusal(), row.GetReason()))
		}
		return err
	}))
	return out
}

// lies says whether bytes lie anywhere in the store.
func (g *gate) lies(text string) bool {
	g.t.Helper()
	found := false
	must(g.t, g.store.View(g.t.Context(), func(r kv.Reader) error {
		items, err := r.Scan(kv.Range{})
		found = slices.ContainsFunc(items, func(it kv.Item) bool {
			return bytes.Contains(it.Key, []byte(text)) || bytes.Contains(it.Value, []byte(text))
		})
		return err
	}))
	return found
}

// refused checks why a method refused.
func refused(t testing.TB, err error, reason string) {
	t.Helper()
	var broken *rule.Error
	if !errors.As(err, &broken) || broken.Reason != reason {
		t.Errorf("refused with %v, want %s", err, reason)
	}
}
