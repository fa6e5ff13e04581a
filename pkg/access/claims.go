package access

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/linli-project/linli/pkg/scope"
)

// What every access token of a house says of itself.
const (
	// Issuer and Audience unless the house is configured otherwise.
	Issuer   = "linli"
	Audience = "linli"
	// TokenLife is how long an access token holds, and the longest life that is
	// taken.
	TokenLife = 10 * time.Minute
	// tokenType is the header's typ, RFC 9068.
	tokenType = "at+jwt"
)

// Limit is what a session may do only; empty = everything its roles may.
type Limit string

// The limits of a session.
const (
	// LimitPassword: the password must be changed first.
	LimitPassword Limit = "password"
	// LimitFactor: a second factor must be set up first.
	LimitFactor Limit = "factor"
)

func (l Limit) valid() bool { return l == "" || l == LimitPassword || l == LimitFactor }

// Instant is a time in a token: a number of seconds, to the millisecond. Whole
// seconds would not tell a token that was signed just before the roles changed
// from one that was signed just after.
type Instant struct{ time.Time }

// MarshalJSON writes seconds with three digits behind the point.
func (i Instant) MarshalJSON() ([]byte, error) {
	ms := i.UnixMilli()
	if ms < 0 {
		return nil, errors.New("access: a token of a time before 1970")
	}
	return fmt.Appendf(nil, "%d.%03d", ms/1000, ms%1000), nil
}

// UnmarshalJSON reads a number of seconds.
func (i *Instant) UnmarshalJSON(text []byte) error {
	var seconds float64
	if err := json.Unmarshal(text, &seconds); err != nil {
		return fmt.Errorf("time of a token: %w", err)
	}
	const year9999 = 253402300800
	if !(seconds > 0 && seconds < year9999) {
		return errors.New("time of a token: out of range")
	}
	i.Time = time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
	return nil
}

func (i *Instant) date() (*jwt.NumericDate, error) {
	if i == nil || i.IsZero() {
		return nil, nil //nolint:nilnil // what jwt.Claims wants of a claim that is not there
	}
	return &jwt.NumericDate{Time: i.Time}, nil
}

// Claims are what an access token says. The registry writes them with Sign, every
// process reads them with a TokenVerifier.
type Claims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	// Person is Caller.Person.
	Person    string   `json:"sub"`
	Account   string   `json:"acc"`
	Session   string   `json:"sid"`
	ID        string   `json:"jti"`
	IssuedAt  *Instant `json:"iat"`
	NotBefore *Instant `json:"nbf"`
	Expires   *Instant `json:"exp"`
	// Grants are role and path each: ["committee_staff", "/430100/…/"].
	Grants [][2]string `json:"grants"`
	// Chosen is the number in Grants, from 1, of the one acted under; 0 = none.
	Chosen int   `json:"chosen"`
	Strong bool  `json:"strong"`
	Limit  Limit `json:"limit"`
}

// NewClaims are those of a caller's token that is signed now, with a new id, and
// holds for TokenLife.
func NewClaims(c Caller, id string, now time.Time) Claims {
	out := Claims{
		Issuer: Issuer, Audience: Audience, Person: c.Person, Account: c.Account, Session: c.Session, ID: id,
		IssuedAt: &Instant{now}, NotBefore: &Instant{now}, Expires: &Instant{now.Add(TokenLife)},
		Grants: make([][2]string, 0, len(c.Grants)), Chosen: c.Chosen, Strong: c.Strong, Limit: c.Limit,
	}
	for _, g := range c.Grants {
		out.Grants = append(out.Grants, [2]string{RoleName(g.Role), string(g.Path)})
	}
	return out
}

// Sign writes the token of claims with the private key of this id.
func Sign(c Claims, keyID string, key ed25519.PrivateKey) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, c)
	t.Header["typ"], t.Header["kid"] = tokenType, keyID
	text, err := t.SignedString(key)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	if len(text) > largestToken {
		return "", fmt.Errorf("sign a token: it has %d bytes, %d are taken", len(text), largestToken)
	}
	return text, nil
}

// caller reads who it is; the claims' times, issuer and audience were looked at.
func (c Claims) caller() (Caller, error) {
	out := Caller{Person: c.Person, Account: c.Account, Session: c.Session, Chosen: c.Chosen, Strong: c.Strong, Limit: c.Limit}
	if c.Person == "" || c.Account == "" || c.Session == "" || c.ID == "" {
		return Caller{}, errors.New("a token of nobody")
	}
	if c.Chosen < 0 || c.Chosen > len(c.Grants) || !c.Limit.valid() {
		return Caller{}, errors.New("a token with a choice or a limit that is none")
	}
	for _, g := range c.Grants {
		role, known := RoleOf(g[0])
		path := scope.Path(g[1])
		if !known || !path.Valid() {
			return Caller{}, errors.New("a token with a grant that is none")
		}
		out.Grants = append(out.Grants, Grant{Role: role, Path: path})
	}
	return out, nil
}

// The methods of jwt.Claims.

// GetExpirationTime is exp.
func (c Claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.Expires.date() }

// GetIssuedAt is iat.
func (c Claims) GetIssuedAt() (*jwt.NumericDate, error) { return c.IssuedAt.date() }

// GetNotBefore is nbf.
func (c Claims) GetNotBefore() (*jwt.NumericDate, error) { return c.NotBefore.date() }

// GetIssuer is iss.
func (c Claims) GetIssuer() (string, error) { return c.Issuer, nil }

// GetSubject is sub.
func (c Claims) GetSubject() (string, error) { return c.Person, nil }

// GetAudience is aud: one text, never a list.
func (c Claims) GetAudience() (jwt.ClaimStrings, error) { return jwt.ClaimStrings{c.Audience}, nil }
