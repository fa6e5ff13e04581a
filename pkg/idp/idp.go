// Package idp asks an identity provider who somebody is: OpenID Connect, the
// authorization code flow with PKCE.
package idp

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/linli-project/linli/pkg/clock"
)

// Config of a client of one provider.
type Config struct {
	// Issuer is the provider's address, exactly as it names itself: https, or http
	// on this machine alone.
	Issuer string
	// ClientID and Secret are what the provider knows linli by; a public client has
	// no secret.
	ClientID, Secret string
	// Redirects are the addresses that the provider may send a browser back to,
	// exactly: https, or http on this machine alone.
	Redirects []string
	Wall      clock.Clock
}

// ErrAway says that the provider does not answer, or not as a provider does.
var ErrAway = errors.New("the identity provider does not answer as it should")

// ErrRefused says that the provider did not confirm who somebody is, or that
// what it said is not to be believed.
var ErrRefused = errors.New("the identity provider did not confirm it")

// restAfterFailure is how long the provider is left alone after it did not
// describe itself.
const restAfterFailure = 5 * time.Second

// algorithms that an ID token may be signed with, whatever the provider says it
// takes: none without a signature, and none that linli's own secret would open.
func algorithms() []string {
	return []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA}
}

// Provider is an identity provider. It is safe for concurrent use.
type Provider struct {
	config Config
	client *http.Client

	mu     sync.Mutex
	found  *found
	failed time.Time
}

// found is what the provider has said of itself.
type found struct {
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
}

// New makes a client. The provider is asked when somebody signs in for the first
// time: linli starts without it.
func New(c Config) (*Provider, error) {
	if !secure(c.Issuer) {
		return nil, errors.New("the issuer must begin with https; http is for this machine alone")
	}
	if c.ClientID == "" || len(c.Redirects) == 0 {
		return nil, errors.New("an identity provider needs the id of the client and the addresses to come back to")
	}
	for _, r := range c.Redirects {
		if u, err := url.Parse(r); err != nil || !secure(r) || u.Fragment != "" {
			return nil, fmt.Errorf("address to come back to %q: it must begin with https, and have no fragment; http is for this machine alone", r)
		}
	}
	return &Provider{config: c, client: newClient()}, nil
}

// secure says whether an address is reached by TLS or lies on this machine.
func secure(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	own := u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && own
}

// Takes says whether a browser may be sent back to an address.
func (p *Provider) Takes(redirect string) bool { return slices.Contains(p.config.Redirects, redirect) }

// Flow is one sign-in that is under way. Its fields are drawn by NewFlow, but
// for Redirect.
type Flow struct {
	// State names the flow, and comes back with the browser. Nonce comes back in the
	// ID token. Verifier is shown to the provider with the code (PKCE).
	State, Nonce, Verifier string
	Redirect               string
}

// NewFlow draws the secrets of a flow, each of 256 bits.
func NewFlow(redirect string) Flow {
	return Flow{State: oauth2.GenerateVerifier(), Nonce: oauth2.GenerateVerifier(), Verifier: oauth2.GenerateVerifier(), Redirect: redirect}
}

// URL answers where the browser goes. ErrAway.
func (p *Provider) URL(ctx context.Context, f Flow) (string, error) {
	at, err := p.discover(ctx)
	if err != nil {
		return "", err
	}
	return at.oauth.AuthCodeURL(f.State, oauth2.S256ChallengeOption(f.Verifier), oidc.Nonce(f.Nonce), returnTo(f)), nil
}

func returnTo(f Flow) oauth2.AuthCodeOption {
	return oauth2.SetAuthURLParam("redirect_uri", f.Redirect)
}

// Identity is who somebody is at a provider.
type Identity struct{ Issuer, Subject string }

// Identify asks who came back with a code. ErrRefused, ErrAway; neither has the
// code, a token or the person in it.
func (p *Provider) Identify(ctx context.Context, f Flow, code string) (Identity, error) {
	at, err := p.discover(ctx)
	if err != nil {
		return Identity{}, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := at.oauth.Exchange(ctx, code, oauth2.VerifierOption(f.Verifier), returnTo(f))
	if err != nil {
		return Identity{}, exchangeFailed(err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return Identity{}, fmt.Errorf("%w: it answered no ID token", ErrRefused)
	}
	said, err := at.verifier.Verify(ctx, raw)
	if err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if err := p.believe(said, f); err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return Identity{Issuer: said.Issuer, Subject: said.Subject}, nil
}

// exchangeFailed tells a provider that refuses a code from one that is away.
func exchangeFailed(err error) error {
	var answered *oauth2.RetrieveError // whose text has the whole answer in it
	if errors.As(err, &answered) && answered.Response != nil {
		if s := answered.Response.StatusCode; s/100 == 4 && s != http.StatusTooManyRequests && s != http.StatusRequestTimeout {
			return fmt.Errorf("%w: it answered the code with status %d", ErrRefused, s)
		}
		return fmt.Errorf("%w: it answered the code with status %d", ErrAway, answered.Response.StatusCode)
	}
	return fmt.Errorf("%w: %w", ErrAway, withoutAddress(err))
}

// withoutAddress takes the address out of an error of the HTTP client.
func withoutAddress(err error) error {
	var unsaid *url.Error
	if errors.As(err, &unsaid) {
		return unsaid.Err
	}
	return err
}

// believe looks at what go-oidc leaves to its callers.
func (p *Provider) believe(said *oidc.IDToken, f Flow) error {
	var claims struct {
		AuthorizedParty string `json:"azp"`
	}
	if err := said.Claims(&claims); err != nil {
		return errors.New("claims that cannot be read")
	}
	switch {
	case said.Issuer != p.config.Issuer: // go-oidc takes one provider's other name too
		return errors.New("another issuer")
	case subtle.ConstantTimeCompare([]byte(said.Nonce), []byte(f.Nonce)) != 1:
		return errors.New("an ID token of another sign-in")
	case said.Subject == "":
		return errors.New("an ID token of nobody")
	case claims.AuthorizedParty != "" && claims.AuthorizedParty != p.config.ClientID,
		len(said.Audience) > 1 && claims.AuthorizedParty == "":
		return errors.New("an ID token for another client")
	}
	return nil
}

// discover answers what the provider says of itself, once it has.
func (p *Provider) discover(ctx context.Context) (*found, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	now := p.config.Wall.Now()
	if !p.failed.IsZero() && now.Before(p.failed.Add(restAfterFailure)) {
		return nil, fmt.Errorf("%w: it did not a moment ago", ErrAway)
	}
	// The others wait for this one, so that it does not depend on who asked first.
	asking, cancel := context.WithTimeout(oidc.ClientContext(context.WithoutCancel(ctx), p.client), patience)
	defer cancel()
	at, err := oidc.NewProvider(asking, p.config.Issuer)
	if err == nil {
		for _, address := range []string{at.Endpoint().AuthURL, at.Endpoint().TokenURL} {
			if !secure(address) {
				err = errors.New("it names an address that is not https")
			}
		}
	}
	if err != nil {
		p.failed = now
		return nil, fmt.Errorf("%w: find out about it: %w", ErrAway, withoutAddress(err))
	}
	p.found = &found{
		oauth: oauth2.Config{
			ClientID: p.config.ClientID, ClientSecret: p.config.Secret, Endpoint: at.Endpoint(), Scopes: []string{oidc.ScopeOpenID},
		},
		verifier: at.VerifierContext(asking, &oidc.Config{
			ClientID: p.config.ClientID, SupportedSigningAlgs: algorithms(), Now: p.config.Wall.Now,
		}),
	}
	return p.found, nil
}
