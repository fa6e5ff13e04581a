package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/linli-project/linli/cmd/figures"
	"github.com/linli-project/linli/pkg/clock"
)

// idleFor is how long a server that was just started is left alone before its
// memory is read.
const idleFor = 3 * time.Second

// opponent is what linli is measured against.
type opponent interface {
	// prepare makes what is kept for a number of rows.
	prepare(ctx context.Context, rows int) error
	// raise starts it on a fresh copy.
	raise(ctx context.Context, rows int) ([]target, error)
	// lower stops what raise started.
	lower(ctx context.Context) error
	close() error
}

// stage holds everything that is started.
type stage struct {
	c      comparison
	linli  []*shape
	others []opponent
}

func newStage(ctx context.Context, c comparison) (*stage, error) {
	s := &stage{c: c}
	for _, name := range c.shapes {
		one, err := newShape(c, name)
		if err != nil {
			return nil, err
		}
		s.linli = append(s.linli, one)
	}
	if c.peers == "" {
		s.others = []opponent{&bareOpponent{c: c}}
		return s, nil
	}
	cluster := &postgres{c: c}
	if err := cluster.find(ctx); err != nil {
		return nil, err
	}
	programs, err := buildPeers(ctx, c)
	if err != nil {
		return nil, err
	}
	cluster.program = programs.pgbase
	s.others = []opponent{
		&pocketbase{c: c, program: programs.pocketbase},
		cluster,
		&limits{c: c, program: programs.limits, store: "mem"},
		&limits{c: c, program: programs.limits, store: "bbolt"},
	}
	return s, nil
}

func (s *stage) prepare(ctx context.Context, rows int) error {
	for _, l := range s.linli {
		if err := l.prepare(ctx, rows); err != nil {
			return err
		}
	}
	for _, o := range s.others {
		if err := o.prepare(ctx, rows); err != nil {
			return err
		}
	}
	return nil
}

// starts measures how long linli in one process takes from its start to its
// first answer, and the memory that each shape then has.
func (s *stage) starts(ctx context.Context, rows int) (out []figures.Row, err error) {
	for _, l := range s.linli {
		var took, memory []float64
		for range s.c.repeats {
			first, mb, err := s.start(ctx, l, rows)
			if err != nil {
				return nil, err
			}
			took, memory = append(took, float64(first.Microseconds())/1000), append(memory, mb)
		}
		if l.name == shapeOne { // of the six, the script's own waiting would be in it
			out = append(out, itself("start to first answer", l.title, "ms", took).against(150))
		}
		out = append(out, itself("memory idle (RssAnon)", l.title, "MB", memory).against(map[string]float64{shapeOne: 60, shapeSix: 180}[l.name]))
	}
	return out, nil
}

// start starts one shape, lets it come to rest, and stops it.
func (s *stage) start(ctx context.Context, l *shape, rows int) (took time.Duration, mb float64, err error) {
	defer func() { err = errors.Join(err, l.lower(ctx)) }()
	t, took, err := l.raise(ctx, rows, clock.Wall().Now())
	if err != nil {
		return 0, 0, err
	}
	if err := leaveAlone(ctx); err != nil {
		return 0, 0, err
	}
	mb, err = anonymous(t.pids...)
	return took, mb, err
}

// raise starts everything on fresh copies.
func (s *stage) raise(ctx context.Context, rows int) (all []target, err error) {
	for _, o := range s.others {
		targets, err := o.raise(ctx, rows)
		if err != nil {
			return nil, err
		}
		all = append(all, targets...)
	}
	for _, l := range s.linli {
		t, _, err := l.raise(ctx, rows, clock.Wall().Now())
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, leaveAlone(ctx)
}

// leaveAlone gives servers the time to come to rest.
func leaveAlone(ctx context.Context) error {
	select {
	case <-time.After(idleFor):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// loaded answers the memory of linli after the load.
func (s *stage) loaded(targets []target) (out []figures.Row, err error) {
	memory := map[string]float64{}
	for _, t := range targets {
		if memory[t.name], err = anonymous(t.pids...); err != nil {
			return nil, err
		}
	}
	for _, l := range s.linli {
		r := itself("memory after load (RssAnon)", l.title, "MB", []float64{memory[l.target]})
		if pb := memory["pb"]; pb > 0 {
			r.Beside, r.Ratio = "PocketBase (less is better)", memory[l.target]/pb
			r.Note = fmt.Sprintf("%.0f MB there", pb)
			if l.name == shapeOne {
				r.Target, r.Note = "≤ 1×", verdict(r.Ratio <= 1)+"; "+r.Note
			}
		}
		out = append(out, r.Row)
	}
	return out, nil
}

func (s *stage) lower(ctx context.Context) error {
	var problems []error
	for _, l := range s.linli {
		problems = append(problems, l.lower(ctx))
	}
	for _, o := range s.others {
		problems = append(problems, o.lower(ctx))
	}
	return errors.Join(problems...)
}

func (s *stage) close() error {
	var problems []error
	for _, o := range s.others {
		problems = append(problems, o.close())
	}
	return errors.Join(problems...)
}

// fresh replaces a folder by a copy of another.
func fresh(ctx context.Context, from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return fmt.Errorf("clear %s: %w", to, err)
	}
	_, err := run(ctx, filepath.Dir(to), nil, nil, "cp", "-a", "--reflink=auto", from, to)
	return err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
