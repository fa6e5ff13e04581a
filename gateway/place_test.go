package gateway

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/linli-project/linli/pkg/admit"
	"github.com/linli-project/linli/pkg/clock"
)

// place is a server with room for one call of each class and nobody in the
// queue, so that who is in it keeps others out.
type place struct {
	address string
	served  atomic.Int64
	gates   admit.Gates
	bytes   *admit.Budget
}

// impatient is a clock that is behind, so that a caller's ten seconds are over
// after a tenth of one. What must happen before they are over needs clock.Wall.
func impatient() clock.Clock {
	return clock.Func(func() time.Time { return time.Now().Add(100*time.Millisecond - patience) })
}

func newPlace(t *testing.T, wall clock.Clock, handler http.HandlerFunc) *place {
	t.Helper()
	l := admit.Limits{Reads: 1, Writes: 1, Bulk: 1, Streams: 1, Wait: 10 * time.Millisecond, Bytes: 8 << 20, Connections: 10}
	p := &place{}
	a := newAdmission(Config{Limits: l, Wall: wall}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.served.Add(1)
		handler(w, r)
	}))
	a.gates[admit.Bulk] = admit.NewGate(admit.Size{Under: 1, Wait: l.Wait}, wall)
	p.gates, p.bytes = a.gates, a.bytes
	p.address = listenWith(t, NewServer(hardened(a), l.Connections, slog.New(slog.DiscardHandler)))
	return p
}

// listenWith serves until the test ends.
func listenWith(t *testing.T, s *http.Server) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// wire is one connection of a caller.
type wire struct {
	net.Conn
	t      *testing.T
	reader *bufio.Reader
}

func dial(t *testing.T, address string) *wire {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil { // a test that hangs says where
		t.Fatal(err)
	}
	return &wire{c, t, bufio.NewReader(c)}
}

func (w *wire) send(text string) {
	w.t.Helper()
	if _, err := io.WriteString(w.Conn, text); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wire) head(line string, header ...string) {
	w.t.Helper()
	w.send(line + " HTTP/1.1\r\nHost: x\r\n" + strings.Join(append(header, "\r\n"), "\r\n"))
}

func (w *wire) get(path string) { w.t.Helper(); w.head("GET "+path, "Accept-Language: en") }

// answered reads one answer.
func (w *wire) answered() (status int, header http.Header, body string) {
	w.t.Helper()
	r, err := http.ReadResponse(w.reader, nil)
	if err != nil {
		w.t.Fatalf("no answer: %v", err)
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Fatalf("half an answer: %v", err)
	}
	header = r.Header
	if r.Close {
		header.Set("Connection", "close")
	}
	return r.StatusCode, header, string(text)
}

func (w *wire) expect(what string, status int) {
	w.t.Helper()
	if got, _, body := w.answered(); got != status {
		w.t.Errorf("%s: %d %s, want %d", what, got, body, status)
	}
}

// ended waits until the server has closed the connection.
func (w *wire) ended(what string) {
	w.t.Helper()
	if n, err := io.Copy(io.Discard, w.reader); errors.Is(err, os.ErrDeadlineExceeded) {
		w.t.Errorf("%s: still open after %d bytes: %v", what, n, err)
	}
}

// holding is a handler that keeps the call in it until let go. It answers its
// callers' bodies.
type holding struct {
	inside  chan *http.Request
	release chan struct{}
}

func newHolding() holding {
	return holding{inside: make(chan *http.Request), release: make(chan struct{})}
}

func (h holding) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("hold") {
		h.inside <- r
		<-h.release
	}
	_, _ = io.Copy(w, r.Body)
}
