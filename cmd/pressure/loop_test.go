package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/linli-project/linli/pkg/clock"
)

func TestParse_KnowsWhereAnAnswerEnds(t *testing.T) {
	t.Parallel()
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n1f\r\n0123456789012345678901234567\r\n0\r\n0\r\n\r\n"
	for text, want := range map[string]reply{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello":                                 {status: 200, body: []byte("hello")},
		"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n":          {status: 404, closes: true},
		"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\nContent-Length: 2\r\n\r\n{}":   {status: 429, retryAfter: true, body: []byte("{}")},
		"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\nRetry-After: 1\r\n\r\nno": {status: 0},
		chunked: {status: 200, body: []byte(chunked[strings.Index(chunked, "1\r\nx"):])},
	} {
		for n := range len(text) {
			if _, whole, err := parse([]byte(text[:n])); whole || err != nil {
				t.Errorf("%q is taken for whole: %v", text[:n], err)
			}
		}
		got, whole, err := parse([]byte(text))
		if whole != (want.status > 0) || err != nil {
			t.Errorf("%q: whole is %t, %v", text, whole, err)
		}
		if whole && (got.String() != want.String() || got.closes != want.closes || got.retryAfter != want.retryAfter) {
			t.Errorf("%q: %+v", text, got)
		}
	}
	for _, text := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", "HTTP/1.1 200 OK\r\n\r\n", "no\r\n\r\n"} {
		if _, whole, err := parse([]byte(text)); err == nil || whole {
			t.Errorf("%q is taken for an answer", text)
		}
	}
}

// other is a server that answers as linli does, and is not linli. It refuses every
// third call, closes after every tenth, and answers lists in parts.
func other(t *testing.T) (*load, *atomic.Int64) {
	t.Helper()
	calls := &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		n := calls.Add(1)
		if n%10 == 0 {
			w.Header().Set("Connection", "close")
		}
		switch {
		case n%3 == 0:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		case r.Method == http.MethodPost:
			fmt.Fprintf(w, `{"id":"req_%d"}`, n)
		case r.URL.Query().Has("pageSize"):
			_, _ = w.Write(make([]byte, 1000))
			w.(http.Flusher).Flush()
			_, _ = w.Write(make([]byte, 100_000))
		default:
			fmt.Fprint(w, "{}")
		}
	}))
	t.Cleanup(s.Close)
	l := newLoad(strings.TrimPrefix(s.URL, "http://"))
	l.gets = [][]byte{getRequest("req_1"), getRequest("req_2")}
	return l, calls
}

// judge wants every call to be counted once.
func (t *tally) judge(l *load, calls int64) error {
	sent := len(t.admitted) + len(t.refused)
	if sent == 0 || sent != t.offered-t.unsent || int64(sent) != calls || uint64(sent) != l.calls || len(t.late) != sent {
		return fmt.Errorf("%d answers to %d calls (%d offered, %d not sent, %d served)", sent, l.calls, t.offered, t.unsent, calls)
	}
	if t.broken+t.odd+t.withoutRetry > 0 || len(t.refused) != sent/3 || len(t.created) < sent/10 {
		return fmt.Errorf("%d broken, %d odd: %s; %d of %d refused, %d created", t.broken, t.odd, t.firstOdd, len(t.refused), sent, len(t.created))
	}
	return nil
}

func TestLoad_EveryCallHasItsAnswer(t *testing.T) {
	t.Parallel()
	l, calls := other(t)
	closed, err := l.closed(t.Context(), 8, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.judge(l, calls.Load()); err != nil {
		t.Errorf("closed: %v", err)
	}
	l.calls = 0
	calls.Store(0)
	offered, err := l.offer(t.Context(), 8, 500, 200*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if err := offered.judge(l, calls.Load()); err != nil {
		t.Errorf("offered: %v", err)
	}
	if offered.offered > 100 {
		t.Errorf("%d were offered in a fifth of a second at 500 a second", offered.offered)
	}
}

// TestLoad_WhatFindsNoConnectionIsCountedAsUnsent: the server answers nobody until
// all is offered.
func TestLoad_WhatFindsNoConnectionIsCountedAsUnsent(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-ended
		fmt.Fprint(w, "{}")
	}))
	defer s.Close()
	l := newLoad(strings.TrimPrefix(s.URL, "http://"))
	l.gets = [][]byte{getRequest("req_1")}
	const lasts = 50 * time.Millisecond
	began, over := clock.Wall().Now(), sync.OnceFunc(func() { close(ended) })
	l.wall = clock.Func(func() time.Time {
		now := clock.Wall().Now()
		if now.Sub(began) > 2*lasts {
			over()
		}
		return now
	})
	got, err := l.offer(t.Context(), 4, 1000, lasts)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.admitted) != 4 || got.unsent != got.offered-4 || at(got.admitted, 0) < 40 {
		t.Errorf("%d answered of %d, %d unsent; the quickest took %.0f ms", len(got.admitted), got.offered, got.unsent, at(got.admitted, 0))
	}
}

// TestLoad_LatenessCounts: a call that the driver itself sends late took longer.
func TestLoad_LatenessCounts(t *testing.T) {
	t.Parallel()
	l, _ := other(t)
	looks := 0
	l.wall = clock.Func(func() time.Time {
		looks++
		return time.Unix(0, 0).Add(time.Duration(looks) * 10 * time.Millisecond) // each look is 10 ms later
	})
	got, err := l.offer(t.Context(), 2, 50, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.admitted); n == 0 || at(got.late, 1) < 10 || at(got.admitted, 0) <= at(got.late, 0) {
		t.Errorf("%d admitted, late %.0f to %.0f ms, answered within %.0f", n, at(got.late, 0), at(got.late, 1), at(got.admitted, 0))
	}
}
