package rpc

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

func newLocal(unary grpc.UnaryServerInterceptor) *local {
	l := &local{methods: map[string]localMethod{}, unary: unary}
	healthpb.RegisterHealthServer(l, health.NewServer())
	return l
}

// A call has its metadata as metadata, and nothing of what the caller would
// send on; its headers come back, and so does its answer.
func TestLocal_CarriesMetadataBothWays(t *testing.T) {
	var came, goes metadata.MD
	l := newLocal(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		came, _ = metadata.FromIncomingContext(ctx)
		goes, _ = metadata.FromOutgoingContext(ctx)
		err := errors.Join(grpc.SetHeader(ctx, metadata.Pairs("one", "1")), grpc.SetHeader(ctx, metadata.Pairs("two", info.FullMethod)),
			grpc.SetTrailer(ctx, metadata.Pairs("three", "3")))
		if err != nil {
			return nil, err
		}
		return handler(ctx, req)
	})
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer x")
	var header, trailer metadata.MD
	out := &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_NOT_SERVING}
	err := l.invoke(ctx, healthpb.Health_Check_FullMethodName, &healthpb.HealthCheckRequest{}, out, grpc.Header(&header), grpc.Trailer(&trailer))
	if err != nil || out.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Fatalf("%v, %v", out, err)
	}
	if got := came.Get("authorization"); len(got) != 1 || got[0] != "Bearer x" || len(goes) != 0 {
		t.Errorf("came %v, goes on %v", came, goes)
	}
	if header.Get("one")[0] != "1" || header.Get("two")[0] != healthpb.Health_Check_FullMethodName || trailer.Get("three")[0] != "3" {
		t.Errorf("header %v, trailer %v", header, trailer)
	}
}

func TestLocal_Refusals(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	failing := func(err error) grpc.UnaryServerInterceptor {
		return func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) { return nil, err }
	}
	for what, c := range map[string]struct {
		l       *local
		ctx     context.Context
		method  string
		in, out any
		want    codes.Code
	}{
		"a method that is not there": {newLocal(nil), t.Context(), "/a/B", &emptypb.Empty{}, &emptypb.Empty{}, codes.Unimplemented},
		"a call that is over":        {newLocal(nil), over, healthpb.Health_Check_FullMethodName, &healthpb.HealthCheckRequest{}, &healthpb.HealthCheckResponse{}, codes.Canceled},
		"another request":            {newLocal(nil), t.Context(), healthpb.Health_Check_FullMethodName, &emptypb.Empty{}, &healthpb.HealthCheckResponse{}, codes.Internal},
		"another answer":             {newLocal(nil), t.Context(), healthpb.Health_Check_FullMethodName, &healthpb.HealthCheckRequest{}, &emptypb.Empty{}, codes.Internal},
		"a status":                   {newLocal(failing(status.Error(codes.NotFound, ""))), t.Context(), healthpb.Health_Check_FullMethodName, &healthpb.HealthCheckRequest{}, &healthpb.HealthCheckResponse{}, codes.NotFound},
		"an end of time":             {newLocal(failing(context.DeadlineExceeded)), t.Context(), healthpb.Health_Check_FullMethodName, &healthpb.HealthCheckRequest{}, &healthpb.HealthCheckResponse{}, codes.DeadlineExceeded},
	} {
		if err := c.l.invoke(c.ctx, c.method, c.in, c.out); status.Code(err) != c.want {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Every field is handed over, unknown ones too, and what the target held is gone.
func TestHandOver_IsEqual(t *testing.T) {
	from, err := structpb.NewStruct(map[string]any{"a": 1, "b": []any{"x", true}, "c": map[string]any{"d": nil}})
	if err != nil {
		t.Fatal(err)
	}
	from.ProtoReflect().SetUnknown([]byte{0xf8, 0x7f, 1})
	to, err := structpb.NewStruct(map[string]any{"old": 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := handOver(from, to); err != nil || !proto.Equal(from, to) {
		t.Errorf("%v became %v, %v", from, to, err)
	}
}
