package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/linli-project/linli/cmd/signin"
)

// startPatience is how long a start may take before it counts as stuck.
const startPatience = 60 * time.Second

// launcher knows how to start a linli over a folder: the command as it is
// shipped, or this program as a house with ways in.
type launcher struct {
	command []string
	env     []string
}

// shipped is the built command in one process.
func shipped(binary string) launcher {
	return launcher{command: []string{binary, "serve", "--dev", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--log", "warn", "--data"}}
}

// childVariable makes this program, or its test, a house.
const childVariable = "LINLI_FAULTS_CHILD"

// tampered is this program as a house that takes orders on its input. More
// settings are cheats, "KEY=value".
func tampered(settings ...string) (launcher, error) {
	self, err := os.Executable()
	if err != nil {
		return launcher{}, fmt.Errorf("find this program: %w", err)
	}
	return launcher{command: []string{self}, env: append([]string{childVariable + "=1"}, settings...)}, nil
}

// process is a running linli.
type process struct {
	cmd    *exec.Cmd
	orders io.WriteCloser
	base   string // "http://127.0.0.1:4711"
	took   time.Duration
	ended  chan struct{}

	mu     sync.Mutex
	said   []string // lines on its output
	stderr bytes.Buffer
}

// refusal is a start that ended by itself, with what it said about it.
type refusal struct{ lines []string }

func (r *refusal) Error() string { return "it did not start: " + strings.Join(r.lines, " | ") }

// start starts linli over a folder and waits until it answers.
func (l launcher) start(folder string) (*process, error) {
	began := wall().Now()
	p := &process{cmd: exec.Command(l.command[0], append(l.command[1:], folder)...), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), l.env...)
	p.cmd.Stderr = lockedWriter{p}
	// Nothing that it starts may outlive this program.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	if p.orders, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start linli: %w", err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start linli: %w", err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start linli: %w", err)
	}
	up := make(chan string, 1)
	go p.listen(out, up)
	patience := time.NewTimer(startPatience)
	defer patience.Stop()
	select {
	case p.base = <-up:
		p.took = wall().Now().Sub(began)
		return p, nil
	case <-p.ended:
		return nil, &refusal{lines: p.complaints()}
	case <-patience.C:
		p.kill()
		return nil, fmt.Errorf("it was not up after %s: %s", startPatience, strings.Join(p.complaints(), " | "))
	}
}

var restPlace = regexp.MustCompile(`REST\s+(http://\S+)/v1`)

// listen reads the output until its end, then waits for the process.
func (p *process) listen(out io.Reader, up chan<- string) {
	lines := bufio.NewScanner(out)
	base := ""
	for lines.Scan() {
		if m := restPlace.FindStringSubmatch(lines.Text()); m != nil {
			base = m[1]
		}
		p.mu.Lock()
		p.said = append(p.said, lines.Text())
		p.mu.Unlock()
		if strings.HasPrefix(lines.Text(), "Ctrl-C") {
			up <- base
		}
	}
	_ = p.cmd.Wait() // a killed process ends with an error, and is meant to
	close(p.ended)
}

// complaints are the lines on its error output that are no log.
func (p *process) complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for line := range strings.Lines(p.stderr.String()) {
		if !strings.HasPrefix(line, "time=") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

// lastWords are the end of its log.
func (p *process) lastWords() string {
	const most = 4000
	p.mu.Lock()
	defer p.mu.Unlock()
	text := p.stderr.String()
	return text[max(0, len(text)-most):]
}

// heard says how many lines of its output begin with a text.
func (p *process) heard(prefix string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.said {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

// told answers what follows a word on its output.
func (p *process) told(word string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.said {
		if value, ok := strings.CutPrefix(line, word+" "); ok {
			return value
		}
	}
	return ""
}

// firstCode is that of a first start, with which the first administrator is made.
func (p *process) firstCode() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return signin.CodeIn(strings.Join(p.said, "\n"))
}

// order tells a tampered house to do something, and waits until it says that
// it has.
func (p *process) order(ctx context.Context, text string) error {
	before := p.heard("done")
	if _, err := fmt.Fprintln(p.orders, text); err != nil {
		return fmt.Errorf("order %q: %w", text, err)
	}
	return poll(ctx, func() (bool, error) {
		select {
		case <-p.ended:
			return false, errors.New("the house ended at an order")
		default:
			return p.heard("done") > before, nil
		}
	})
}

// kill is kill -9, and waits for the end.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.ended
}

// stop is Ctrl-C.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return fmt.Errorf("stop linli: %w", err)
	}
	<-p.ended
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("Ctrl-C ended with exit code %d: %s", code, strings.Join(p.complaints(), " | "))
	}
	return nil
}

type lockedWriter struct{ p *process }

func (w lockedWriter) Write(b []byte) (int, error) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	return w.p.stderr.Write(b)
}
