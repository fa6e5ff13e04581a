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
	idle   map[string]float64 // memory of a server without load, by target
}

func newStage(ctx context.Context, c comparison) (*stage, error) {
	s := &stage{c: c, idle: map[string]float64{}}
	for i, name := range c.shapes {
		one, err := newShape(c, name, 18080+i*100)
		if err != nil {
			return nil, err
		}
		s.linli = append(s.linli, one)
	}
	if c.peers == "" {
		s.others = []opponent{&bareOpponent{c: c}}
		return s, nil
	}
	programs, err := buildPeers(ctx, c)
	if err != nil {
		return nil, err
	}
	s.others = []opponent{
		&pocketbase{c: c, program: programs.pocketbase},
		&postgres{c: c, program: programs.pgbase},
		&limits{c: c, program: programs.limits, store: "mem", port: 18292},
		&limits{c: c, program: programs.limits, store: "bbolt", port: 18293},
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
// first answer, and the memory that it then has.
func (s *stage) starts(ctx context.Context, rows int) ([]figures.Row, error) {
	var took, memory []float64
	for _, l := range s.linli {
		if l.name != shapeOne {
			continue
		}
		for range s.c.repeats {
			began := clock.Wall().Now()
			t, first, err := l.raise(ctx, rows, began)
			if err != nil {
				return nil, errors.Join(err, l.lower(ctx))
			}
			time.Sleep(idleFor)
			mb, err := anonymous(t.pids...)
			if err = errors.Join(err, l.lower(ctx)); err != nil {
				return nil, err
			}
			took, memory = append(took, float64(first.Microseconds())/1000), append(memory, mb)
		}
	}
	if took == nil {
		return nil, nil
	}
	start, low, high := figures.Median(took)
	mb, lowMB, highMB := figures.Median(memory)
	return []figures.Row{
		{What: fmt.Sprintf("start to first answer, %d rows", rows), Shape: "one process", Unit: "ms",
			Value: start, Low: low, High: high, Repeats: len(took), Target: "≤ 150 ms"},
		{What: fmt.Sprintf("memory idle (RssAnon), %d rows", rows), Shape: "one process", Unit: "MB",
			Value: mb, Low: lowMB, High: highMB, Repeats: len(memory), Target: "≤ 60 MB"},
	}, nil
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
	time.Sleep(idleFor)
	for _, t := range all {
		if s.idle[t.name], err = anonymous(t.pids...); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// loaded answers the memory of linli after the load.
func (s *stage) loaded(rows int, targets []target) (out []figures.Row, err error) {
	memory := map[string]float64{}
	for _, t := range targets {
		if memory[t.name], err = anonymous(t.pids...); err != nil {
			return nil, err
		}
	}
	for _, l := range s.linli {
		r := figures.Row{What: fmt.Sprintf("memory after load (RssAnon), %d rows", rows), Shape: l.title, Unit: "MB", Value: memory[l.target], Repeats: 1}
		if pb, ok := memory["pb"]; ok {
			r.Beside, r.Ratio, r.Target = "PocketBase (less is better)", memory[l.target]/pb, "≤ 1×"
		}
		out = append(out, r)
		if l.name == shapeSix {
			out = append(out, figures.Row{What: fmt.Sprintf("memory idle (RssAnon), %d rows", rows), Shape: l.title, Unit: "MB",
				Value: s.idle[l.target], Repeats: 1, Target: "≤ 180 MB"})
		}
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
