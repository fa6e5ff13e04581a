package rpc_test

import (
	"log/slog"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
	watchv1 "github.com/linli-project/linli/proto/gen/linli/watch/v1"

	"github.com/linli-project/linli/pkg/access/accesstest"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/watch"
)

// quiet is a source of no events.
type quiet struct{}

func (quiet) Watch(func(*typev1.EventRow)) (func() error, error) {
	return func() error { return nil }, nil
}

// A stream that the chain refused before the request was sent says why, and
// does not fail the sending.
func TestConn_ARefusedStreamSaysWhy(t *testing.T) {
	service, stop, err := watch.New(quiet{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stop() }()
	door, err := rpc.NewServer(rpc.Config{
		Services: []rpc.Service{service}, Authenticator: accesstest.Authenticator(), Wall: clock.Wall(), IDs: ids.New,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := door.Conn().NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, watchv1.WatchService_WatchChanges_FullMethodName)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Header(); err != nil && status.Code(err) != codes.Unauthenticated { // waits until it is refused
		t.Fatal(err)
	}
	if err := s.SendMsg(&watchv1.WatchChangesRequest{}); err != nil {
		t.Errorf("the request: %v", err)
	}
	if err := s.RecvMsg(&watchv1.WatchChangesResponse{}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("the answer: %v", err)
	}
}
