package idp

import (
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	// patience is how long the provider may take for one answer.
	patience = 10 * time.Second
	// mostAnswer bytes of an answer are read: descriptions, keys and tokens are
	// far smaller.
	mostAnswer = 1 << 20
)

// newClient makes the client that everything goes through: it waits for nobody
// long, reads no more than it should, follows no redirect, and speaks to nobody
// in the clear but on this machine.
func newClient() *http.Client {
	return &http.Client{
		Timeout: patience,
		Transport: bounded{&http.Transport{
			DialContext:         (&net.Dialer{Timeout: patience}).DialContext,
			TLSHandshakeTimeout: patience, ForceAttemptHTTP2: true,
			MaxConnsPerHost: 16, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if !secure(r.URL.String()) {
		return nil, errors.New("an address that is not https")
	}
	answer, err := b.next.RoundTrip(r)
	if err == nil {
		answer.Body = &limited{answer.Body, mostAnswer}
	}
	return answer, err
}

// limited fails beyond its limit, where io.LimitReader would end as if it were all.
type limited struct {
	io.ReadCloser
	left int
}

var errTooLong = errors.New("an answer that is too long")

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLong
	}
	n, err := l.ReadCloser.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}
