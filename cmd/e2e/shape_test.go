package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/linli-project/linli/cmd/signin"
)

// kind is how many processes linli is.
type kind string

const (
	one kind = "one"
	six kind = "six"
)

// roles of the six processes.
func roles() []string {
	return []string{"broker", "registry", "requests", "projects", "evaluation", "gateway"}
}

// shape is the built command at work, in one process or in six.
type shape struct {
	*server // base and do
	kind    kind
	data    string
	ports   int
	args    []string
}

// startShape starts linli over a folder, with --dev and what args say
// ("--clock", "2013-01-01"), and waits until it answers. It is stopped at the
// test's end, if the test did not.
func startShape(t *testing.T, k kind, data string, args ...string) *shape {
	t.Helper()
	s := &shape{kind: k, data: data, args: args}
	if k == one {
		s.server = serve(t, data, args...)
		return s
	}
	s.ports = freePorts(t, 12)
	s.server = &server{base: "http://127.0.0.1:" + strconv.Itoa(s.ports)}
	t.Cleanup(func() { _, _ = s.script(context.Background(), "stop", data) })
	s.mustScript(t, append(append([]string{"start", "--dev"}, args...), data)...)
	s.meet(t)
	return s
}

// meet makes the people of six processes; the first link stands in what the
// registry said.
func (s *shape) meet(t *testing.T) {
	t.Helper()
	code, err := signin.CodeInFile(filepath.Join(s.data, "registry", "out"))
	if err != nil {
		t.Fatal(err)
	}
	s.people = peopleOf(t, s.data, s.base, code)
}

// stop stops everything in order.
func (s *shape) stop(t *testing.T) {
	t.Helper()
	if s.kind == one {
		s.interrupt(t)
		return
	}
	s.mustScript(t, "stop", s.data)
}

// kill is kill -9 of one process; of the one there is.
func (s *shape) kill(t *testing.T, role string) {
	t.Helper()
	if s.kind == six {
		s.mustScript(t, "kill", role, s.data)
		return
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait() // killed
}

// restart starts a process again, over its folder.
func (s *shape) restart(t *testing.T, role string) {
	t.Helper()
	if s.kind == six {
		s.mustScript(t, "restart", role, s.data)
		return
	}
	s.server = serve(t, s.data, s.args...)
}

// fsck checks the data of a shape that was stopped.
func (s *shape) fsck(t *testing.T) {
	t.Helper()
	if out, err := exec.Command(binary, "fsck", "--data", s.data).CombinedOutput(); err != nil || !strings.Contains(string(out), "nothing wrong") {
		t.Errorf("fsck of %s: %v\n%s", s.data, err, out)
	}
}

func (s *shape) script(ctx context.Context, args ...string) (string, error) {
	return sixScript(ctx, []string{"LINLI=" + binary, "LINLI_PORTS=" + strconv.Itoa(s.ports)}, args...)
}

// sixScript runs deploy/six.sh with more in its environment.
func sixScript(ctx context.Context, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "../../deploy/six.sh", args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *shape) mustScript(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.script(t.Context(), args...)
	if err != nil {
		t.Fatalf("six.sh %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// portsTried keeps two shapes of one run apart.
var portsTried atomic.Int64

// freePorts answers the first of n ports in a row that nobody listens on, below
// those that the system gives away.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	for range 100 {
		base := 20000 + (os.Getpid()*n*7+int(portsTried.Add(1))*n)%12000
		if allFree(base, n) {
			return base
		}
	}
	t.Fatal("no ports in a row are free")
	return 0
}

func allFree(base, n int) bool {
	for port := base; port < base+n; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// until calls again until the answer has the code.
func (s *shape) until(t *testing.T, code int, method, path, token, contentType, body string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		got, text := s.do(t, method, path, token, contentType, body)
		if got == code {
			return text
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s %s: still %d, want %d: %s", method, path, got, code, text)
		}
	}
}

// changes opens the stream of changes; each line of it comes in the channel.
func (s *shape) changes(t *testing.T, token string) <-chan string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+"/v1/changes", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	reply, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reply.Body.Close() })
	if reply.StatusCode != http.StatusOK {
		t.Fatalf("changes: %d", reply.StatusCode)
	}
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(reply.Body); in.Scan(); {
			lines <- in.Text()
		}
	}()
	return lines
}

// awaitLine waits for a line that holds a text.
func awaitLine(t *testing.T, lines <-chan string, text string) {
	t.Helper()
	patience := time.NewTimer(30 * time.Second)
	defer patience.Stop()
	for {
		select {
		case line, open := <-lines:
			if strings.Contains(line, text) {
				return
			}
			if !open {
				t.Fatalf("the stream ended before %q", text)
			}
		case <-patience.C:
			t.Fatalf("no line with %q", text)
		}
	}
}
