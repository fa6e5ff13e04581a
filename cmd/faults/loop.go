package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
)

// loopConfig of a loop.
type loopConfig struct {
	cycles int
	// everything says after how many cycles all is read back and the files are
	// checked; in the others what is new is.
	everything int
	faults     []fault
	seed       uint64 // of their order
	out        io.Writer
}

// loop strikes so many times and answers what it found that must not be.
func (w *world) loop(ctx context.Context, c loopConfig) (problems []string, err error) {
	next := rounds(c.faults, c.seed)
	for cycle := 1; cycle <= c.cycles; cycle++ {
		f := next()
		found, err := w.cycle(ctx, f)
		if err == nil && (cycle%c.everything == 0 || cycle == c.cycles) {
			var all []string
			all, err = w.everything(ctx)
			found = append(found, all...)
		}
		if ctx.Err() != nil { // what was broken off found nothing
			return problems, fmt.Errorf("cycle %d, %s: %w", cycle, f.name, ctx.Err())
		}
		fmt.Fprintf(c.out, "cycle %d: %s: %d writes acknowledged so far, %d problems\n", cycle, f.name, w.load.ledger.acknowledged(), len(found))
		w.measured.cycles++
		w.measured.found.count(found)
		problems = append(problems, found...)
		if err != nil {
			return problems, fmt.Errorf("cycle %d, %s: %w", cycle, f.name, err)
		}
		if len(problems) > 0 {
			fmt.Fprintln(c.out, w.process.lastWords())
			return problems, nil
		}
	}
	return nil, nil
}

// rounds answers the faults in an order that follows from a seed: all of them,
// again and again, each round shuffled, so that n cycles strike each of k kinds
// n/k times.
func rounds(all []fault, seed uint64) func() fault {
	order, random, at := slices.Clone(all), rand.New(rand.NewPCG(seed, 2)), 0
	return func() fault {
		if at%len(order) == 0 {
			random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		at++
		return order[(at-1)%len(order)]
	}
}

// cycle is one strike and a look at what is new since the one before.
func (w *world) cycle(ctx context.Context, f fault) (problems []string, err error) {
	first := len(w.load.ledger.since(0))
	w.load.ledger.watch()
	problems, err = f.strike(ctx, w)
	if err == nil {
		err = w.work(ctx, workers)
	}
	if err != nil {
		return problems, err
	}
	w.measured.outages[f.name] = append(w.measured.outages[f.name], w.load.ledger.watch())
	err = w.rested(func() error {
		found, err := w.load.checkNew(ctx, first, w.random)
		problems = append(problems, found...)
		return err
	})
	return problems, err
}

// everything has all effects happen, reads everything back, and checks the
// files.
func (w *world) everything(ctx context.Context) (problems []string, err error) {
	err = w.rested(func() error {
		found, err := w.verify(ctx)
		problems = append(problems, found...)
		if err != nil {
			return err
		}
		w.kill()
		problems = append(problems, w.fsck(ctx, w.folder)...)
		events, err := inspect(ctx, w.folder)
		if err != nil {
			return err
		}
		w.measured.parked = nil
		for _, p := range events.parked {
			w.measured.parked = append(w.measured.parked, fmt.Sprintf("%s by %s after %d tries: %s",
				p.GetEvent().GetType(), p.GetConsumer(), p.GetTries(), p.GetError()))
		}
		return w.up(w.running)
	})
	for _, p := range w.measured.parked {
		problems = append(problems, "parked: "+p)
	}
	return problems, err
}

// found is an error of all problems, nil for none.
func found(problems []string, err error) error {
	if len(problems) > 0 {
		const most = 20
		err = errors.Join(err, fmt.Errorf("%d problems:\n%s", len(problems), strings.Join(problems[:min(most, len(problems))], "\n")))
	}
	return err
}
