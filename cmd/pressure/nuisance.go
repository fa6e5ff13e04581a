package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// nuisance is a kind of caller that means no good. begin answers how it is
// ended, once all of it is there.
type nuisance struct {
	what  string
	begin func(ctx context.Context, address string) (end func(), err error)
}

func nuisances(o options) []nuisance {
	return []nuisance{
		{fmt.Sprintf("%d idle connections", o.idle), func(_ context.Context, address string) (func(), error) { return idle(address, o.idle) }},
		{fmt.Sprintf("%d streams of changes that nobody reads", o.readers), func(_ context.Context, address string) (func(), error) {
			return held(address, o.readers, request("GET", "/v1/changes", "", ""))
		}},
		{fmt.Sprintf("%d uploads of a byte a second", o.uploads), func(ctx context.Context, address string) (func(), error) {
			return trickle(ctx, address, o.uploads)
		}},
		{"200 callers a second that vanish", vanishing},
	}
}

// idle connections have asked once and say nothing more.
func idle(address string, n int) (func(), error) {
	wires := make([]*wire, 0, n)
	end := func() {
		for _, w := range wires {
			_ = w.conn.Close()
		}
	}
	message := request("GET", "/healthz", "", "")
	for range n {
		w, err := dial(address)
		if err != nil {
			return end, err
		}
		wires = append(wires, w)
		if r, err := w.call(message); err != nil || r.status != 200 {
			return end, errors.Join(fmt.Errorf("health answered %d", r.status), err)
		}
	}
	return end, nil
}

// held connections send and do not read what comes; what they take in is small.
func held(address string, n int, message []byte) (func(), error) {
	conns := make([]net.Conn, 0, n)
	end := func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}
	for range n {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return end, fmt.Errorf("connect: %w", err)
		}
		conns = append(conns, c)
		if err := c.(*net.TCPConn).SetReadBuffer(2048); err != nil {
			return end, fmt.Errorf("narrow a socket: %w", err)
		}
		if _, err := c.Write(message); err != nil {
			return end, fmt.Errorf("send: %w", err)
		}
	}
	return end, nil
}

// trickle begins uploads that are said to be long and come a byte a second.
func trickle(ctx context.Context, address string, n int) (func(), error) {
	ctx, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	end := func() { stop(); all.Wait() }
	head := fmt.Appendf(nil, "POST /v1/organizations:import HTTP/1.1\r\nHost: linli\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: text/csv\r\nContent-Length: 1000000\r\n\r\n", token())
	for range n {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return end, fmt.Errorf("connect: %w", err)
		}
		if _, err := c.Write(head); err != nil {
			return end, fmt.Errorf("send: %w", err)
		}
		all.Go(func() {
			defer func() { _ = c.Close() }()
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					if _, err := c.Write([]byte("x")); err != nil {
						return // it was cut off, as it should be
					}
				}
			}
		})
	}
	return end, nil
}

// vanishing callers send a create and are gone before it is answered.
func vanishing(ctx context.Context, address string) (func(), error) {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	message := createRequest()
	go func() {
		defer close(ended)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if c, err := net.Dial("tcp", address); err == nil {
					_ = c.(*net.TCPConn).SetLinger(0) // no farewell
					_, _ = c.Write(message)
					_ = c.Close()
				}
			}
		}
	}()
	return func() { stop(); <-ended }, nil
}
