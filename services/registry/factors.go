package registry

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/session"
)

const (
	factorPeriod = 30 // seconds of one code
	// factorSkew is how many codes before and after the present one are taken: a
	// phone's clock may be a little off.
	factorSkew = 1
	// recoveryCodes of an account, each of recoverySigns signs: 50 bits.
	recoveryCodes = 10
	recoverySigns = 10
	// factorIssuer is what an authenticator shows above the code.
	factorIssuer = "linli"
)

// factorStep says whether a code is that of the authenticator at a moment, and
// which step of time it is of. None is taken of a step that was, or of one before.
func factorStep(secret, code string, now time.Time, last int64) (step int64, ok bool) {
	at := now.Unix() / factorPeriod
	for step := at - factorSkew; step <= at+factorSkew; step++ {
		want, err := totp.GenerateCode(secret, time.Unix(step*factorPeriod, 0))
		if err == nil && step > last && hmac.Equal([]byte(want), []byte(code)) {
			return step, true
		}
	}
	return 0, false
}

// BeginSecondFactor answers a new secret. It counts once a code of it was shown.
func (s sessions) BeginSecondFactor(ctx context.Context, req *pb.BeginSecondFactorRequest) (*pb.BeginSecondFactorResponse, error) {
	call := access.From(ctx)
	tried, err := s.tryPassword(ctx, call, req.GetPassword())
	if err != nil {
		return nil, err
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: factorIssuer, AccountName: tried.account.GetAccount().GetLogin()})
	if err != nil {
		return nil, err
	}
	return refusing(ctx, s.Service, req, func(tx *store.Tx) (*pb.BeginSecondFactorResponse, *rule.Error, error) {
		account, refused, err := tried.judge(tx, s.Service)
		if refused != nil || err != nil {
			return nil, refused, err
		}
		if hasFactor(account.Value) && !call.Strong {
			return nil, rule.New(rule.Denied, "STRONG_SESSION_WANTED", ""), nil
		}
		next := proto.CloneOf(account.Value)
		next.SealedSecondFactorNext = s.sealOf(next.GetAccount().GetId(), secretFactor, key.Secret())
		_, err = s.accounts.Replace(tx, account, next)
		return &pb.BeginSecondFactorResponse{Secret: key.Secret(), Uri: key.URL()}, nil, err
	})
}

// ConfirmSecondFactor takes the first code of a new secret: from now on it is
// wanted, and the session has shown it. Those of before end.
func (s sessions) ConfirmSecondFactor(ctx context.Context, req *pb.ConfirmSecondFactorRequest) (*pb.ConfirmSecondFactorResponse, error) {
	call := access.From(ctx)
	return refusing(ctx, s.Service, req, func(tx *store.Tx) (*pb.ConfirmSecondFactorResponse, *rule.Error, error) {
		row, account, err := s.openSession(tx, call.Session, tx.Wall())
		if err != nil {
			return nil, nil, err
		}
		id := account.Value.GetAccount().GetId()
		g := s.guardOf(call, guardLogin, account.Value.GetAccount().GetLogin())
		if err := g.wait(tx, tx.Wall()); err != nil {
			return nil, nil, err
		}
		tx.Audit(ofAccount(account))
		secret, err := s.openOf(id, secretFactor, account.Value.GetSealedSecondFactorNext())
		if err != nil {
			return nil, nil, err
		}
		if secret == "" {
			return nil, nil, rule.New(rule.Precondition, "SECOND_FACTOR_NOT_BEGUN", "")
		}
		step, ok := factorStep(secret, req.GetCode(), tx.Wall(), 0)
		if !ok {
			return nil, rule.New(rule.Invalid, "CODE_NOT_VALID", "code"), g.fail(tx)
		}
		next := proto.CloneOf(account.Value)
		next.Account.SecondFactor, next.SecondFactorStep = true, step
		next.SealedSecondFactor, next.SealedSecondFactorNext = next.GetSealedSecondFactorNext(), nil
		codes := s.newRecovery(next)
		if _, err := s.accounts.Replace(tx, account, next); err != nil {
			return nil, nil, err
		}
		if err := s.endSessions(tx, id, row.Value.GetId(), session.ChangeFactor); err != nil {
			return nil, nil, err
		}
		out, err := s.renew(tx, row, next, func(r *pb.SessionRow) { r.SecondFactorShown = true })
		return &pb.ConfirmSecondFactorResponse{RecoveryCodes: codes, Session: out}, nil, err
	})
}

// newRecovery gives an account new recovery codes, and answers them.
func (s *Service) newRecovery(account *pb.AccountRow) []string {
	codes := make([]string, recoveryCodes)
	account.RecoveryHashes = nil
	for i := range codes {
		code := strings.ToLower(rand.Text()[:recoverySigns])
		account.RecoveryHashes = append(account.RecoveryHashes, s.recoveryHash(account.GetAccount().GetId(), code))
		codes[i] = code[:recoverySigns/2] + "-" + code[recoverySigns/2:]
	}
	return codes
}

// spendRecovery takes a recovery code away from an account; false when it is none.
func (s *Service) spendRecovery(account *pb.AccountRow, given string) bool {
	code := strings.ToLower(strings.NewReplacer("-", "", " ", "").Replace(given))
	if len(code) != recoverySigns {
		return false
	}
	hash := s.recoveryHash(account.GetAccount().GetId(), code)
	for i, left := range account.GetRecoveryHashes() {
		if hmac.Equal(left, hash) {
			account.RecoveryHashes = append(account.RecoveryHashes[:i:i], account.RecoveryHashes[i+1:]...)
			return true
		}
	}
	return false
}

func (s *Service) recoveryHash(accountID, code string) []byte {
	return s.store.Keyring().Digest("recovery code", accountID, code)
}

// triedPassword is what came of the password that the owner of a session was
// asked for again, outside a commit: a hash takes its time.
type triedPassword struct {
	call    access.Call
	guard   guard
	account *pb.AccountRow
	right   bool
}

// tryPassword compares a password with that of the caller's account, unless
// there is to be waited. NO_PASSWORD for an account that has none.
func (s *Service) tryPassword(ctx context.Context, call access.Call, plain string) (triedPassword, error) {
	t := triedPassword{call: call}
	err := s.store.View(ctx, func(r kv.Reader) error {
		_, account, err := s.openSession(r, call.Session, s.store.Wall().Now())
		if err != nil {
			return err
		}
		t.account = account.Value
		if len(t.account.GetSealedPassword()) == 0 {
			return rule.New(rule.Precondition, "NO_PASSWORD", "")
		}
		t.guard = s.guardOf(call, guardLogin, t.account.GetAccount().GetLogin())
		return t.guard.wait(r, s.store.Wall().Now())
	})
	if err != nil {
		return t, err
	}
	t.right, err = s.rightPassword(ctx, t.account, plain)
	return t, err
}

// judge answers the account if the password was right, in the commit that goes
// by it; WRONG_PASSWORD counts as a failure to sign in.
func (t triedPassword) judge(tx *store.Tx, s *Service) (account table.Row[*pb.AccountRow], refused *rule.Error, err error) {
	if err := t.guard.wait(tx, tx.Wall()); err != nil {
		return account, nil, err
	}
	if _, account, err = s.openSession(tx, t.call.Session, tx.Wall()); err != nil {
		return account, nil, err
	}
	tx.Audit(ofAccount(account))
	if !t.right || !sameKeeping(t.account, account.Value) {
		return account, rule.New(rule.Denied, "WRONG_PASSWORD", ""), t.guard.fail(tx)
	}
	return account, nil, t.guard.succeed(tx)
}
