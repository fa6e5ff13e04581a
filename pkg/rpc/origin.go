package rpc

import (
	"context"
	"net"
	"slices"
	"strings"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/certs"
	"github.com/linli-project/linli/pkg/rule"
)

// Metadata that one part of linli gives another: where a call came from, as the
// gateway or the first door saw it. From anybody else it is thrown away.
const (
	HeaderAddress = "linli-address"
	HeaderProgram = "linli-program"
)

const headerUserAgent = "user-agent"

// longestProgram is how much of a User-Agent is kept.
const longestProgram = 256

// usual are the parts that call a method unless its access option names others.
func usual() []string { return []string{"gateway"} }

// network says what is on the other side of a listener.
type network struct {
	// parts: other parts of linli; else programs of anybody.
	parts bool
	// secured: their certificates say which part; else the listener is on
	// loopback and whoever is there is taken for the gateway.
	secured bool
}

// origin is where a call came from.
type origin struct {
	// direct: nobody of linli stands between the caller and this door.
	direct bool
	// inner: a service asks another, for a call that was let in.
	inner            bool
	address, program string
}

// originOf reads it. What a call says of its own origin counts only from inside
// the process and from other parts.
func (n network) originOf(ctx context.Context, info callInfo) origin {
	md, _ := metadata.FromIncomingContext(ctx)
	if !info.network {
		return origin{address: header(md, HeaderAddress), program: clipped(header(md, HeaderProgram)), inner: header(md, headerInner) != ""}
	}
	o := origin{direct: true, address: peerAddress(ctx), program: clipped(header(md, headerUserAgent))}
	if !n.parts {
		return o
	}
	if n.secured {
		if part := partOf(ctx); part == "" || part == certs.Operator {
			return o
		}
	}
	o.direct, o.inner = false, header(md, headerInner) != ""
	if told := header(md, HeaderAddress); told != "" {
		o.address, o.program = told, clipped(header(md, HeaderProgram))
	}
	return o
}

// partOf reads the name off the certificate that the other side has shown.
func partOf(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	shown, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(shown.State.VerifiedChains) == 0 || len(shown.State.PeerCertificates) == 0 {
		return ""
	}
	return certs.PartOf(shown.State.PeerCertificates[0])
}

// peerAddress is the network address of the other side, without its port.
func peerAddress(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return ""
	}
	host, _, err := net.SplitHostPort(p.Addr.String())
	if err != nil {
		return p.Addr.String()
	}
	return host
}

func clipped(program string) string {
	return strings.ToValidUTF8(program[:min(len(program), longestProgram)], "")
}

// mayCall refuses a part that is not on the method's list, before it is asked for
// whom it calls. Programs and what comes from inside the process are no parts.
func (t rules) mayCall(n network) elementFunc {
	return func(ctx context.Context, info callInfo, req any, next next) (any, error) {
		if !info.network || !n.parts || !n.secured {
			return next(ctx, req)
		}
		allowed := t[info.method].access.GetCallers()
		if len(allowed) == 0 {
			allowed = usual()
		}
		if !slices.Contains(allowed, partOf(ctx)) {
			return nil, rule.New(rule.Denied, "PART_NOT_ALLOWED", "")
		}
		return next(ctx, req)
	}
}

// WithOrigin gives a call that goes on to another part the origin of the call
// that it belongs to.
func WithOrigin(ctx context.Context) context.Context {
	call := access.From(ctx)
	if call.Address == "" {
		return ctx
	}
	md, _ := metadata.FromOutgoingContext(ctx)
	md = md.Copy()
	md.Set(HeaderAddress, call.Address)
	md.Set(HeaderProgram, Visible(call.Program))
	return metadata.NewOutgoingContext(ctx, md)
}

// Visible is a text as metadata carries it: what is not visible ASCII is "?".
func Visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}
