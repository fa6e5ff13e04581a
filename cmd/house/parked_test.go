package house_test

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/cmd/house"
	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/rpc"
)

// TestParkedEvents_EachProcessAnswersForItself: a process of one service, and
// the whole, answer; a gateway holds no store and has nothing to say.
func TestParkedEvents_EachProcessAnswersForItself(t *testing.T) {
	for role, want := range map[house.Role]codes.Code{
		house.Requests: codes.OK, house.Whole: codes.OK, house.Gateway: codes.Unimplemented,
	} {
		s := newShape(t, append(house.Roles(), house.Whole)...)
		h := s.start(role)
		conn, err := grpc.NewClient(h.GRPCAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		token := accesstest.Token("root", access.Grant{Role: typev1.Role_ROLE_SYSTEM_ADMIN, Path: "/"})
		ctx := metadata.NewOutgoingContext(context.Background(), metadata.Pairs(rpc.HeaderAuthorization, "Bearer "+token))
		if _, err := pb.NewEventsServiceClient(conn).ListParked(ctx, &pb.ListParkedRequest{}); status.Code(err) != want {
			t.Errorf("%s: %v, want %s", role, err, want)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		s.stop(role)
	}
}
