package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/cmd/signin"
)

// The people whom the load acts for.
func somebody(role typev1.Role, name, organization string) signin.Person {
	return signin.Person{Role: role, Name: name, Organization: organization}
}

func officer() signin.Person {
	return somebody(typev1.Role_ROLE_WORKPLACE_OFFICER, "officer", workplaceID)
}

func admin() signin.Person { return somebody(typev1.Role_ROLE_SYSTEM_ADMIN, "admin", "") }

func party() signin.Person {
	return somebody(typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "wang", communityID)
}

func staff() signin.Person { return somebody(typev1.Role_ROLE_COMMITTEE_STAFF, "xiong", communityID) }

func memberOf(id string) signin.Person { return somebody(typev1.Role_ROLE_MEMBER, id, workplaceID) }

// people holds the sessions of the load's people, and says whether a token that is
// refused was to be expected. A token is good until it runs out, whatever breaks:
// a kill, a power cut and a full disk sign nobody out. A clock that moves does.
type people struct {
	desk *signin.Desk

	mu     sync.Mutex
	offset time.Duration // of linli's clock
	moves  int           // of that clock, begun or ended: odd while it moves
	given  map[signin.Person]*given
}

// given is the last token of a person; its lock lets one ask for it at a time.
type given struct {
	mu    sync.Mutex
	token string
	moves int // when it was asked for
}

// newPeople sign in over a client that knows where linli is; code is that of its
// first start.
func newPeople(c *client, code string) (*people, error) {
	p := &people{given: map[signin.Person]*given{}}
	var err error
	p.desk, err = signin.NewDesk(signin.Config{Address: nowhere, Code: code, Top: cityID, Client: c.desk(), Wall: p})
	return p, err
}

// Now is linli's clock, by which tokens run out and second factors are computed.
func (p *people) Now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return wall().Now().Add(p.offset)
}

// move tells of a clock that move sets to so much beside this machine's.
func (p *people) move(to time.Duration, move func() error) error {
	p.step(func() {})
	defer p.step(func() { p.offset = to })
	return move()
}

// restarted tells of a start, after which linli's clock is this machine's again.
func (p *people) restarted() {
	if p.Now().Sub(wall().Now()).Abs() > time.Minute {
		_ = p.move(0, func() error { return nil })
	}
}

// at are the same people at a copy of linli that a client calls.
func (p *people) at(c *client) *people {
	return &people{given: map[signin.Person]*given{}, desk: p.desk.Copy(nowhere, c.desk())}
}

func (p *people) step(and func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.moves++
	and()
}

// token answers one of a person that holds so long at least; who signs in if need
// be.
func (p *people) token(ctx context.Context, who signin.Person, holds time.Duration) (string, error) {
	g := p.last(who)
	g.mu.Lock()
	defer g.mu.Unlock()
	moves := p.moved()
	token, err := p.desk.TokenFor(ctx, who, holds)
	if err == nil && g.token != token {
		g.token, g.moves = token, moves
	}
	return token, err
}

func (p *people) last(who signin.Person) *given {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.given[who]
	if g == nil {
		g = &given{}
		p.given[who] = g
	}
	return g
}

// outdated answers whether a token may be refused, and has its owner sign in again
// then: the clock moved since, or the owner has another one by now.
func (p *people) outdated(who signin.Person, token string) bool {
	moves, g := p.moved(), p.last(who)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.token != token {
		return true
	}
	if moves%2 == 0 && g.moves == moves {
		return false
	}
	p.desk.Forget(who, token)
	return true
}

// signInAgain answers whether signing in is to be tried again, with what linli
// said where it is not: it may be away or busy, or its clock move meanwhile.
func (p *people) signInAgain(moves int, err error) (again bool, said error) {
	var no *signin.Refused
	if !errors.As(err, &no) {
		return true, err
	}
	refused := &problem{status: no.Status, reason: no.Reason, text: err.Error(), signIn: true}
	p.mu.Lock()
	moved := p.moves%2 == 1 || p.moves != moves
	p.mu.Unlock()
	return moved || refused.later(), refused
}

// moved counts the moves of the clock so far.
func (p *people) moved() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.moves
}

// nowhere is the address that stands for wherever linli is now.
const nowhere = "linli"

// desk is the client as the sign-in takes it: it goes where linli is now, and
// counts what was put off.
func (c *client) desk() *http.Client {
	return &http.Client{Timeout: answerPatience, Transport: whereLinliIs{c}}
}

type whereLinliIs struct{ c *client }

// RoundTrip waits until linli is somewhere.
func (w whereLinliIs) RoundTrip(r *http.Request) (*http.Response, error) {
	base, err := w.c.place.at(r.Context())
	if err != nil {
		return nil, err
	}
	sent := r.Clone(r.Context())
	sent.URL.Host, sent.Host = strings.TrimPrefix(base, "http://"), ""
	reply, err := w.c.http.Transport.RoundTrip(sent)
	if err == nil && reply.StatusCode == http.StatusServiceUnavailable {
		w.c.count("503 at sign-in")
	}
	return reply, err
}
