package registry

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/session"
)

const (
	refreshBytes = 32 // of a refresh token that nobody can guess
	tagBytes     = 16 // by which a refresh token of before is known
)

// begin begins a session of an account, in the commit that saw that it may:
// the last of too many sessions ends, the account's last sign-in is noted, the
// audit line says who came in. strong: the session has shown a second factor.
func (s *Service) begin(tx *store.Tx, account table.Row[*pb.AccountRow], method pb.SignInMethod, strong bool, call access.Call) (*pb.Session, error) {
	now := timestamppb.New(tx.Wall())
	next := proto.CloneOf(account.Value)
	next.Account.LastSignInAt = now
	if _, err := s.accounts.Replace(tx, account, next); err != nil {
		return nil, err
	}
	if err := s.makeRoom(tx, next.GetAccount().GetId()); err != nil {
		return nil, err
	}
	id := s.ids("ses")
	row := &pb.SessionRow{
		Id: id, AccountId: next.GetAccount().GetId(), Person: next.GetAccount().GetPerson(), Method: method,
		BeganAt: now, LastUsedAt: now, EndsAt: timestamppb.New(tx.Wall().Add(session.Longest)), SecondFactorShown: strong,
		Program: shortProgram(call.Program), SealedAddress: s.store.Keyring().Seal([]byte(call.Address), addressPlace(id)...),
	}
	refresh := s.newRefresh(row)
	if _, err := s.sessions.Insert(tx, row); err != nil {
		return nil, err
	}
	out, err := s.answer(tx, row, next)
	if err != nil {
		return nil, err
	}
	out.RefreshToken = refresh
	tx.Audit(ofSession(row, "signed in"))
	return out, nil
}

func addressPlace(id string) []string { return []string{"session", id, "address"} }

// makeRoom ends the oldest sessions of an account that has as many as it may.
func (s *Service) makeRoom(tx *store.Tx, accountID string) error {
	rows, err := s.sessionsOf(tx, accountID)
	if err != nil {
		return err
	}
	open := rows[:0:0]
	for _, row := range rows {
		if lifeOf(row.Value).At(tx.Wall()) == session.Open {
			open = append(open, row)
			continue
		}
		if err := s.end(tx, row, session.Lapse); err != nil {
			return err
		}
	}
	for len(open) >= session.Most {
		if err := s.end(tx, open[0], session.Displace); err != nil {
			return err
		}
		open = open[1:]
	}
	return nil
}

// sessionsOf answers the sessions of an account that nothing has ended, the
// oldest first. Some may have lapsed.
func (s *Service) sessionsOf(r kv.Reader, accountID string) ([]table.Row[*pb.SessionRow], error) {
	page, err := s.sessions.List(r, scope.All(), table.Query{
		Index: byAccount, Prefix: key.Key(nil).String(accountID), Limit: 2 * session.Most,
	})
	return page.Rows, err
}

// endSessions ends the sessions of an account but one; "" = all of them. command
// says why: session.Close or session.ChangePassword.
func (s *Service) endSessions(tx *store.Tx, accountID, but, command string) error {
	rows, err := s.sessionsOf(tx, accountID)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.Value.GetId() == but {
			continue
		}
		if err := s.end(tx, row, command); err != nil {
			return err
		}
	}
	return nil
}

// end ends a session and lets every process know that its tokens hold no more.
func (s *Service) end(tx *store.Tx, row table.Row[*pb.SessionRow], command string) error {
	state := session.Open
	if row.Value.GetEndedAt() != nil {
		state = session.Ended
	}
	if _, err := session.Machine().Next(state, command); err != nil {
		return err
	}
	next := proto.CloneOf(row.Value)
	next.EndedAt, next.EndReason, next.RefreshHash = timestamppb.New(tx.Wall()), command, nil
	ended, err := s.sessions.Replace(tx, row, next)
	if err != nil || command == session.Lapse {
		return err // of one that has lapsed no token holds
	}
	return tx.Emit(store.Event{
		Name: "session.ended", EntityID: next.GetId(), Revision: ended.Revision,
		Data: &pb.SessionEnded{SessionId: next.GetId(), TokensExpireAt: timestamppb.New(tx.Wall().Add(access.TokenLife))},
	})
}

func lifeOf(row *pb.SessionRow) session.Life {
	life := session.Life{Used: row.GetLastUsedAt().AsTime(), Ends: row.GetEndsAt().AsTime()}
	if row.GetEndedAt() != nil {
		life.Ended = row.GetEndedAt().AsTime()
	}
	return life
}

// answer is a session as its owner is told of it, with a token of what the
// account may do now.
func (s *Service) answer(tx *store.Tx, row *pb.SessionRow, account *pb.AccountRow) (*pb.Session, error) {
	roles, err := s.rolesOf(tx, account)
	if err != nil {
		return nil, err
	}
	caller := access.Caller{
		Person: row.GetPerson(), Account: row.GetAccountId(), Session: row.GetId(), Strong: row.GetSecondFactorShown(), Limit: limitOf(row, account),
	}
	for i, g := range roles {
		caller.Grants = append(caller.Grants, access.Grant{Role: g.GetRole(), Path: scope.Path(g.GetOrganizationPath())})
		if g.GetId() == row.GetActingGrant() {
			caller.Chosen = i + 1
		}
	}
	claims := access.NewClaims(caller, s.ids("tok"), tx.Wall())
	if ends := row.GetEndsAt().AsTime(); ends.Before(claims.Expires.Time) {
		claims.Expires = &access.Instant{Time: ends}
	}
	keyID, private, err := s.signer(tx)
	if err != nil {
		return nil, err
	}
	token, err := access.Sign(claims, keyID, private)
	if err != nil {
		return nil, err
	}
	return &pb.Session{
		Id: row.GetId(), AccessToken: token, AccessExpiresAt: timestamppb.New(claims.Expires.Time),
		IdleUntil: timestamppb.New(lifeOf(row).IdleUntil()), EndsAt: row.GetEndsAt(),
		MustChangePassword:  mustChange(row, account),
		MustSetSecondFactor: mustSetFactor(account), Acting: acting(roles, row),
	}, nil
}

// mustChange says that a session may only change its password: it began with one
// that an administrator knows. Who came through the provider used none.
func mustChange(row *pb.SessionRow, account *pb.AccountRow) bool {
	return account.GetAccount().GetMustChangePassword() && row.GetMethod() != pb.SignInMethod_SIGN_IN_METHOD_PROVIDER
}

// limitOf answers what a session of an account may do only.
func limitOf(row *pb.SessionRow, account *pb.AccountRow) access.Limit {
	switch {
	case mustChange(row, account):
		return access.LimitPassword
	case mustSetFactor(account):
		return access.LimitFactor
	}
	return ""
}

// hasFactor says that an account has a second factor, which was confirmed.
func hasFactor(account *pb.AccountRow) bool { return len(account.GetSealedSecondFactor()) > 0 }

// mustSetFactor says that an administrator has no second factor yet.
func mustSetFactor(account *pb.AccountRow) bool {
	return !hasFactor(account) && slices.ContainsFunc(account.GetAccount().GetGrants(), func(g *pb.RoleGrant) bool {
		switch g.GetRole() {
		case typev1.Role_ROLE_SYSTEM_ADMIN, typev1.Role_ROLE_SECURITY_ADMIN, typev1.Role_ROLE_AUDIT_ADMIN:
			return true
		}
		return false
	})
}

// rolesOf answers what an account may do where now, each with the name by which
// Act chooses it. A member's follow the member's row and are named by place.
func (s *Service) rolesOf(r kv.Reader, account *pb.AccountRow) ([]*pb.RoleGrant, error) {
	grants, err := s.grantsOf(r, account)
	if err != nil {
		return nil, err
	}
	stored := account.GetAccount().GetGrants()
	var out []*pb.RoleGrant
	for i, g := range grants {
		role := &pb.RoleGrant{Id: "m" + strconv.Itoa(i+1), Role: g.Role, OrganizationId: g.Path.ID()}
		for len(stored) > 0 {
			at := stored[0]
			stored = stored[1:]
			if at.GetRole() == g.Role && at.GetOrganizationId() == g.Path.ID() {
				role = proto.CloneOf(at)
				break // one whose organization is gone was passed by
			}
		}
		role.OrganizationPath = string(g.Path)
		out = append(out, role)
	}
	return out, nil
}

// acting is the role that a session acts under: the one chosen, else the first.
func acting(roles []*pb.RoleGrant, row *pb.SessionRow) *pb.RoleGrant {
	for _, g := range roles {
		if g.GetId() == row.GetActingGrant() {
			return g
		}
	}
	if len(roles) == 0 {
		return nil
	}
	return roles[0]
}

// newRefresh puts the hash of a new refresh token into a session's row and
// answers the token: the session's id, a secret, and a tag by which it is known
// for one of this session's when it is no longer the one that holds.
func (s *Service) newRefresh(row *pb.SessionRow) string {
	secret := make([]byte, refreshBytes)
	_, _ = rand.Read(secret) // never fails
	row.RefreshHash = s.refreshHash(row.GetId(), secret)
	row.Generation++
	return row.GetId() + "." + base64.RawURLEncoding.EncodeToString(append(secret, s.refreshTag(row.GetId(), secret)...))
}

func (s *Service) refreshHash(id string, secret []byte) []byte {
	return s.store.Keyring().Digest("refresh token", id, string(secret))
}

func (s *Service) refreshTag(id string, secret []byte) []byte {
	return s.store.Keyring().Digest("refresh token was given", id, string(secret))[:tagBytes]
}

// readRefresh takes a refresh token apart. One that this house did not give is
// nobody's: what anybody can make up ends no session.
func (s *Service) readRefresh(token string) (id string, hash []byte, err error) {
	id, text, ok := strings.Cut(token, ".")
	raw, bad := base64.RawURLEncoding.Strict().DecodeString(text)
	if !ok || bad != nil || len(raw) != refreshBytes+tagBytes || !hmac.Equal(raw[refreshBytes:], s.refreshTag(id, raw[:refreshBytes])) {
		return "", nil, sessionEnded()
	}
	return id, s.refreshHash(id, raw[:refreshBytes]), nil
}

func sessionEnded() error { return rule.New(rule.Denied, "SESSION_ENDED", "") }
