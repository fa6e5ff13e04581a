package rpc

import (
	"context"
	"testing"

	"google.golang.org/grpc/metadata"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
)

// An open method answers a call without a token, as nobody's; every other one
// refuses it, and a bad token is refused everywhere.
func TestAuthenticate_OpenMethods(t *testing.T) {
	table := rules{"/open": {access: &typev1.Access{Open: true}}, "/shut": {access: &typev1.Access{}}}
	run := authenticate(accesstest.Authenticator(), table)
	for _, c := range []struct {
		method, header string
		answered       bool
	}{{"/open", "", true}, {"/shut", "", false}, {"/unknown", "", false}, {"/open", "Bearer test.%%%", false}, {"/open", "Basic x", false}} {
		ctx := context.Background()
		if c.header != "" {
			ctx = metadata.NewIncomingContext(ctx, metadata.Pairs(HeaderAuthorization, c.header))
		}
		answered := false
		_, err := run(ctx, callInfo{method: c.method}, nil, func(ctx context.Context, _ any) (any, error) {
			answered = access.From(ctx).Person == ""
			return nil, nil
		})
		if answered != c.answered || (err == nil) != c.answered {
			t.Errorf("%s with %q: answered %v, %v", c.method, c.header, answered, err)
		}
	}
}
