package gateway

import (
	"container/list"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	headerPatience = 10 * time.Second
	largestHeader  = 32 << 10
	idlePatience   = 2 * time.Minute
	// longestCall ends what no other limit ended. Each answer and each body is
	// paced by itself; streams time their own writes.
	longestCall = 15 * time.Minute
	// streamsPerConnection of HTTP/2, which is spoken over TLS: what a browser
	// asks for at once.
	streamsPerConnection = 100
)

// NewServer makes the HTTP server of a handler. At most so many connections stay
// open: a new one beyond that closes the one that has been idle longest, so that
// callers who hold connections and say nothing keep nobody out.
func NewServer(handler http.Handler, connections int, log *slog.Logger) *http.Server {
	open := &connectionList{most: connections, idle: list.New(), at: map[net.Conn]*list.Element{}, cut: map[net.Conn]struct{}{}}
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: headerPatience, WriteTimeout: longestCall, IdleTimeout: idlePatience,
		HTTP2:          &http.HTTP2Config{MaxConcurrentStreams: streamsPerConnection, MaxReadFrameSize: 1 << 20},
		MaxHeaderBytes: largestHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), ConnState: open.changed,
	}
}

// connectionList knows the open connections, and which of them are idle.
type connectionList struct {
	most int

	mu   sync.Mutex
	open int
	idle *list.List // of net.Conn, longest idle first
	at   map[net.Conn]*list.Element
	cut  map[net.Conn]struct{} // closed here, and no longer counted
}

// changed is called by the server when a connection enters a state. A new one
// has sent nothing yet: it is idle too.
func (c *connectionList) changed(conn net.Conn, state http.ConnState) {
	if surplus := c.note(conn, state); surplus != nil {
		_ = surplus.Close() // its goroutine notices, and notes it as closed
	}
}

// note answers a connection that is to be closed, or nil.
func (c *connectionList) note(conn net.Conn, state http.ConnState) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open++
		c.at[conn] = c.idle.PushBack(conn)
	case http.StateIdle:
		c.at[conn] = c.idle.PushBack(conn)
		return nil
	case http.StateActive:
		c.busy(conn)
		return nil
	case http.StateClosed, http.StateHijacked:
		c.busy(conn)
		if _, ours := c.cut[conn]; ours {
			delete(c.cut, conn)
			return nil
		}
		c.open--
		return nil
	}
	if c.open <= c.most {
		return nil
	}
	longest := c.idle.Remove(c.idle.Front()).(net.Conn)
	delete(c.at, longest)
	c.cut[longest] = struct{}{}
	c.open--
	return longest
}

// busy takes a connection off the idle ones.
func (c *connectionList) busy(conn net.Conn) {
	if e := c.at[conn]; e != nil {
		c.idle.Remove(e)
		delete(c.at, conn)
	}
}
