package registry

import (
	"context"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/store"
)

// EnterWithCode begins a member's session with the code of the card or letter. A
// code that is nobody's, one of a locked account and one of a member who is gone
// get the same answer, by the same way. Failures are counted for the address
// alone: of 80 bits nobody guesses one, so that a count for each code would only
// fill the store.
func (s sessions) EnterWithCode(ctx context.Context, req *pb.EnterWithCodeRequest) (*pb.EnterWithCodeResponse, error) {
	call := access.From(ctx)
	g := s.addressGuard(call)
	if err := s.waited(ctx, g); err != nil {
		return nil, err
	}
	return refusing(ctx, s.Service, req, func(tx *store.Tx) (*pb.EnterWithCodeResponse, *rule.Error, error) {
		if err := g.wait(tx, tx.Wall()); err != nil {
			return nil, nil, err
		}
		account, there, err := s.accountByCode(tx, req.GetCode())
		if err != nil {
			return nil, nil, err
		}
		may := false
		if there {
			may, err = s.mayEnter(tx, account.Value)
		}
		if err != nil || !may {
			tx.Audit(ofAccount(account))
			return nil, codeNotValid(), firstError(err, g.fail(tx))
		}
		out, err := s.begin(tx, account, pb.SignInMethod_SIGN_IN_METHOD_CODE, false, call)
		return &pb.EnterWithCodeResponse{Session: out}, nil, err
	})
}

// codeNotValid is the one answer to every code that lets nobody in.
func codeNotValid() *rule.Error { return rule.New(rule.Invalid, "CODE_NOT_VALID", "code") }

// mayEnter says whether an account may begin a session: it is not locked, and may
// do something somewhere.
func (s *Service) mayEnter(r kv.Reader, account *pb.AccountRow) (bool, error) {
	if account.GetAccount().GetState() != pb.AccountState_ACCOUNT_STATE_ACTIVE {
		return false, nil
	}
	grants, err := s.grantsOf(r, account)
	return len(grants) > 0, err
}

// addressGuard counts failures of where a try came from, and of nothing else.
// It is never told of a success: what it counts is not forgiven by one.
func (s *Service) addressGuard(call access.Call) guard {
	g := s.guardOf(call, "", "")
	return guard{s: s, marks: g.marks[1:]}
}

// waited refuses a try that is to wait before it costs a commit.
func (s *Service) waited(ctx context.Context, g guard) error {
	return s.store.View(ctx, func(r kv.Reader) error { return g.wait(r, s.store.Wall().Now()) })
}
