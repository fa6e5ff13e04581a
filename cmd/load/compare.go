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

	"github.com/spf13/cobra"

	"github.com/linli-project/linli/cmd/figures"
)

// comparison is what is asked for.
type comparison struct {
	dir     string // data of everything that is started; seeds are kept in it
	peers   string // folder of the peers' programs and scripts; empty = the bare handler
	root    string // of the repository
	shapes  []string
	sizes   []int
	conns   []int
	seconds int
	repeats int
	figures string
	note    string
	out     io.Writer
	said    io.Writer // what goes on meanwhile
}

func compareCommand() *cobra.Command {
	var c comparison
	cmd := &cobra.Command{
		Use: "compare", Short: "start linli and what it is measured against, measure them in turn, print the table", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.out, c.said = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return c.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.dir, "dir", filepath.Join(os.TempDir(), "linli-compare"), "folder for data; seeds are kept there")
	f.StringVar(&c.peers, "peers", "", "folder of the peers; without it linli stands beside a bare net/http handler")
	f.StringVar(&c.root, "root", ".", "the repository, with bin/linli built")
	f.StringSliceVar(&c.shapes, "shapes", []string{shapeOne, shapeSix}, "shapes of linli")
	f.IntSliceVar(&c.sizes, "sizes", []int{10_000}, "rows")
	f.IntSliceVar(&c.conns, "conns", []int{1, 16, 64, 256}, "connections")
	f.IntVar(&c.seconds, "seconds", 3, "seconds of each measurement")
	f.IntVar(&c.repeats, "repeats", 3, "times that each is repeated, in alternating order")
	f.StringVar(&c.figures, "figures", "", "folder to save the figures in")
	f.StringVar(&c.note, "note", "", "paragraph for the reader of the figures")
	return cmd
}

// validate refuses what would be found out only after the seeding.
func (c comparison) validate() error {
	least := func(flag string, values ...int) error {
		if len(values) == 0 || slices.Min(values) < 1 {
			return fmt.Errorf("--%s %v: numbers from 1", flag, values)
		}
		return nil
	}
	if err := errors.Join(least("sizes", c.sizes...), least("conns", c.conns...), least("seconds", c.seconds), least("repeats", c.repeats)); err != nil {
		return err
	}
	if len(c.shapes) == 0 {
		return fmt.Errorf("--shapes: %s, %s or both", shapeOne, shapeSix)
	}
	for _, name := range c.shapes {
		if _, err := newShape(c, name); err != nil {
			return err
		}
	}
	if linli := filepath.Join(c.root, "bin", "linli"); !exists(linli) {
		return fmt.Errorf("there is no %s: make build", linli)
	}
	if c.peers == "" {
		return nil
	}
	if !exists(filepath.Join(c.peers, "wrk", "run.sh")) {
		return fmt.Errorf("--peers %s: not the folder of the peers, it holds no wrk/run.sh", c.peers)
	}
	for _, program := range []string{"wrk", "psql", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("measuring beside the peers takes %s: %w", program, err)
		}
	}
	return nil
}

func (c comparison) run(ctx context.Context) (err error) {
	for _, path := range []*string{&c.dir, &c.root, &c.peers} {
		if *path != "" {
			if *path, err = filepath.Abs(*path); err != nil {
				return fmt.Errorf("folder: %w", err)
			}
		}
	}
	if err := c.validate(); err != nil {
		return err
	}
	slices.Sort(c.sizes)
	slices.Sort(c.conns)
	// Others than root come into it: PostgreSQL does not run as root.
	if err := os.MkdirAll(c.dir, 0o755); err != nil { //nolint:gosec // made-up rows
		return fmt.Errorf("make the folder: %w", err)
	}
	s, err := newStage(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	var all []cell
	for _, rows := range c.sizes {
		cells, itself, err := c.size(ctx, s, rows)
		if err != nil {
			return err
		}
		all = append(all, cells...)
		if err := c.report(rows, cells, itself); err != nil {
			return err
		}
	}
	return c.reportGrowth(all)
}

// size measures everything at one number of rows: the calls, and what linli
// shows of itself alone.
func (c comparison) size(ctx context.Context, s *stage, rows int) (cells []cell, itself []figures.Row, err error) {
	if err := s.prepare(ctx, rows); err != nil {
		return nil, nil, err
	}
	itself, err = s.starts(ctx, rows)
	if err != nil {
		return nil, nil, err
	}
	targets, err := s.raise(ctx, rows)
	defer func() { err = errors.Join(err, s.lower(ctx)) }()
	if err != nil {
		return nil, nil, err
	}
	drive := s.driver(rows)
	for _, op := range []string{opGet, opList, opSummaries, opCreate} {
		for _, conns := range c.conns {
			var answering []target
			for _, t := range targets {
				if slices.Contains(t.ops, op) {
					answering = append(answering, t)
				}
			}
			measured, err := drive(ctx, op, conns, answering)
			if err != nil {
				return nil, nil, err
			}
			for _, m := range measured {
				fmt.Fprintln(c.said, m)
			}
			cells = append(cells, measured...)
		}
	}
	loaded, err := s.loaded(targets)
	if err != nil || rows != c.sizes[0] {
		return cells, append(itself, loaded...), err
	}
	browsed, err := s.browsing(ctx)
	return cells, slices.Concat(itself, loaded, browsed), err
}
