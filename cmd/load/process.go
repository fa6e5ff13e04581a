package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/linli-project/linli/pkg/clock"
)

// process is a program that was started to be measured.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

// spawn starts a program; what it says goes into a file of the folder. It runs
// as a user of the machine when one is named.
func spawn(folder, name string, as *syscall.Credential, program string, args ...string) (*process, error) {
	p := &process{name: name, cmd: exec.Command(program, args...), log: filepath.Join(folder, name+".log"), done: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer func() { _ = out.Close() }() // the program has it
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = out, out, folder
	p.cmd.Env = append(os.Environ(), "PB_SYNC=FULL")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended stands in its log
		close(p.done)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop asks the program to end and waits.
func (p *process) stop() error {
	if p == nil {
		return nil
	}
	const patience = 30 * time.Second
	_ = p.cmd.Process.Signal(syscall.SIGINT) // it may have ended
	select {
	case <-p.done:
		return nil
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("%s did not stop in %s", p.name, patience)
	}
}

// awaitAnswer asks for a path until it is answered with 200, and says how long
// that took since began.
func (p *process) awaitAnswer(ctx context.Context, url, authorization string, began time.Time) (time.Duration, error) {
	const every, patience = 2 * time.Millisecond, 5 * time.Minute
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	wall := clock.Wall()
	for wall.Now().Sub(began) < patience {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return 0, fmt.Errorf("ask %s: %w", p.name, err)
		}
		req.Header.Set("Authorization", authorization)
		if reply, err := c.Do(req); err == nil {
			_ = reply.Body.Close()
			if reply.StatusCode == http.StatusOK {
				return wall.Now().Sub(began), nil
			}
		}
		select {
		case <-p.done:
			return 0, fmt.Errorf("%s ended before it answered, see %s", p.name, p.log)
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(every):
		}
	}
	return 0, fmt.Errorf("%s did not answer in %s, see %s", p.name, patience, p.log)
}

func portOf(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// freePorts answers the first of n ports in a row that nobody listens on, below
// those that the system gives to callers. A server that finds its port taken
// would leave a stranger to be measured in its place.
func freePorts(n int) (int, error) {
	const lowest, highest, tries = 18000, 32000, 1000
	for range tries {
		first := lowest + rand.IntN(highest-lowest-n)
		if allFree(first, n) {
			return first, nil
		}
	}
	return 0, fmt.Errorf("no %d free ports in a row between %d and %d", n, lowest, highest)
}

func allFree(first, n int) bool {
	for port := first; port < first+n; port++ {
		l, err := net.Listen("tcp", portOf(port))
		if err != nil {
			return false
		}
		if l.Close() != nil {
			return false
		}
	}
	return true
}

// anonymous answers the memory of processes that is not a map of a file, in MB.
func anonymous(pids ...int) (float64, error) {
	total := 0.0
	for _, pid := range pids {
		status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
		if err != nil {
			return 0, fmt.Errorf("memory of %d: %w", pid, err)
		}
		_, rest, found := strings.Cut(string(status), "RssAnon:")
		fields := strings.Fields(rest)
		if !found || len(fields) == 0 {
			return 0, fmt.Errorf("memory of %d: no RssAnon", pid)
		}
		kb, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return 0, fmt.Errorf("memory of %d: %w", pid, err)
		}
		total += kb / 1024
	}
	return total, nil
}

// run runs a program to its end and answers what it says.
func run(ctx context.Context, folder string, as *syscall.Credential, env []string, program string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, program, args...)
	c.Dir, c.Env = folder, append(os.Environ(), env...)
	c.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	out, err := c.CombinedOutput()
	if err != nil {
		tail := out[max(0, len(out)-500):]
		return string(out), fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, tail)
	}
	return string(out), nil
}

// cpuTime answers the CPU time that processes have used so far.
func cpuTime(pids []int) (time.Duration, error) {
	const tick = 10 * time.Millisecond // USER_HZ is 100 on Linux
	var total time.Duration
	for _, pid := range pids {
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err != nil {
			return 0, fmt.Errorf("CPU time of %d: %w", pid, err)
		}
		// The name in brackets can hold anything; user and system time are the
		// 12th and 13th field behind it.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) < 13 {
			return 0, fmt.Errorf("CPU time of %d: %d fields", pid, len(fields))
		}
		for _, field := range fields[11:13] {
			ticks, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("CPU time of %d: %w", pid, err)
			}
			total += time.Duration(ticks) * tick
		}
	}
	return total, nil
}
