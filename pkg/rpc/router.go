package rpc

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Router sends each method to the connection of its proto package. It is made
// by NewRouter.
type Router struct {
	byPackage map[string]grpc.ClientConnInterface
	// anonymous methods, by full name.
	anonymous map[string]bool
}

// NewRouter makes a router of connections by proto package, "linli.registry.v1".
func NewRouter(byPackage map[string]grpc.ClientConnInterface) *Router {
	r := &Router{byPackage: byPackage, anonymous: map[string]bool{}}
	eachMethod(func(service, method string, m protoreflect.MethodDescriptor) {
		if natureOf(m).anonymous {
			r.anonymous["/"+service+"/"+method] = true
		}
	})
	return r
}

// Invoke calls a method where it is served; UNIMPLEMENTED where it is not.
func (r *Router) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	c, ctx, err := r.route(ctx, method)
	if err != nil {
		return err
	}
	return c.Invoke(ctx, method, args, reply, opts...)
}

// NewStream opens a stream where its method is served.
func (r *Router) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	c, ctx, err := r.route(ctx, method)
	if err != nil {
		return nil, err
	}
	return c.NewStream(ctx, desc, method, opts...)
}

// route finds the connection. Of an anonymous call nothing but its language
// leaves the process: what the service would throw away is not sent to it.
func (r *Router) route(ctx context.Context, method string) (grpc.ClientConnInterface, context.Context, error) {
	service := serviceOf(method)
	c, ok := r.byPackage[service[:max(0, strings.LastIndexByte(service, '.'))]]
	if !ok {
		return nil, ctx, status.Error(codes.Unimplemented, "no service answers "+method)
	}
	if r.anonymous[method] {
		md, _ := metadata.FromOutgoingContext(ctx)
		ctx = metadata.NewOutgoingContext(ctx, metadata.Pairs(HeaderLanguage, header(md, HeaderLanguage)))
	}
	return c, ctx, nil
}
