package registry

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/password"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/account"
)

// firstLinkHolds is how long the code of a first link is taken, by the wall
// clock.
const firstLinkHolds = 24 * time.Hour

const blindFirstLink = "first link"

// ErrAdministratorThere says that there is a security administrator already.
var ErrAdministratorThere = errors.New("there is a security administrator already, who makes further accounts")

// FirstCode makes the code of a one-time link by which the first administrator is
// made, and ends the one before; empty when there is an administrator. Only its
// hash is kept: who starts linli is told it once.
func (s *Service) FirstCode(ctx context.Context) (string, error) {
	code, now, needed := rand.Text(), s.store.Wall().Now(), false
	next := &pb.FirstLinkRow{CodeHash: s.store.Keyring().Blind(blindFirstLink, code), MadeAt: timestamppb.New(now)}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		kept, err := s.administrated(tx)
		if needed = !kept; err != nil || kept {
			return err
		}
		tx.Audit(store.Record{Rows: []string{s.firstLinks.Name()}})
		row, exists, err := s.firstLinks.Get(tx, scope.All(), onlyRow())
		switch {
		case err != nil:
		case exists:
			_, err = s.firstLinks.Replace(tx, row, next)
		default:
			_, err = s.firstLinks.Insert(tx, next)
		}
		return err
	})
	if err != nil || !needed {
		return "", err
	}
	return code, nil
}

// administrated says whether somebody keeps the accounts.
func (s *Service) administrated(r kv.Reader) (bool, error) {
	row, _, err := s.administrators.Get(r, scope.All(), onlyRow())
	return len(row.Value.GetAccountIds()) > 0, err
}

// ClaimFirst makes the first administrator with the code of the first link.
func (s accounts) ClaimFirst(ctx context.Context, req *pb.ClaimFirstRequest) (*pb.ClaimFirstResponse, error) {
	// The code is looked at first: who has none learns nothing else, and costs no
	// hash of a password.
	err := s.store.View(ctx, func(r kv.Reader) error {
		_, err := s.firstLink(r, req.GetCode())
		return err
	})
	if err != nil {
		return nil, err
	}
	fresh, err := s.newAdministrator(ctx, req.GetLogin(), req.GetDisplayName(), req.GetPassword())
	if err != nil {
		return nil, err
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ClaimFirstResponse, error) {
		link, err := s.firstLink(tx, req.GetCode())
		if err != nil {
			return nil, err
		}
		if err := s.firstLinks.Delete(tx, link); err != nil {
			return nil, err
		}
		row, err := s.insertAdministrator(tx, fresh)
		if err != nil {
			return nil, err
		}
		out, err := s.accountProto(tx, row, scope.All())
		return &pb.ClaimFirstResponse{Account: out}, err
	})
}

// firstLink answers the link of a code that still holds.
func (s *Service) firstLink(r kv.Reader, code string) (table.Row[*pb.FirstLinkRow], error) {
	row, exists, err := s.firstLinks.Get(r, scope.All(), onlyRow())
	if err != nil {
		return row, err
	}
	kept, err := s.administrated(r)
	if err != nil {
		return row, err
	}
	old := !s.store.Wall().Now().Before(row.Value.GetMadeAt().AsTime().Add(firstLinkHolds))
	right := len(code) > 0 && bytes.Equal(row.Value.GetCodeHash(), s.store.Keyring().Blind(blindFirstLink, code))
	if !exists || kept || old || !right {
		return row, rule.New(rule.Denied, "FIRST_LINK_NOT_VALID", "code")
	}
	return row, nil
}

// newAdministrator checks what the first administrator chose and hashes the
// password.
func (s *Service) newAdministrator(ctx context.Context, login, name, plain string) (newAccount, error) {
	if err := account.CheckLogin(login); err != nil {
		return newAccount{}, err
	}
	if err := password.Check(plain, login, name); err != nil {
		return newAccount{}, err
	}
	id := s.ids("acc")
	sealed, err := s.sealPassword(ctx, id, plain)
	return newAccount{id: id, person: s.ids("per"), login: login, name: name, sealedPassword: sealed}, err
}

// insertAdministrator writes a security administrator who may act everywhere.
func (s *Service) insertAdministrator(tx *store.Tx, fresh newAccount) (table.Row[*pb.AccountRow], error) {
	grants := []*pb.RoleGrant{newGrant(tx, access.Call{}, 1, &pb.RoleGrant{Role: typev1.Role_ROLE_SECURITY_ADMIN}, scope.Root)}
	begun := account.Account{ID: fresh.id, State: account.Active, Office: true, Grants: domainGrants(grants)}
	row, err := s.insertAccount(tx, fresh, grants, begun)
	tx.Audit(store.Record{Rows: []string{fresh.id}})
	return row, err
}

// CreateAdministrator makes a security administrator who may act everywhere, for
// the tool that works on a folder which no server is using, and answers the
// account's id. ErrAdministratorThere when there is one, unless another is
// wanted.
func (s *Service) CreateAdministrator(ctx context.Context, login, name, plain string, another bool) (id string, err error) {
	fresh, err := s.newAdministrator(ctx, login, name, plain)
	if err != nil {
		return "", err
	}
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		kept, err := s.administrated(tx)
		if err != nil {
			return err
		}
		if kept && !another {
			return ErrAdministratorThere
		}
		_, err = s.insertAdministrator(tx, fresh)
		return err
	})
	return fresh.id, err
}
