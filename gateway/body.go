package gateway

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"

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
		b.broken = decodeProblem(err, data, v)
	}
	return err
}

// bodyProblem is what is wrong with a body that could not be read.
func bodyProblem(err error) *problem {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &problem{Status: http.StatusRequestEntityTooLarge, Reason: "BODY_TOO_LARGE",
			Params: []string{"limit_bytes", limitText(tooLarge.Limit)}}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &problem{Status: http.StatusRequestTimeout, Reason: "BODY_TOO_SLOW"}
	}
	return &problem{Status: http.StatusBadRequest, Reason: "MALFORMED_BODY", Want: []string{"want.syntax"}}
}

// decodeProblem names the field of a body that is not of its message, and what
// it wants. It never repeats a value from the body.
func decodeProblem(err error, data []byte, v any) *problem {
	m, ok := v.(proto.Message)
	p := bodyProblem(err)
	if !ok || p.Reason != "MALFORMED_BODY" {
		return p
	}
	var body any
	if json.Unmarshal(data, &body) != nil {
		return p
	}
	wrong := mismatch(m.ProtoReflect().Descriptor(), body, "")
	switch {
	case wrong == nil:
		p.Want = []string{"want.other"}
	case wrong.unknown:
		return &problem{Status: http.StatusBadRequest, Reason: "UNKNOWN_FIELD", Field: wrong.field, Params: []string{"field", wrong.field}}
	default:
		p.Field, p.Want = wrong.field, wrong.want
	}
	return p
}
