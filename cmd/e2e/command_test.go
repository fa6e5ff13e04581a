package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/linli-project/linli/cmd/signin"
)

// binary is the command, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "linli-e2e-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(folder, "linli")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "github.com/linli-project/linli/cmd/linli").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s\n%v\n", out, err)
		os.Exit(1)
	}
	if phones, err = signin.OpenPhones("127.0.0.1:0"); err == nil {
		err = os.Setenv("LINLI_SMS", phones.URL())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = errors.Join(phones.Close(), os.RemoveAll(folder))
	os.Exit(code)
}

// server is a running `linli serve`.
type server struct {
	cmd    *exec.Cmd
	stderr *bytes.Buffer
	base   string
	grpc   string
	people
}

func serve(t *testing.T, folder string, args ...string) *server {
	t.Helper()
	s := &server{stderr: &bytes.Buffer{}}
	s.cmd = exec.Command(binary, append([]string{"serve", "--dev", "--data", folder, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"}, args...)...)
	s.cmd.Stderr = s.stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	lines, said := bufio.NewScanner(out), ""
	place := regexp.MustCompile(`REST\s+(http://\S+)/v1`)
	door := regexp.MustCompile(`gRPC\s+(\S+)$`)
	for lines.Scan() {
		if m := door.FindStringSubmatch(lines.Text()); m != nil {
			s.grpc = m[1]
		}
		if m := place.FindStringSubmatch(lines.Text()); m != nil {
			s.base = m[1]
		}
		if m := door.FindStringSubmatch(lines.Text()); m != nil {
			s.grpc = m[1]
		}
		said += lines.Text() + "\n"
		if strings.HasPrefix(lines.Text(), "Ctrl-C") {
			break
		}
	}
	if s.base == "" {
		t.Fatalf("it did not say where REST is: %s", s.stderr)
	}
	s.people = peopleOf(t, folder, s.base, signin.CodeIn(said))
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return s
}

// interrupt is Ctrl-C; it answers how long the stop took.
func (s *server) interrupt(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v: %s", err, s.stderr)
	}
	return time.Since(began)
}

func (s *server) do(t *testing.T, method, path, token, contentType, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	reply, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reply.Body.Close() }()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(text)
}

const organizations = "编码,名称,类别,上级编码,亮身份\n1,市,city,,是\n11,区,district,1,是\n"

func TestServe_StopsInOrderAndGoesOnWhereItWas(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "var")
	first := serve(t, folder, "--clock", "2013-01-01")
	admin := first.admin(t)
	if code, body := first.do(t, "POST", "/v1/organizations:import", admin, "text/csv", organizations); code != 200 || !strings.Contains(body, `"created":2`) {
		t.Fatalf("%d %s", code, body)
	}
	for path, want := range map[string]string{"/": "邻里", "/docs/": "API", "/healthz": "ok", "/metrics": "linli_calls_total", "/openapi.json": "swagger"} {
		if code, body := first.do(t, "GET", path, "", "", ""); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d", path, code)
		}
	}
	if took := first.interrupt(t); took > 10*time.Second {
		t.Errorf("Ctrl-C took %s", took)
	}
	second := serve(t, folder)
	if code, body := second.do(t, "GET", "/v1/organizations/11", admin, "", ""); code != 200 || !strings.Contains(body, `"/1/11/"`) {
		t.Errorf("after a restart: %d %s", code, body)
	}
	if code, body := second.do(t, "GET", "/v1/dev/clock", admin, "", ""); code != 200 || !strings.Contains(body, "2012-12-31T16:00:00Z") {
		t.Errorf("the folder's clock: %d %s", code, body)
	}
	second.interrupt(t)
}

func TestServe_AcknowledgedSurvivesAKill(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "var")
	s := serve(t, folder)
	admin := s.admin(t)
	if code, body := s.do(t, "POST", "/v1/organizations:import", admin, "text/csv", organizations); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait()
	again := serve(t, folder)
	if code, _ := again.do(t, "GET", "/v1/organizations/11", admin, "", ""); code != 200 {
		t.Errorf("after kill -9: %d", code)
	}
	again.interrupt(t)
	if out, err := exec.Command(binary, "fsck", "--data", folder).CombinedOutput(); err != nil {
		t.Errorf("fsck: %v: %s", err, out)
	}
}

// fails runs a command that must end with exit 1 and one line.
func fails(t *testing.T, what, want string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("%s: %v: %s", what, err, stderr.String())
		return
	}
	var lines []string
	for line := range strings.Lines(stderr.String()) {
		if !strings.HasPrefix(line, "time=") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 1 || !strings.Contains(lines[0], want) {
		t.Errorf("%s: not one line with %q: %q", what, want, lines)
	}
}

func TestServe_SaysInOneLineWhyItDoesNotStart(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "var")
	s := serve(t, folder)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	at := func(data string, more ...string) []string {
		return append([]string{"serve", "--dev", "--data", data, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"}, more...)
	}
	fails(t, "a locked folder", "in use by another linli", at(folder)...)
	fails(t, "fsck of a locked folder", "in use by another linli", "fsck", "--data", folder)
	untouched := filepath.Join(t.TempDir(), "var")
	fails(t, "a taken port", "cannot listen on "+taken.Addr().String(), at(untouched, "--http", taken.Addr().String())...)
	if _, err := os.Stat(untouched); err == nil {
		t.Error("a taken port: the folder was made all the same")
	}
	fails(t, "another machine's address with --dev", "loopback", at(t.TempDir(), "--http", "0.0.0.0:0")...)
	fails(t, "no master key", "LINLI_MASTER_KEY_FILE", "serve", "--data", t.TempDir(), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
	fails(t, "a clock without --dev", "--dev", "serve", "--data", t.TempDir(), "--clock", "2013-01-01")
	fails(t, "no day", "2013-01-01", at(t.TempDir(), "--clock", "yesterday")...)
	fails(t, "fsck of nothing", "no data of linli", "fsck", "--data", t.TempDir())
	s.interrupt(t)
	fails(t, "a clock for a folder that has its own", "without --clock", at(folder, "--clock", "2013-01-01")...)

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	fails(t, "a folder that cannot be made", "cannot be made", at(filepath.Join(file, "var"))...)
	if os.Geteuid() != 0 { // nothing is read-only to root
		closed := t.TempDir()
		if err := os.Chmod(closed, 0o500); err != nil {
			t.Fatal(err)
		}
		fails(t, "a folder that is not writable", "cannot be written", at(closed)...)
	}

	db := filepath.Join(folder, "registry.db")
	if err := os.Truncate(db, 5000); err != nil {
		t.Fatal(err)
	}
	fails(t, "a torn file", "damaged", at(folder)...)
	if err := os.WriteFile(filepath.Join(folder, "master.key"), []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fails(t, "a broken key", "master key", at(folder)...)
}

// TestServe_RefusesAReadOnlyMount is the not writable folder for root, who may
// write everywhere but there.
// TestProjectsRecount_SaysWhatDiffers: the file of a call without applications
// holds; a seed that is not the announced one, and what is no file, do not.
func TestProjectsRecount_SaysWhatDiffers(t *testing.T) {
	const file = `{"format": "linli-selection/1", "call": {"id": "cal_1", "title": "项目申报", "year": 2013,
		"criteria": [{"key": "benefit", "name": "受益面", "max": 20, "weight": 1}], "method": "mean", "trim_percent": 20,
		"quota": 12, "reserves": 0, "tie_ladder": [], "seed": "00", "seed_hash": "SEED", "applications": []},
		"sheets": [], "ranking": [], "proof": [PROOF], "decision": []}`
	const hashOfZero = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
	proof := `{"method": "drop_high_low"}, {"method": "trimmed_mean"}, {"method": "z_score"}, {"method": "additive"}`
	for name, c := range map[string]struct {
		content, says string
		code          int
	}{
		"holds":      {strings.NewReplacer("SEED", hashOfZero, "PROOF", proof).Replace(file), "follow from the sheets", 0},
		"other seed": {strings.NewReplacer("SEED", "ff", "PROOF", proof).Replace(file), "differs   seed", 1},
		"no file":    {"{}", "format", 1},
	} {
		path := filepath.Join(t.TempDir(), "selection.json")
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), binary, "projects", "recount", path)
		out, _ := cmd.CombinedOutput() // the exit code says it
		if !strings.Contains(string(out), c.says) || cmd.ProcessState.ExitCode() != c.code {
			t.Errorf("%s: exit %d, %s", name, cmd.ProcessState.ExitCode(), out)
		}
	}
}

func TestServe_RefusesAReadOnlyMount(t *testing.T) {
	fails(t, "a read-only place", "cannot be made", "serve", "--dev", "--data", "/proc/linli", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
}
