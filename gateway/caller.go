package gateway

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc/metadata"

	"github.com/linli-project/linli/pkg/rpc"
)

// caller is where a request came from, as the gateway sees it.
type caller struct {
	// address of the caller, and what it is limited by: the same, but for callers
	// behind a proxy that nobody has named.
	address, limitedBy string
	program            string
	// secure: the caller speaks TLS, with the gateway or with a named proxy.
	secure bool
	// tokenInBody: a program that keeps no cookies.
	tokenInBody bool
}

type callerKey struct{}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// metadata tells the door. Whatever a request said under these names stayed
// outside: only the headers of passedHeaders go in.
func (c caller) metadata() metadata.MD {
	return metadata.Pairs(rpc.HeaderAddress, c.address, rpc.HeaderProgram, rpc.Visible(c.program))
}

// longestUserAgent of a program is passed on.
const longestUserAgent = 256

// unnamedProxy is what callers behind a proxy that nobody has named are limited
// by, all of them together.
const unnamedProxy = "a proxy that LINLI_PROXIES does not name"

// recognized finds out where each request came from.
type recognized struct {
	proxies []netip.Prefix
	log     *slog.Logger
	warn    sync.Once
	next    http.Handler
}

func (h *recognized) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := caller{address: r.RemoteAddr, program: r.UserAgent(), secure: r.TLS != nil, tokenInBody: r.Header.Get(headerDelivery) == "body"}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		c.address = host
	}
	c.program = c.program[:min(len(c.program), longestUserAgent)]
	forwarded := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	switch {
	case h.isProxy(c.address):
		c.secure = c.secure || r.Header.Get("X-Forwarded-Proto") == "https"
		c.address = h.beyond(c.address, forwarded)
		c.limitedBy = c.address
	case isLoopback(c.address) && (forwarded != "" || r.Header.Get("Forwarded") != "" || r.Header.Get("X-Real-Ip") != "" || r.Header.Get("Via") != ""):
		h.warn.Do(func() { h.log.Warn("a proxy on this machine forwards calls: name it with LINLI_PROXIES") })
		c.limitedBy = unnamedProxy
	default:
		c.limitedBy = c.address
	}
	h.next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
}

func (h *recognized) isProxy(address string) bool {
	ip, err := netip.ParseAddr(address)
	return err == nil && slices.ContainsFunc(h.proxies, func(p netip.Prefix) bool { return p.Contains(ip.Unmap().WithZone("")) })
}

// beyond answers the last address that is no proxy: each proxy has added whom it
// heard from at the end, and what stands before that anybody can write.
func (h *recognized) beyond(proxy, forwarded string) string {
	last := proxy
	hops := strings.Split(forwarded, ",")
	for _, hop := range slices.Backward(hops) {
		ip, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			return last
		}
		if last = ip.Unmap().WithZone("").String(); !h.isProxy(last) {
			return last
		}
	}
	return last
}

func isLoopback(address string) bool {
	ip, err := netip.ParseAddr(address)
	return err == nil && ip.Unmap().IsLoopback()
}
