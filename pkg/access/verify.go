package access

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/rule"
)

const (
	// skew is how far the clocks of two machines of a house may be apart.
	skew = 5 * time.Second
	// longestKeyID and mostGrants bound what a token may name.
	longestKeyID = 64
	mostGrants   = 64
)

// VerifierConfig of a TokenVerifier.
type VerifierConfig struct {
	// Issuer and Audience that tokens must name; empty = the package's.
	Issuer, Audience string
	Keys             KeySource
	// Ended are the sessions and accounts whose tokens hold no more.
	Ended *Ended
	Wall  clock.Clock
	// Most is how many verified tokens are remembered: verifying one costs more
	// than reading a row.
	Most int
}

// TokenVerifier takes the access tokens that the registry signs. It is made by
// NewTokenVerifier and safe for concurrent use.
type TokenVerifier struct {
	parser *jwt.Parser
	keys   *keyring
	ended  *Ended
	wall   clock.Clock
	known  *lru.Cache[string, verified]
}

// verified is a token that was verified: whose it is, and when it was signed and
// ends.
type verified struct {
	caller          Caller
	signed, expires time.Time
}

// NewTokenVerifier makes a verifier.
func NewTokenVerifier(c VerifierConfig) (*TokenVerifier, error) {
	known, err := lru.New[string, verified](c.Most)
	if err != nil {
		return nil, fmt.Errorf("remember %d tokens: %w", c.Most, err)
	}
	if c.Issuer == "" {
		c.Issuer = Issuer
	}
	if c.Audience == "" {
		c.Audience = Audience
	}
	return &TokenVerifier{
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithStrictDecoding(),
			jwt.WithIssuer(c.Issuer), jwt.WithAudience(c.Audience), jwt.WithIssuedAt(), jwt.WithNotBeforeRequired(),
			jwt.WithExpirationRequired(), jwt.WithLeeway(skew), jwt.WithTimeFunc(c.Wall.Now),
		),
		keys: newKeyring(c.Keys, c.Wall), ended: c.Ended, wall: c.Wall, known: known,
	}, nil
}

// Authenticate answers the caller of a token that holds now.
func (v *TokenVerifier) Authenticate(ctx context.Context, token string) (Caller, error) {
	if token == "" || len(token) > largestToken {
		return Caller{}, unauthenticated()
	}
	t, known := v.known.Get(token)
	if !known {
		var err error
		if t, err = v.verify(ctx, token); err != nil {
			return Caller{}, err
		}
	}
	if !v.wall.Now().Before(t.expires) || !v.ended.Holds(t.caller.Account, t.caller.Session, t.signed) {
		v.known.Remove(token)
		return Caller{}, rule.New(rule.Denied, "TOKEN_EXPIRED", "")
	}
	if !known {
		v.known.Add(token, t)
	}
	return t.caller, nil
}

// verify reads a token that is not known. Nothing of it is believed before its
// signature was checked, but its form is: what is not the one form that Sign
// writes is refused without asking for keys.
func (v *TokenVerifier) verify(ctx context.Context, token string) (verified, error) {
	id, err := headOf(token)
	if err != nil {
		return verified{}, unauthenticated()
	}
	key, err := v.keys.find(ctx, id)
	if err != nil {
		return verified{}, err
	}
	if key == nil {
		return verified{}, unauthenticated()
	}
	var c Claims
	_, err = v.parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return key, nil })
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return verified{}, rule.New(rule.Denied, "TOKEN_EXPIRED", "")
	case err != nil, c.IssuedAt == nil, c.Expires.Sub(c.IssuedAt.Time) > TokenLife, len(c.Grants) > mostGrants:
		return verified{}, unauthenticated()
	}
	who, err := c.caller()
	if err != nil {
		return verified{}, unauthenticated()
	}
	return verified{caller: who, signed: c.IssuedAt.Time, expires: c.Expires.Time}, nil
}

// head is the header of a token, which holds nothing else.
type head struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
	KeyID     string `json:"kid"`
}

// headOf answers the id of the key that a token says it was signed with.
func headOf(token string) (keyID string, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[2] == "" {
		return "", errors.New("a token has three parts")
	}
	var h head
	if err := decodeStrictly(parts[0], &h, true); err != nil {
		return "", err
	}
	if h.Algorithm != jwt.SigningMethodEdDSA.Alg() || h.Type != tokenType || h.KeyID == "" || len(h.KeyID) > longestKeyID {
		return "", errors.New("another kind of token")
	}
	return h.KeyID, decodeStrictly(parts[1], &Claims{}, false)
}

// decodeStrictly reads a part of a token. A name that stands twice is refused:
// two readers could take a different one of the two. So is one that differs in
// its case only, since encoding/json takes both for the same.
func decodeStrictly(part string, into any, only bool) error {
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return fmt.Errorf("base64: %w", err)
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return errors.New("not an object")
	}
	seen := map[string]bool{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return fmt.Errorf("name: %w", err)
		}
		folded := strings.ToLower(name.(string)) // after an opening brace it is one
		if seen[folded] {
			return errors.New("a name stands twice")
		}
		seen[folded] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return fmt.Errorf("value: %w", err)
		}
	}
	d = json.NewDecoder(strings.NewReader(string(text)))
	if only {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("values: %w", err)
	}
	if d.More() {
		return errors.New("more than one object")
	}
	return nil
}

// PublicKey verifies the tokens that name its ID.
type PublicKey struct {
	ID  string
	Key ed25519.PublicKey
}
