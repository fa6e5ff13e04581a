package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/linli-project/linli/cmd/figures"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if os.Getenv(childVariable) != "" {
		err = runChild(ctx, os.Args[len(os.Args)-1], os.Stdin, os.Stdout)
	} else {
		err = root().ExecuteContext(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

// settings of a run on the command line.
type settings struct {
	binary, figures, only string
	cycles, everything    int
	seed                  uint64
	disk, six             bool
}

func root() *cobra.Command {
	var s settings
	c := &cobra.Command{Use: "faults", Short: "break linli while it is at work, and look whether it kept its word",
		SilenceUsage: true, SilenceErrors: true}
	loop := &cobra.Command{Use: "loop", Short: "one fault a cycle, under load", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return s.loop(c.Context(), c.OutOrStdout()) }}
	loop.Flags().IntVar(&s.cycles, "cycles", 50, "how many")
	loop.Flags().IntVar(&s.everything, "everything", 10, "after how many cycles all is read back and the files are checked")
	loop.Flags().StringVar(&s.only, "only", "", "only faults whose name holds this")
	loop.Flags().BoolVar(&s.disk, "disk", true, "on a disk of its own, which can get full (needs root)")
	loop.Flags().BoolVar(&s.six, "six", false, "linli in six processes: each is killed in turn")
	c.AddCommand(loop)
	for _, each := range []*cobra.Command{loop} {
		each.Flags().Uint64Var(&s.seed, "seed", 1, "what is random follows from it")
		each.Flags().StringVar(&s.binary, "linli", "bin/linli", "the built command")
		each.Flags().StringVar(&s.figures, "figures", "", "folder to save the figures in, docs/figures")
	}
	return c
}

// loop runs the loop in a folder of its own, which stays when something was
// found.
func (s settings) loop(ctx context.Context, out io.Writer) (err error) {
	folder, err := os.MkdirTemp("", "linli-faults-")
	if err != nil {
		return err
	}
	data, d, err := s.place(folder)
	if err != nil {
		return err
	}
	w, err := newWorld(ctx, worldConfig{folder: data, binary: s.binary, seed: s.seed, members: 100 + s.cycles, disk: d, six: s.six})
	if err == nil {
		var chosen []fault
		possible := faults()
		if s.six {
			possible = sixFaults()
		}
		for _, f := range possible {
			if strings.Contains(f.name, s.only) && (s.disk || !f.mounts) {
				chosen = append(chosen, f)
			}
		}
		problems, failed := w.loop(ctx, loopConfig{cycles: s.cycles, everything: s.everything, faults: chosen, out: out})
		err = found(problems, errors.Join(failed, w.close()))
	}
	if err != nil {
		return fmt.Errorf("seed %d, files in %s: %w", s.seed, folder, err)
	}
	w.report(out)
	if s.figures != "" {
		err = figures.Save(s.figures, w.run(s))
	}
	if d != nil {
		err = errors.Join(err, d.unmount())
	}
	return errors.Join(err, os.RemoveAll(folder))
}

// diskSize holds what a thousand cycles write, and is soon filled.
const diskSize = 2 << 30

// place answers the data folder, and the disk that it is on.
func (s settings) place(folder string) (data string, d *disk, err error) {
	if !s.disk {
		return filepath.Join(folder, "var"), nil, nil
	}
	made, err := newDisk(folder, diskSize)
	return filepath.Join(made.at, "var"), &made, err
}
