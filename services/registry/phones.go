package registry

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/session"
)

// Texter sends a one-time code to a phone, in a language. Neither the phone nor
// the code may be part of its errors.
type Texter interface {
	Send(ctx context.Context, phone, code, language string) error
}

// PhoneCodeHolds is how long a code that was sent is taken.
const PhoneCodeHolds = session.PhoneCodeHolds

// textPatience is how long a code may take to be handed on.
const textPatience = 10 * time.Second

// SendPhoneCode sends a code, once the commit holds that counts it: a phone is
// rung no more often than it should be, whatever fails. It looks at no account,
// so that it cannot tell whether there is one.
func (s sessions) SendPhoneCode(ctx context.Context, req *pb.SendPhoneCodeRequest) (*pb.SendPhoneCodeResponse, error) {
	if s.texter == nil {
		return nil, rule.New(rule.Precondition, "NO_PHONE_CODES", "")
	}
	code, phone := newPhoneCode(), s.phoneHash(req.GetPhone())
	reply, err := store.DoUnremembered(ctx, s.store, req, func(tx *store.Tx) (*pb.SendPhoneCodeResponse, error) {
		row, there, err := s.phoneCodes.Get(tx, scope.All(), hashKey(phone))
		if err != nil {
			return nil, err
		}
		codes := phoneCodesOf(row.Value)
		if left := codes.AgainAt().Sub(tx.Wall()); left > 0 {
			return nil, rule.New(rule.Exhausted, "SLOW_DOWN", "", "seconds", strconv.Itoa(int((left+time.Second-1)/time.Second)))
		}
		codes = codes.Send(tx.Wall())
		next := &pb.PhoneCodeRow{PhoneHash: phone, CodeHash: s.phoneCodeHash(phone, code), SentAt: timestamppb.New(tx.Wall())}
		for _, at := range codes.Sent {
			next.Sent = append(next.Sent, timestamppb.New(at))
		}
		if there {
			_, err = s.phoneCodes.Replace(tx, row, next)
		} else {
			_, err = s.phoneCodes.Insert(tx, next)
		}
		tx.Audit(store.Record{Outcome: "code asked for"})
		return &pb.SendPhoneCodeResponse{AgainAt: timestamppb.New(codes.AgainAt())}, err
	})
	if err != nil {
		return nil, err
	}
	// Who goes away now has the code counted already, so it is sent in any case.
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), textPatience)
	defer cancel()
	if err := s.texter.Send(sending, req.GetPhone(), code, access.From(ctx).Language); err != nil {
		s.log.Error("send a one-time code to a phone", "error", err)
		return nil, rule.New(rule.Precondition, "CODE_NOT_SENT", "")
	}
	return reply, nil
}

// EnterWithPhone begins a resident's session with the code that was sent.
func (s sessions) EnterWithPhone(ctx context.Context, req *pb.EnterWithPhoneRequest) (*pb.EnterWithPhoneResponse, error) {
	call, phone := access.From(ctx), s.phoneHash(req.GetPhone())
	g, fresh := s.addressGuard(call), newResident{account: s.ids("acc"), person: s.ids("res"), phone: phone}
	if err := s.waited(ctx, g); err != nil {
		return nil, err
	}
	return refusing(ctx, s.Service, req, func(tx *store.Tx) (*pb.EnterWithPhoneResponse, *rule.Error, error) {
		if err := g.wait(tx, tx.Wall()); err != nil {
			return nil, nil, err
		}
		right, err := s.spendPhoneCode(tx, phone, req.GetCode())
		if err != nil {
			return nil, nil, err
		}
		if !right {
			return nil, codeNotValid(), g.fail(tx)
		}
		account, there, err := s.accounts.By(tx, scope.All(), byPhone, hashKey(phone))
		switch {
		case err != nil:
		case !there:
			account, err = s.insertResident(tx, fresh, req.GetCommunityId())
		case req.GetMoved():
			account, err = s.moveResident(tx, account, req.GetCommunityId())
		}
		if err != nil {
			return nil, nil, err
		}
		may, err := s.mayEnter(tx, account.Value)
		if err != nil || !may {
			tx.Audit(ofAccount(account))
			return nil, codeNotValid(), firstError(err, g.fail(tx))
		}
		out, err := s.begin(tx, account, pb.SignInMethod_SIGN_IN_METHOD_PHONE, false, call)
		return &pb.EnterWithPhoneResponse{Session: out}, nil, err
	})
}

// spendPhoneCode says whether a code is the one that was sent to a phone, and
// takes it away; a wrong one counts against it.
func (s *Service) spendPhoneCode(tx *store.Tx, phone []byte, code string) (bool, error) {
	row, there, err := s.phoneCodes.Get(tx, scope.All(), hashKey(phone))
	if err != nil || !there || !phoneCodesOf(row.Value).Holds(tx.Wall()) {
		return false, err
	}
	next := proto.CloneOf(row.Value)
	right := hmac.Equal(next.GetCodeHash(), s.phoneCodeHash(phone, code))
	if right {
		next.CodeHash = nil
	} else {
		next.Tries++
	}
	_, err = s.phoneCodes.Replace(tx, row, next)
	return right && err == nil, err
}

// newResident is what becomes the account of a phone that is not known, as far as
// it is made before the transaction. The phone itself is kept nowhere: linli
// writes to it only what somebody who has just typed it asks for.
type newResident struct {
	account, person string
	phone           []byte
}

func (s *Service) insertResident(tx *store.Tx, n newResident, communityID string) (table.Row[*pb.AccountRow], error) {
	lives, err := s.residence(tx, communityID)
	if err != nil {
		return table.Row[*pb.AccountRow]{}, err
	}
	lives.Id = "g1"
	return s.accounts.Insert(tx, &pb.AccountRow{
		Account: &pb.Account{
			Id: n.account, Person: n.person, Grants: []*pb.RoleGrant{lives}, State: pb.AccountState_ACCOUNT_STATE_ACTIVE,
			CreatedAt: timestamppb.New(tx.Wall()),
		},
		PhoneHash: n.phone, NextGrant: 2,
	})
}

// moveResident lets a resident live in another community from now on; what was
// signed for the one before holds no more.
func (s *Service) moveResident(tx *store.Tx, account table.Row[*pb.AccountRow], communityID string) (table.Row[*pb.AccountRow], error) {
	lives, err := s.residence(tx, communityID)
	if err != nil {
		return account, err
	}
	next := proto.CloneOf(account.Value)
	for i, g := range next.GetAccount().GetGrants() {
		if g.GetRole() != typev1.Role_ROLE_RESIDENT || g.GetOrganizationId() == communityID {
			continue
		}
		if days := session.MayMove(g.GetGrantedAt().AsTime(), tx.Wall()); days > 0 {
			return account, rule.New(rule.Precondition, "MOVED_LATELY", "moved", "days", strconv.Itoa(days))
		}
		lives.Id = fmt.Sprintf("g%d", next.GetNextGrant())
		next.NextGrant++
		next.Account.Grants[i] = lives
		kept, err := s.accounts.Replace(tx, account, next)
		if err != nil {
			return account, err
		}
		// A token tells milliseconds: the one that this commit signs is not older.
		return kept, tx.Emit(accountChanged(kept, tx.Wall().Truncate(time.Millisecond)))
	}
	return account, nil
}

// residence is the role of a resident of a community; UNKNOWN_ORGANIZATION for
// what is none, or none that a stranger may know of.
func (s *Service) residence(tx *store.Tx, communityID string) (*pb.RoleGrant, error) {
	row, there, err := s.organizations.Get(tx, scope.All(), idKey(communityID))
	if err != nil {
		return nil, err
	}
	if there && row.Value.GetKind() == pb.OrganizationKind_ORGANIZATION_KIND_COMMUNITY {
		seen, err := s.look(tx, scope.Scope{}, []table.Row[*pb.Organization]{row})
		if err != nil {
			return nil, err
		}
		there = seen.allows(row.Value.GetPath())
	} else {
		there = false
	}
	if !there {
		return nil, rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "community_id", "id", communityID)
	}
	return &pb.RoleGrant{
		Role: typev1.Role_ROLE_RESIDENT, OrganizationId: communityID, OrganizationPath: row.Value.GetPath(),
		GrantedAt: timestamppb.New(tx.Wall()),
	}, nil
}

func phoneCodesOf(row *pb.PhoneCodeRow) session.PhoneCodes {
	codes := session.PhoneCodes{Tries: int(row.GetTries()), Used: len(row.GetCodeHash()) == 0}
	for _, at := range row.GetSent() {
		codes.Sent = append(codes.Sent, at.AsTime())
	}
	return codes
}

// newPhoneCode draws a code, each as likely as any other.
func newPhoneCode() string {
	most := new(big.Int).Exp(big.NewInt(10), big.NewInt(session.PhoneCodeDigits), nil)
	n, err := rand.Int(rand.Reader, most)
	if err != nil {
		panic("registry: the system gives no randomness: " + err.Error()) // never happens
	}
	return fmt.Sprintf("%0*d", session.PhoneCodeDigits, n)
}

func (s *Service) phoneHash(phone string) []byte { return s.store.Keyring().Blind(blindPhone, phone) }

// phoneCodeHash is keyed, and of one phone: nobody who reads the store finds a
// code among the million.
func (s *Service) phoneCodeHash(phone []byte, code string) []byte {
	return s.store.Keyring().Digest("phone code", string(phone), code)
}
