package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
)

// Phones stands for the provider that sends short messages: linli posts to it
// what is to be sent, and the desk reads it there.
type Phones struct {
	server *http.Server
	url    string

	mu    sync.Mutex
	waits map[string]chan string // by phone
}

// message is what linli posts.
type message struct {
	Phone string `json:"phone"`
	Code  string `json:"code"`
}

// OpenPhones listens at an address, "127.0.0.1:0" for any on loopback, until Close.
func OpenPhones(address string) (*Phones, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for codes: %w", err)
	}
	p := &Phones{url: "http://" + l.Addr().String() + "/", waits: map[string]chan string{}}
	p.server = &http.Server{Handler: http.HandlerFunc(p.take), ReadHeaderTimeout: patience}
	go func() { _ = p.server.Serve(l) }() // ends with Close
	return p, nil
}

// URL is where linli is to post messages.
func (p *Phones) URL() string { return p.url }

// Close ends the listening.
func (p *Phones) Close() error {
	return errors.Join(p.server.Shutdown(context.Background()), p.server.Close())
}

func (p *Phones) expect(phone string) <-chan string {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := make(chan string, 1)
	p.waits[phone] = c
	return c
}

func (p *Phones) take(w http.ResponseWriter, r *http.Request) {
	var m message
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&m); err != nil {
		http.Error(w, "no message", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.waits[m.Phone]; c != nil {
		delete(p.waits, m.Phone)
		c <- m.Code
	}
}
