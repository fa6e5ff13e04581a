package rpc

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// local answers unary calls from inside the process: it runs the chain and the
// method in the caller's goroutine. Messages are handed over and not copied: a
// message that was sent, or answered, is no longer its sender's to change.
type local struct {
	methods map[string]localMethod
	unary   grpc.UnaryServerInterceptor
}

type localMethod struct {
	service any
	handler func(service any, ctx context.Context, decode func(any) error, unary grpc.UnaryServerInterceptor) (any, error)
}

// RegisterService takes the unary methods of a service.
func (l *local) RegisterService(d *grpc.ServiceDesc, service any) {
	for _, m := range d.Methods {
		l.methods["/"+d.ServiceName+"/"+m.MethodName] = localMethod{service, m.Handler}
	}
}

// invoke makes one call. What the caller sends as metadata arrives as metadata;
// of the caller's context the method sees nothing else that gRPC puts there.
func (l *local) invoke(ctx context.Context, method string, in, out any, opts ...grpc.CallOption) error {
	m, ok := l.methods[method]
	if !ok {
		return status.Errorf(codes.Unimplemented, "method %s is not served", method)
	}
	if err := ctx.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	sent, _ := metadata.FromOutgoingContext(ctx)
	answer := &answering{method: method}
	inside := metadata.NewOutgoingContext(metadata.NewIncomingContext(ctx, sent), nil)
	inside = grpc.NewContextWithServerTransportStream(inside, answer)
	reply, err := m.handler(m.service, inside, func(request any) error { return handOver(in, request) }, l.unary)
	for _, o := range opts {
		switch o := o.(type) {
		case grpc.HeaderCallOption:
			*o.HeaderAddr = answer.header
		case grpc.TrailerCallOption:
			*o.TrailerAddr = answer.trailer
		}
	}
	if err != nil {
		if _, ok := status.FromError(err); !ok {
			err = status.FromContextError(err).Err()
		}
		return err
	}
	return handOver(reply, out)
}

// handOver gives the fields of one message to another of its kind.
func handOver(from, to any) error {
	source, ok := from.(proto.Message)
	target, fits := to.(proto.Message)
	if !ok || !fits || source.ProtoReflect().Descriptor() != target.ProtoReflect().Descriptor() {
		return status.Error(codes.Internal, fmt.Sprintf("a %T where a %T is wanted", from, to))
	}
	proto.Reset(target)
	s, t := source.ProtoReflect(), target.ProtoReflect()
	s.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		t.Set(f, v)
		return true
	})
	if unknown := s.GetUnknown(); len(unknown) > 0 {
		t.SetUnknown(unknown)
	}
	return nil
}

// answering takes the headers of an answer; they are handed over, as messages
// are.
type answering struct {
	method          string
	header, trailer metadata.MD
}

func (a *answering) Method() string { return a.method }

func (a *answering) SetHeader(md metadata.MD) error {
	if a.header == nil {
		a.header = md
		return nil
	}
	a.header = metadata.Join(a.header, md)
	return nil
}

func (a *answering) SendHeader(md metadata.MD) error { return a.SetHeader(md) }

func (a *answering) SetTrailer(md metadata.MD) error {
	a.trailer = metadata.Join(a.trailer, md)
	return nil
}
