package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// queries are the parameters that each generated route takes in its query, by
// method and pattern. The generated code passes over others, so that a filter
// with a slip in its name would answer everything.
type queries map[string][]string

// readQueries reads them from the options of all methods: what is neither in the
// path nor in the body.
func readQueries() queries {
	out := queries{}
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			for j := range f.Services().Get(i).Methods().Len() {
				out.add(f.Services().Get(i).Methods().Get(j))
			}
		}
		return true
	})
	return out
}

func (q queries) add(m protoreflect.MethodDescriptor) {
	rule, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
	for _, r := range append(rule.GetAdditionalBindings(), rule) {
		method, path := http.MethodGet, r.GetGet()
		if post := r.GetPost(); post != "" {
			method, path = http.MethodPost, post
		}
		if path == "" {
			continue
		}
		var names []string
		for i := range m.Input().Fields().Len() {
			f := m.Input().Fields().Get(i)
			if r.GetBody() == "*" || r.GetBody() == string(f.Name()) || strings.Contains(path, "{"+string(f.Name())+"}") {
				continue
			}
			names = append(names, f.JSONName())
		}
		q[method+" "+path] = names
	}
}

// only refuses a parameter that the route does not take. Names are taken as the
// JSON writes them and as the proto does.
func (q queries) only(next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, path map[string]string) {
		if r.URL.RawQuery == "" {
			next(w, r, path)
			return
		}
		pattern, _ := runtime.HTTPPattern(r.Context())
		if names, known := q[r.Method+" "+patternText(pattern)]; known && !onlyParameters(w, r, names...) {
			return
		}
		next(w, r, path)
	}
}

// patternText is a pattern as the options write it.
func patternText(p runtime.Pattern) string { return strings.ReplaceAll(p.String(), "=*}", "}") }

// onlyParameters answers whether the query has no other parameters than these,
// or parts of them; else it has answered the request.
func onlyParameters(w http.ResponseWriter, r *http.Request, names ...string) bool {
	for given := range r.URL.Query() {
		name, _, _ := strings.Cut(given, ".")
		if !slices.Contains(names, camel(name)) {
			writeProblem(w, r, problem{Status: http.StatusBadRequest, Reason: "UNKNOWN_PARAMETER", Field: given,
				Params: []string{"field", given, "allowed", strings.Join(names, ", ")}})
			return false
		}
	}
	return true
}
