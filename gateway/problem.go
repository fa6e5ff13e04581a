package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/texts"
)

// Aliases keep the marshaler's signatures readable.
type (
	runtimeDecoder = runtime.Decoder
	runtimeEncoder = runtime.Encoder
)

// problem is an answer that says what is wrong: RFC 9457, with the reason, the
// field and the facts beside it.
type problem struct {
	Status int
	Reason string
	Field  string
	Params []string
	// Want is the name of a text with its params: what the field wants.
	Want []string
	// Detail and Errors are texts in the caller's language, where the door
	// made them already.
	Detail string
	Errors []fieldProblem
	CallID string
}

type fieldProblem struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// problemBody is the problem as it is sent.
type problemBody struct {
	Type     string            `json:"type"`
	Title    string            `json:"title"`
	Status   int               `json:"status"`
	Detail   string            `json:"detail"`
	Instance string            `json:"instance,omitempty"`
	Reason   string            `json:"reason"`
	Field    string            `json:"field,omitempty"`
	Errors   []fieldProblem    `json:"errors,omitempty"`
	Params   map[string]string `json:"params,omitempty"`
}

func writeProblem(w http.ResponseWriter, r *http.Request, p problem) {
	language := texts.Language(r.Header.Get("Accept-Language"))
	if p.Want != nil {
		what := texts.Text(language, p.Want[0], p.Want[1:]...)
		if p.Field != "" {
			what = p.Field + ": " + what
		}
		p.Params = append(p.Params, "problem", what)
	}
	p = inJSON(p)
	out := problemBody{
		Type: "urn:linli:reason:" + p.Reason, Title: http.StatusText(p.Status), Status: p.Status,
		Detail: p.Detail, Reason: p.Reason, Field: camel(p.Field), Errors: p.Errors,
	}
	if p.CallID != "" {
		out.Instance = "urn:linli:call:" + p.CallID
		w.Header().Set("X-Call-Id", p.CallID)
	}
	if out.Detail == "" {
		out.Detail = texts.Text(language, p.Reason, p.Params...)
	}
	for i := 0; i+1 < len(p.Params); i += 2 {
		if out.Params == nil {
			out.Params = map[string]string{}
		}
		out.Params[p.Params[i]] = p.Params[i+1]
	}
	if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", retryAfter(p.Params))
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	// The caller is gone when this fails, and there is nobody to tell.
	_ = json.NewEncoder(w).Encode(out)
}

// retryAfter is how long the caller is told to wait, in seconds: what the reason
// says, or one.
func retryAfter(params []string) string {
	for i := 0; i+1 < len(params); i += 2 {
		if n, err := strconv.Atoi(params[i+1]); params[i] == "seconds" && err == nil && n > 0 {
			return strconv.Itoa(n)
		}
	}
	return "1"
}

// inJSON names the field as the JSON does, in the text too: the door speaks of
// the proto's.
func inJSON(p problem) problem {
	if p.Reason != "INVALID_FIELD" {
		return p
	}
	p.Detail, p.Params = "", slices.Clone(p.Params)
	for i := 0; i+1 < len(p.Params); i += 2 {
		if p.Params[i] == "field" {
			p.Params[i+1] = camel(p.Params[i+1])
		}
	}
	return p
}

// answerError is called by the generated routes for every error.
func answerError(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
	if b, ok := r.Body.(*body); ok && b.broken != nil {
		writeProblem(w, r, *b.broken)
		return
	}
	p := problemOf(err)
	if md, ok := runtime.ServerMetadataFromContext(ctx); ok {
		if id := md.HeaderMD.Get(rpc.HeaderCallID); len(id) > 0 {
			p.CallID = id[0]
		}
	}
	writeProblem(w, r, p)
}

func answerRoutingError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, httpStatus int) {
	writeProblem(w, r, problem{Status: httpStatus, Reason: "METHOD_CLOSED"})
}

// badParameter is what the generated code says of a path or query parameter.
var badParameter = regexp.MustCompile(`parsing field "([^"]+)"|parameter: (\w+)`)

// problemOf reads a status of the door.
func problemOf(err error) problem {
	s := status.Convert(err)
	p := problem{Status: httpStatus(s), Detail: s.Message()}
	cause := rpc.FromStatus(s)
	if cause == nil {
		return foreignProblem(s)
	}
	p.Reason, p.Params = cause.Reason, cause.Params
	for i, v := range rpc.Violations(s) {
		if i == 0 {
			p.Field = v.GetField()
		}
		p.Errors = append(p.Errors, fieldProblem{Field: camel(v.GetField()), Message: v.GetDescription()})
	}
	return p
}

// foreignProblem is for a status that no service made: the runtime's own words
// about a parameter, or a transport that broke.
func foreignProblem(s *status.Status) problem {
	switch s.Code() {
	case codes.InvalidArgument:
		p := problem{Status: http.StatusBadRequest, Reason: "INVALID_FIELD"}
		if m := badParameter.FindStringSubmatch(s.Message()); m != nil {
			p.Field = m[1] + m[2]
		}
		p.Params = []string{"field", camel(p.Field), "rule", "type"}
		return p
	case codes.Unavailable:
		return problem{Status: http.StatusServiceUnavailable, Reason: "UNAVAILABLE"}
	case codes.DeadlineExceeded, codes.Canceled:
		return problem{Status: http.StatusGatewayTimeout, Reason: "DEADLINE"}
	case codes.Unimplemented:
		return problem{Status: http.StatusNotFound, Reason: "METHOD_CLOSED"}
	}
	return problem{Status: http.StatusInternalServerError, Reason: "INTERNAL", Params: []string{"call_id", "-"}}
}

// httpStatus is the runtime's table with three corrections: a wrong state and
// a stale etag are conflicts with what is there, and a reused idempotency key,
// of an import too, is a request that cannot be processed.
func httpStatus(s *status.Status) int {
	switch cause := rpc.FromStatus(s); {
	case cause != nil && (cause.Reason == "IDEMPOTENCY_KEY_REUSED" || cause.Reason == "IMPORT_DIFFERS"):
		return http.StatusUnprocessableEntity
	case cause != nil && cause.Reason == "BODY_TOO_LARGE":
		return http.StatusRequestEntityTooLarge
	case s.Code() == codes.FailedPrecondition:
		return http.StatusConflict
	}
	return runtime.HTTPStatusFromCode(s.Code())
}

// camel turns a field path of the proto into the JSON's: "page_size" → "pageSize".
// Keys of maps stand in quotes and are left as they are.
func camel(field string) string {
	var b strings.Builder
	up, key := false, false
	for _, c := range field {
		if c == '"' {
			key = !key
		}
		if c == '_' && !key {
			up = true
			continue
		}
		if up && c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		up = false
		b.WriteRune(c)
	}
	return b.String()
}

func limitText(n int64) string { return strconv.FormatInt(n, 10) }
