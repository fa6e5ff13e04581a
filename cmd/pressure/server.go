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
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linli-project/linli/cmd/signin"
)

// server is the linli under test, a process of its own, so that its memory is
// its own.
type server struct {
	cmd     *exec.Cmd
	stderr  *bytes.Buffer
	address string
	code    string       // of the first link
	most    atomic.Int64 // bytes of RssAnon, the most that was seen
	stop    context.CancelFunc
}

var restAt = regexp.MustCompile(`REST\s+http://(\S+)/v1`)

func startServer(ctx context.Context, o options, folder string) (*server, error) {
	args := []string{"serve", "--dev", "--data", folder, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--log", "error"}
	if o.limits != "" {
		args = append(args, "--limits", o.limits)
	}
	command := append(append(slices.Clone(o.place), o.binary), args...)
	s := &server{cmd: exec.Command(command[0], command[1:]...), stderr: &bytes.Buffer{}}
	s.cmd.Stderr = s.stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start linli: %w", err)
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start linli: %w", err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "Ctrl-C") {
		if m := restAt.FindStringSubmatch(lines.Text()); m != nil {
			s.address = m[1]
		}
		s.code = cmp.Or(signin.CodeIn(lines.Text()), s.code)
	}
	if s.address == "" {
		return nil, fmt.Errorf("linli did not start: %s", s.stderr)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	ctx, s.stop = context.WithCancel(ctx)
	go s.watchMemory(ctx)
	return s, nil
}

// watchMemory keeps the most RssAnon of ten looks a second.
func (s *server) watchMemory(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if n := s.memory(); n > s.most.Load() {
			s.most.Store(n)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// memory is the process's RssAnon in bytes now; 0 when it is gone.
func (s *server) memory() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if kb, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")), 10, 64)
			return n << 10
		}
	}
	return 0
}

// cpu is what the process has spent so far, in user and system time together.
func (s *server) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), ") ") // past the name
	fields := strings.Fields(after)
	const user, system, perSecond = 11, 12, 100
	if len(fields) <= system {
		return 0
	}
	u, _ := strconv.ParseInt(fields[user], 10, 64)
	v, _ := strconv.ParseInt(fields[system], 10, 64)
	return time.Duration(u+v) * time.Second / perSecond
}

// ownCPU is what this program has spent so far.
func ownCPU() time.Duration {
	var used unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// close stops it in order.
func (s *server) close() error {
	s.stop()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		return fmt.Errorf("stop linli: %w", err)
	}
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("stop linli: %w: %s", err, s.stderr)
	}
	return nil
}

// fsck answers what is wrong with the folder.
func fsck(o options, folder string) error {
	if out, err := exec.Command(o.binary, "fsck", "--data", folder).CombinedOutput(); err != nil {
		return errors.Join(errors.New("fsck: "+string(out)), err)
	}
	return nil
}
