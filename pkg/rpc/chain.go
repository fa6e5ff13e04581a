package rpc

import (
	"context"
	"slices"

	"google.golang.org/grpc"

	"github.com/linli-project/linli/pkg/access"
)

// element is one interceptor, for a unary call and for a stream alike: it
// wraps what comes after it. req is nil for a stream.
type element struct {
	name string
	// why it stands where it stands
	why string
	run func(ctx context.Context, info callInfo, req any, next next) (any, error)
}

type next func(ctx context.Context, req any) (any, error)

type callInfo struct {
	method string
	stream bool
	// network: the call came over a socket, and was not let in by the gateway.
	network bool
	// setHeader sends a header to the caller with the reply.
	setHeader func(key, value string)
}

// chain is the door's order, outermost first. The order is data, so that a
// test can pin it.
type chain struct {
	elements []element
	// quiet is the way of an anonymous method: nothing in it keeps anything.
	quiet  []element
	rules  rules
	shapes *shapes
}

func newChain(c Config) (*chain, error) {
	table, err := readRules(c.Services)
	if err != nil {
		return nil, err
	}
	shapes, err := newShapes()
	if err != nil {
		return nil, err
	}
	seen, net := newMetrics(c.Metrics), network{parts: c.Parts, secured: c.TLS != nil}
	return &chain{
		rules:  table,
		shapes: shapes,
		elements: []element{
			{"call id", "first, so that every line and error can name it", callID(c.IDs, net)},
			{"admit", "before anything is spent on the call; what it refuses is counted, not logged", admitted(c.Gates, table)},
			{"observe", "outside the errors, so that it sees the final status", observe(c.Log, c.Wall, seen)},
			{"record", "outside the errors too: it records what the caller is told", record(c.Recorders, table)},
			{"status", "turns every error below into a status, recovered panics too", toStatus(c.Log)},
			{"recover", "inside status, so that a panic is answered like an error", recovered(c.Log)},
			{"deadline", "before anything that may wait", deadline()},
			{"part", "which part of linli calls, before for whom", table.mayCall(net)},
			{"authenticate", "who it is, before anything of the request is looked at", authenticate(c.Authenticator, table)},
			{"known", "at once, so that what is refused from here on is recorded with who it was", known()},
			{"pace", "once it is known who calls, before the call costs anything", paced(c.Callers, table, net)},
			{"authorize", "whether the caller may, before saying what is wrong with the request", authorize(table, c.Dev)},
			{"validate", "last: shape rules of the proto, so that methods see well-formed requests", validate(shapes)},
		},
		quiet: []element{
			{"nobody", "first: whatever says who calls, or which call it is, goes no further", nobody()},
			{"admit", "as above: it looks at the method only", admitted(c.Gates, table)},
			{"status", "as above; what it logs of a failure inside names the method only", toStatus(c.Log)},
			{"recover", "as above", recovered(c.Log)},
			{"deadline", "as above", deadline()},
			{"part", "as above", table.mayCall(net)},
			{"pace", "as above: of an address it keeps how often it was wrong, not at what", paced(c.Callers, table, net)},
			{"authorize", "as above", authorize(table, c.Dev)},
			{"validate", "as above", validate(shapes)},
		},
	}, nil
}

func (c *chain) unary(network bool) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if openService(serviceOf(info.FullMethod)) {
			return handler(ctx, req)
		}
		ci := callInfo{method: info.FullMethod, network: network, setHeader: func(k, v string) { setHeader(ctx, k, v) }}
		return c.wrap(ci, next(handler))(ctx, req)
	}
}

func (c *chain) stream(network bool) grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		if openService(serviceOf(info.FullMethod)) {
			return handler(srv, ss)
		}
		ci := callInfo{method: info.FullMethod, stream: true, network: network, setHeader: func(k, v string) { setHeader(ss.Context(), k, v) }}
		_, err := c.wrap(ci, func(ctx context.Context, _ any) (any, error) {
			return nil, handler(srv, &serverStream{ServerStream: ss, ctx: ctx, shapes: c.shapes})
		})(ss.Context(), nil)
		return err
	}
}

func (c *chain) wrap(info callInfo, inner next) next {
	elements := c.elements
	if c.rules[info.method].access.GetAnonymous() {
		elements = c.quiet
	}
	for _, e := range slices.Backward(elements) {
		after := inner
		inner = func(ctx context.Context, req any) (any, error) { return e.run(ctx, info, req, after) }
	}
	return inner
}

// serverStream gives a stream's handler the context of the chain, and checks
// each message that comes in.
type serverStream struct {
	grpc.ServerStream
	ctx    context.Context
	shapes *shapes
}

func (s *serverStream) Context() context.Context { return s.ctx }

func (s *serverStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return s.shapes.check(m, access.From(s.ctx).Language)
}
