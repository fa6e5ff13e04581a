// Command batch measures the work of a year that is done in bulk: a roster that
// comes in, a ledger that is summed, letters that become files. Beside each it
// runs a reference of its own in plain Go, and with -peers the programs
// that the project is compared with.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"strings"

	"github.com/linli-project/linli/cmd/figures"
)

// options of a run.
type options struct {
	size
	data    string // folder to work in; empty = one of its own, removed at the end
	figures string // folder to save into; empty = nothing is saved
	peers   string // folder of the programs to compare with; empty = none
	profile string // folder for CPU profiles; empty = none
	parts   string
	repeats int
	command string // what to type to get the run again
}

// gcPercent is that of linli serve.
const gcPercent = 400

func main() {
	debug.SetGCPercent(gcPercent)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var o options
	flag.IntVar(&o.members, "members", 100_000, "members on the roster; one in 50 makes a workplace, one in 100 a community")
	flag.IntVar(&o.lines, "lines", 20, "ledger lines of each member")
	flag.IntVar(&o.repeats, "repeats", 3, "how often the year is summed")
	flag.StringVar(&o.data, "data", "", "folder to work in (default: a new one, removed at the end)")
	flag.StringVar(&o.figures, "figures", "", "folder to save the figures in (docs/figures)")
	flag.StringVar(&o.parts, "parts", "roster,year", "roster alone, or the year after it")
	flag.StringVar(&o.peers, "peers", "", "folder of the programs to compare with (default: none)")
	flag.StringVar(&o.profile, "profile", "", "folder for CPU profiles")
	flag.Parse()
	o.command = again(flag.CommandLine)
	if err := measure(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "batch:", err)
		os.Exit(1)
	}
}

// again is the command that repeats a run, without the places of this machine.
func again(set *flag.FlagSet) string {
	command, args := "make compare-batch", ""
	set.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "data", "figures", "profile":
		case "members":
			command += " MEMBERS=" + f.Value.String()
		case "peers":
			command += " PEERS=folder"
		default:
			args += fmt.Sprintf(" -%s=%s", f.Name, f.Value)
		}
	})
	if args != "" {
		command += fmt.Sprintf(" ARGS=%q", strings.TrimSpace(args))
	}
	return command
}

// measure runs every part and saves what it found.
func measure(ctx context.Context, o options, out io.Writer) (err error) {
	if o.data == "" {
		if o.data, err = os.MkdirTemp("", "linli-batch-"); err != nil {
			return fmt.Errorf("make a folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.data)) }()
	}
	b := &bench{options: o, out: out}
	parts := []func(context.Context) error{b.rosters}
	if strings.Contains(o.parts, "year") {
		parts = append(parts, b.year)
	}
	for _, part := range append(parts, b.peerPrograms) {
		if err := part(ctx); err != nil {
			return err
		}
	}
	run := figures.Run{
		Name: fmt.Sprintf("batch-%d", o.members), Page: "performance", Section: "Bulk work",
		Command: o.command, Note: note(o), Rows: b.rows,
	}
	if o.figures == "" {
		fmt.Fprintln(out, "nothing was saved: FIGURES=docs/figures keeps the figures")
		return run.Validate()
	}
	return figures.Save(o.figures, run)
}

func note(o options) string {
	return fmt.Sprintf("%d members of %d workplaces in %d communities, %d ledger lines. "+
		"The roster comes in through the door as one file, in slices that are each validated, sealed, indexed, announced, "+
		"audited and synced. The ledger is proposed and confirmed through the door before the clock is started. "+
		"The year is summed by the service's own job, from the order to the state computed: every result and letter is on disk then. "+
		"Workbooks of letters are written by excelize, through linli's own package; beside them the library writes the same rows alone. "+
		"Check sums of the evaluation are linli's own, since its rules are others than those of the reference; the time is compared. "+
		"CPU is that of all threads; memory is anonymous memory at its highest.",
		o.members, o.workplaces(), o.communities(), o.members*o.lines)
}

// bench is one run with what it found so far.
type bench struct {
	options
	out  io.Writer
	rows []figures.Row

	// What the programs of others are compared with.
	imported    cost
	evaluations []cost
}

// found says a figure and keeps it, with whether it met its target.
func (b *bench) found(r figures.Row) {
	r.Note = judged(r)
	fmt.Fprintf(b.out, "%-58s %10.3f %-6s", r.What, r.Value, r.Unit)
	if r.Beside != "" {
		fmt.Fprintf(b.out, "  %6.2f of %s", r.Ratio, r.Beside)
	}
	if r.Target != "" {
		fmt.Fprintf(b.out, "  target %s: %s", r.Target, r.Note)
	}
	fmt.Fprintln(b.out)
	b.rows = append(b.rows, r)
}

// judged is the note of a row that begins with whether its ratio is what it
// was to be: "≥ 0.85×".
func judged(r figures.Row) string {
	var least float64
	if n, err := fmt.Sscanf(r.Target, "≥ %f×", &least); err != nil || n != 1 {
		return r.Note
	}
	verdict := "missed"
	if r.Ratio >= least {
		verdict = "met"
	}
	return strings.TrimSuffix(verdict+". "+r.Note, ". ")
}

// cost keeps what a piece of work took.
func (b *bench) cost(what string, c cost) {
	b.found(figures.Row{What: what, Value: c.wall.Seconds(), Unit: "s",
		Note: fmt.Sprintf("%.2f s CPU, %d MB", c.cpu.Seconds(), c.peak>>20)})
	fmt.Fprintf(b.out, "%-58s %10.3f s CPU, %d MB at most\n", "", c.cpu.Seconds(), c.peak>>20)
}

// beside compares a rate or a time with a reference: ratio is how many times
// faster the first is.
func (b *bench) beside(what string, own, other cost, reference, target string) {
	b.found(figures.Row{What: what, Value: own.wall.Seconds(), Unit: "s", Beside: fmt.Sprintf("%s (%.3f s)", reference, other.wall.Seconds()),
		Ratio: other.wall.Seconds() / own.wall.Seconds(), Target: target,
		Note: fmt.Sprintf("by CPU %.2f×", other.cpu.Seconds()/own.cpu.Seconds())})
}

// profiled runs fn under a CPU profile, if profiles are wanted.
func (b *bench) profiled(name string, fn func() error) (err error) {
	if b.profile == "" {
		return fn()
	}
	f, err := os.Create(filepath.Join(b.profile, name+".pprof"))
	if err != nil {
		return fmt.Errorf("make a profile: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := pprof.StartCPUProfile(f); err != nil {
		return fmt.Errorf("start a profile: %w", err)
	}
	defer pprof.StopCPUProfile()
	return fn()
}
