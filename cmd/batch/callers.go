package main

import (
	"context"
	"crypto/ed25519"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/scope"
)

// callers signs tokens as the registry does, with a key that only this program
// has: the door of these rooms takes no others.
type callers struct {
	grpc.ClientConnInterface
	key ed25519.PrivateKey
}

const (
	keyID = "batch"
	// knownTokens is how many the door remembers; each call has one of its own.
	knownTokens = 64
	endedAtMost = 8
)

// newCallers answers the authenticator for the door, and the way to it.
func newCallers(door grpc.ClientConnInterface) (*callers, access.Authenticator, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	v, err := access.NewTokenVerifier(access.VerifierConfig{
		Keys:  access.FixedKeys{{ID: keyID, Key: public}},
		Ended: access.NewEnded(clock.Wall(), endedAtMost), Wall: clock.Wall(), Most: knownTokens,
	})
	return &callers{door, private}, v, err
}

// who calls.
type who struct{}

func as(ctx context.Context, role typev1.Role, person, path string) context.Context {
	return context.WithValue(ctx, who{}, access.Caller{
		Person: person, Account: "acc_" + person, Session: "ses_" + person, Strong: true,
		Grants: []access.Grant{{Role: role, Path: scope.Path(path)}},
	})
}

func (c *callers) signed(ctx context.Context) (context.Context, error) {
	caller, _ := ctx.Value(who{}).(access.Caller) // nobody's token is refused
	token, err := access.Sign(access.NewClaims(caller, ids.New("jti"), clock.Wall().Now()), keyID, c.key)
	return metadata.AppendToOutgoingContext(ctx, rpc.HeaderAuthorization, "Bearer "+token, rpc.HeaderLanguage, "en"), err
}

// Invoke calls with a token of whoever the context says.
func (c *callers) Invoke(ctx context.Context, method string, in, out any, options ...grpc.CallOption) error {
	ctx, err := c.signed(ctx)
	if err != nil {
		return err
	}
	return c.ClientConnInterface.Invoke(ctx, method, in, out, options...)
}

// NewStream is Invoke of a stream.
func (c *callers) NewStream(ctx context.Context, d *grpc.StreamDesc, method string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	ctx, err := c.signed(ctx)
	if err != nil {
		return nil, err
	}
	return c.ClientConnInterface.NewStream(ctx, d, method, options...)
}
