package registry

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/password"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/registry/internal/session"
)

// oldPasswords is how many of before are kept, so that they are not taken again.
const oldPasswords = 3

// ChangePassword takes a new password and ends the other sessions.
func (s sessions) ChangePassword(ctx context.Context, req *pb.ChangePasswordRequest) (*pb.ChangePasswordResponse, error) {
	call := access.From(ctx)
	tried, err := s.tryPassword(ctx, call, req.GetOldPassword())
	if err != nil {
		return nil, err
	}
	var phc string
	if tried.right {
		// Only who knows the old one is told what is wrong with the new.
		if phc, err = s.newPassword(ctx, tried.account, req); err != nil {
			return nil, err
		}
	}
	return refusing(ctx, s.Service, req, func(tx *store.Tx) (*pb.ChangePasswordResponse, *rule.Error, error) {
		account, refused, err := tried.judge(tx, s.Service)
		if refused != nil || err != nil {
			return nil, refused, err
		}
		next := proto.CloneOf(account.Value)
		id := next.GetAccount().GetId()
		s.setPassword(next, phc, tx.Wall())
		next.Account.MustChangePassword = false
		if _, err := s.accounts.Replace(tx, account, next); err != nil {
			return nil, nil, err
		}
		if err := s.endSessions(tx, id, call.Session, session.ChangePassword); err != nil {
			return nil, nil, err
		}
		row, _, err := s.openSession(tx, call.Session, tx.Wall())
		if err != nil {
			return nil, nil, err
		}
		out, err := s.renew(tx, row, next, nil)
		return &pb.ChangePasswordResponse{Session: out}, nil, err
	})
}

// setPassword gives an account a password and remembers the one of before, so that
// it does not come back.
func (s *Service) setPassword(next *pb.AccountRow, phc string, at time.Time) {
	if len(next.GetSealedPassword()) > 0 {
		next.SealedOldPasswords = append([][]byte{next.GetSealedPassword()}, next.GetSealedOldPasswords()...)
		next.SealedOldPasswords = next.SealedOldPasswords[:min(len(next.SealedOldPasswords), oldPasswords)]
	}
	next.SealedPassword, next.PasswordSetAt = s.sealOf(next.GetAccount().GetId(), secretPassword, phc), timestamppb.New(at)
}

// newPassword answers the hash of a new password. WEAK_PASSWORD, also for the
// present one and those of before.
func (s *Service) newPassword(ctx context.Context, account *pb.AccountRow, req *pb.ChangePasswordRequest) (string, error) {
	id := account.GetAccount().GetId()
	name, err := s.openOf(id, secretName, account.GetSealedDisplayName())
	if err != nil {
		return "", err
	}
	if err := password.Check(req.GetNewPassword(), account.GetAccount().GetLogin(), name); err != nil {
		var weak *rule.Error
		if errors.As(err, &weak) {
			weak.Field = "new_password"
		}
		return "", err
	}
	for _, sealed := range append([][]byte{account.GetSealedPassword()}, account.GetSealedOldPasswords()...) {
		phc, err := s.openOf(id, secretPassword, sealed)
		if err != nil {
			return "", err
		}
		had, err := s.passwords.Verify(ctx, phc, req.GetNewPassword())
		if err != nil {
			return "", err
		}
		if had {
			return "", rule.New(rule.Invalid, "WEAK_PASSWORD", "new_password", "rule", "another than before")
		}
	}
	return s.passwords.Hash(ctx, req.GetNewPassword())
}
