package rpc

import (
	"context"
	"math"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/admit"
	"github.com/linli-project/linli/pkg/rule"
)

// paced refuses who calls too often: a person by all of its calls, and an address
// that did not come through the gateway as the gateway would.
func paced(limits *admit.Callers, table rules, n network) elementFunc {
	return func(ctx context.Context, info callInfo, req any, next next) (any, error) {
		if limits == nil {
			return next(ctx, req)
		}
		call, option := access.From(ctx), table[info.method].access
		from, wait := n.originOf(ctx, info), time.Duration(0)
		if from.direct {
			wait = AddressMay(limits, from.address, option)
		}
		if wait == 0 && !from.inner {
			wait = limits.Person(call.Person, from.address, option.GetCostly())
		}
		if wait > 0 {
			return nil, tooMany(wait)
		}
		reply, err := next(ctx, req)
		if from.direct && NeedsNobody(option) && WasWrong(codeOfError(err)) {
			limits.Guessed(from.address)
		}
		return reply, err
	}
}

// NeedsNobody says whether a method asks for no account: what opens it is in the
// request, and may be guessed.
func NeedsNobody(a *typev1.Access) bool {
	return (a.GetOpen() || a.GetAnonymous()) && !a.GetUnguessable()
}

// AddressMay charges a call of a method from an address, and answers 0 or how
// long to wait. A method that needs nobody and changes something begins a
// session or sends a code.
func AddressMay(limits *admit.Callers, address string, a *typev1.Access) time.Duration {
	if wait := limits.Address(address); wait > 0 {
		return wait
	}
	return NobodyMay(limits, address, a)
}

// NobodyMay is the part of AddressMay about methods that need nobody.
func NobodyMay(limits *admit.Callers, address string, a *typev1.Access) time.Duration {
	if !NeedsNobody(a) {
		return 0
	}
	if wait := limits.MayGuess(address); wait > 0 {
		return wait
	}
	if a.GetMutates() {
		return limits.SignIn(address)
	}
	return 0
}

// WasWrong says whether a code is that of a call whose request was wrong, and not
// of a house that could not answer.
func WasWrong(code codes.Code) bool {
	switch code {
	case codes.NotFound, codes.Unauthenticated, codes.PermissionDenied, codes.InvalidArgument, codes.FailedPrecondition, codes.AlreadyExists:
		return true
	}
	return false
}

// codeOfError is the code that an error of a method will have.
func codeOfError(err error) codes.Code {
	if err == nil {
		return codes.OK
	}
	return refusalOf(err, "").code
}

// slowDown is the error of a caller who is to wait.
type slowDown struct {
	refused *rule.Error
	wait    time.Duration
}

func (s slowDown) Error() string { return s.refused.Error() }
func (s slowDown) Unwrap() error { return s.refused }

func tooMany(wait time.Duration) error {
	return slowDown{rule.New(rule.Exhausted, "TOO_MANY_CALLS", "", "seconds", strconv.Itoa(Seconds(wait))), wait}
}

// Seconds is a time to wait in whole seconds, at least one.
func Seconds(wait time.Duration) int {
	const day = 24 * time.Hour
	return int(math.Ceil(min(max(wait, time.Second), day).Seconds()))
}

// withRetry tells a client of gRPC too how long to wait.
func withRetry(s *status.Status, wait time.Duration) *status.Status {
	if with, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)}); err == nil {
		return with
	}
	return s
}
