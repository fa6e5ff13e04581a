package rpc

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/texts"
)

// Metadata keys of a call; REST sends them as headers of the same names.
const (
	HeaderAuthorization  = "authorization"
	HeaderIdempotencyKey = "idempotency-key"
	HeaderLanguage       = "accept-language"
	HeaderTraceParent    = "traceparent"
	HeaderCallID         = "x-call-id"
)

func serviceOf(method string) string {
	service, _, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	return service
}

func setHeader(ctx context.Context, key, value string) {
	// Fails only when headers were sent, and then the id is lost, not the call.
	_ = grpc.SetHeader(ctx, metadata.Pairs(key, value))
}

// sent is what a call came with under one key. Asking for all of it copies all.
func sent(ctx context.Context, key string) string {
	if v := metadata.ValueFromIncomingContext(ctx, key); len(v) > 0 {
		return v[0]
	}
	return ""
}

func header(md metadata.MD, key string) string {
	if v := md.Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

type elementFunc = func(context.Context, callInfo, any, next) (any, error)

func callID(mint ids.Source, n network) elementFunc {
	return func(ctx context.Context, info callInfo, req any, next next) (any, error) {
		from := n.originOf(ctx, info)
		call := access.Call{
			Address: from.address, Program: from.program,
			Method:         info.method,
			ID:             mint("call"),
			Language:       texts.Language(sent(ctx, HeaderLanguage)),
			IdempotencyKey: sent(ctx, HeaderIdempotencyKey),
			TraceParent:    sent(ctx, HeaderTraceParent),
		}
		info.setHeader(HeaderCallID, call.ID)
		return next(access.NewContext(ctx, call), req)
	}
}

// nobody begins a call of which nothing is kept: of what came with it only the
// language goes on.
func nobody() elementFunc {
	return func(ctx context.Context, info callInfo, req any, next next) (any, error) {
		call := access.Call{Method: info.method, Language: texts.Language(sent(ctx, HeaderLanguage))}
		ctx = metadata.NewIncomingContext(ctx, metadata.MD{})
		return next(access.NewContext(ctx, call), req)
	}
}

type metrics struct {
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight prometheus.Gauge
	// found are the figures of calls by method and code, looked up once.
	found sync.Map
}

// methodCode is what calls are counted by.
type methodCode struct {
	method string
	code   codes.Code
}

type counted struct {
	calls   prometheus.Counter
	seconds prometheus.Observer
}

// count counts one call.
func (m *metrics) count(method string, code codes.Code, took time.Duration) {
	at := methodCode{method, code}
	c, known := m.found.Load(at)
	if !known {
		c, _ = m.found.LoadOrStore(at, counted{m.calls.WithLabelValues(method, code.String()), m.seconds.WithLabelValues(method)})
	}
	c.(counted).calls.Inc()
	c.(counted).seconds.Observe(took.Seconds())
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "linli_calls_total", Help: "Calls by method and status code."}, []string{"method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "linli_call_seconds", Help: "Time of a call in seconds.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15)}, []string{"method"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "linli_calls_in_flight", Help: "Calls under way."}),
	}
	if r != nil {
		r.MustRegister(m.calls, m.seconds, m.inFlight)
	}
	return m
}

// observe writes one line and one count a call. It never sees what a request
// or reply holds.
func observe(log *slog.Logger, wall clock.Clock, m *metrics) elementFunc {
	return func(ctx context.Context, info callInfo, req any, next next) (any, error) {
		began := wall.Now()
		m.inFlight.Inc()
		defer m.inFlight.Dec()
		who := &caller{}
		reply, err := next(context.WithValue(ctx, callerKey{}, who), req)
		took := wall.Now().Sub(began)
		code := status.Code(err)
		m.count(info.method, code, took)
		level := levelOf(code)
		if !log.Enabled(ctx, level) {
			return reply, err
		}
		log.LogAttrs(ctx, level, "call",
			slog.String("method", info.method), slog.String("code", code.String()),
			slog.String("reason", reasonOf(err)), slog.Duration("took", took),
			slog.String("call_id", access.From(ctx).ID), slog.String("person", who.person),
			slog.String("traceparent", access.From(ctx).TraceParent))
		return reply, err
	}
}

// levelOf: what succeeded is for those who look for it.
func levelOf(code codes.Code) slog.Level {
	switch code {
	case codes.OK:
		return slog.LevelDebug
	case codes.Internal, codes.Unknown, codes.DataLoss:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// caller carries the person back out to the log line.
type caller struct{ person string }

type callerKey struct{}

func recovered(log *slog.Logger) elementFunc {
	return func(ctx context.Context, info callInfo, req any, next next) (reply any, err error) {
		defer func() {
			if r := recover(); r != nil {
				log.LogAttrs(ctx, slog.LevelError, "panic in a call", slog.String("method", info.method),
					slog.String("call_id", access.From(ctx).ID), slog.String("stack", string(debug.Stack())))
				err = errPanic
			}
		}()
		return next(ctx, req)
	}
}

// errPanic says nothing of the panic's value: it can hold a request.
var errPanic = errors.New("rpc: panic, see the log")

func deadline() elementFunc {
	return func(ctx context.Context, info callInfo, req any, next next) (any, error) {
		limit := unaryDeadline
		if info.stream {
			limit = streamDeadline
		}
		if at, ok := ctx.Deadline(); ok && time.Until(at) < limit {
			return next(ctx, req)
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return next(ctx, req)
	}
}

func authenticate(a access.Authenticator, table rules) elementFunc {
	return func(ctx context.Context, info callInfo, req any, next next) (any, error) {
		given := sent(ctx, HeaderAuthorization)
		scheme, token, _ := strings.Cut(given, " ")
		if !strings.EqualFold(scheme, "bearer") {
			token = ""
		}
		if given == "" && table[info.method].access.GetOpen() {
			return next(ctx, req) // as nobody
		}
		who, err := a.Authenticate(ctx, strings.TrimSpace(token))
		if err != nil {
			return nil, err
		}
		if c, ok := ctx.Value(callerKey{}).(*caller); ok {
			c.person = who.Person
		}
		call := access.From(ctx)
		call.Caller = who
		return next(access.NewContext(ctx, call), req)
	}
}

func authorize(table rules, dev bool) elementFunc {
	return func(ctx context.Context, _ callInfo, req any, next next) (any, error) {
		call, err := table.decide(ctx, access.From(ctx), dev, req)
		if err != nil {
			return nil, err
		}
		return next(access.NewContext(ctx, call), req)
	}
}

func validate(s *shapes) elementFunc {
	return func(ctx context.Context, info callInfo, req any, next next) (any, error) {
		if !info.stream {
			if err := s.check(req, access.From(ctx).Language); err != nil {
				return nil, err
			}
		}
		return next(ctx, req)
	}
}
