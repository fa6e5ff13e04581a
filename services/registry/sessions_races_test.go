package registry

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv/kvtest"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/registry/internal/session"
)

// beginAt begins a session without a password's work.
func (g *gate) beginAt(accountID string) (s *pb.Session, err error) {
	err = g.store.Update(g.t.Context(), func(tx *store.Tx) error {
		account, _, err := g.accounts.Get(tx, scope.All(), idKey(accountID))
		if err != nil {
			return err
		}
		s, err = g.begin(tx, account, pb.SignInMethod_SIGN_IN_METHOD_PASSWORD, false, access.From(g.nobody()))
		return err
	})
	return s, err
}

// TestRefresh_ByManyAtOnce: of those who come with one refresh token at the same
// moment one gets the next, and the session is over for all of them.
func TestRefresh_ByManyAtOnce(t *testing.T) {
	g := newGate(t)
	s, err := g.beginAt(g.accountWith("chen", "").GetAccount().GetId())
	must(t, err)
	var got atomic.Pointer[pb.Session]
	var won atomic.Int32
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			next, err := g.refresh(s.GetRefreshToken())
			switch {
			case err == nil:
				won.Add(1)
				got.Store(next)
			case reasonIn(err) != "SESSION_ENDED":
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d got the next token", won.Load())
	}
	_, err = g.verify(got.Load().GetAccessToken())
	refused(t, err, "TOKEN_EXPIRED")
	_, err = g.refresh(got.Load().GetRefreshToken())
	refused(t, err, "SESSION_ENDED")
	if ended := g.announced(); len(ended) != 1 {
		t.Errorf("announced %v", ended)
	}
}

// TestBegin_ManyAtOnce: however many come in at the same moment, no more than
// the most go on.
func TestBegin_ManyAtOnce(t *testing.T) {
	g := newGate(t)
	id := g.accountWith("chen", "").GetAccount().GetId()
	var all sync.WaitGroup
	var begun sync.Map
	for range 3 * session.Most {
		all.Go(func() {
			s, err := g.beginAt(id)
			if err != nil {
				t.Error(err)
				return
			}
			begun.Store(s.GetId(), s)
		})
	}
	all.Wait()
	open := 0
	begun.Range(func(_, s any) bool {
		if _, err := g.refresh(s.(*pb.Session).GetRefreshToken()); err == nil {
			open++
		}
		return true
	})
	if open != session.Most {
		t.Errorf("%d sessions go on, the most is %d", open, session.Most)
	}
}

// TestRefresh_CommitFails: a token whose change did not happen stays good; one
// whose change happened, and whose answer was lost, is used up.
func TestRefresh_CommitFails(t *testing.T) {
	for _, applied := range []bool{false, true} {
		g := &gate{t: t, watch: &watch{now: time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)}}
		faults := kvtest.NewFaults(memkv.New())
		g.engine = faults
		g.open()
		s, err := g.beginAt(g.accountWith("chen", "", typev1.Role_ROLE_CITY_OFFICER).GetAccount().GetId())
		must(t, err)
		usedUp, fired := false, true
		for n := int64(1); fired && !usedUp; n++ {
			faults.FailAt(n, applied)
			next, err := g.refresh(s.GetRefreshToken())
			fired = faults.Fired()
			faults.FailAt(0, false)
			if err == nil && fired {
				t.Errorf("operation %d failed, and nobody was told", n)
			}
			if err != nil {
				next, err = g.refresh(s.GetRefreshToken())
				usedUp = reasonIn(err) == "SESSION_ENDED"
				if err != nil && !usedUp {
					t.Errorf("operation %d failed (commit applied: %v), and then: %v", n, applied, err)
				}
			}
			s = next
		}
		if usedUp != applied {
			t.Errorf("a commit that failed (applied: %v) used the token up: %v", applied, usedUp)
		}
	}
}

// FuzzRefresh: whatever comes as a refresh token is no session's, and ends none.
func FuzzRefresh(f *testing.F) {
	g := newGate(f)
	id := g.accountWith("chen", "").GetAccount().GetId()
	s, err := g.beginAt(id)
	must(f, err)
	f.Add(s.GetId() + ".")
	f.Add(strings.Repeat(".", 100))
	f.Add(s.GetRefreshToken()[:len(s.GetRefreshToken())-1])
	f.Fuzz(func(t *testing.T, token string) {
		if token == s.GetRefreshToken() {
			return
		}
		g := *g // its calls are this run's
		g.t = t
		_, err := g.refresh(token)
		refused(t, err, "SESSION_ENDED")
		if g.session(s.GetId()).GetEndedAt() != nil {
			t.Fatalf("%q ended a session", token)
		}
	})
}
