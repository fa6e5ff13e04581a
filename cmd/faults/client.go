package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/linli-project/linli/cmd/signin"
)

const (
	answerPatience = 15 * time.Second
	retryAfter     = 10 * time.Millisecond
	// longestOutage ends a run: a call that is not answered for so long will
	// not be.
	longestOutage = 90 * time.Second
)

// place is where linli can be reached now; nowhere while it is down.
type place struct {
	mu   sync.Mutex
	base string
	up   chan struct{} // closed while there is a base
}

func newPlace() *place { return &place{up: make(chan struct{})} }

func (p *place) set(base string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.base == "" {
		close(p.up)
	}
	p.base = base
}

func (p *place) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.base != "" {
		p.up = make(chan struct{})
	}
	p.base = ""
}

// at waits until linli is somewhere.
func (p *place) at(ctx context.Context) (string, error) {
	for {
		p.mu.Lock()
		base, up := p.base, p.up
		p.mu.Unlock()
		if base != "" {
			return base, nil
		}
		select {
		case <-up:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// client calls linli as any program would, and sends a call again whose answer
// was lost or put off.
type client struct {
	place  *place
	http   *http.Client
	people *people // who call

	mu      sync.Mutex
	refused map[string]int // "503 UNAVAILABLE" and the like that were sent again
	repeats int
}

func newClient(p *place) *client {
	return &client{place: p, refused: map[string]int{}, http: &http.Client{Timeout: answerPatience,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
}

// write is one call that changes something. The key makes it one, however
// often it is sent.
type write struct {
	who                          signin.Person
	path, key, contentType, body string
}

// problem is an answer that is neither a success nor a reason to send again.
type problem struct {
	status       int
	reason, text string
	signIn       bool // it was the answer to a sign-in
}

// later says that it is right to send the call again.
func (p *problem) later() bool {
	return p.status == http.StatusTooManyRequests || p.status == http.StatusServiceUnavailable ||
		p.status == http.StatusGatewayTimeout || p.reason == "CONTENTION"
}

func (p *problem) Error() string { return fmt.Sprintf("%d %s: %s", p.status, p.reason, p.text) }

// send sends a write until it is answered, and gives the answer.
func (c *client) send(ctx context.Context, w write) ([]byte, error) {
	kind := w.contentType
	if kind == "" {
		kind = "application/json"
	}
	return c.insist(ctx, http.MethodPost, w.path, w.who, func(r *http.Request) {
		r.Header.Set("Content-Type", kind)
		if w.key != "" {
			r.Header.Set("Idempotency-Key", w.key)
		}
	}, []byte(w.body))
}

// get reads into out.
func (c *client) get(ctx context.Context, who signin.Person, path string, out any) error {
	text, err := c.insist(ctx, http.MethodGet, path, who, func(*http.Request) {}, nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("decode %s: %w", path, err)
	}
	return nil
}

func (c *client) insist(ctx context.Context, method, path string, who signin.Person, with func(*http.Request), body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, longestOutage)
	defer cancel()
	var last error
	for first := true; ; first = false {
		base, err := c.place.at(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s %s: linli stayed away: %w (last: %w)", method, path, err, last)
		}
		if !first {
			c.count("")
		}
		text, again, err := c.signedIn(ctx, who, func(token string) ([]byte, bool, error) {
			return c.once(ctx, method, base+path, token, with, body)
		})
		if err == nil || !again {
			return text, err
		}
		last = err
		if err := rest(ctx, retryAfter); err != nil {
			return nil, fmt.Errorf("%s %s: %w (last: %w)", method, path, err, last)
		}
	}
}

// signedIn sends a call as somebody. Who is refused because the clock moved signs
// in again; any other refusal of a token is linli's answer.
func (c *client) signedIn(ctx context.Context, who signin.Person, send func(token string) ([]byte, bool, error)) (text []byte, again bool, err error) {
	moves := c.people.moved()
	token, err := c.people.token(ctx, who, time.Minute)
	if err != nil {
		again, err := c.people.signInAgain(moves, err)
		return nil, again, err
	}
	text, again, err = send(token)
	if signedOut(err) {
		again = c.people.outdated(who, token)
	}
	return text, again, err
}

// once sends a call once; again says that it is right to send it again.
func (c *client) once(ctx context.Context, method, url, token string, with func(*http.Request), body []byte) (text []byte, again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept-Language", "en")
	with(req)
	reply, err := c.http.Do(req)
	if err != nil {
		return nil, true, err
	}
	defer reply.Body.Close()
	if text, err = io.ReadAll(reply.Body); err != nil {
		return nil, true, err
	}
	if reply.StatusCode == http.StatusOK {
		return text, false, nil
	}
	var said struct{ Reason, Detail string }
	if err := json.Unmarshal(text, &said); err != nil {
		said.Detail = string(text)
	}
	no := &problem{status: reply.StatusCode, reason: said.Reason, text: method + " " + url + ": " + said.Detail}
	if no.later() {
		c.count(fmt.Sprintf("%d %s", no.status, no.reason))
	}
	return nil, no.later(), no
}

func (c *client) count(refused string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if refused == "" {
		c.repeats++
		return
	}
	c.refused[refused]++
}

// refusals answers how many calls were put off so far.
func (c *client) refusals() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.refused {
		n += k
	}
	return n
}
