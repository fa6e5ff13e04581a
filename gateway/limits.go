package gateway

import (
	"net/http"
	"strconv"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/admit"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/rpc"
)

// perAddress refuses an address that calls too often, before anything else is
// looked at. Health is asked by the operator.
type perAddress struct {
	limits *admit.Callers
	wall   clock.Clock
	next   http.Handler
}

func (h *perAddress) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/healthz" && r.URL.Path != "/metrics" {
		if wait := h.limits.Address(callerOf(r.Context()).limitedBy); wait > 0 {
			if r.ContentLength > 0 {
				// Fails only where there is no connection, in a test.
				_ = http.NewResponseController(w).SetReadDeadline(h.wall.Now().Add(refusedPatience))
			}
			refuseCaller(w, r, wait)
			return
		}
	}
	h.next.ServeHTTP(w, r)
}

// smallBody is what the server reads to its end by itself, so that the connection
// can go on.
const smallBody = 64 << 10

// refuseCaller answers 429. A body that would have to be waited for closes the
// connection.
func refuseCaller(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	if r.ContentLength < 0 || r.ContentLength > smallBody {
		w.Header().Set("Connection", "close")
	}
	writeProblem(w, r, problem{Status: http.StatusTooManyRequests, Reason: "TOO_MANY_CALLS",
		Params: []string{"seconds", strconv.Itoa(rpc.Seconds(wait))}})
}

// guarded are the routes that need no account, by method and pattern: what opens
// them is in the request.
type guarded struct {
	limits *admit.Callers
	routes map[string]*typev1.Access
}

// newGuarded reads them from the options of all methods.
func newGuarded(limits *admit.Callers) guarded {
	g := guarded{limits: limits, routes: map[string]*typev1.Access{}}
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			for j := range f.Services().Get(i).Methods().Len() {
				g.learn(f.Services().Get(i).Methods().Get(j))
			}
		}
		return true
	})
	return g
}

func (g guarded) learn(m protoreflect.MethodDescriptor) {
	option, _ := proto.GetExtension(m.Options(), typev1.E_Access).(*typev1.Access)
	if !rpc.NeedsNobody(option) {
		return
	}
	rule, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
	for _, r := range append(rule.GetAdditionalBindings(), rule) {
		if method, path := methodAndPath(r); path != "" {
			g.routes[method+" "+path] = option
		}
	}
}

// guard refuses an address that was wrong too often, or begins too many sessions,
// and charges it when it is wrong again.
func (g guarded) guard(next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, path map[string]string) {
		pattern, _ := runtime.HTTPPattern(r.Context())
		option := g.routes[r.Method+" "+patternText(pattern)]
		if option == nil {
			next(w, r, path)
			return
		}
		from := callerOf(r.Context()).limitedBy
		if wait := rpc.NobodyMay(g.limits, from, option); wait > 0 {
			refuseCaller(w, r, wait)
			return
		}
		out := &seen{ResponseWriter: w}
		next(out, r, path)
		if wasWrong(out.status) {
			g.limits.Guessed(from)
		}
	}
}

// wasWrong says whether a status is that of a request that was wrong, and not of
// a house that could not answer.
func wasWrong(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge:
		return false
	}
	return status >= 400 && status < 500
}

// seen remembers the status of an answer.
type seen struct {
	http.ResponseWriter
	status int
}

func (s *seen) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (s *seen) Unwrap() http.ResponseWriter { return s.ResponseWriter }
