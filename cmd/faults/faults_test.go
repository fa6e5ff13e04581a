package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"testing"
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
			caught, err := c.run(t.Context(), placeOf(t, 1))
			if err != nil {
				t.Fatal(err)
			}
			if len(caught) == 0 {
				t.Fatal("the checks found nothing wrong")
			}
			t.Log(caught[0])
		})
	}
	for _, f := range faults() {
		if !known[f.control] {
			t.Errorf("%s has no control %q", f.name, f.control)
		}
	}
}
