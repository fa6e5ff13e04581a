package registry

import (
	"context"
	"slices"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/password"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/account"
	"github.com/linli-project/linli/services/registry/internal/session"
)

// changing is one change of an account: of which, why, and how. do answers the
// account as the rules see it afterwards, and writes the row's next state.
type changing struct {
	id, reason string
	do         func(tx *store.Tx, before account.Account, next *pb.AccountRow) (account.Account, error)
	// tells answers what else is announced; may be nil.
	tells func(kept table.Row[*pb.AccountRow]) store.Event
}

// change carries a change out inside a transaction: scope, the change's own
// rule, that somebody is left who keeps the accounts, the row, the event.
func (s accounts) change(tx *store.Tx, call access.Call, c changing) (*pb.Account, error) {
	row, before, err := s.accountAt(tx, call, c.id)
	if err != nil {
		return nil, err
	}
	next := proto.CloneOf(row.Value)
	after, err := c.do(tx, before, next)
	if err != nil {
		return nil, err
	}
	if err := s.keepAdministrators(tx, after); err != nil {
		return nil, err
	}
	kept, err := s.accounts.Replace(tx, row, next)
	if err != nil {
		return nil, err
	}
	tx.Audit(store.Record{Rows: []string{kept.Value.GetAccount().GetId()}, Reason: c.reason})
	if err := tx.Emit(accountChanged(kept, tx.Wall())); err != nil {
		return nil, err
	}
	if c.tells != nil {
		if err := tx.Emit(c.tells(kept)); err != nil {
			return nil, err
		}
	}
	return s.accountProto(tx, kept, call.Scope)
}

// GrantRole gives an account a role in an organization.
func (s accounts) GrantRole(ctx context.Context, req *pb.GrantRoleRequest) (*pb.GrantRoleResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.GrantRoleResponse, error) {
		out, err := s.change(tx, call, changing{id: req.GetId(), do: func(tx *store.Tx, before account.Account, next *pb.AccountRow) (account.Account, error) {
			path, kind, err := s.placeInPart(tx, call, req.GetGrant().GetOrganizationId(), "grant.organization_id")
			if err != nil {
				return before, err
			}
			g := newGrant(tx, call, next.GetNextGrant(), req.GetGrant(), path)
			next.NextGrant++
			next.Account.Grants = append(next.Account.Grants, g)
			return before.Give(actorIn(call), domainGrants([]*pb.RoleGrant{g})[0], kind)
		}})
		return &pb.GrantRoleResponse{Account: out}, err
	})
}

// RevokeRole takes a role away.
func (s accounts) RevokeRole(ctx context.Context, req *pb.RevokeRoleRequest) (*pb.RevokeRoleResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.RevokeRoleResponse, error) {
		out, err := s.change(tx, call, changing{id: req.GetId(), do: func(_ *store.Tx, before account.Account, next *pb.AccountRow) (account.Account, error) {
			next.Account.Grants = slices.DeleteFunc(next.Account.Grants, func(g *pb.RoleGrant) bool { return g.GetId() == req.GetGrantId() })
			return before.Take(actorIn(call), req.GetGrantId())
		}})
		return &pb.RevokeRoleResponse{Account: out}, err
	})
}

// LockAccount lets an account sign in no more.
func (s accounts) LockAccount(ctx context.Context, req *pb.LockAccountRequest) (*pb.LockAccountResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.LockAccountResponse, error) {
		out, err := s.change(tx, call, changing{id: req.GetId(), reason: req.GetReason(), do: s.moving(call, account.Lock)})
		return &pb.LockAccountResponse{Account: out}, err
	})
}

// UnlockAccount lets a locked account sign in again, and ends the time away of one
// that is not locked.
func (s accounts) UnlockAccount(ctx context.Context, req *pb.UnlockAccountRequest) (*pb.UnlockAccountResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.UnlockAccountResponse, error) {
		out, err := s.change(tx, call, changing{id: req.GetId(), do: s.unlocking(call)})
		return &pb.UnlockAccountResponse{Account: out}, err
	})
}

func (s accounts) unlocking(call access.Call) func(*store.Tx, account.Account, *pb.AccountRow) (account.Account, error) {
	return func(tx *store.Tx, before account.Account, next *pb.AccountRow) (account.Account, error) {
		if before.State != account.Active || next.GetAccount().GetAwayUntil() == nil {
			return s.moving(call, account.Unlock)(tx, before, next)
		}
		next.Account.AwayUntil, next.HandedTo = nil, ""
		return before, before.MayKeep(actorIn(call))
	}
}

// moving carries a command of the state machine out: a lock ends all sessions;
// who comes back has the own messages for oneself again.
func (s accounts) moving(call access.Call, command string) func(*store.Tx, account.Account, *pb.AccountRow) (account.Account, error) {
	return func(tx *store.Tx, before account.Account, next *pb.AccountRow) (account.Account, error) {
		after, err := before.Move(actorIn(call), command)
		if err != nil {
			return after, err
		}
		s.stands(next, after.State)
		if after.State == account.Active {
			next.Account.AwayUntil, next.HandedTo = nil, ""
			return after, nil
		}
		return after, s.endSessions(tx, before.ID, "", session.Close)
	}
}

// ResetPassword answers a new password, which must be changed at the next
// sign-in.
func (s accounts) ResetPassword(ctx context.Context, req *pb.ResetPasswordRequest) (*pb.ResetPasswordResponse, error) {
	call, first := access.From(ctx), password.First()
	phc, err := s.passwords.Hash(ctx, first)
	if err != nil {
		return nil, err
	}
	return store.DoUnremembered(ctx, s.store, req, func(tx *store.Tx) (*pb.ResetPasswordResponse, error) {
		_, err := s.change(tx, call, changing{id: req.GetId(), do: func(tx *store.Tx, before account.Account, next *pb.AccountRow) (account.Account, error) {
			if err := before.MayKeep(actorIn(call)); err != nil {
				return before, err
			}
			if err := before.Lasts(); err != nil {
				return before, err
			}
			if !before.Office {
				return before, rule.New(rule.Precondition, "NO_LOGIN", "id")
			}
			s.setPassword(next, phc, tx.Wall())
			next.Account.MustChangePassword = true
			if req.GetSecondFactor() {
				next.SealedSecondFactor, next.SealedSecondFactorNext, next.RecoveryHashes = nil, nil, nil
			}
			return before, s.endSessions(tx, before.ID, "", session.Close)
		}})
		return &pb.ResetPasswordResponse{FirstPassword: first}, err
	})
}

// NamePeople answers the names of officers and staff to their colleagues.
func (s accounts) NamePeople(ctx context.Context, req *pb.NamePeopleRequest) (*pb.NamePeopleResponse, error) {
	call, reply := access.From(ctx), &pb.NamePeopleResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		for _, id := range req.GetIds() {
			row, ok, err := s.accounts.By(r, scope.All(), byAccountPerson, idKey(id))
			if err != nil {
				return err
			}
			if !ok || !officeAccount(row.Value) || !account.Near(call.Scope.Paths, pathsIn(row.Value)) {
				continue
			}
			name, err := s.calledBy(call, row.Value)
			if err != nil {
				return err
			}
			reply.People = append(reply.People, &pb.PersonName{Id: id, DisplayName: name})
		}
		return nil
	})
	return reply, err
}

func pathsIn(row *pb.AccountRow) (out []scope.Path) {
	for _, g := range row.GetAccount().GetGrants() {
		out = append(out, scope.Path(g.GetOrganizationPath()))
	}
	return out
}
