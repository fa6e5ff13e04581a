package registry

import (
	"context"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/password"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/account"
)

// accounts answers linli.registry.v1.AccountService.
type accounts struct {
	pb.UnsafeAccountServiceServer
	*Service
}

var _ pb.AccountServiceServer = accounts{}

// CreateAccount makes an account with its roles and a password for the first
// sign-in.
func (s accounts) CreateAccount(ctx context.Context, req *pb.CreateAccountRequest) (*pb.CreateAccountResponse, error) {
	call := access.From(ctx)
	if (req.GetOidcIssuer() == "") != (req.GetOidcSubject() == "") {
		return nil, rule.New(rule.Invalid, "INVALID_FIELD", "oidc_subject", "field", "oidc_subject", "rule", "with oidc_issuer, and only with it")
	}
	first, sealed, id, err := s.firstPassword(ctx)
	if err != nil {
		return nil, err
	}
	fresh := newAccount{
		id: id, person: s.ids("per"), login: req.GetLogin(), name: req.GetDisplayName(), sealedPassword: sealed, mustChange: true,
		providerHash: s.store.Keyring().Blind(blindProvider, req.GetOidcIssuer(), req.GetOidcSubject()),
	}
	return store.DoUnremembered(ctx, s.store, req, func(tx *store.Tx) (*pb.CreateAccountResponse, error) {
		grants, begun, err := s.beginGrants(tx, call, id, req.GetGrants())
		if err != nil {
			return nil, err
		}
		row, err := s.insertAccount(tx, fresh, grants, begun)
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id}})
		out, err := s.accountProto(tx, row, call.Scope)
		return &pb.CreateAccountResponse{Account: out, FirstPassword: first}, err
	})
}

// firstPassword makes a password for a first sign-in, sealed for an account
// whose id it answers.
func (s accounts) firstPassword(ctx context.Context) (plain string, sealed []byte, id string, err error) {
	plain, id = password.First(), s.ids("acc")
	sealed, err = s.sealPassword(ctx, id, plain)
	return plain, sealed, id, err
}

// sealPassword answers a password's hash, sealed for its account. It takes tens
// of milliseconds, so it is called before a transaction and never inside.
func (s *Service) sealPassword(ctx context.Context, accountID, plain string) ([]byte, error) {
	phc, err := s.passwords.Hash(ctx, plain)
	return s.sealOf(accountID, secretPassword, phc), err
}

// newAccount is what makes an office's account, as far as it can be made before
// the transaction.
type newAccount struct {
	id, person, login, name      string
	sealedPassword, providerHash []byte
	mustChange                   bool
}

// insertAccount writes a new office's account and keeps the list of those who
// keep all others.
func (s *Service) insertAccount(tx *store.Tx, n newAccount, grants []*pb.RoleGrant, begun account.Account) (table.Row[*pb.AccountRow], error) {
	var none table.Row[*pb.AccountRow]
	if _, taken, err := s.accounts.By(tx, scope.All(), byLogin, idKey(n.login)); err != nil || taken {
		return none, takenOr(err, "LOGIN_TAKEN", "login")
	}
	if len(n.providerHash) > 0 {
		if _, taken, err := s.accounts.By(tx, scope.All(), byProvider, idKey(string(n.providerHash))); err != nil || taken {
			return none, takenOr(err, "SUBJECT_TAKEN", "oidc_subject")
		}
	}
	now := timestamppb.New(tx.Wall())
	row, err := s.accounts.Insert(tx, &pb.AccountRow{
		Account: &pb.Account{
			Id: n.id, Person: n.person, Login: n.login, Grants: grants, State: pb.AccountState_ACCOUNT_STATE_ACTIVE,
			MustChangePassword: n.mustChange, CreatedAt: now,
		},
		SealedDisplayName: s.sealOf(n.id, secretName, n.name),
		SealedPassword:    n.sealedPassword, PasswordSetAt: now, ProviderHash: n.providerHash, NextGrant: uint64(len(grants)) + 1,
	})
	if err != nil {
		return none, err
	}
	return row, s.keepAdministrators(tx, begun)
}

func takenOr(err error, reason, field string) error {
	if err != nil {
		return err
	}
	return rule.New(rule.Exists, reason, field)
}

// beginGrants answers the first grants of an account: role and organization are
// the caller's words, everything else the registry's.
func (s accounts) beginGrants(tx *store.Tx, call access.Call, id string, said []*pb.RoleGrant) ([]*pb.RoleGrant, account.Account, error) {
	field := func(i int) string { return "grants[" + strconv.Itoa(i) + "]" }
	var grants []*pb.RoleGrant
	var kinds []account.Kind
	for i, g := range said {
		path, kind, err := s.placeInPart(tx, call, g.GetOrganizationId(), field(i)+".organization_id")
		if err != nil {
			return nil, account.Account{}, err
		}
		grants = append(grants, newGrant(tx, call, uint64(i)+1, g, path))
		kinds = append(kinds, kind)
	}
	begun, err := account.Begin(id, domainGrants(grants), kinds, field)
	return grants, begun, err
}

func newGrant(tx *store.Tx, call access.Call, number uint64, said *pb.RoleGrant, path scope.Path) *pb.RoleGrant {
	return &pb.RoleGrant{
		Id: "g" + strconv.FormatUint(number, 10), Role: said.GetRole(), OrganizationId: said.GetOrganizationId(),
		OrganizationPath: string(path), GrantedAt: timestamppb.New(tx.Wall()), GrantedBy: call.Person,
	}
}

// placeInPart answers where an organization of the caller's part is, and what; ""
// is everywhere. One that is not known and one outside the part get the same
// answer, and so does everywhere for who may not act everywhere.
func (s accounts) placeInPart(r kv.Reader, call access.Call, organizationID, field string) (scope.Path, account.Kind, error) {
	path, kind, known := scope.Root, account.Everywhere, true
	if organizationID != "" {
		row, ok, err := s.organizations.Get(r, scope.All(), idKey(organizationID))
		if err != nil {
			return "", "", err
		}
		path, kind, known = scope.Path(row.Value.GetPath()), account.Kind(organizationKind(row.Value.GetKind())), ok
	}
	if !known || !call.Scope.Covers(path) {
		return "", "", rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", field, "id", organizationID)
	}
	return path, kind, nil
}

// GetAccount answers one account, by its id or its person.
func (s accounts) GetAccount(ctx context.Context, req *pb.GetAccountRequest) (*pb.GetAccountResponse, error) {
	call, reply := access.From(ctx), &pb.GetAccountResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, _, err := s.accountAt(r, call, req.GetId())
		if err == nil {
			reply.Account, err = s.accountProto(r, row, call.Scope)
		}
		return err
	})
	return reply, err
}

// ListAccounts answers the accounts with a role in an organization or below it.
func (s accounts) ListAccounts(ctx context.Context, req *pb.ListAccountsRequest) (*pb.ListAccountsResponse, error) {
	call, reply := access.From(ctx), &pb.ListAccountsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		path, _, err := s.placeInPart(r, call, req.GetOrganizationId(), "organization_id")
		if err != nil {
			return err
		}
		rows, next, err := table.Page(s.pager, s.accounts, r, table.PageCall{
			Method: call.Method, Scope: scope.Scope{Paths: []scope.Path{scope.Root}, Person: call.Person},
			Filter: []string{req.GetOrganizationId()}, Size: req.GetPageSize(), Token: req.GetPageToken(),
		}, table.Query{Index: byGrant, Prefix: key.Key(nil).String(string(path))})
		if err != nil {
			return err
		}
		reply.NextPageToken = next
		for _, row := range rows {
			a, err := s.accountProto(r, row, call.Scope)
			if err != nil {
				return err
			}
			reply.Accounts = append(reply.Accounts, a)
		}
		return nil
	})
	return reply, err
}

// accountAt answers an account that the caller may know of, by its id or its
// person, and what the rules look at; NOT_FOUND for any other.
func (s *Service) accountAt(r kv.Reader, call access.Call, id string) (table.Row[*pb.AccountRow], account.Account, error) {
	row, ok, err := s.accounts.Get(r, scope.All(), idKey(id))
	if err == nil && !ok {
		row, ok, err = s.accounts.By(r, scope.All(), byAccountPerson, idKey(id))
	}
	if err != nil || !ok {
		return row, account.Account{}, absentOr(err, s.accounts.Name(), id)
	}
	a, err := s.domainAccount(r, row.Value)
	if err == nil && !a.Seen(actorIn(call)) {
		err = rule.Absent(s.accounts.Name(), id)
	}
	return row, a, err
}

// actorIn is who acts as a security administrator.
func actorIn(call access.Call) account.Actor {
	return account.Actor{Account: call.Account, Person: call.Person, Part: scope.Scope{Paths: call.Scope.Paths}}
}

// domainAccount is an account as the rules look at it. A member stands at home
// and in the community reported in to, by the member's row.
func (s *Service) domainAccount(r kv.Reader, row *pb.AccountRow) (account.Account, error) {
	a := account.Account{
		ID: row.GetAccount().GetId(), Person: row.GetAccount().GetPerson(), State: accountState(row.GetAccount()),
		Office: officeAccount(row), Grants: domainGrants(row.GetAccount().GetGrants()),
	}
	if row.GetMemberId() == "" {
		return a, nil
	}
	grants, err := s.memberGrants(r, row.GetMemberId())
	for _, g := range grants {
		a.Grants = append(a.Grants, account.Grant{Role: account.Role(access.RoleName(g.Role)), Path: g.Path})
	}
	return a, err
}

func domainGrants(grants []*pb.RoleGrant) []account.Grant {
	out := make([]account.Grant, len(grants))
	for i, g := range grants {
		out[i] = account.Grant{ID: g.GetId(), Role: account.Role(access.RoleName(g.GetRole())), Path: scope.Path(g.GetOrganizationPath())}
	}
	return out
}

// accountProto is an account on its way out: with its name opened, and with the
// roles in the reader's part.
func (s *Service) accountProto(r kv.Reader, row table.Row[*pb.AccountRow], sees scope.Scope) (*pb.Account, error) {
	out := proto.CloneOf(row.Value.GetAccount())
	out.Etag, out.SecondFactor = row.Etag(), hasFactor(row.Value)
	if row.Value.GetMemberId() != "" {
		grants, err := s.memberGrants(r, row.Value.GetMemberId())
		if err != nil {
			return nil, err
		}
		for _, g := range grants {
			out.Grants = append(out.Grants, &pb.RoleGrant{Role: g.Role, OrganizationId: g.Path.ID(), OrganizationPath: string(g.Path)})
		}
	}
	all := out.Grants
	out.Grants = nil
	for _, g := range all {
		if sees.Covers(scope.Path(g.GetOrganizationPath())) {
			out.Grants = append(out.Grants, g)
		}
	}
	name, err := s.openOf(out.GetId(), secretName, row.Value.GetSealedDisplayName())
	out.DisplayName = name
	return out, err
}

// The purposes of the keyed hashes by which a person enters.
const (
	blindCode     = "account code"
	blindPhone    = "account phone"
	blindProvider = "account provider"
)

// keepAdministrators keeps the row of those who keep all other accounts, after
// one account has changed. LAST_ADMINISTRATOR when none would be left.
func (s *Service) keepAdministrators(tx *store.Tx, changed account.Account) error {
	row, exists, err := s.administrators.Get(tx, scope.All(), onlyRow())
	if err != nil {
		return err
	}
	before := row.Value.GetAccountIds()
	after, err := account.Keepers(before, changed)
	switch {
	case err != nil || len(before) == len(after): // one account changes the list by one at most
		return err
	case exists:
		_, err = s.administrators.Replace(tx, row, &pb.AdministratorsRow{AccountIds: after})
	default:
		_, err = s.administrators.Insert(tx, &pb.AdministratorsRow{AccountIds: after})
	}
	return err
}

// accountChanged announces that tokens signed before now are refused.
func accountChanged(row table.Row[*pb.AccountRow], now time.Time) store.Event {
	a := row.Value.GetAccount()
	return store.Event{Name: "account.changed", EntityID: a.GetId(), Revision: row.Revision, Data: &pb.AccountChanged{
		AccountId: a.GetId(), Person: a.GetPerson(), ChangedAt: timestamppb.New(now),
	}}
}
