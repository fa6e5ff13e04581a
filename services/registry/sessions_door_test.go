package registry

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/rpc"
)

// door is the gate behind the whole chain, as a client calls it.
func (g *gate) door() (pb.SessionServiceClient, pb.RegistryServiceClient) {
	g.t.Helper()
	server, err := rpc.NewServer(rpc.Config{Services: []rpc.Service{g.Service}, Authenticator: g.tokens,
		Log: slog.New(slog.DiscardHandler), Wall: g.watch, IDs: ids.New})
	must(g.t, err)
	return pb.NewSessionServiceClient(server.Conn()), pb.NewRegistryServiceClient(server.Conn())
}

func (g *gate) bearing(token string) context.Context {
	return metadata.AppendToOutgoingContext(g.t.Context(), rpc.HeaderAuthorization, "Bearer "+token, rpc.HeaderLanguage, "en")
}

// TestDoor_FromTheFirstSignInToTheLastRefusal is the way of a new administrator:
// password, second factor, work, the end.
func TestDoor_FromTheFirstSignInToTheLastRefusal(t *testing.T) {
	g := newGate(t)
	g.must(g.account("chen", typev1.Role_ROLE_SECURITY_ADMIN).GetAccount().GetId())
	door, registry := g.door()
	open := metadata.AppendToOutgoingContext(t.Context(), rpc.HeaderLanguage, "en")
	_, err := door.SignIn(open, &pb.SignInRequest{Login: "chen", Password: "wrong"})
	wantReason(t, err, "NOT_SIGNED_IN")
	if status.Code(err) != codes.Unauthenticated {
		t.Errorf("code %v", status.Code(err))
	}
	in, err := door.SignIn(open, &pb.SignInRequest{Login: "chen", Password: rightPassword})
	must(t, err)
	first := g.bearing(in.GetSession().GetAccessToken())
	_, err = registry.ListOrganizations(first, &pb.ListOrganizationsRequest{})
	wantReason(t, err, "PASSWORD_MUST_CHANGE")
	_, err = door.BeginSecondFactor(first, &pb.BeginSecondFactorRequest{Password: rightPassword})
	wantReason(t, err, "PASSWORD_MUST_CHANGE")
	const fresh = "wide fields by Liuyang town"
	changed, err := door.ChangePassword(first, &pb.ChangePasswordRequest{OldPassword: rightPassword, NewPassword: fresh})
	must(t, err)
	second := g.bearing(changed.GetSession().GetAccessToken())
	_, err = registry.ListOrganizations(second, &pb.ListOrganizationsRequest{})
	wantReason(t, err, "SECOND_FACTOR_MUST_BE_SET")
	begun, err := door.BeginSecondFactor(second, &pb.BeginSecondFactorRequest{Password: fresh})
	must(t, err)
	confirmed, err := door.ConfirmSecondFactor(second, &pb.ConfirmSecondFactorRequest{Code: g.code(begun.GetSecret())})
	must(t, err)
	strong := g.bearing(confirmed.GetSession().GetAccessToken())
	me, err := door.GetMe(strong, &pb.GetMeRequest{})
	must(t, err)
	if me.GetMustChangePassword() || me.GetMustSetSecondFactor() || !me.GetSecondFactor() {
		t.Errorf("me: %v", me)
	}
	_, err = door.SignOut(strong, &pb.SignOutRequest{})
	must(t, err)
	_, err = g.verify(confirmed.GetSession().GetAccessToken()) // hears of the end
	refused(t, err, "TOKEN_EXPIRED")
	_, err = door.GetMe(strong, &pb.GetMeRequest{})
	wantReason(t, err, "TOKEN_EXPIRED")
	_, err = door.Refresh(open, &pb.RefreshRequest{RefreshToken: confirmed.GetSession().GetRefreshToken()})
	wantReason(t, err, "SESSION_ENDED")
	keys, err := door.GetKeys(open, &pb.GetKeysRequest{})
	must(t, err)
	if len(keys.GetKeys()) != 1 {
		t.Errorf("%d keys", len(keys.GetKeys()))
	}
	g.pass(time.Hour)
	_, err = door.GetMe(strong, &pb.GetMeRequest{})
	wantReason(t, err, "TOKEN_EXPIRED")
}

// TestDoor_TellsHowLongToWait: in both languages, with the seconds put in.
func TestDoor_TellsHowLongToWait(t *testing.T) {
	g := newGate(t)
	door, _ := g.door()
	for range 5 {
		_, err := door.SignIn(t.Context(), &pb.SignInRequest{Login: "nobody", Password: "wrong"})
		wantReason(t, err, "NOT_SIGNED_IN")
	}
	for language, want := range map[string]string{
		"zh": "尝试过多,请在 15 秒后再试", "en": "there were too many tries; try again in 15 seconds",
	} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), rpc.HeaderLanguage, language)
		_, err := door.SignIn(ctx, &pb.SignInRequest{Login: "nobody", Password: "wrong"})
		if s := status.Convert(err); s.Code() != codes.ResourceExhausted || s.Message() != want {
			t.Errorf("%s: %v", language, s)
		}
	}
}
