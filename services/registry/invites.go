package registry

import (
	"context"
	"crypto/rand"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/account"
	"github.com/linli-project/linli/services/registry/internal/session"
)

// invitedAtOnce is how many members one commit invites: each writes its account,
// two index entries and, where a code is renewed, an event; a commit takes 1,000
// writes.
const invitedAtOnce = 150

// renewedAtOnce is the same where codes are renewed: whoever entered with an old
// one has up to session.Most sessions, each of which ends with three writes.
const renewedAtOnce = 20

// InviteMembers makes codes for the members of a home organization and of those
// below it, slice by slice: what was answered is kept, whatever becomes of the
// rest.
func (s accounts) InviteMembers(req *pb.InviteMembersRequest, stream grpc.ServerStreamingServer[pb.InviteMembersResponse]) error {
	ctx, call := stream.Context(), access.From(stream.Context())
	var at scope.Path
	err := s.store.View(ctx, func(r kv.Reader) (err error) {
		at, _, err = s.placeInPart(r, call, req.GetOrganizationId(), "organization_id")
		return err
	})
	if err != nil {
		return err
	}
	// Who keeps the accounts reads no members.
	named := call.ScopeOf(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, typev1.Role_ROLE_WORKPLACE_OFFICER, typev1.Role_ROLE_BRANCH_OFFICER).Covers(at)
	q := table.Query{Index: byHome, Prefix: key.Key(nil).Prefix(string(at)), Limit: invitedAtOnce}
	if req.GetRenew() {
		q.Limit = renewedAtOnce
	}
	for {
		var page table.Listing[*pb.MemberRow]
		err := s.store.View(ctx, func(r kv.Reader) (err error) {
			page, err = s.members.List(r, scope.All(), q)
			return err
		})
		if err != nil {
			return err
		}
		told, err := s.inviteSlice(ctx, page.Rows, req.GetRenew(), named)
		if err != nil {
			return err
		}
		if len(told) > 0 {
			if err := stream.Send(&pb.InviteMembersResponse{Invitations: told}); err != nil {
				return err
			}
		}
		if page.Last == nil {
			return nil
		}
		q.After = page.Last
	}
}

// inviteSlice gives each of some members a code, unless there is one that is to
// be kept, and answers those that are new, with the names for those who may read
// them.
func (s accounts) inviteSlice(ctx context.Context, members []table.Row[*pb.MemberRow], renew, named bool) ([]*pb.MemberInvitation, error) {
	fresh := make([]invitation, len(members))
	for i, m := range members {
		fresh[i] = s.newInvitation(m.Value.GetMember().GetId())
		if named {
			fresh[i].name = m.Value.GetMember().GetName()
		}
	}
	var told []*pb.MemberInvitation
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		told = nil
		var rows []string
		if err := s.prefetchAccounts(tx, fresh); err != nil {
			return err
		}
		for _, f := range fresh {
			given, err := s.invite(tx, f, renew)
			if err != nil {
				return err
			}
			if given {
				told = append(told, &pb.MemberInvitation{MemberId: f.member, Code: f.code, Name: f.name})
				rows = append(rows, f.member)
			}
		}
		tx.Audit(store.Record{Rows: rows})
		return nil
	})
	return told, err
}

// invitation is what may become a member's way in, made before the transaction.
type invitation struct {
	member, account, code, name string
	hash                        []byte
}

func (s accounts) newInvitation(member string) invitation {
	var random [account.CodeBytes]byte
	_, _ = rand.Read(random[:]) // never fails
	code := account.Code(random)
	return invitation{member: member, account: s.ids("acc"), code: code, hash: s.store.Keyring().Blind(blindCode, code)}
}

// prefetchAccounts reads in one go where the accounts of a slice would be.
func (s accounts) prefetchAccounts(tx *store.Tx, fresh []invitation) error {
	keys := make([][]byte, len(fresh))
	for i, f := range fresh {
		keys[i] = s.Service.accounts.PlaceBy(byAccountPerson, idKey(f.member))
	}
	return tx.Prefetch(keys...)
}

// invite says whether the member was given the code.
func (s accounts) invite(tx *store.Tx, f invitation, renew bool) (bool, error) {
	row, there, err := s.Service.accounts.By(tx, scope.All(), byAccountPerson, idKey(f.member))
	switch {
	case err != nil:
		return false, err
	case !there:
		_, err = s.Service.accounts.Insert(tx, &pb.AccountRow{
			Account: &pb.Account{
				Id: f.account, Person: f.member, State: pb.AccountState_ACCOUNT_STATE_ACTIVE,
				CreatedAt: timestamppb.New(tx.Wall()),
			},
			MemberId: f.member, CodeHash: f.hash,
		})
		return err == nil, err
	case len(row.Value.GetCodeHash()) > 0 && !renew:
		return false, nil
	}
	next := proto.CloneOf(row.Value)
	next.CodeHash = f.hash
	kept, err := s.Service.accounts.Replace(tx, row, next)
	if err != nil {
		return false, err
	}
	// Who entered with the code that ends here is to enter again.
	if err := s.endSessions(tx, kept.Value.GetAccount().GetId(), "", session.Close); err != nil {
		return false, err
	}
	return true, tx.Emit(accountChanged(kept, tx.Wall()))
}

// accountByCode answers the account of a code as it was typed; false for a code
// that is nobody's.
func (s *Service) accountByCode(r kv.Reader, typed string) (table.Row[*pb.AccountRow], bool, error) {
	code, ok := account.ReadCode(typed)
	if !ok {
		return table.Row[*pb.AccountRow]{}, false, nil
	}
	return s.accounts.By(r, scope.All(), byCode, key.Key(nil).String(string(s.store.Keyring().Blind(blindCode, code))))
}
