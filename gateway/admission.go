package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/linli-project/linli/pkg/admit"
	"github.com/linli-project/linli/pkg/clock"
)

// admission stands before everything: it knows the method and the path, and
// has parsed nothing. What it lets in is as much as the machine carries; the
// rest is told at once to come again. While a call waits for its caller, to send
// the body or to take the answer, it keeps nobody out.
type admission struct {
	next    http.Handler
	gates   admit.Gates
	bytes   *admit.Budget
	wall    clock.Clock
	refusal refusals
}

const (
	// readAhead is how much of a body is taken in before the call enters a gate:
	// all of a usual one, the beginning of a file.
	readAhead = 256 << 10
	// leftBody is the most that is read of the body of a refused call, so that
	// the connection can go on. A larger one closes it.
	leftBody = 64 << 10
	// refusedPatience is how long the body of a refused call is waited for.
	refusedPatience = time.Second
	// An answer up to smallAnswer stays in the server's own buffer until its call
	// has left the gate. A larger one counts as answerShare while it is written outside its
	// gate.
	smallAnswer = 4 << 10
	answerShare = 512 << 10
)

func newAdmission(c Config, next http.Handler) *admission {
	l := c.Limits
	if l == (admit.Limits{}) {
		l = admit.Defaults(runtime.GOMAXPROCS(0))
	}
	a := &admission{next: next, gates: admit.NewGates(l, c.Wall).Behind(c.Knock), bytes: admit.NewBudget(l.Bytes), wall: c.Wall, refusal: newRefusals()}
	if c.Meter != nil {
		c.Meter.MustRegister(a.gates.Collector("gateway"))
	}
	return a
}

// classOf answers which gate a request goes through; none for what costs
// nothing. It looks at what a caller cannot hide; limits per caller: limits.go.
func classOf(r *http.Request) admit.Class {
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/")
	switch {
	case !ok:
		return ""
	case path == "changes":
		return admit.Stream
	case strings.HasSuffix(path, ":import"), strings.HasSuffix(path, ":invite"), strings.HasSuffix(path, "/csv"), strings.HasSuffix(path, "/xlsx"), strings.HasSuffix(path, "/selection"), isFile(r, path):
		return admit.Bulk
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		return admit.Read
	}
	return admit.Write
}

func (a *admission) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	class := classOf(r)
	gate := a.gates[class]
	if gate != nil && gate.Refuses() {
		a.refuse(w, r)
		return
	}
	out := &answer{ResponseWriter: w, control: http.NewResponseController(w), clock: waiting{wall: a.wall}, bytes: a.bytes}
	if gate == nil {
		a.next.ServeHTTP(out, r)
		return
	}
	held, ok := a.receive(out, r)
	defer a.bytes.Give(held)
	if !ok {
		return
	}
	switch err := gate.Enter(r.Context()); {
	case errors.Is(err, admit.ErrBusy):
		a.refuse(out, r)
		return
	case err != nil: // the caller went while it waited
		writeProblem(out, r, problem{Status: http.StatusServiceUnavailable, Reason: "UNAVAILABLE"})
		return
	}
	if class == admit.Stream {
		// It begins to answer at once, stays in its gate, and times its own writes.
		defer gate.Leave()
		a.next.ServeHTTP(w, r)
		return
	}
	out.gate = gate
	defer out.leave()
	a.next.ServeHTTP(out, r)
}

// receive takes the body in, as far as it is read ahead, and answers how many
// bytes that holds. When it is not ok the caller has its answer.
func (a *admission) receive(w *answer, r *http.Request) (held int64, ok bool) {
	if r.ContentLength == 0 {
		return 0, true
	}
	ahead := int64(readAhead)
	if r.ContentLength > 0 {
		ahead = min(ahead, r.ContentLength)
	}
	if !a.bytes.Take(ahead) {
		a.refuse(w, r)
		return 0, false
	}
	body := &paced{ReadCloser: r.Body, control: w.control, clock: waiting{wall: a.wall}}
	beginning := make([]byte, ahead)
	n, err := io.ReadFull(body, beginning)
	whole := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && r.ContentLength < 0
	if err != nil && !whole {
		w.Header().Set("Connection", "close") // what is left of it is no next request
		writeProblem(w, r, *bodyProblem(err))
		return ahead, false
	}
	if whole || int64(n) == r.ContentLength {
		body.end()
		r.Body = io.NopCloser(bytes.NewReader(beginning[:n]))
		return ahead, true
	}
	r.Body = continued{io.MultiReader(bytes.NewReader(beginning), body), body}
	return ahead, true
}

// continued is a body whose beginning was read already.
type continued struct {
	io.Reader
	io.Closer
}

// refuse answers that there is no room, in the caller's language. The
// connection is kept, unless what is left of the body would have to be waited
// for.
func (a *admission) refuse(w http.ResponseWriter, r *http.Request) {
	control, now := http.NewResponseController(w), a.wall.Now()
	// Deadlines fail only where there is no connection, in a test.
	_ = control.SetWriteDeadline(now.Add(patience))
	switch n := r.ContentLength; {
	case n < 0 || n > leftBody:
		w.Header().Set("Connection", "close")
	case n > 0:
		_ = control.SetReadDeadline(now.Add(refusedPatience))
	}
	a.refusal.write(w, r)
}

// answer is the way back. A call leaves the gate with the first bytes that may
// wait for its caller, who has a limited time to take them.
type answer struct {
	http.ResponseWriter
	control *http.ResponseController
	clock   waiting
	bytes   *admit.Budget
	gate    *admit.Gate // nil: in none, or out of it
	held    int64       // bytes of the budget
	wrote   int
}

func (w *answer) Write(p []byte) (int, error) {
	w.wrote += len(p)
	if w.gate != nil && w.wrote > smallAnswer && w.bytes.Take(answerShare) {
		// From here on it may wait for its caller. Where the budget cannot bear
		// one more that does, the call keeps its place and others wait for it.
		w.held = answerShare
		w.gate.Leave()
		w.gate = nil
	}
	began := w.clock.wall.Now()
	_ = w.control.SetWriteDeadline(w.clock.until(began)) // fails where there is no connection
	n, err := w.ResponseWriter.Write(p)
	w.clock.passed(began, n)
	return n, err
}

// leave ends what the call still holds.
func (w *answer) leave() {
	if w.gate != nil {
		w.gate.Leave()
		w.gate = nil
	}
	w.bytes.Give(w.held)
	w.held = 0
}

// Unwrap is for http.ResponseController.
func (w *answer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
