package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// binary is the command, built once for all tests.
var binary string

// TestMain is a house when a test starts itself again as one.
func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		if err := runChild(ctx, os.Args[len(os.Args)-1], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "house:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(build(m))
}

func build(m *testing.M) int {
	folder, err := os.MkdirTemp("", "linli-faults-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(folder) }()
	binary = filepath.Join(folder, "linli")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "github.com/linli-project/linli/cmd/linli").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s\n%v\n", out, err)
		return 1
	}
	return m.Run()
}

// mayMount says whether this run was told that it cannot mount: then the disk
// cannot get full, and the power not be cut. Without that a machine that
// cannot is a failure.
func mayMount() bool { return os.Getenv("LINLI_FAULTS_DISK") != "no" }

// setting reads a setting of the environment.
func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s=%s: %v", name, text, err)
	}
	return n
}

// placeOf answers a data folder, on a disk of its own if there may be one.
func placeOf(t *testing.T, seed int) worldConfig {
	t.Helper()
	c := worldConfig{folder: filepath.Join(t.TempDir(), "var"), binary: binary, seed: uint64(seed)}
	if !mayMount() {
		return c
	}
	d, err := newDisk(t.TempDir(), diskSize)
	if err != nil {
		t.Fatalf("%v\n(LINLI_FAULTS_DISK=no leaves out what needs a disk)", err)
	}
	t.Cleanup(func() {
		if err := d.unmount(); err != nil {
			t.Error(err)
		}
	})
	c.folder, c.disk = filepath.Join(d.at, "var"), &d
	return c
}

// TestLoop_KeepsItsWord strikes with every fault, at least once.
func TestLoop_KeepsItsWord(t *testing.T) {
	cycles, seed := setting(t, "LINLI_FAULTS_CYCLES", 50), setting(t, "LINLI_FAULTS_SEED", 1)
	c := placeOf(t, seed)
	c.members = 100 + cycles
	w, err := newWorld(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	var possible []fault
	for _, f := range faults() {
		if !f.mounts || c.disk != nil {
			possible = append(possible, f)
		}
	}
	problems, err := w.loop(t.Context(), loopConfig{cycles: cycles, everything: 10, faults: possible, out: t.Output()})
	if err := found(problems, errors.Join(err, w.close())); err != nil {
		t.Fatalf("seed %d (make faults SEED=%d repeats it): %v", seed, seed, err)
	}
	w.report(t.Output())
}

// TestSix_KeepsItsWord kills each of the six processes, and the broker in the
// middle of publishing.
func TestSix_KeepsItsWord(t *testing.T) {
	seed := setting(t, "LINLI_FAULTS_SEED", 1)
	w, err := newWorld(t.Context(), worldConfig{folder: filepath.Join(t.TempDir(), "var"), binary: binary, seed: uint64(seed), members: 100, six: true})
	if err != nil {
		t.Fatal(err)
	}
	all := sixFaults()
	problems, err := w.loop(t.Context(), loopConfig{cycles: len(all), everything: len(all), faults: all, out: t.Output()})
	if err := found(problems, errors.Join(err, w.close())); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
}

// TestPanics_AreParked: an event over which its consumer always panics is
// parked after its tries, with a reason and without what it holds; nothing
// else is, and all others have their effects.
func TestPanics_AreParked(t *testing.T) {
	t.Parallel() // it waits for the pauses between the tries
	w, err := newWorld(t.Context(), worldConfig{folder: filepath.Join(t.TempDir(), "var"), binary: binary, seed: 1, members: 40, tampered: true, atRest: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.process.order(t.Context(), "panics -1"); err != nil {
		t.Fatal(err)
	}
	marked, err := w.solveMarked(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.load.chain(t.Context(), int(w.load.next.Add(1))); err != nil {
		t.Fatal(err)
	}
	patient, cancel := context.WithTimeout(t.Context(), 2*longestOutage)
	defer cancel()
	if err := poll(patient, func() (bool, error) { return strings.Contains(w.process.lastWords(), "event parked"), nil }); err != nil {
		t.Fatal(err)
	}
	problems, err := w.verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(problems) != 1 || !strings.Contains(problems[0], "no entry of request "+marked.id) {
		t.Errorf("missing is the effect of the marked event alone: %q", problems)
	}
	parked := eventsCommand(t, w, "parked")
	if !strings.Contains(parked, "evaluation-ledger") || strings.Contains(parked, "a marked event") {
		t.Errorf("parked: %s", parked)
	}
	if err := w.process.order(t.Context(), "panics 0"); err != nil {
		t.Fatal(err)
	}
	id := regexp.MustCompile(`cmt_\S+`).FindString(parked)
	retried := eventsCommand(t, w, "retry", id)
	if problems, err := w.verify(t.Context()); err != nil || len(problems) > 0 {
		t.Errorf("retried, %s: %q, %v", retried, problems, err)
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	events, err := inspect(t.Context(), w.folder)
	if err != nil || len(events.parked) != 0 {
		t.Errorf("parked still: %v, %v", events.parked, err)
	}
	if problems := w.fsck(t.Context(), w.folder); len(problems) > 0 {
		t.Errorf("afterwards: %q", problems)
	}
}

// eventsCommand runs linli events against a world.
func eventsCommand(t *testing.T, w *world, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), binary, append([]string{"events", "--grpc", w.process.told("gRPC")}, args...)...)
	token, err := w.load.client.people.token(t.Context(), admin(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	c.Env = append(os.Environ(), "LINLI_TOKEN="+token)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("linli events %v: %v: %s", args, err, out)
	}
	return string(out)
}

// TestControls_AreCaught: each fault has a control, and each control is
// caught.
func TestControls_AreCaught(t *testing.T) {
	known := map[string]bool{}
	for _, c := range controls() {
		known[c.name] = true
		if c.mounts && !mayMount() {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			got, err := c.run(t.Context(), placeOf(t, 1))
			if err != nil {
				t.Fatal(err)
			}
			t.Log(got.row(c).Note)
		})
	}
	for _, f := range append(faults(), sixFaults()...) {
		if !known[f.control] {
			t.Errorf("%s has no control %q", f.name, f.control)
		}
	}
}
