package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/linli-project/linli/cmd/figures"
)

func faultNames(all []fault) []string {
	names := make([]string, len(all))
	for i, f := range all {
		names[i] = f.name
	}
	return names
}

// choose answers the faults to strike with, or what is wrong with the choice.
func (s settings) choose() ([]fault, error) {
	if s.cycles < 1 || s.everything < 1 {
		return nil, fmt.Errorf("%d cycles, everything after %d: at least 1", s.cycles, s.everything)
	}
	possible := faults()
	if s.six {
		possible = sixFaults()
	}
	if !s.disk {
		possible = slices.DeleteFunc(possible, func(f fault) bool { return f.mounts })
	}
	var chosen []fault
	for _, f := range possible {
		if strings.Contains(f.name, s.only) {
			chosen = append(chosen, f)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no fault is called %s; there are: %s", s.only, strings.Join(faultNames(possible), ", "))
	}
	return chosen, nil
}

// loop runs the controls, if they are wanted, and the loop, in a folder of its
// own, which stays when something was found.
func (s settings) loop(ctx context.Context, out io.Writer) error {
	chosen, err := s.choose()
	if err != nil {
		return err
	}
	if s.disk && os.Getenv(namespaceVariable) == "" {
		return again(ctx)
	}
	folder, err := os.MkdirTemp("", "linli-faults-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	var rows []figures.Row
	if s.controls {
		rows, err = s.cheat(ctx, folder, chosen, out)
	}
	if err == nil {
		err = s.strike(ctx, folder, chosen, rows, out)
	}
	if err != nil {
		return fmt.Errorf("seed %d, files in %s: %w", s.seed, folder, err)
	}
	return os.RemoveAll(folder)
}

// strike runs the loop and tells what it measured, also when it found
// something.
func (s settings) strike(ctx context.Context, folder string, chosen []fault, before []figures.Row, out io.Writer) error {
	return s.placed(folder, func(at worldConfig) error {
		at.members, at.six = 100+s.cycles, s.six
		w, err := newWorld(ctx, at)
		if err != nil {
			return err
		}
		defer func() { _ = w.close() }() // also when something panics; its error is told below
		problems, failed := w.loop(ctx, loopConfig{cycles: s.cycles, everything: s.everything, faults: chosen, seed: s.seed, out: out})
		err = errors.Join(failed, w.close())
		w.report(out)
		if err == nil && s.figures != "" {
			run := w.run(s)
			run.Rows = append(run.Rows, before...)
			err = figures.Save(s.figures, run)
		}
		return found(problems, err)
	})
}

// cheat runs the controls of the chosen faults, all of them when nothing was
// chosen, and answers a row for each.
func (s settings) cheat(ctx context.Context, folder string, chosen []fault, out io.Writer) (rows []figures.Row, err error) {
	for i, c := range controls() {
		wanted := s.only == "" || slices.ContainsFunc(chosen, func(f fault) bool { return f.control == c.name })
		if !wanted || c.mounts && !s.disk {
			continue
		}
		own := filepath.Join(folder, fmt.Sprintf("control-%d", i))
		if err := os.Mkdir(own, 0o700); err != nil {
			return rows, fmt.Errorf("make a folder: %w", err)
		}
		err := s.placed(own, func(at worldConfig) error {
			caught, err := c.run(ctx, at)
			if err != nil {
				return err
			}
			row := caught.row(c)
			rows = append(rows, row)
			fmt.Fprintf(out, "%s: %.0f %s; %s\n", row.What, row.Value, row.Unit, row.Note)
			return nil
		})
		if err != nil {
			return rows, err
		}
		if err := os.RemoveAll(own); err != nil {
			return rows, fmt.Errorf("remove what a control left: %w", err)
		}
	}
	return rows, nil
}

// diskSize holds what a thousand cycles write, and is soon filled.
const diskSize = 2 << 30

// placed makes a data folder for fn, on a disk of its own if so set; its mount
// is undone however fn ends, and its image stays.
func (s settings) placed(folder string, fn func(worldConfig) error) (err error) {
	at := worldConfig{folder: filepath.Join(folder, "var"), binary: s.binary, seed: s.seed}
	if !s.disk {
		return fn(at)
	}
	d, err := newDisk(folder, diskSize)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.unmount()) }()
	at.folder, at.disk = filepath.Join(d.at, "var"), &d
	return fn(at)
}

// namespaceVariable says that this program has its mounts for itself.
const namespaceVariable = "LINLI_FAULTS_NAMESPACE"

// errSaid: the reason was told already.
var errSaid = errors.New("it was said why")

// stopPatience is how long a run may take to end when it is told to.
const stopPatience = time.Minute

// again runs this program once more in a mount namespace of its own: what it
// mounts is gone with it, even if it is killed or one of its writers panics.
func again(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	c := exec.CommandContext(ctx, self, os.Args[1:]...)
	c.Env = append(os.Environ(), namespaceVariable+"=1")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGTERM}
	c.Cancel, c.WaitDelay = func() error { return c.Process.Signal(syscall.SIGTERM) }, stopPatience
	if err := c.Start(); err != nil {
		return errors.Join(errMount, err)
	}
	if err := c.Wait(); err != nil {
		return errors.Join(errSaid, err)
	}
	return nil
}
