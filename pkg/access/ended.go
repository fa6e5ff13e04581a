package access

import (
	"sync"
	"time"

	"github.com/linli-project/linli/pkg/clock"
)

// rememberedFor is how long an entry can matter: by then the last token that it
// speaks of has run out, also where clocks differ.
const rememberedFor = TokenLife + 2*skew

// Ended knows the sessions that were ended and the accounts that changed, for as
// long as a token of before can be out. It keeps at most so many: were there
// more, every token of before is refused, and each holder asks for a new one. It
// is safe for concurrent use.
type Ended struct {
	wall clock.Clock
	most int

	mu       sync.RWMutex
	sessions map[string]time.Time // until when it matters
	accounts map[string]time.Time // when it changed last
	// before: no token that was signed before holds. It stands in for entries that
	// there was no room for.
	before time.Time
	sweep  time.Time // when entries are looked through again
}

// NewEnded makes a list of at most so many entries.
func NewEnded(wall clock.Clock, most int) *Ended {
	return &Ended{wall: wall, most: most, sessions: map[string]time.Time{}, accounts: map[string]time.Time{}}
}

// EndSession refuses the tokens of a session. expire is when the last of them
// runs out; zero when that is not known.
func (e *Ended) EndSession(session string, expire time.Time) {
	now := e.wall.Now()
	// What it is told of by somebody whose clock is wrong is not kept for ever.
	if latest := now.Add(rememberedFor); expire.IsZero() || expire.After(latest) {
		expire = latest
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if session == "" || !expire.After(now) || !e.room(now) {
		return
	}
	e.sessions[session] = expire
}

// ChangeAccount refuses the tokens of an account that were signed before.
func (e *Ended) ChangeAccount(account string, at time.Time) {
	now := e.wall.Now()
	if latest := now.Add(skew); at.After(latest) {
		at = latest
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if account == "" || !at.Add(rememberedFor).After(now) || !at.After(e.accounts[account]) || !e.room(now) {
		return
	}
	e.accounts[account] = at
}

// room forgets what does not matter any more, now and then or when it is full.
// Without room it refuses all tokens of before now, and answers false.
func (e *Ended) room(now time.Time) bool {
	full := len(e.sessions)+len(e.accounts) >= e.most
	if full || now.After(e.sweep) {
		for id, until := range e.sessions {
			if !until.After(now) {
				delete(e.sessions, id)
			}
		}
		for id, at := range e.accounts {
			if !at.Add(rememberedFor).After(now) {
				delete(e.accounts, id)
			}
		}
		e.sweep = now.Add(rememberedFor / 2)
	}
	if len(e.sessions)+len(e.accounts) < e.most {
		return true
	}
	e.before = now.Add(skew)
	clear(e.sessions)
	clear(e.accounts)
	return false
}

// Holds says whether a token of the session, signed at this time, is still good
// as far as anything was heard.
func (e *Ended) Holds(account, session string, signed time.Time) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if _, ended := e.sessions[session]; ended {
		return false
	}
	return !signed.Before(e.before) && !signed.Before(e.accounts[account])
}

// Entries is how many sessions and accounts it knows.
func (e *Ended) Entries() int {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return len(e.sessions) + len(e.accounts)
}
