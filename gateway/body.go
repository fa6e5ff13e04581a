package gateway

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// body is a limited request body that remembers what was wrong with it: the
// generated code turns a decoder's error into plain text, so the error handler
// takes the cause from here.
type body struct {
	io.ReadCloser
	broken *problem
}

// limited caps the body of every request that passes.
func limited(bytes int64, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = &body{ReadCloser: http.MaxBytesReader(w, r.Body, bytes)}
		next.ServeHTTP(w, r)
	})
}

// marshaler is the API's JSON: camelCase, fields that are unset left out,
// unknown fields refused. It appends into a buffer sized for the message and
// decodes in one pass.
type marshaler struct{}

func (marshaler) ContentType(any) string { return "application/json" }

func (marshaler) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return json.Marshal(v)
	}
	// JSON is about twice the size of the wire form.
	return protojson.MarshalOptions{}.MarshalAppend(make([]byte, 0, 2*proto.Size(m)+64), m)
}

func (marshaler) Unmarshal(data []byte, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return json.Unmarshal(data, v)
	}
	return protojson.Unmarshal(data, m)
}

func (m marshaler) NewDecoder(r io.Reader) runtimeDecoder { return decoder{m, r} }

func (m marshaler) NewEncoder(w io.Writer) runtimeEncoder { return encoder{m, w} }

type encoder struct {
	m marshaler
	w io.Writer
}

func (e encoder) Encode(v any) error {
	out, err := e.m.Marshal(v)
	if err != nil {
		return err
	}
	_, err = e.w.Write(out)
	return err
}

type decoder struct {
	m marshaler
	r io.Reader
}

// Decode reads the whole body as one message. An empty body is io.EOF, which
// the generated code takes as an empty message.
func (d decoder) Decode(v any) error {
	data, err := io.ReadAll(d.r)
	if err == nil && len(data) == 0 {
		return io.EOF
	}
	if err == nil {
		err = d.m.Unmarshal(data, v)
	}
	if b, ok := d.r.(*body); ok && err != nil {
		b.broken = bodyProblem(err)
	}
	return err
}

// What protojson says of a body, as far as a caller can use it.
var (
	unknownField = regexp.MustCompile(`unknown field "([^"]*)"`)
	wrongValue   = regexp.MustCompile(`invalid value for (\S+) field (\S+):`)
)

// bodyProblem names the field where protojson names it, and never repeats a
// value from the body.
func bodyProblem(err error) *problem {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &problem{Status: http.StatusRequestEntityTooLarge, Reason: "BODY_TOO_LARGE",
			Params: []string{"limit_bytes", limitText(tooLarge.Limit)}}
	}
	text := err.Error()
	if m := unknownField.FindStringSubmatch(text); m != nil {
		return &problem{Status: http.StatusBadRequest, Reason: "UNKNOWN_FIELD", Field: m[1], Params: []string{"field", m[1]}}
	}
	if m := wrongValue.FindStringSubmatch(text); m != nil {
		return &problem{Status: http.StatusBadRequest, Reason: "MALFORMED_BODY", Field: m[2],
			Params: []string{"problem", m[2] + ": " + m[1]}}
	}
	return &problem{Status: http.StatusBadRequest, Reason: "MALFORMED_BODY", Params: []string{"problem", "syntax"}}
}
