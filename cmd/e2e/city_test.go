package e2e_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// workplacesOfCity takes the first workplaces of the city: some 150 members who
// live in all of its districts, or as many as LINLI_CITY says. The offices
// of where they live each sign in: two hundred of them.
func workplacesOfCity() string {
	if n := os.Getenv("LINLI_CITY"); n != "" {
		return n
	}
	return "3"
}

// A kill comes within shortMoment after a step has begun, or twice, four times
// that …: steps last from a moment to minutes.
const shortMoment = 300 * time.Millisecond

func longMoments() int {
	if os.Getenv("LINLI_NIGHTLY") != "" {
		return 9
	}
	return 4
}

// citySteps are words of the steps' names, in order.
func citySteps() []string {
	return []string{
		"organizations come in", "sends its roster", "who is who", "campaign of the city", "report in", "services are written",
		"roster frozen", "year is summed", "sign", "letters issued", "read their letters", "is compared",
	}
}

// cityRun is a demo of a city under way with its server.
type cityRun struct {
	cmd    *exec.Cmd
	lines  chan string
	output *bytes.Buffer // whole once lines is closed
	server int
}

func startCity(t *testing.T, folder string) *cityRun {
	t.Helper()
	r := &cityRun{lines: make(chan string, 1000), output: &bytes.Buffer{}}
	r.cmd = exec.Command(binary, "demo", "--city", "--workplaces", workplacesOfCity(), "--data", folder)
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.cmd.Stderr = r.cmd.Stdout
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	go func() {
		defer close(r.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			fmt.Fprintln(r.output, lines.Text())
			r.lines <- lines.Text()
		}
		_, _ = io.Copy(io.Discard, out)
	}()
	process := regexp.MustCompile(`\(process (\d+)\)`)
	for line := range r.lines {
		if m := process.FindStringSubmatch(line); m != nil {
			r.server, _ = strconv.Atoi(m[1])
			return r
		}
	}
	t.Fatalf("the city did not start: %v\n%s", r.cmd.Wait(), r.output)
	return nil
}

// reaches waits until a step or a later one begins; false when the run has ended.
func (r *cityRun) reaches(step int) bool {
	for line := range r.lines {
		for _, name := range citySteps()[step:] {
			if strings.Contains(line, name) {
				return true
			}
		}
	}
	return false
}

// end waits for the run and answers its exit code.
func (r *cityRun) end() int {
	for range r.lines { // to its last line
	}
	_ = r.cmd.Wait() // the exit code says it
	return r.cmd.ProcessState.ExitCode()
}

var digestLine = regexp.MustCompile(`digest ([0-9a-f]{64})`)

// finish lets a run come to its end and answers its digest.
func (r *cityRun) finish() (string, error) {
	code := r.end()
	m := digestLine.FindStringSubmatch(r.output.String())
	if code != 0 || m == nil || strings.Contains(r.output.String(), "✗") {
		return "", fmt.Errorf("exit %d\n%s", code, r.output)
	}
	return m[1], nil
}

// killIn kills the run, its server or both at a random moment of a step, and
// waits until both are gone. Whoever is left ends by itself. False when the run
// was over before.
func (r *cityRun) killIn(t *testing.T, step int, random *rand.Rand) bool {
	t.Helper()
	if !r.reaches(step) {
		return false
	}
	moment := time.NewTimer(time.Duration(random.Int64N(int64(shortMoment << random.IntN(longMoments())))))
	defer moment.Stop()
	<-moment.C
	victim := random.IntN(3)
	if victim != 0 {
		_ = syscall.Kill(r.server, syscall.SIGKILL)
	}
	if victim != 1 {
		_ = r.cmd.Process.Kill()
	}
	if code := r.end(); victim == 1 && code == 0 && !digestLine.MatchString(r.output.String()) {
		t.Errorf("the server was killed, and the run says that all is well:\n%s", r.output)
	}
	return !digestLine.MatchString(r.output.String())
}

// TestCity_KilledAtRandomMomentsEndsTheSame: the run of a small city is killed
// with -9 in its steps, itself, its server or both, and started again until it is
// through: what it brought about is the same to the byte as that of a run which
// nobody disturbed. Nightly it is killed in every step, several times.
func TestCity_KilledAtRandomMomentsEndsTheSame(t *testing.T) {
	seed, rounds := uint64(20131031), []int{1, 4, 4, 7, 9}
	if os.Getenv("LINLI_NIGHTLY") != "" {
		seed, rounds = rand.Uint64(), nil
		for step := range citySteps() {
			rounds = append(rounds, step, step, step)
		}
	}
	t.Logf("seed %d", seed)
	undisturbed := startCity(t, filepath.Join(t.TempDir(), "undisturbed"))
	random, folder := rand.New(rand.NewPCG(seed, 0)), filepath.Join(t.TempDir(), "killed")
	killed := 0
	for _, step := range rounds {
		if startCity(t, folder).killIn(t, step, random) {
			killed++
		}
	}
	if killed < len(rounds)/2 {
		t.Errorf("killed %d times of %d", killed, len(rounds))
	}
	got, err := startCity(t, folder).finish()
	if err != nil {
		t.Fatal(err)
	}
	want, err := undisturbed.finish()
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("the digest is %s, and %s undisturbed", got, want)
	}
	if out, err := exec.Command(binary, "fsck", "--data", folder).CombinedOutput(); err != nil || !bytes.Contains(out, []byte("nothing wrong")) {
		t.Errorf("fsck: %v\n%s", err, out)
	}
}

// TestServe_WithParentEndsWithItsInput: whatever the program dies of that started
// linli, linli does not stay behind in the folder.
func TestServe_WithParentEndsWithItsInput(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "var")
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "serve", "--dev", "--with-parent", "--data", folder, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
	cmd.Stdin = in
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	for lines := bufio.NewScanner(said); lines.Scan() && !strings.HasPrefix(lines.Text(), "Ctrl-C"); {
	}
	if err := errors.Join(in.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, said); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it did not stop in order: %v", err)
	}
	serve(t, folder).interrupt(t)
}
