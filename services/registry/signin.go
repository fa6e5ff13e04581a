package registry

import (
	"bytes"
	"context"
	"strings"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// guardLogin is what failures with a password are counted for: the login, by
// which they come in and which they all name.
const guardLogin = "login"

// SignIn begins a session with login and password. An unknown login goes the
// same way as a known one with a wrong password: the same reads, one hash, the
// same commit, the same answer.
func (s sessions) SignIn(ctx context.Context, req *pb.SignInRequest) (*pb.SignInResponse, error) {
	call, login := access.From(ctx), strings.ToLower(strings.TrimSpace(req.GetLogin()))
	g := s.guardOf(call, guardLogin, login)
	var seen table.Row[*pb.AccountRow]
	err := s.store.View(ctx, func(r kv.Reader) (err error) {
		if err := g.wait(r, s.store.Wall().Now()); err != nil {
			return err
		}
		seen, _, err = s.accounts.By(r, scope.All(), byLogin, idKey(login))
		return err
	})
	if err != nil {
		return nil, err
	}
	right, err := s.rightPassword(ctx, seen.Value, req.GetPassword())
	if err != nil {
		return nil, err
	}
	return refusing(ctx, s.Service, req, func(tx *store.Tx) (*pb.SignInResponse, *rule.Error, error) {
		if err := g.wait(tx, tx.Wall()); err != nil {
			return nil, nil, err
		}
		account, there, err := s.accounts.By(tx, scope.All(), byLogin, idKey(login))
		if err != nil {
			return nil, nil, err
		}
		may := right && there && sameKeeping(seen.Value, account.Value)
		strong := false
		if may && hasFactor(account.Value) {
			if req.GetSecondFactor() == "" {
				tx.Audit(ofAccount(account))
				return nil, rule.New(rule.Denied, "SECOND_FACTOR_WANTED", "second_factor"), nil
			}
			account, strong, err = s.showFactor(tx, account, req.GetSecondFactor())
			may = strong
		}
		if err != nil || !may {
			tx.Audit(ofAccount(account))
			return nil, rule.New(rule.Denied, "NOT_SIGNED_IN", ""), firstError(err, g.fail(tx))
		}
		if err := g.succeed(tx); err != nil {
			return nil, nil, err
		}
		out, err := s.begin(tx, account, pb.SignInMethod_SIGN_IN_METHOD_PASSWORD, strong, call)
		return &pb.SignInResponse{Session: out}, nil, err
	})
}

// rightPassword says whether a password is an account's. It costs one hash, also
// where there is no account or it has no password.
func (s *Service) rightPassword(ctx context.Context, account *pb.AccountRow, plain string) (bool, error) {
	phc, err := s.openOf(account.GetAccount().GetId(), secretPassword, account.GetSealedPassword())
	if err != nil {
		return false, err
	}
	return s.passwords.Verify(ctx, phc, plain)
}

// sameKeeping says whether an account that was seen before its password was
// looked at may sign in with it still.
func sameKeeping(seen, now *pb.AccountRow) bool {
	return now.GetAccount().GetState() == pb.AccountState_ACCOUNT_STATE_ACTIVE &&
		seen.GetAccount().GetId() == now.GetAccount().GetId() && bytes.Equal(seen.GetSealedPassword(), now.GetSealedPassword())
}

// showFactor takes a code of the authenticator or a recovery code, each once.
func (s *Service) showFactor(tx *store.Tx, account table.Row[*pb.AccountRow], given string) (table.Row[*pb.AccountRow], bool, error) {
	next := proto.CloneOf(account.Value)
	id := next.GetAccount().GetId()
	secret, err := s.openOf(id, secretFactor, next.GetSealedSecondFactor())
	if err != nil {
		return account, false, err
	}
	if step, ok := factorStep(secret, given, tx.Wall(), next.GetSecondFactorStep()); ok {
		next.SecondFactorStep = step
	} else if !s.spendRecovery(next, given) {
		return account, false, nil
	}
	shown, err := s.accounts.Replace(tx, account, next)
	return shown, err == nil, err
}

// ofAccount is what the audit line of a try says: whose account it was, nothing
// where there is none.
func ofAccount(account table.Row[*pb.AccountRow]) store.Record {
	if account.Value == nil {
		return store.Record{}
	}
	return store.Record{Rows: []string{account.Value.GetAccount().GetId()}}
}

// ofSession is what the audit line of a session says: who it lets in, since the
// call itself comes from nobody.
func ofSession(row *pb.SessionRow, outcome string) store.Record {
	return store.Record{
		Rows: []string{row.GetAccountId(), row.GetId()}, Outcome: outcome,
		Person: row.GetPerson(), Account: row.GetAccountId(), Session: row.GetId(),
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
