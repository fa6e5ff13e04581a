// Package gateway is REST over the door: generated routes, a few plain ones
// for files, problem bodies, the OpenAPI document and its page.
package gateway

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzhttp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/admit"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/rpc"
)

// Limits of bodies, in bytes.
const (
	largestBody   = 1 << 20
	largestUpload = 64 << 20
)

// Config of the gateway.
type Config struct {
	// Conn is the door, in memory or over TCP.
	Conn grpc.ClientConnInterface
	// Dev serves the routes of development and tells of them.
	Dev bool
	// Ready says whether calls are welcome.
	Ready func() bool
	// Metrics answers /metrics.
	Metrics http.Handler
	// Limits of what is taken on at once, zero for the defaults; what is refused
	// is counted in Meter, if there is one.
	Limits admit.Limits
	// Knock is the process's, nil for none.
	Knock *admit.Knock
	Meter prometheus.Registerer
	// Callers limits how often one of them may call; nil = as often as it likes.
	Callers *admit.Callers
	// Proxies are the networks of those whose X-Forwarded-For and
	// X-Forwarded-Proto are believed.
	Proxies []netip.Prefix
	// Wall is the house's clock, for deadlines of reads and writes.
	Wall clock.Clock
	Log  *slog.Logger
}

// New makes the handler of everything the house serves over HTTP.
func New(c Config) (http.Handler, error) {
	rest, err := newREST(c.Conn, c.Dev, c.Callers)
	if err != nil {
		return nil, err
	}
	document, err := newDocument(c.Dev)
	if err != nil {
		return nil, err
	}
	files := &files{conn: c.Conn, log: c.Log}
	mux := http.NewServeMux()
	mux.Handle("/v1/", limited(largestBody, rest))
	mux.HandleFunc("POST /v1/organizations:import", files.importOrganizations)
	mux.HandleFunc("POST /v1/organizations/{id}/rosters:import", files.importRoster)
	mux.HandleFunc("POST /v1/organizations/{id}/members:invite", files.inviteMembers)
	mux.HandleFunc("GET /v1/letters/{id}/csv", files.letter(evaluationv1.LetterFormat_LETTER_FORMAT_CSV))
	mux.HandleFunc("GET /v1/letters/{id}/xlsx", files.letter(evaluationv1.LetterFormat_LETTER_FORMAT_XLSX))
	mux.HandleFunc("GET /v1/ledgerExports/{id}/csv", files.ledgerExport(evaluationv1.LetterFormat_LETTER_FORMAT_CSV))
	mux.HandleFunc("GET /v1/ledgerExports/{id}/xlsx", files.ledgerExport(evaluationv1.LetterFormat_LETTER_FORMAT_XLSX))
	mux.HandleFunc("GET /v1/calls/{id}/selection", files.selection)
	mux.HandleFunc("GET /v1/applications/{id}/letter/xlsx", files.applicationLetter)
	mux.Handle("POST /v1/sessions:refresh", refreshed(limited(largestBody, rest)))
	mux.Handle("GET /.well-known/jwks.json", keySet(c.Conn))
	(&attached{conn: c.Conn, wall: c.Wall}).addTo(mux)
	mux.Handle("GET /v1/changes", &changes{conn: c.Conn, log: c.Log, wall: c.Wall})
	mux.Handle("GET /openapi.json", document)
	mux.Handle("GET /docs/", pages())
	mux.HandleFunc("GET /first", first)
	mux.Handle("GET /docs", http.RedirectHandler("/docs/", http.StatusMovedPermanently))
	health(mux, c.Ready, c.Metrics)
	mux.HandleFunc("GET /{$}", welcome(c.Dev))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, r, problem{Status: http.StatusNotFound, Reason: "METHOD_CLOSED"})
	})
	within := sameSite(c.Log, &perAddress{c.Callers, c.Wall, newAdmission(c, compressed(mux))})
	return hardened(&recognized{proxies: c.Proxies, log: c.Log, next: within}), nil
}

// Health is what a process without REST answers over HTTP: /healthz, whether
// calls are welcome, and /metrics.
func Health(ready func() bool, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	health(mux, ready, metrics)
	return hardened(mux)
}

func health(mux *http.ServeMux, ready func() bool, metrics http.Handler) {
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if !ready() {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte("starting\n"))
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
}

// compressed packs what is worth it for callers that ask for it. Streams go
// out as they are: each event is to arrive by itself.
func compressed(next http.Handler) http.Handler {
	packed := gzhttp.GzipHandler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/changes" || strings.HasPrefix(r.URL.Path, "/v1/blobs/") { // a part of a file is one of the file as it is
			next.ServeHTTP(w, r)
			return
		}
		packed.ServeHTTP(w, r)
	})
}

// passedHeaders of a request go to the door under the same names.
func passedHeaders() []string {
	return []string{rpc.HeaderAuthorization, rpc.HeaderIdempotencyKey, rpc.HeaderLanguage, rpc.HeaderTraceParent}
}

func passedIn(name string) (string, bool) {
	name = strings.ToLower(name)
	for _, h := range passedHeaders()[1:] { // the runtime passes Authorization itself
		if name == h {
			return h, true
		}
	}
	return "", false
}

func passedOut(name string) (string, bool) {
	return "X-Call-Id", strings.EqualFold(name, rpc.HeaderCallID)
}

// outgoing is the context of a call made by a plain route.
func outgoing(r *http.Request) context.Context {
	md := callerOf(r.Context()).metadata()
	for _, h := range passedHeaders() {
		if v := r.Header.Get(h); v != "" && printable(v) {
			md.Set(h, v)
		}
	}
	return metadata.NewOutgoingContext(r.Context(), md)
}

// printable says whether gRPC carries a value; the generated routes leave out
// what it does not.
func printable(value string) bool {
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return false
		}
	}
	return true
}

// hardened sets the headers that every answer has. Nothing here is to be
// framed, sniffed, cached by strangers or run from elsewhere.
func hardened(next http.Handler) http.Handler {
	// Values are shared by all answers: a header that is added to gets a list of
	// its own.
	fixed := http.Header{}
	fixed.Set("X-Content-Type-Options", "nosniff")
	fixed.Set("X-Frame-Options", "DENY")
	fixed.Set("Referrer-Policy", "no-referrer")
	fixed.Set("Cache-Control", "no-store")
	fixed.Set("Content-Security-Policy",
		"default-src 'self'; img-src 'self' data: blob:; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
	fixed.Set("Cross-Origin-Opener-Policy", "same-origin")
	fixed.Set("Cross-Origin-Resource-Policy", "same-origin")
	fixed.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
	for name, values := range fixed {
		fixed[name] = slices.Clip(values)
	}
	tlsOnly := slices.Clip([]string{"max-age=31536000"})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), fixed)
		if r.TLS != nil {
			w.Header()["Strict-Transport-Security"] = tlsOnly
		}
		next.ServeHTTP(w, r)
	})
}
