package registry

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/registry/internal/session"
)

// modelled is a session as the model has it: plain and without a store.
type modelled struct {
	login      string
	id         string
	tokens     []string // refresh tokens, the one that holds last
	access     string
	expires    time.Time
	used, ends time.Time
	over       bool
}

func (m *modelled) open(now time.Time) bool {
	return !m.over && now.Before(m.used.Add(30*time.Minute)) && now.Before(m.ends)
}

func (m *modelled) got(s *pb.Session, now time.Time) {
	m.id, m.access, m.used = s.GetId(), s.GetAccessToken(), now
	m.expires = now.Add(10 * time.Minute)
	if m.ends.Before(m.expires) {
		m.expires = m.ends
	}
	m.tokens = append(m.tokens, s.GetRefreshToken())
}

// sessionModel runs random commands against the registry and the model.
type sessionModel struct {
	*gate
	all      []*modelled // the oldest first
	accounts map[string]string
}

func (m *sessionModel) of(login string) (open []*modelled) {
	for _, s := range m.all {
		if s.login == login && s.open(m.Now()) {
			open = append(open, s)
		}
	}
	return open
}

func (m *sessionModel) pick(r *rapid.T) *modelled {
	if len(m.all) == 0 {
		return nil
	}
	return m.all[len(m.all)-1-rapid.IntRange(0, min(len(m.all)-1, 14)).Draw(r, "session")]
}

// caller is who a session's token speaks of, also when it holds no more.
func (m *sessionModel) caller(s *modelled) access.Call {
	c := access.From(m.nobody())
	row := m.session(s.id)
	c.Caller = access.Caller{Person: row.GetPerson(), Account: row.GetAccountId(), Session: s.id}
	return c
}

func (m *sessionModel) want(r *rapid.T, what string, err error, reason string) {
	if got := reasonIn(err); got != reason || err != nil && reason == "" {
		r.Fatalf("%s: %v, the model says %q", what, err, reason)
	}
}

func (m *sessionModel) enter(r *rapid.T) {
	login := rapid.SampledFrom([]string{"chen", "wang"}).Draw(r, "login")
	if open := m.of(login); len(open) >= session.Most {
		open[0].over = true
	}
	var s *pb.Session
	err := m.store.Update(m.t.Context(), func(tx *store.Tx) error {
		account, _, err := m.gate.accounts.Get(tx, scope.All(), idKey(m.accounts[login]))
		if err != nil {
			return err
		}
		s, err = m.begin(tx, account, pb.SignInMethod_SIGN_IN_METHOD_PASSWORD, false, access.From(m.nobody()))
		return err
	})
	m.want(r, "begin", err, "")
	one := &modelled{login: login, ends: m.Now().Add(12 * time.Hour)}
	one.got(s, m.Now())
	m.all = append(m.all, one)
	m.pass(time.Second) // no two begin in the same moment
}

func (m *sessionModel) refreshOne(r *rapid.T) {
	s := m.pick(r)
	if s == nil {
		return
	}
	i := rapid.IntRange(0, len(s.tokens)-1).Draw(r, "generation")
	if rapid.Bool().Draw(r, "newest") {
		i = len(s.tokens) - 1
	}
	next, err := m.refresh(s.tokens[i])
	if !s.open(m.Now()) || i < len(s.tokens)-1 {
		s.over = true
		m.want(r, "refresh", err, "SESSION_ENDED")
		return
	}
	m.want(r, "refresh", err, "")
	s.got(next, m.Now())
}

func (m *sessionModel) endOne(r *rapid.T) {
	from, to := m.pick(r), m.pick(r)
	if from == nil {
		return
	}
	_, err := m.EndSession(access.NewContext(m.t.Context(), m.caller(from)), &pb.EndSessionRequest{Id: to.id})
	if from.login != to.login {
		m.want(r, "end another's", err, "NOT_FOUND")
		return
	}
	m.want(r, "end", err, "")
	to.over = true
}

// endOthers is what a new password does, and a lock: it leaves one session of an
// account, or none.
func (m *sessionModel) endOthers(r *rapid.T) {
	s := m.pick(r)
	if s == nil {
		return
	}
	but := ""
	if rapid.Bool().Draw(r, "leave one") {
		but = s.id
	}
	err := m.store.Update(m.t.Context(), func(tx *store.Tx) error {
		return m.endSessions(tx, m.accounts[s.login], but, session.ChangePassword)
	})
	m.want(r, "end the others", err, "")
	for _, other := range m.of(s.login) {
		other.over = other.id != but
	}
}

// look compares everything that anybody can see.
func (m *sessionModel) look(r *rapid.T) {
	for _, s := range m.all[max(0, len(m.all)-15):] {
		_, err := m.verify(s.access)
		if holds := s.open(m.Now()) && m.Now().Before(s.expires); holds != (err == nil) {
			r.Fatalf("token of %s: %v, the model says %v", s.id, err, holds)
		}
	}
	for _, login := range []string{"chen", "wang"} {
		var want, got []string
		for _, s := range slices.Backward(m.of(login)) {
			want = append(want, s.id)
		}
		i := slices.IndexFunc(m.all, func(s *modelled) bool { return s.login == login })
		if i < 0 {
			continue
		}
		reply, err := m.ListMySessions(access.NewContext(m.t.Context(), m.caller(m.all[i])), &pb.ListMySessionsRequest{})
		m.want(r, "list", err, "")
		for _, s := range reply.GetSessions() {
			got = append(got, s.GetId())
		}
		if !slices.Equal(got, want) {
			r.Fatalf("%s has %v, the model says %v", login, got, want)
		}
	}
}

func TestSessions_AreWhatAModelSays(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := &sessionModel{gate: newGate(t), accounts: map[string]string{}}
		for _, login := range []string{"chen", "wang"} {
			m.accounts[login] = m.accountWith(login, "", typev1.Role_ROLE_CITY_OFFICER).GetAccount().GetId()
		}
		r.Repeat(map[string]func(*rapid.T){
			"sign in": m.enter, "sign in again": m.enter, "refresh": m.refreshOne, "refresh again": m.refreshOne,
			"end": m.endOne, "end the others": m.endOthers,
			"pass": func(r *rapid.T) { m.pass(time.Duration(rapid.IntRange(1, 2000).Draw(r, "seconds")) * time.Second) },
			"":     m.look,
		})
	})
}
