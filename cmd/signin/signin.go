// Package signin has a program act for the people of a linli, in the way that
// they would themselves: the security administrator makes the accounts of
// offices, each signs in, changes the first password and sets up a second factor
// where the role wants one; members enter by their invitation, residents by a
// code that is sent to their phone. It is for the demo, the tools that measure
// and the tests.
package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
)

// Person is somebody that a program acts for.
type Person struct {
	Role typev1.Role
	// Name tells people of one role apart: a name of the program's own, and of a
	// member the member's id.
	Name string
	// Organization is the id of the office, or of the community a resident lives
	// in; empty = everywhere, for administrators. Of a member who is not below the
	// desk's Top, the home organization.
	Organization string
}

func (p Person) key() string { return access.RoleName(p.Role) + "|" + p.Name + "|" + p.Organization }

// Config of a desk.
type Config struct {
	// Address is where REST is, "127.0.0.1:8080".
	Address string
	// Code is what the first start of a linli without accounts printed; with it
	// the first security administrator is made.
	Code string
	// Login and Password of a security administrator, where there is no code.
	Login, Password string
	// Top is the id of the organization below which all members are.
	Top string
	// File keeps who was made and how they sign in, so that a program that was
	// broken off goes on; empty = nowhere.
	File string
	// Phones gets the codes that are sent to phones, where there are residents.
	Phones *Phones
	// Client sends the calls; nil = one of its own.
	Client *http.Client
	// Wall is linli's clock; nil = this machine's.
	Wall clock.Clock
}

// Desk holds the sessions of people. It is safe for concurrent use.
type Desk struct {
	config Config
	wall   clock.Clock

	mu       sync.Mutex
	kept     kept
	codes    map[string]string   // of members, by their ids
	sessions map[string]*session // by key of a person
	invite   sync.Mutex          // one invitation of many at a time
}

// session is one person's; its lock lets one sign-in go on at a time.
type session struct {
	mu      sync.Mutex
	access  string
	expires time.Time
	refresh string
}

// NewDesk makes a desk; nothing is sent yet.
func NewDesk(c Config) (*Desk, error) {
	if c.Client == nil {
		c.Client = &http.Client{}
	}
	if c.Wall == nil {
		c.Wall = clock.Wall()
	}
	d := &Desk{config: c, wall: c.Wall, sessions: map[string]*session{}}
	var err error
	if d.kept, err = readKept(c.File); err != nil {
		return nil, err
	}
	d.codes, err = readCodes(c.File)
	return d, err
}

// security is the administrator that makes the accounts.
func security() Person { return Person{Role: typev1.Role_ROLE_SECURITY_ADMIN, Name: "first"} }

// renewBefore a token runs out it is renewed.
const renewBefore = time.Minute

// Token answers an access token of a person, who is made and signed in if that
// was not done before. It holds for a minute at least.
func (d *Desk) Token(ctx context.Context, p Person) (string, error) {
	return d.TokenFor(ctx, p, renewBefore)
}

// TokenFor answers one that holds so long at least: for who cannot ask again in
// between. No token holds longer than one that was just given.
func (d *Desk) TokenFor(ctx context.Context, p Person, holds time.Duration) (string, error) {
	s := d.session(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.access == "" {
		s.access, s.expires = d.held(p)
	}
	if s.access != "" && d.wall.Now().Add(holds).Before(s.expires) {
		return s.access, nil
	}
	if s.refresh != "" {
		var got answer
		err := d.call(ctx, "", "/v1/sessions:refresh", map[string]any{"refreshToken": s.refresh}, &got)
		if err == nil {
			s.take(got)
			return s.access, nil
		}
		if !isRefused(err, "SESSION_ENDED") {
			return "", err
		}
	}
	got, err := d.enter(ctx, p)
	if err != nil {
		return "", fmt.Errorf("sign in %s: %w", p.key(), err)
	}
	s.take(got)
	if p.Role == typev1.Role_ROLE_MEMBER || p.Role == typev1.Role_ROLE_RESIDENT {
		return s.access, nil // they enter again
	}
	return s.access, d.keepToken(p, got)
}

// PersonID answers the id that names a person in rows.
func (d *Desk) PersonID(ctx context.Context, p Person) (string, error) {
	d.mu.Lock()
	id, known := d.kept.people[p.key()]
	d.mu.Unlock()
	if known {
		return id, nil
	}
	token, err := d.Token(ctx, p)
	if err != nil {
		return "", err
	}
	text, err := d.send(ctx, http.MethodGet, token, "/v1/me", "")
	if err != nil {
		return "", err
	}
	var me struct{ Person string }
	if err := json.Unmarshal(text, &me); err != nil {
		return "", fmt.Errorf("decode who it is: %w", err)
	}
	return me.Person, d.keepPerson(p, me.Person)
}

func (d *Desk) session(p Person) *session {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.sessions[p.key()]
	if s == nil {
		s = &session{}
		d.sessions[p.key()] = s
	}
	return s
}

// At goes on at another address, with the people there are: the same linli was
// started elsewhere, or a copy of it, which knows the sessions that there were
// when it was made.
func (d *Desk) At(address string) {
	d.mu.Lock()
	d.config.Address = address
	all := slices.Collect(maps.Values(d.sessions))
	d.mu.Unlock()
	for _, s := range all {
		s.mu.Lock()
		s.access = "" // the one that is held is as old as the copy
		s.mu.Unlock()
	}
}

// Forget has a person sign in again whose token is taken no more. Somebody may
// have been given another one meanwhile, which stays.
func (d *Desk) Forget(p Person, token string) {
	s := d.session(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.access != token {
		return
	}
	s.access, s.refresh = "", ""
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.kept.tokens, p.key())
}

// Copy is a desk of the same people at a copy of their linli, where each signs in
// anew; it keeps no file.
func (d *Desk) Copy(address string, client *http.Client) *Desk {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := &Desk{config: d.config, wall: d.wall, codes: maps.Clone(d.codes), sessions: map[string]*session{}}
	out.config.Address, out.config.Client, out.config.File = address, client, ""
	out.kept = kept{
		accounts: maps.Clone(d.kept.accounts), people: maps.Clone(d.kept.people), tokens: map[string]line{}, logins: d.kept.logins,
	}
	return out
}

func (d *Desk) address() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.config.Address
}

func (d *Desk) enter(ctx context.Context, p Person) (answer, error) {
	switch p.Role {
	case typev1.Role_ROLE_MEMBER:
		return d.enterMember(ctx, p)
	case typev1.Role_ROLE_RESIDENT:
		return d.enterResident(ctx, p)
	}
	return d.enterAccount(ctx, p)
}

// enterResident asks for a code and enters with it.
func (d *Desk) enterResident(ctx context.Context, p Person) (got answer, err error) {
	if d.config.Phones == nil {
		return got, errors.New("codes sent to phones do not come here")
	}
	phone := phoneOf(p.key())
	codes := d.config.Phones.expect(phone)
	if err := d.call(ctx, "", "/v1/sessions:sendCode", map[string]any{"phone": phone}, nil); err != nil {
		return got, err
	}
	select {
	case <-time.After(codePatience):
		return got, errors.New("the code was not sent here: LINLI_SMS of linli must be the address of the desk's phones")
	case code := <-codes:
		err = d.call(ctx, "", "/v1/sessions:phone", map[string]any{"phone": phone, "code": code, "communityId": p.Organization}, &got)
		return got, err
	case <-ctx.Done():
		return got, fmt.Errorf("wait for the code: %w", ctx.Err())
	}
}

// phoneOf is a number for a name, always the same.
func phoneOf(name string) string {
	h := fnv.New64a()
	_, _ = io.WriteString(h, name) // never fails
	return fmt.Sprintf("1%010d", h.Sum64()%1e10)
}

// enterMember takes the member's code, or has all members invited who were not.
func (d *Desk) enterMember(ctx context.Context, p Person) (got answer, err error) {
	code, err := d.codeOf(ctx, p)
	if err != nil {
		return got, err
	}
	err = d.call(ctx, "", "/v1/sessions:enter", map[string]any{"code": code}, &got)
	return got, err
}

// answer is the session that a sign-in answers.
type answer struct {
	AccessToken         string    `json:"accessToken"`
	AccessExpiresAt     time.Time `json:"accessExpiresAt"`
	RefreshToken        string    `json:"refreshToken"`
	MustChangePassword  bool      `json:"mustChangePassword"`
	MustSetSecondFactor bool      `json:"mustSetSecondFactor"`
}

func (s *session) take(a answer) {
	s.access, s.expires, s.refresh = a.AccessToken, a.AccessExpiresAt, a.RefreshToken
}

// Refused is an answer that is not a success.
type Refused struct {
	Status int    `json:"status"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

func (r *Refused) Error() string { return fmt.Sprintf("%d %s: %s", r.Status, r.Reason, r.Detail) }

func isRefused(err error, reason string) bool {
	var r *Refused
	return errors.As(err, &r) && r.Reason == reason
}

const (
	codePatience  = 30 * time.Second
	largestAnswer = 64 << 20 // codes of a city's members
	// mostBusy is how often a call is sent again that linli had no room for.
	mostBusy = 60
)

// call posts a message and takes the answer apart; out may be nil.
func (d *Desk) call(ctx context.Context, token, path string, message map[string]any, out any) error {
	body, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	text, err := d.send(ctx, http.MethodPost, token, path, string(body))
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("decode %s: %w", path, err)
	}
	return nil
}

// send sends a call, again while linli says that it is busy.
func (d *Desk) send(ctx context.Context, method, token, path, body string) ([]byte, error) {
	for tries := 1; ; tries++ {
		text, after, err := d.once(ctx, method, token, path, body)
		if after == 0 || tries == mostBusy {
			return text, err
		}
		select {
		case <-time.After(after):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (d *Desk) once(ctx context.Context, method, token, path, body string) (text []byte, after time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+d.address()+path, strings.NewReader(body))
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept-Language", "en")
	// A program keeps its refresh token itself; a page has it in a cookie.
	req.Header.Set("X-Linli-Token-Delivery", "body")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	reply, err := d.config.Client.Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	defer reply.Body.Close()
	if text, err = io.ReadAll(io.LimitReader(reply.Body, largestAnswer)); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	if reply.StatusCode == http.StatusOK {
		return text, 0, nil
	}
	refused := &Refused{Status: reply.StatusCode}
	_ = json.Unmarshal(text, refused) // what is no problem body has its status
	if reply.StatusCode == http.StatusTooManyRequests || reply.StatusCode == http.StatusServiceUnavailable {
		after = waitOf(reply.Header.Get("Retry-After"))
	}
	return nil, after, fmt.Errorf("%s: %w", path, refused)
}

func waitOf(header string) time.Duration {
	seconds, err := time.ParseDuration(header + "s")
	if err != nil || seconds <= 0 {
		return 0
	}
	return min(seconds, time.Minute)
}
