package rpc

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/texts"
)

// Domain of the error details.
const Domain = "linli"

// toStatus turns what a method answers into a status with reason, facts and
// a text in the caller's language. A cause that is nobody's business outside
// is logged under the call's id and not sent.
func toStatus(log *slog.Logger) elementFunc {
	return func(ctx context.Context, info callInfo, req any, next next) (any, error) {
		reply, err := next(ctx, req)
		if err == nil {
			return reply, nil
		}
		call := access.From(ctx)
		r := refusalOf(err, call.ID)
		if r.Reason == "INTERNAL" || r.Reason == "UNAVAILABLE" {
			log.LogAttrs(ctx, slog.LevelError, "call failed inside", slog.String("method", info.method),
				slog.String("call_id", call.ID), slog.String("error", err.Error()))
		}
		out := statusOf(r, call.Language)
		if slow := (slowDown{}); errors.As(err, &slow) {
			return nil, withRetry(status.Convert(out), slow.wait).Err()
		}
		return nil, out
	}
}

// refusal is a rule error, or several fields that break their rules.
type refusal struct {
	*rule.Error
	code       codes.Code
	violations []*errdetails.BadRequest_FieldViolation
}

func refusalOf(err error, callID string) refusal {
	var broken *rule.Error
	var shape *shape
	inside := func(code codes.Code, reason string, params ...string) refusal {
		return refusal{Error: rule.New(0, reason, "", params...), code: code}
	}
	switch {
	case errors.As(err, &shape):
		return refusal{Error: shape.first, code: codes.InvalidArgument, violations: shape.violations}
	case errors.As(err, &broken):
		return refusal{Error: broken, code: codeOf(broken)}
	case errors.Is(err, kv.ErrConflict):
		return inside(codes.Aborted, "CONTENTION")
	case errors.Is(err, context.DeadlineExceeded):
		return inside(codes.DeadlineExceeded, "DEADLINE")
	case errors.Is(err, context.Canceled):
		return inside(codes.Canceled, "DEADLINE")
	case errors.Is(err, kv.ErrUnavailable), errors.Is(err, kv.ErrUnknownOutcome), errors.Is(err, kv.ErrReadOnly):
		return inside(codes.Unavailable, "UNAVAILABLE")
	case errors.Is(err, kv.ErrTooLarge):
		return inside(codes.InvalidArgument, "BODY_TOO_LARGE", "limit_bytes", "65536")
	}
	if s, ok := status.FromError(err); ok && s.Code() != codes.Unknown {
		if broken := FromStatus(s); broken != nil {
			return refusal{Error: broken, code: s.Code()} // another service refused
		}
	}
	return inside(codes.Internal, "INTERNAL", "call_id", callID)
}

func codeOf(e *rule.Error) codes.Code {
	switch e.Kind {
	case rule.Invalid:
		return codes.InvalidArgument
	case rule.NotFound:
		return codes.NotFound
	case rule.Exists:
		return codes.AlreadyExists
	case rule.Precondition:
		return codes.FailedPrecondition
	case rule.Stale:
		return codes.Aborted
	case rule.Exhausted:
		return codes.ResourceExhausted
	case rule.Denied:
		switch e.Reason {
		case "UNAUTHENTICATED", "TOKEN_EXPIRED",
			"NOT_SIGNED_IN", "SECOND_FACTOR_WANTED", "SESSION_ENDED":
			return codes.Unauthenticated
		}
		return codes.PermissionDenied
	}
	return codes.Internal
}

func statusOf(r refusal, language string) error {
	message := texts.Text(language, r.Reason, inWords(language, r.Params)...)
	info := &errdetails.ErrorInfo{Reason: r.Reason, Domain: Domain, Metadata: map[string]string{}}
	for i := 0; i+1 < len(r.Params); i += 2 {
		info.Metadata[r.Params[i]] = strings.ToValidUTF8(r.Params[i+1], "?")
	}
	violations := r.violations
	if violations == nil && r.Field != "" {
		violations = []*errdetails.BadRequest_FieldViolation{{Field: r.Field, Description: message, Reason: r.Reason}}
	}
	details := []protoadapt.MessageV1{info}
	if violations != nil {
		details = append(details, &errdetails.BadRequest{FieldViolations: violations})
	}
	s := status.New(r.code, message)
	if with, err := s.WithDetails(details...); err == nil {
		s = with
	}
	return s.Err()
}

// inWords puts the names of states and commands into the caller's language;
// those that programs read stay as they are.
func inWords(language string, params []string) []string {
	out := slices.Clone(params)
	for i := 0; i+1 < len(out); i += 2 {
		switch out[i] {
		case "spending":
			out[i+1] = texts.Word(language, "spending", out[i+1])
		case "state":
			out[i+1] = texts.Word(language, "state", out[i+1])
		case "rule":
			out[i+1] = texts.Word(language, "must", out[i+1])
		case "command", "allowed":
			words := strings.Split(out[i+1], ", ")
			for j := range words {
				words[j] = texts.Word(language, "command", words[j])
			}
			out[i+1] = strings.Join(words, texts.Word(language, "mark", ", "))
		}
	}
	return out
}

// FromStatus reads the rule error back out of a status that a service of this
// house made; nil for any other.
func FromStatus(s *status.Status) *rule.Error {
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == Domain {
			e := &rule.Error{Reason: info.GetReason()}
			for k, v := range info.GetMetadata() {
				e.Params = append(e.Params, k, v)
			}
			return e
		}
	}
	return nil
}

// Violations reads the fields out of a status.
func Violations(s *status.Status) []*errdetails.BadRequest_FieldViolation {
	for _, d := range s.Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok {
			return bad.GetFieldViolations()
		}
	}
	return nil
}

// Reason answers the reason of an error that came through the door; empty for
// none.
func Reason(err error) string { return reasonOf(err) }

func reasonOf(err error) string {
	if e := FromStatus(status.Convert(err)); e != nil {
		return e.Reason
	}
	return ""
}
