package rpc

import (
	"context"
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/linli-project/linli/pkg/admit"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/texts"
)

// headerInner marks a call that one service makes of another. It has a gate of
// its own: were it to wait behind the calls that wait for it, nobody would go
// on. Who sets it without being a service gets into another queue of the same
// size, and nothing else.
const headerInner = "linli-inner"

// retryAfter is what a refused caller is told to wait.
const retryAfter = time.Second

// Limits of one gRPC connection.
const (
	streamsPerConnection = 256
	largestHeaders       = 32 << 10
	handshakePatience    = 10 * time.Second
	// A connection that nobody calls on for so long is closed.
	idleFor = 15 * time.Minute
)

// Inner is a connection for one service that calls another over the network.
func Inner(conn grpc.ClientConnInterface) grpc.ClientConnInterface { return innerConn{conn} }

type innerConn struct{ grpc.ClientConnInterface }

func (c innerConn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return c.ClientConnInterface.Invoke(metadata.AppendToOutgoingContext(ctx, headerInner, "1"), method, args, reply, opts...)
}

func (c innerConn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return c.ClientConnInterface.NewStream(metadata.AppendToOutgoingContext(ctx, headerInner, "1"), desc, method, opts...)
}

// networkLimits are the options of a server that strangers reach. The tap looks
// at a call before its message is read: where a gate would refuse, nothing is
// spent on it.
func networkLimits(gates admit.Gates, table rules) []grpc.ServerOption {
	options := []grpc.ServerOption{
		grpc.MaxConcurrentStreams(streamsPerConnection),
		grpc.MaxHeaderListSize(largestHeaders),
		grpc.ConnectionTimeout(handshakePatience),
	}
	if gates == nil {
		return options
	}
	return append(options, grpc.InTapHandle(func(ctx context.Context, info *tap.Info) (context.Context, error) {
		gate := gates[table.classOf(info.FullMethodName, info.Header)]
		if gate == nil || !gate.Refuses() {
			return ctx, nil
		}
		return ctx, busy(texts.Language(header(info.Header, HeaderLanguage)))
	}))
}

// admitted lets a call from the network in through the gate of its class.
func admitted(gates admit.Gates, table rules) elementFunc {
	return func(ctx context.Context, info callInfo, req any, next next) (any, error) {
		if !info.network {
			return next(ctx, req)
		}
		md, _ := metadata.FromIncomingContext(ctx)
		gate := gates[table.classOf(info.method, md)]
		if gate == nil {
			return next(ctx, req)
		}
		if err := gate.Enter(ctx); err != nil {
			if errors.Is(err, admit.ErrBusy) {
				return nil, busy(texts.Language(header(md, HeaderLanguage)))
			}
			return nil, status.FromContextError(err).Err()
		}
		defer gate.Leave()
		return next(ctx, req)
	}
}

// classOf answers which gate a method goes through; none for one that is not
// known, which is refused further in.
func (t rules) classOf(method string, md metadata.MD) admit.Class {
	m, ok := t[method]
	switch {
	case !ok:
		return ""
	case m.flow.in:
		return admit.Bulk
	case m.flow.out:
		return admit.Stream
	case header(md, headerInner) != "":
		return admit.Inner
	case m.access.GetMutates():
		return admit.Write
	}
	return admit.Read
}

// flow says which sides of a method are streams.
type flow struct{ in, out bool }

func flowOf(m protoreflect.MethodDescriptor) flow {
	return flow{in: m.IsStreamingClient(), out: m.IsStreamingServer()}
}

// busy is the status of a call that was not let in.
func busy(language string) error {
	err := statusOf(refusal{Error: rule.New(rule.Exhausted, "OVERLOADED", ""), code: codes.ResourceExhausted}, language)
	s := status.Convert(err)
	if with, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter)}); err == nil {
		s = with
	}
	return s.Err()
}
