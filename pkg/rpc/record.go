package rpc

import (
	"context"
	"errors"
	"regexp"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/linli-project/linli/pkg/access"
)

// Recorder keeps refusals. It does not let the caller wait.
type Recorder interface {
	Refused(r access.Refusal)
}

// asked carries out to the record who called, and whether there is a line already.
type asked struct {
	call     access.Call
	recorded bool
}

type askedKey struct{}

// record hands on what was refused: to a caller who is not who he says, may not,
// asks for what he cannot see (which looks like what is not there), or asks too
// often. What was done is recorded in its commit.
func record(to map[string]Recorder, table rules) elementFunc {
	return func(ctx context.Context, info callInfo, req any, next next) (any, error) {
		who := &asked{call: access.From(ctx)}
		reply, err := next(context.WithValue(ctx, askedKey{}, who), req)
		if err == nil || !isRefusal(status.Code(err)) {
			return reply, err
		}
		if who.recorded {
			return reply, err
		}
		if r := recorderOf(to, table[info.method], req); r != nil {
			r.Refused(access.Refusal{Call: grantFor(who.call, table[info.method]), Reason: reasonOf(err), Row: rowOf(err)})
		}
		return reply, err
	}
}

// known tells the record who it is.
func known() elementFunc {
	return func(ctx context.Context, _ callInfo, req any, next next) (any, error) {
		who, ok := ctx.Value(askedKey{}).(*asked)
		if ok {
			who.call = access.From(ctx)
		}
		reply, err := next(ctx, req)
		if ok {
			who.recorded = errors.As(err, &access.Recorded{})
		}
		return reply, err
	}
}

func isRefusal(c codes.Code) bool {
	switch c {
	case codes.PermissionDenied, codes.Unauthenticated, codes.NotFound, codes.ResourceExhausted:
		return true
	}
	return false
}

// recorderOf answers that of the method's service, or of the one that the request
// names; what belongs to none of them goes to the one without a name.
func recorderOf(to map[string]Recorder, m methodRule, req any) Recorder {
	if m.service != nil {
		if r, ok := to[m.service.Name()]; ok {
			return r
		}
	}
	if asks, ok := req.(interface{ GetService() string }); ok {
		if r, ok := to[asks.GetService()]; ok {
			return r
		}
	}
	return to[""]
}

// grantFor has the call act under a grant that the method takes, else under the
// one that the caller has chosen: that is who was refused.
func grantFor(call access.Call, m methodRule) access.Call {
	if call.Rule = m.access; call.Acting().Role == 0 {
		call.Rule = nil
	}
	return call
}

// rowID is the form of ids: those that linli mints, and the numbers of
// organizations. A caller can ask for anything; a name or a phone number that
// somebody typed in the wrong place stays out of the audit.
var rowID = regexp.MustCompile(`^([a-z]{2,5}_[0-9a-f]{32}|[0-9]{1,9}|[0-9]{12})$`)

func rowOf(err error) string {
	e := FromStatus(status.Convert(err))
	if e == nil {
		return ""
	}
	for i := 0; i+1 < len(e.Params); i += 2 {
		if e.Params[i] == "id" && rowID.MatchString(e.Params[i+1]) {
			return e.Params[i+1]
		}
	}
	return ""
}
