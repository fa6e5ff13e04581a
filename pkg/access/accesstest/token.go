// Package accesstest lets a test call as whoever it likes, without a registry
// that signs anybody in. Its tokens are not signed: a house takes them only where
// its configuration says so, which no command can.
package accesstest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
)

const (
	prefix       = "test."
	largestToken = 4096
)

// body is the JSON inside a token.
type body struct {
	Person string  `json:"person"`
	Weak   bool    `json:"weak,omitempty"`
	Grants []grant `json:"grants"`
}

type grant struct {
	Role         string `json:"role"`
	Organization string `json:"organization"`
}

// Token writes the token of a person with grants, whose session has shown a
// second factor.
func Token(person string, grants ...access.Grant) string { return token(person, false, grants) }

// WeakToken writes one of a session that has not.
func WeakToken(person string, grants ...access.Grant) string { return token(person, true, grants) }

func token(person string, weak bool, grants []access.Grant) string {
	b := body{Person: person, Weak: weak}
	for _, g := range grants {
		b.Grants = append(b.Grants, grant{Role: access.RoleName(g.Role), Organization: string(g.Path)})
	}
	text, err := json.Marshal(b)
	if err != nil {
		panic("accesstest: strings do not encode: " + err.Error())
	}
	return prefix + base64.RawURLEncoding.EncodeToString(text)
}

// Authenticator takes what Token and WeakToken write, and nothing else.
func Authenticator() access.Authenticator { return authenticator{} }

type authenticator struct{}

func (authenticator) Authenticate(_ context.Context, token string) (access.Caller, error) {
	refused := rule.New(rule.Denied, "UNAUTHENTICATED", "")
	text, ok := strings.CutPrefix(token, prefix)
	if !ok || len(text) > largestToken {
		return access.Caller{}, refused
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return access.Caller{}, refused
	}
	var b body
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil || b.Person == "" || d.More() {
		return access.Caller{}, refused
	}
	c := access.Caller{Person: b.Person, Strong: !b.Weak}
	for _, g := range b.Grants {
		role, known := access.RoleOf(g.Role)
		path := scope.Path(g.Organization)
		if !known || !path.Valid() {
			return access.Caller{}, refused
		}
		c.Grants = append(c.Grants, access.Grant{Role: role, Path: path})
	}
	return c, nil
}
