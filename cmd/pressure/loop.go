package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// patience is how long answers are waited for once no more is sent.
	patience = 30 * time.Second
	// largestAnswer is more than one of the mix is.
	largestAnswer = 256 << 10
	atOnce        = 256 // answers that are taken before what is due is looked at again
)

// loop makes the calls of a load over many connections from one thread: a write
// and a read of the kernel a call, and nothing else that costs. The driver
// shares the machine with what it measures, and what it takes to send ten times
// the load must fit into one core.
type loop struct {
	load  *load
	to    unix.Sockaddr
	epoll int
	lines []line
	free  ring
	began time.Time
	tally *tally
	buf   []byte
	// again has a line call anew as soon as it is answered, until the loop closes.
	again bool
}

// line is one connection with at most one call under way.
type line struct {
	fd      int // -1: to be connected
	busy    bool
	what    kind
	due     int64  // microseconds since the loop began
	partial []byte // of an answer that has not come whole
}

// ring has room for each line once: who was free first is used first.
type ring struct {
	lines       []int32
	first, size int
}

func (r *ring) push(i int32) {
	r.lines[(r.first+r.size)%len(r.lines)] = i
	r.size++
}

func (r *ring) pop() int32 {
	i := r.lines[r.first]
	r.first = (r.first + 1) % len(r.lines)
	r.size--
	return i
}

// offer sends rate calls a second for a time, whatever becomes of those before.
// A call that finds no connection free when its turn comes is counted as unsent.
func (l *load) offer(ctx context.Context, connections int, rate float64, lasts time.Duration) (t *tally, err error) {
	p, err := l.loop(connections)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	p.tally.late = make([]uint32, 0, int(rate*lasts.Seconds())+1)
	for ctx.Err() == nil {
		now := p.now()
		if now >= lasts.Microseconds() {
			break
		}
		for due := int(rate * float64(now) / 1e6); p.tally.offered < due; p.tally.offered++ {
			if p.free.size == 0 {
				p.tally.unsent++
				continue
			}
			p.send(p.free.pop(), int64(float64(p.tally.offered)/rate*1e6))
		}
		if err := p.answers(time.Millisecond); err != nil {
			return nil, err
		}
	}
	return p.end(ctx)
}

// closed has so many connections call as fast as they are answered.
func (l *load) closed(ctx context.Context, connections int, lasts time.Duration) (t *tally, err error) {
	p, err := l.loop(connections)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	p.again = true
	for now := p.now(); now < lasts.Microseconds() && ctx.Err() == nil; now = p.now() {
		for p.free.size > 0 {
			p.tally.offered++
			p.send(p.free.pop(), now)
		}
		if err := p.answers(time.Millisecond); err != nil {
			return nil, err
		}
	}
	p.again = false
	return p.end(ctx)
}

// loop connects.
func (l *load) loop(connections int) (*loop, error) {
	to, err := sockaddr(l.address)
	if err != nil {
		return nil, err
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll: %w", err)
	}
	p := &loop{load: l, to: to, epoll: epoll, lines: make([]line, connections), tally: &tally{}, buf: make([]byte, largestAnswer),
		free: ring{lines: make([]int32, connections)}}
	for i := range p.lines {
		p.lines[i].fd = -1
	}
	for i := range p.lines {
		if err := p.connect(int32(i)); err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.free.push(int32(i))
	}
	p.began = l.wall.Now()
	return p, nil
}

func (p *loop) now() int64 { return p.load.wall.Now().Sub(p.began).Microseconds() }

func (p *loop) connect(i int32) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("make a socket: %w", err)
	}
	p.lines[i].fd = fd
	err = errors.Join(unix.Connect(fd, p.to), unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1), unix.SetNonblock(fd, true),
		unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff, Fd: i}))
	if err != nil {
		p.hangUp(i)
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}

func (p *loop) hangUp(i int32) {
	if c := &p.lines[i]; c.fd >= 0 {
		_ = unix.Close(c.fd) // leaves the epoll with it
		c.fd, c.partial = -1, c.partial[:0]
	}
}

// send makes the next call of the mix over a free line.
func (p *loop) send(i int32, due int64) {
	c := &p.lines[i]
	if c.fd < 0 {
		if err := p.connect(i); err != nil {
			p.broken(i, err)
			return
		}
	}
	var message []byte
	message, c.what = p.load.next()
	c.due, c.busy = due, true
	p.tally.late = append(p.tally.late, uint32(max(0, p.now()-due)))
	// One message is far less than a socket holds.
	if n, err := unix.Write(c.fd, message); err != nil || n < len(message) {
		p.broken(i, errors.Join(fmt.Errorf("sent %d of %d bytes", n, len(message)), err))
	}
}

// broken gives up the call of a line, and its connection.
func (p *loop) broken(i int32, err error) {
	p.tally.broken++
	p.tally.say(err.Error())
	p.hangUp(i)
	p.lines[i].busy = false
	p.free.push(i)
}

// answers takes those that have come, and waits for the first for a while.
func (p *loop) answers(wait time.Duration) error {
	runtime.Gosched() // others of this program have their turn
	var events [atOnce]unix.EpollEvent
	n, err := unix.EpollWait(p.epoll, events[:], int(wait.Milliseconds()))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for answers: %w", err)
	}
	for _, e := range events[:max(n, 0)] {
		p.answer(e.Fd)
	}
	return nil
}

// answer reads what a line has. Nothing more is there when less came than was
// asked for; what comes later is told again.
func (p *loop) answer(i int32) {
	c := &p.lines[i]
	if c.fd < 0 {
		return
	}
	n, err := unix.Read(c.fd, p.buf)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return
	case (err != nil || n <= 0) && !c.busy:
		p.hangUp(i) // it was idle for too long
		return
	case err != nil || n <= 0:
		p.broken(i, errors.Join(errors.New("the connection ended before the answer"), err))
		return
	}
	text := p.buf[:n]
	if len(c.partial) > 0 {
		c.partial = append(c.partial, text...)
		text = c.partial
	}
	r, whole, err := parse(text)
	switch {
	case err != nil || !c.busy:
		p.broken(i, errors.Join(errors.New("no answer to the call"), err))
		return
	case !whole:
		c.partial = append(c.partial[:0], text...)
		return
	}
	p.answered(i, r)
}

// answered counts, and frees the line or calls again.
func (p *loop) answered(i int32, r reply) {
	c := &p.lines[i]
	now := p.now()
	p.tally.count(r, uint32(now-c.due), c.what)
	c.partial, c.busy = c.partial[:0], false
	if r.closes {
		p.hangUp(i)
	}
	if p.again {
		p.tally.offered++
		p.send(i, now)
		return
	}
	p.free.push(i)
}

// end waits for the answers that are still to come.
func (p *loop) end(ctx context.Context) (*tally, error) {
	now := p.now()
	p.tally.took = time.Duration(now) * time.Microsecond
	for until := now + patience.Microseconds(); p.free.size < len(p.lines) && p.now() < until && ctx.Err() == nil; {
		if err := p.answers(time.Millisecond); err != nil {
			return nil, err
		}
	}
	if silent := len(p.lines) - p.free.size; silent > 0 {
		p.tally.broken += silent
		p.tally.say(fmt.Sprintf("no answer within %s", patience))
	}
	return p.tally, ctx.Err()
}

func (p *loop) close() error {
	for i := range p.lines {
		p.hangUp(int32(i))
	}
	if err := unix.Close(p.epoll); err != nil {
		return fmt.Errorf("close the epoll: %w", err)
	}
	return nil
}
