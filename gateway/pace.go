package gateway

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/linli-project/linli/pkg/clock"
)

const (
	// patience is what a caller may be waited for without moving anything; what
	// moves gives it back at slowest, in bytes a second.
	patience = 10 * time.Second
	slowest  = 16 << 10
)

// waiting is how much of its patience a caller has used up. What the house
// itself takes between two reads or writes is not the caller's.
type waiting struct {
	wall clock.Clock
	used time.Duration
}

// until answers when the patience ends, if the caller is waited for from now on.
func (w *waiting) until(now time.Time) time.Time { return now.Add(patience - w.used) }

// passed counts one wait, and what it brought.
func (w *waiting) passed(began time.Time, bytes int) {
	w.used += w.wall.Now().Sub(began) - time.Duration(bytes)*time.Second/slowest
	w.used = max(w.used, 0)
}

// paced is a body that must come in time: a caller that trickles is cut off,
// however long the body is.
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
