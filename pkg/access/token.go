package access

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
)

// DevPrefix begins a development token. It is not signed: anybody can write
// one, which is why only a server started with --dev takes it.
const DevPrefix = "dev."

const largestToken = 4096

// Authenticator turns a bearer token into a caller.
type Authenticator interface {
	// Authenticate answers UNAUTHENTICATED for a token that does not verify,
	// TOKEN_EXPIRED for one that did and no longer holds, and DEVELOPMENT_TOKEN
	// for a development token where none is taken; any other error when it cannot
	// be told now.
	Authenticate(ctx context.Context, token string) (Caller, error)
}

// tokenBody is the JSON inside a development token.
type tokenBody struct {
	Person string       `json:"person"`
	Grants []tokenGrant `json:"grants"`
}

type tokenGrant struct {
	Role         string `json:"role"`
	Organization string `json:"organization"`
}

// DevToken writes a development token for a person with grants.
func DevToken(person string, grants ...Grant) string {
	body := tokenBody{Person: person}
	for _, g := range grants {
		body.Grants = append(body.Grants, tokenGrant{Role: RoleName(g.Role), Organization: string(g.Path)})
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic("access: strings do not encode: " + err.Error())
	}
	return DevPrefix + base64.RawURLEncoding.EncodeToString(text)
}

// DevAuthenticator takes development tokens.
func DevAuthenticator() Authenticator { return devAuthenticator{} }

// NoAuthenticator takes no token: what a server without --dev has until there
// are accounts.
func NoAuthenticator() Authenticator { return noAuthenticator{} }

func unauthenticated() *rule.Error { return rule.New(rule.Denied, "UNAUTHENTICATED", "") }

type noAuthenticator struct{}

func (noAuthenticator) Authenticate(_ context.Context, token string) (Caller, error) {
	if strings.HasPrefix(token, DevPrefix) {
		return Caller{}, rule.New(rule.Denied, "DEVELOPMENT_TOKEN", "")
	}
	return Caller{}, unauthenticated()
}

type devAuthenticator struct{}

func (devAuthenticator) Authenticate(_ context.Context, token string) (Caller, error) {
	text, ok := strings.CutPrefix(token, DevPrefix)
	if !ok || len(text) > largestToken {
		return Caller{}, unauthenticated()
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return Caller{}, unauthenticated()
	}
	var body tokenBody
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil || body.Person == "" || d.More() {
		return Caller{}, unauthenticated()
	}
	c := Caller{Person: body.Person, Strong: true}
	for _, g := range body.Grants {
		role, known := RoleOf(g.Role)
		path := scope.Path(g.Organization)
		if !known || !path.Valid() {
			return Caller{}, unauthenticated()
		}
		c.Grants = append(c.Grants, Grant{Role: role, Path: path})
	}
	return c, nil
}
