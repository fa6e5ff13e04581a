package access

import (
	"context"

	"github.com/linli-project/linli/pkg/rule"
)

// Authenticator turns a bearer token into a caller.
type Authenticator interface {
	// Authenticate answers UNAUTHENTICATED for a token that does not verify, and
	// TOKEN_EXPIRED for one that did and no longer holds; any other error when it
	// cannot be told now.
	Authenticate(ctx context.Context, token string) (Caller, error)
}

// largestToken is the most bytes of a token that are looked at.
const largestToken = 4096

// NoAuthenticator takes no token: for a door that nobody calls with one.
func NoAuthenticator() Authenticator { return noAuthenticator{} }

func unauthenticated() *rule.Error { return rule.New(rule.Denied, "UNAUTHENTICATED", "") }

type noAuthenticator struct{}

func (noAuthenticator) Authenticate(context.Context, string) (Caller, error) {
	return Caller{}, unauthenticated()
}
