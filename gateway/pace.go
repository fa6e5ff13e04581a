package gateway

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/linli-project/linli/pkg/clock"
)

const (
	// patience is what a caller may be waited for in all in one request, and
	// slowest what it must move beyond that, in bytes a second.
	patience = 10 * time.Second
	slowest  = 16 << 10
)

// waiting is how long a caller has been waited for. What the house itself takes
// between two reads or writes is not the caller's.
type waiting struct {
	wall   clock.Clock
	waited time.Duration
	moved  int64
}

// until answers when the caller's patience ends, if it is waited for from now on.
func (w *waiting) until(now time.Time) time.Time {
	return now.Add(patience + time.Duration(w.moved)*time.Second/slowest - w.waited)
}

// passed counts one wait, and what it brought.
func (w *waiting) passed(began time.Time, bytes int) {
	w.waited += w.wall.Now().Sub(began)
	w.moved += int64(bytes)
}

// paced is a body that must come in time: a caller that trickles is cut off. The
// longer the body, the more time it has.
type paced struct {
	io.ReadCloser
	control *http.ResponseController
	clock   waiting
}

// Read answers os.ErrDeadlineExceeded when the caller took too long.
func (p *paced) Read(b []byte) (int, error) {
	began := p.clock.wall.Now()
	_ = p.control.SetReadDeadline(p.clock.until(began)) // fails where there is no connection
	n, err := p.ReadCloser.Read(b)
	p.clock.passed(began, n)
	if errors.Is(err, io.EOF) {
		p.end()
	}
	return n, err
}

// end takes the deadline away: from here on the server listens whether the
// caller is still there. After any other end it stays, so that nobody waits for
// what is left of the body.
func (p *paced) end() { _ = p.control.SetReadDeadline(time.Time{}) }
