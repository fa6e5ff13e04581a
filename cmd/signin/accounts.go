package signin

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/linli-project/linli/pkg/access"
)

// account is how somebody with a password signs in.
type account struct {
	Login    string `json:"login"`
	Password string `json:"password"`
	// First says that the password is the first one, which must be changed.
	First bool `json:"first,omitempty"`
	// Next is the password that it is being changed to.
	Next string `json:"next,omitempty"`
	// Secret of the second factor, the one that is being set up, and the recovery
	// codes that are left.
	Secret   string   `json:"secret,omitempty"`
	Pending  string   `json:"pending,omitempty"`
	Recovery []string `json:"recovery,omitempty"`
}

// enterAccount signs somebody in whose account may have to be made. What is
// about to change is kept before it is sent: a program that was broken off in
// between does not know whether it did.
func (d *Desk) enterAccount(ctx context.Context, p Person) (got answer, err error) {
	a, known := d.account(p)
	if !known {
		if a, err = d.makeAccount(ctx, p); err != nil {
			return got, err
		}
	}
	got, err = d.signIn(ctx, p, &a)
	if err != nil {
		return got, err
	}
	if a.First {
		if got, err = d.changePassword(ctx, p, &a, got); err != nil {
			return got, err
		}
	}
	if got.MustSetSecondFactor {
		return d.setFactor(ctx, p, a, got)
	}
	return got, nil
}

// Strengthen sets a second factor up for somebody who may do without, and has
// shown it then: exports ask for it.
func (d *Desk) Strengthen(ctx context.Context, p Person) error {
	token, err := d.Token(ctx, p)
	if err != nil {
		return err
	}
	s := d.session(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	a, known := d.account(p)
	if !known || a.Secret != "" {
		return fmt.Errorf("%s has no way to a stronger session", p.key())
	}
	got, err := d.setFactor(ctx, p, a, answer{AccessToken: token})
	if err != nil {
		return err
	}
	s.take(got)
	return d.keepToken(p, got)
}

// signIn tries what is known to hold, then what was about to.
func (d *Desk) signIn(ctx context.Context, p Person, a *account) (got answer, err error) {
	sent := map[string]any{"login": a.Login, "password": a.Password}
	if a.Secret != "" {
		if sent["secondFactor"], err = d.factor(p, a); err != nil {
			return got, err
		}
	}
	err = d.call(ctx, "", "/v1/sessions:signIn", sent, &got)
	switch {
	case isRefused(err, "NOT_SIGNED_IN") && a.Next != "":
		a.Password, a.Next, a.First = a.Next, "", false
	case isRefused(err, "SECOND_FACTOR_WANTED") && a.Secret == "" && a.Pending != "":
		a.Secret, a.Pending = a.Pending, ""
	default:
		return got, err
	}
	if err := d.keep(p, *a); err != nil {
		return got, err
	}
	return d.signIn(ctx, p, a)
}

func (d *Desk) changePassword(ctx context.Context, p Person, a *account, now answer) (answer, error) {
	a.Next = newPassword()
	if err := d.keep(p, *a); err != nil {
		return now, err
	}
	err := d.call(ctx, now.AccessToken, "/v1/me:changePassword", map[string]any{"oldPassword": a.Password, "newPassword": a.Next}, &now)
	if err != nil {
		return now, err
	}
	a.Password, a.Next, a.First = a.Next, "", false
	return now, d.keep(p, *a)
}

// factor answers a recovery code if one is left, since a program signs in again
// before an authenticator has its next code; else the authenticator's.
func (d *Desk) factor(p Person, a *account) (string, error) {
	if n := len(a.Recovery); n > 0 {
		code := a.Recovery[n-1]
		a.Recovery = a.Recovery[:n-1]
		return code, d.keep(p, *a)
	}
	code, err := totp.GenerateCode(a.Secret, d.wall.Now())
	if err != nil {
		return "", fmt.Errorf("compute a code: %w", err)
	}
	return code, nil
}

func (d *Desk) setFactor(ctx context.Context, p Person, a account, now answer) (answer, error) {
	var begun struct{ Secret string }
	if err := d.call(ctx, now.AccessToken, "/v1/me/secondFactor:begin", map[string]any{"password": a.Password}, &begun); err != nil {
		return now, err
	}
	a.Pending = begun.Secret
	if err := d.keep(p, a); err != nil {
		return now, err
	}
	code, err := totp.GenerateCode(begun.Secret, d.wall.Now())
	if err != nil {
		return now, fmt.Errorf("compute a code: %w", err)
	}
	var done struct {
		RecoveryCodes []string
		Session       answer
	}
	if err := d.call(ctx, now.AccessToken, "/v1/me/secondFactor:confirm", map[string]any{"code": code}, &done); err != nil {
		return now, err
	}
	a.Secret, a.Pending, a.Recovery = begun.Secret, "", done.RecoveryCodes
	return done.Session, d.keep(p, a)
}

// makeAccount has the security administrator make an account.
func (d *Desk) makeAccount(ctx context.Context, p Person) (a account, err error) {
	if p == security() {
		return d.first(ctx)
	}
	admin, err := d.Token(ctx, security())
	if err != nil {
		return a, err
	}
	login, err := d.nextLogin()
	if err != nil {
		return a, err
	}
	var made struct{ FirstPassword string }
	err = d.call(ctx, admin, "/v1/accounts", map[string]any{
		"login": login, "displayName": "desk " + p.Name,
		"grants": []any{map[string]any{"role": "ROLE_" + strings.ToUpper(access.RoleName(p.Role)), "organizationId": p.Organization}},
	}, &made)
	if err != nil {
		return a, err
	}
	a = account{Login: login, Password: made.FirstPassword, First: true}
	return a, d.keep(p, a)
}

// first is the administrator of the configuration, or one that is made with the
// code of the first start. How it signs in is kept before it is made: who was
// broken off in between tries that.
func (d *Desk) first(ctx context.Context) (account, error) {
	if d.config.Code == "" {
		return account{Login: d.config.Login, Password: d.config.Password}, nil
	}
	a := account{Login: "first-" + mark(), Password: newPassword()}
	if err := d.keep(security(), a); err != nil {
		return a, err
	}
	err := d.call(ctx, "", "/v1/accounts:claimFirst", map[string]any{
		"code": d.config.Code, "login": a.Login, "displayName": "First", "password": a.Password,
	}, nil)
	if neverMade(err) {
		return a, errors.Join(err, d.keep(security(), account{}))
	}
	return a, err
}

// neverMade says of a failed call that it surely made nothing: it was refused, or
// nobody was there to take it.
func neverMade(err error) bool {
	var refused *Refused
	var dialed *net.OpError
	return errors.As(err, &refused) && refused.Status < http.StatusInternalServerError || errors.As(err, &dialed) && dialed.Op == "dial"
}

// patience with the invitation of a whole city.
const patience = 10 * time.Minute

// codeOf answers a member's code. When it is not known, all members below the
// top who have none are invited, then those of the member's organization; and
// at last everybody there gets a new one, since others were told the old.
func (d *Desk) codeOf(ctx context.Context, p Person) (string, error) {
	if code, ok := d.memberCode(p.Name); ok {
		return code, nil
	}
	d.invite.Lock()
	defer d.invite.Unlock()
	for _, renew := range []bool{false, true} {
		for _, organization := range []string{d.config.Top, p.Organization} {
			if code, ok := d.memberCode(p.Name); ok {
				return code, nil
			}
			if organization == "" {
				continue
			}
			if err := d.Invite(ctx, organization, renew); err != nil && !isRefused(err, "NOT_FOUND") {
				return "", err
			}
		}
	}
	if code, ok := d.memberCode(p.Name); ok {
		return code, nil
	}
	return "", fmt.Errorf("member %s was not invited", p.Name)
}

// Invite makes codes for the members of an organization and of those below it.
func (d *Desk) Invite(ctx context.Context, organization string, renew bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	admin, err := d.Token(ctx, security())
	if err != nil {
		return err
	}
	path := "/v1/organizations/" + organization + "/members:invite"
	if renew {
		path += "?renew=true"
	}
	text, err := d.send(ctx, http.MethodPost, admin, path, "{}")
	if err != nil {
		return err
	}
	lines, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(text), "\ufeff"))).ReadAll()
	if err != nil || len(lines) == 0 {
		return errors.Join(errors.New("the invitations are no table"), err)
	}
	return d.keepCodes(lines[1:])
}
