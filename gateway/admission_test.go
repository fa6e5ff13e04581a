package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
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
	a := newAdmission(l, wall, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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

func TestClassOf_EveryKindHasAGateOfItsOwn(t *testing.T) {
	for line, want := range map[string]admit.Class{
		"GET /healthz": "", "GET /metrics": "", "GET /docs/": "", "GET /": "",
		"GET /v1/requests/req_1": admit.Read, "HEAD /v1/requests/req_1": admit.Read,
		"POST /v1/requests": admit.Write, "DELETE /v1/members/mem_1": admit.Write,
		"POST /v1/organizations:import": admit.Bulk, "POST /v1/organizations/1/rosters:import": admit.Bulk,
		"GET /v1/letters/let_1/xlsx": admit.Bulk, "GET /v1/ledgerExports/x/csv": admit.Bulk, "GET /v1/calls/cal_1/selection": admit.Bulk,
		"GET /v1/changes": admit.Stream,
	} {
		method, path, _ := strings.Cut(line, " ")
		r, err := http.NewRequestWithContext(t.Context(), method, path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if got := classOf(r); got != want {
			t.Errorf("%s goes through %q, want %q", line, got, want)
		}
	}
}

// TestAdmission_RefusesAtOnceAndKeepsTheConnection: the same connection is
// refused, refused with a body, let in by another class, and let in once there
// is room.
func TestAdmission_RefusesAtOnceAndKeepsTheConnection(t *testing.T) {
	h := newHolding()
	p := newPlace(t, clock.Wall(), h.ServeHTTP)
	reads, writes := dial(t, p.address), dial(t, p.address)
	reads.get("/v1/a?hold")
	<-h.inside
	writes.head("POST /v1/a?hold", "Content-Length: 2")
	writes.send("in")
	<-h.inside

	c := dial(t, p.address)
	for language, text := range map[string]string{"zh-CN": "当前请求过多", "en": "too many requests"} {
		c.head("GET /v1/b", "Accept-Language: "+language)
		status, header, body := c.answered()
		if status != http.StatusTooManyRequests || header.Get("Retry-After") == "" || header.Get("Content-Type") != "application/problem+json" ||
			!strings.Contains(body, text) || !strings.Contains(body, `"reason":"OVERLOADED"`) || header.Get("X-Content-Type-Options") == "" {
			t.Errorf("%s: %d %v %s", language, status, header, body)
		}
	}
	c.head("POST /v1/b", "Content-Length: 5")
	c.send("hello")
	c.expect("a write", http.StatusTooManyRequests)
	c.get("/healthz")
	c.expect("health", http.StatusOK)
	if n := p.served.Load(); n != 3 { // the two that are held, and health
		t.Errorf("%d calls got through", n)
	}
	close(h.release)
	reads.expect("the read that was let in", http.StatusOK)
	writes.expect("the write that was let in", http.StatusOK)
	c.head("POST /v1/b", "Content-Length: 5")
	c.send("hello")
	if status, _, body := c.answered(); status != http.StatusOK || body != "hello" {
		t.Errorf("once there is room: %d %s", status, body)
	}
}

// TestAdmission_DoesNotWaitForTheBodyOfARefusedCall: the answer is there before
// the body, which never comes.
func TestAdmission_DoesNotWaitForTheBodyOfARefusedCall(t *testing.T) {
	h := newHolding()
	p := newPlace(t, clock.Wall(), h.ServeHTTP)
	first := dial(t, p.address)
	first.head("POST /v1/a?hold", "Content-Length: 2")
	first.send("in")
	<-h.inside
	for _, length := range []string{"Content-Length: 900000", "Transfer-Encoding: chunked"} {
		c := dial(t, p.address)
		c.head("POST /v1/b", length)
		status, header, _ := c.answered()
		if status != http.StatusTooManyRequests || header.Get("Connection") != "close" {
			t.Errorf("%s: %d %v", length, status, header)
		}
	}
	close(h.release)
	first.expect("the call that was let in", http.StatusOK)
}

// TestAdmission_ABodyThatTricklesKeepsNobodyOut: until it has come, its call is
// in no gate.
func TestAdmission_ABodyThatTricklesKeepsNobodyOut(t *testing.T) {
	p := newPlace(t, clock.Wall(), newHolding().ServeHTTP)
	for _, path := range []string{"/v1/a", "/v1/organizations:import"} {
		slow := dial(t, p.address)
		slow.head("POST "+path, "Content-Length: 8", "Expect: 100-continue")
		if status, _, _ := slow.answered(); status != http.StatusContinue { // it is being waited for
			t.Fatalf("%s: %d", path, status)
		}
		slow.send("slow")
		quick := dial(t, p.address)
		quick.head("POST "+path, "Content-Length: 5")
		quick.send("hello")
		quick.expect("beside the slow one", http.StatusOK)
		slow.send("poke")
		slow.expect("the slow one", http.StatusOK)
	}
}

func TestAdmission_ABodyThatStopsIsCutOff(t *testing.T) {
	p := newPlace(t, impatient(), newHolding().ServeHTTP)
	for _, path := range []string{"/v1/a", "/v1/organizations:import"} {
		slow := dial(t, p.address)
		slow.head("POST "+path, "Content-Length: 100", "Accept-Language: en")
		slow.send("the beginning")
		status, header, body := slow.answered()
		if status != http.StatusRequestTimeout || header.Get("Connection") != "close" || !strings.Contains(body, `"reason":"BODY_TOO_SLOW"`) {
			t.Errorf("%s: %d %v %s", path, status, header, body)
		}
		slow.ended("after it was cut off")
	}
	if n := p.served.Load(); n != 0 {
		t.Errorf("%d calls got through", n)
	}
	if p.bytes.Left() != 8<<20 {
		t.Errorf("bytes were not given back: %d left", p.bytes.Left())
	}
}

// TestAdmission_ALongBodyThatStopsIsCutOff: it is in its gate by then, and
// leaves it.
func TestAdmission_ALongBodyThatStopsIsCutOff(t *testing.T) {
	read := make(chan error, 1)
	p := newPlace(t, impatient(), func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		read <- err
		writeProblem(w, r, *bodyProblem(err))
	})
	c := dial(t, p.address)
	c.head("POST /v1/organizations:import", fmt.Sprint("Content-Length: ", 10*readAhead))
	c.send(strings.Repeat("x", 2*readAhead))
	c.expect("a body that stops", http.StatusRequestTimeout)
	if err := <-read; err == nil {
		t.Error("the handler took it for whole")
	}
	c.ended("after it was cut off")
	if err := p.gates[admit.Bulk].Enter(t.Context()); err != nil {
		t.Errorf("its place: %v", err)
	}
}

// TestAdmission_BodiesBeyondTheBudgetAreRefused: what is held in memory is
// bounded however many are let in.
func TestAdmission_BodiesBeyondTheBudgetAreRefused(t *testing.T) {
	h := newHolding()
	p := newPlace(t, clock.Wall(), h.ServeHTTP)
	if !p.bytes.Take(8<<20 - 3) {
		t.Fatal("the budget is not whole")
	}
	c := dial(t, p.address)
	c.head("POST /v1/a", "Content-Length: 5")
	c.send("hello")
	c.expect("more than is left", http.StatusTooManyRequests)
	c.head("POST /v1/a", "Content-Length: 3")
	c.send("hey")
	c.expect("as much as is left", http.StatusOK)
}

// deaf gets a large answer and does not read it.
func (p *place) deaf(t *testing.T) *wire {
	t.Helper()
	c := dial(t, p.address)
	c.get("/v1/large")
	if _, err := c.reader.Peek(1); err != nil { // it is being written
		t.Fatal(err)
	}
	return c
}

func largeAnswers(gaveUp chan<- error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/large" {
			_, err := w.Write(make([]byte, 64<<20)) // far more than the sockets hold
			gaveUp <- err
		}
	}
}

// TestAdmission_WhoDoesNotReadKeepsNobodyOut: an answer that waits for its
// reader is out of its gate. Where the budget cannot bear it, it keeps its place:
// what waits is bounded either way.
func TestAdmission_WhoDoesNotReadKeepsNobodyOut(t *testing.T) {
	gaveUp := make(chan error, 1)
	p := newPlace(t, clock.Wall(), largeAnswers(gaveUp))
	for room, want := range map[int64]int{0: http.StatusTooManyRequests, 8 << 20: http.StatusOK} {
		if !p.bytes.Take(8<<20 - room) {
			t.Fatal("the budget is not whole")
		}
		deaf, other := p.deaf(t), dial(t, p.address)
		other.get("/v1/small")
		other.expect("beside who does not read", want)
		_ = deaf.Close()
		if err := <-gaveUp; err == nil {
			t.Error("the answer was written to nobody")
		}
		for p.bytes.Left() < room || p.gates[admit.Read].Counts().Under > 0 {
			runtime.Gosched() // the handler returns
		}
		p.bytes.Give(8<<20 - room)
	}
}

func TestAdmission_AnAnswerThatNobodyReadsIsGivenUp(t *testing.T) {
	gaveUp := make(chan error, 1)
	p := newPlace(t, impatient(), largeAnswers(gaveUp))
	deaf := p.deaf(t)
	if err := <-gaveUp; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it ended with %v", err)
	}
	deaf.ended("after it was given up")
}

// TestAdmission_WhoVanishesGivesThePlaceBack: the handler is told by its
// context.
func TestAdmission_WhoVanishesGivesThePlaceBack(t *testing.T) {
	inside, told := make(chan struct{}), make(chan error, 1)
	p := newPlace(t, clock.Wall(), func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			return
		}
		close(inside)
		<-r.Context().Done()
		told <- r.Context().Err()
	})
	c := dial(t, p.address)
	c.head("POST /v1/a", "Content-Length: 5")
	c.send("hello")
	<-inside
	_ = c.Close()
	if err := <-told; !errors.Is(err, context.Canceled) {
		t.Errorf("it was told %v", err)
	}
	for p.gates[admit.Write].Counts().Under > 0 {
		runtime.Gosched() // the handler returns
	}
}

// TestNewServer_TheLongestIdleMakesRoom: many who hold connections and say
// nothing keep nobody out, and who is being answered is not cut.
func TestNewServer_TheLongestIdleMakesRoom(t *testing.T) {
	h := newHolding()
	address := listenWith(t, NewServer(h, 3, slog.New(slog.DiscardHandler)))
	busy := dial(t, address)
	busy.get("/?hold")
	<-h.inside
	var idle []*wire
	for range 2 {
		c := dial(t, address)
		c.get("/")
		c.expect("before it idles", http.StatusOK)
		idle = append(idle, c)
	}
	for range 5 { // more than fit, one after the other
		c := dial(t, address)
		c.get("/")
		c.expect("a new connection", http.StatusOK)
	}
	for _, c := range idle {
		c.ended("the longest idle")
	}
	close(h.release)
	busy.expect("the busy one", http.StatusOK)
}
