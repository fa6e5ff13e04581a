package registry

import (
	"context"
	"crypto/hmac"
	"net/netip"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/session"
)

// sessions answers linli.registry.v1.SessionService.
type sessions struct {
	pb.UnimplementedSessionServiceServer
	*Service
}

// refusing runs a method whose refusal is written down: fn answers it as refused
// and what it wrote is kept, where an error of fn undoes all of it.
func refusing[R proto.Message](ctx context.Context, s *Service, req proto.Message, fn func(tx *store.Tx) (reply R, refused *rule.Error, err error)) (R, error) {
	var refused *rule.Error
	var none R
	reply, err := store.DoUnremembered(ctx, s.store, req, func(tx *store.Tx) (reply R, err error) {
		if reply, refused, err = fn(tx); refused != nil && err == nil {
			tx.Audit(store.Record{Refusal: refused.Reason})
		}
		return reply, err
	})
	switch {
	case err != nil:
		return none, err
	case refused != nil:
		return none, access.Recorded{Err: refused}
	}
	return reply, nil
}

// Refresh changes the refresh token and answers a token of what the account may
// do now. A refresh token of before ends the session: somebody has a copy, and
// who of the two is the owner cannot be told.
func (s sessions) Refresh(ctx context.Context, req *pb.RefreshRequest) (*pb.RefreshResponse, error) {
	id, hash, err := s.readRefresh(req.GetRefreshToken())
	if err != nil {
		return nil, err
	}
	return refusing(ctx, s.Service, req, func(tx *store.Tx) (*pb.RefreshResponse, *rule.Error, error) {
		row, account, err := s.openSession(tx, id, tx.Wall())
		if err != nil {
			return nil, nil, err
		}
		tx.Audit(ofSession(row.Value, "refreshed"))
		if !hmac.Equal(row.Value.GetRefreshHash(), hash) {
			refused := rule.New(rule.Denied, "SESSION_ENDED", "")
			return nil, refused, s.end(tx, row, session.Reuse)
		}
		if account.Value.GetAccount().GetState() != pb.AccountState_ACCOUNT_STATE_ACTIVE {
			refused := rule.New(rule.Denied, "SESSION_ENDED", "")
			return nil, refused, s.end(tx, row, session.Close)
		}
		out, err := s.renew(tx, row, account.Value, nil)
		return &pb.RefreshResponse{Session: out}, nil, err
	})
}

// renew gives a session a new refresh token, and answers it. change changes what
// else of its row changes; nil = nothing does.
func (s *Service) renew(tx *store.Tx, row table.Row[*pb.SessionRow], account *pb.AccountRow, change func(*pb.SessionRow)) (*pb.Session, error) {
	next := proto.CloneOf(row.Value)
	next.LastUsedAt = timestamppb.New(tx.Wall())
	if change != nil {
		change(next)
	}
	refresh := s.newRefresh(next)
	if _, err := s.sessions.Replace(tx, row, next); err != nil {
		return nil, err
	}
	out, err := s.answer(tx, next, account)
	if err != nil {
		return nil, err
	}
	out.RefreshToken = refresh
	return out, nil
}

// openSession answers a session that goes on, and its account; SESSION_ENDED for
// any other.
func (s *Service) openSession(r kv.Reader, id string, now time.Time) (row table.Row[*pb.SessionRow], account table.Row[*pb.AccountRow], err error) {
	row, there, err := s.sessions.Get(r, scope.All(), idKey(id))
	if err != nil || !there || lifeOf(row.Value).At(now) != session.Open {
		return row, account, orEnded(err)
	}
	account, there, err = s.accounts.Get(r, scope.All(), idKey(row.Value.GetAccountId()))
	if err != nil || !there {
		return row, account, orEnded(err)
	}
	return row, account, nil
}

func orEnded(err error) error {
	if err != nil {
		return err
	}
	return sessionEnded()
}

// SignOut ends the caller's session. One that has ended is ended already.
func (s sessions) SignOut(ctx context.Context, req *pb.SignOutRequest) (*pb.SignOutResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.SignOutResponse, error) {
		tx.Audit(store.Record{Rows: []string{call.Session}, Outcome: "signed out"})
		return &pb.SignOutResponse{}, s.endOwn(tx, call, call.Session, session.SignOut)
	})
}

// endOwn ends one of the caller's sessions, if it has not ended.
func (s *Service) endOwn(tx *store.Tx, call access.Call, id, command string) error {
	row, there, err := s.sessions.Get(tx, scope.Scope{Person: call.Person}, idKey(id))
	if err != nil || !there || row.Value.GetAccountId() != call.Account {
		return absentOr(err, s.sessions.Name(), id)
	}
	if row.Value.GetEndedAt() != nil {
		return nil
	}
	return s.end(tx, row, command)
}

// EndSession ends one of the caller's sessions.
func (s sessions) EndSession(ctx context.Context, req *pb.EndSessionRequest) (*pb.EndSessionResponse, error) {
	call := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.EndSessionResponse, error) {
		tx.Audit(store.Record{Rows: []string{req.GetId()}, Outcome: "session ended"})
		return &pb.EndSessionResponse{}, s.endOwn(tx, call, req.GetId(), session.End)
	})
}

// ListMySessions answers the caller's sessions that go on, the newest first.
func (s sessions) ListMySessions(ctx context.Context, _ *pb.ListMySessionsRequest) (*pb.ListMySessionsResponse, error) {
	call, now := access.From(ctx), s.store.Wall().Now()
	reply := &pb.ListMySessionsResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		rows, err := s.sessionsOf(r, call.Account)
		if err != nil {
			return err
		}
		reply.Sessions = nil
		for _, row := range slices.Backward(rows) {
			if row.Value.GetPerson() != call.Person || lifeOf(row.Value).At(now) != session.Open {
				continue
			}
			address, err := s.store.Keyring().Open(row.Value.GetSealedAddress(), addressPlace(row.Value.GetId())...)
			if err != nil {
				return err
			}
			reply.Sessions = append(reply.Sessions, &pb.SessionInfo{
				Id: row.Value.GetId(), Method: row.Value.GetMethod(), BeganAt: row.Value.GetBeganAt(), LastUsedAt: row.Value.GetLastUsedAt(),
				Program: row.Value.GetProgram(), Network: coveredNetwork(string(address)), ThisOne: row.Value.GetId() == call.Session,
			})
		}
		return nil
	})
	return reply, err
}

// GetMe answers who calls, what the account may do now, and which role acts.
func (s sessions) GetMe(ctx context.Context, _ *pb.GetMeRequest) (*pb.GetMeResponse, error) {
	call := access.From(ctx)
	var reply *pb.GetMeResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, account, err := s.openSession(r, call.Session, s.store.Wall().Now())
		if err != nil {
			return err
		}
		a := account.Value.GetAccount()
		name, err := s.openOf(a.GetId(), secretName, account.Value.GetSealedDisplayName())
		if err != nil {
			return err
		}
		roles, err := s.rolesOf(r, account.Value)
		reply = &pb.GetMeResponse{
			Person: a.GetPerson(), DisplayName: name, Grants: roles, Acting: acting(roles, row.Value), SecondFactor: hasFactor(account.Value),
			MustChangePassword: mustChange(row.Value, account.Value), MustSetSecondFactor: mustSetFactor(account.Value), Method: row.Value.GetMethod(),
		}
		return err
	})
	return reply, err
}

// Act chooses the role that the session acts under. The refresh token stays.
func (s sessions) Act(ctx context.Context, req *pb.ActRequest) (*pb.ActResponse, error) {
	call := access.From(ctx)
	return store.DoUnremembered(ctx, s.store, req, func(tx *store.Tx) (*pb.ActResponse, error) {
		row, account, err := s.openSession(tx, call.Session, tx.Wall())
		if err != nil {
			return nil, err
		}
		roles, err := s.rolesOf(tx, account.Value)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(roles, func(g *pb.RoleGrant) bool { return g.GetId() == req.GetGrantId() }) {
			return nil, rule.Absent("grant", req.GetGrantId())
		}
		next := proto.CloneOf(row.Value)
		next.ActingGrant = req.GetGrantId()
		if _, err := s.sessions.Replace(tx, row, next); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{next.GetId()}})
		out, err := s.answer(tx, next, account.Value)
		return &pb.ActResponse{Session: out}, err
	})
}

// shortProgram answers "Chromium on Linux" for what a browser says of itself; the
// first word of what anything else says.
func shortProgram(agent string) string {
	pick := func(names [][2]string) string {
		for _, n := range names {
			if strings.Contains(agent, n[0]) {
				return n[1]
			}
		}
		return ""
	}
	browser := pick([][2]string{
		{"MicroMessenger", "WeChat"}, {"Edg/", "Edge"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chromium"}, {"Safari/", "Safari"},
	})
	system := pick([][2]string{
		{"Android", "Android"}, {"HarmonyOS", "HarmonyOS"}, {"iPhone", "iOS"}, {"iPad", "iOS"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"},
	})
	switch {
	case browser != "" && system != "":
		return browser + " on " + system
	case browser != "":
		return browser
	}
	word, _, _ := strings.Cut(agent, " ")
	return strings.ToValidUTF8(word[:min(len(word), 40)], "")
}

// coveredNetwork is a network address with its last part covered: enough to know
// one's own by.
func coveredNetwork(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		if at, err := netip.ParseAddrPort(address); err == nil {
			ip = at.Addr()
		}
	}
	switch ip = ip.Unmap().WithZone(""); {
	case ip.Is4():
		text := ip.String()
		return text[:strings.LastIndexByte(text, '.')+1] + "*"
	case ip.Is6():
		p, err := ip.Prefix(48)
		if err == nil {
			return strings.TrimSuffix(p.Masked().Addr().String(), "::") + ":*"
		}
	}
	return ""
}
