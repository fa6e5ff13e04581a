package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/linli-project/linli/cmd/signin"
)

const (
	// startsWithin is how long a child may take until it answers; a folder that
	// the child of a program which was killed still holds is waited for.
	startsWithin = 30 * time.Second
	startAgain   = 100 * time.Millisecond
	// childMemory is what Go's heap of a child may take, unless the environment
	// says otherwise: what lives in it at any size of a city fits in well.
	childMemory = "256MiB"
)

// child is a linli that another program has started and that ends with it: its
// standard input is a pipe of the parent's, which the system closes whatever the
// parent dies of.
type child struct {
	cmd     *exec.Cmd
	input   io.Closer
	address string        // of REST
	code    string        // of the first link, if it printed one
	ended   chan struct{} // closed when it has ended
	err     error         // how; to be read after ended
}

// whileParent answers a context that ends with the standard input.
func whileParent(ctx context.Context, in io.Reader) context.Context {
	ctx, stop := context.WithCancelCause(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, in) // whatever ended it, it has ended
		stop(errors.New("the program that started linli has ended"))
	}()
	return ctx
}

// startChild starts `linli serve --dev` on a folder. What it says goes into the
// folder's log.
func startChild(ctx context.Context, folder string, clock time.Time) (*child, error) {
	deadline := time.NewTimer(startsWithin)
	defer deadline.Stop()
	again := time.NewTicker(startAgain)
	defer again.Stop()
	for {
		c, err := tryChild(folder, clock)
		if err == nil || !strings.Contains(err.Error(), "in use by another linli") {
			return c, err
		}
		select {
		case <-again.C:
		case <-deadline.C:
			return nil, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func tryChild(folder string, clock time.Time) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program of the server: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(folder, "linli.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder %s cannot be written: %w", folder, err)
	}
	c := &child{ended: make(chan struct{}), cmd: exec.Command(self, "serve", "--dev", "--with-parent", "--data", folder,
		"--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--clock", clock.Format(time.DateOnly), "--log", "warn")}
	if os.Getenv("GOMEMLIMIT") == "" {
		c.cmd.Env = append(os.Environ(), "GOMEMLIMIT="+childMemory)
	}
	said := &lastLines{}
	c.cmd.Stderr = io.MultiWriter(log, said)
	if c.input, err = c.cmd.StdinPipe(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the server: %w", err), log.Close())
	}
	c.address, c.code = listensAt(out)
	go func() {
		_, _ = io.Copy(io.Discard, out)
		c.err = errors.Join(c.cmd.Wait(), log.Close())
		close(c.ended)
	}()
	if c.address == "" {
		<-c.ended
		return nil, fmt.Errorf("the server did not start: %s", said)
	}
	return c, nil
}

// listensAt reads what a server says of its places; empty when it ended before.
func listensAt(out io.Reader) (address, code string) {
	place := regexp.MustCompile(`REST\s+http://(\S+)/v1`)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if m := place.FindStringSubmatch(lines.Text()); m != nil {
			address = m[1]
		}
		code = cmp.Or(signin.CodeIn(lines.Text()), code)
		if strings.HasPrefix(lines.Text(), "Ctrl-C") {
			return address, code
		}
	}
	return "", ""
}

// stop ends the child in order.
func (c *child) stop() error {
	_ = c.input.Close() // it ends by this; a child that is gone minds nothing
	<-c.ended
	return c.err
}

// while answers a context that ends when the child does.
func (c *child) while(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		<-c.ended
		cancel(errors.New("the server has ended"))
	}()
	return ctx
}

// lastLines keeps the end of what was written.
type lastLines struct{ text []byte }

func (l *lastLines) Write(p []byte) (int, error) {
	l.text = append(l.text, p...)
	l.text = l.text[max(0, len(l.text)-4<<10):]
	return len(p), nil
}

func (l *lastLines) String() string { return string(bytes.TrimSpace(l.text)) }
