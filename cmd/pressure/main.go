// Command pressure offers a running linli several times what it can carry, and
// looks what becomes of the calls that were let in, of those that were not, of
// the memory, and of everything that was acknowledged. Then come four kinds of
// callers who mean no good, each beside a small steady load.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"

	"github.com/linli-project/linli/cmd/figures"
)

// options of a run.
type options struct {
	// binary is linli's command, limits its --limits.
	binary, limits string
	// seconds of the pressure, times how much more than can be carried.
	seconds time.Duration
	// find is how long the sustainable load is looked for, beside how long each
	// nuisance goes on, and the calm before it.
	find, beside time.Duration
	times        int
	connections  int
	// apart keeps this program and linli on a core each: what one of them does is
	// then not at the expense of the other.
	apart bool
	place []string // what linli's command follows, to be on its core
	// command is what to type to get the run again.
	command string
	// idle connections, slow readers and slow uploads of the nuisances.
	idle, readers, uploads int
}

func main() {
	o := options{find: 5 * time.Second, beside: 5 * time.Second}
	var folder string
	flag.StringVar(&o.binary, "linli", "bin/linli", "the command under test")
	flag.StringVar(&o.limits, "limits", "", "its --limits")
	flag.DurationVar(&o.seconds, "for", time.Minute, "how long the pressure lasts")
	flag.IntVar(&o.times, "times", 10, "how many times the sustainable load")
	flag.IntVar(&o.connections, "connections", 4000, "connections that offer it")
	flag.IntVar(&o.idle, "idle", 5000, "idle connections")
	flag.IntVar(&o.readers, "readers", 200, "streams of changes that are not read")
	flag.IntVar(&o.uploads, "uploads", 100, "uploads that trickle")
	flag.BoolVar(&o.apart, "apart", runtime.NumCPU() > 1, "linli on one core and this program on another")
	flag.StringVar(&folder, "figures", "", "folder that the figures are saved in")
	flag.Parse()
	o.command = again(flag.CommandLine)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := o.keepApart(); err != nil {
		fmt.Fprintln(os.Stderr, "pressure:", err)
		os.Exit(1)
	}
	if err := run(ctx, o, folder, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "pressure:", err)
		os.Exit(1)
	}
}

// again is the command that repeats a run, without the places of this machine.
func again(set *flag.FlagSet) string {
	command, args := "make pressure", ""
	set.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "linli", "figures":
		case "for":
			command += " FOR=" + f.Value.String()
		default:
			args += fmt.Sprintf(" -%s=%s", f.Name, f.Value)
		}
	})
	if args != "" {
		command += fmt.Sprintf(" ARGS=%q", strings.TrimSpace(args))
	}
	return command
}

// run measures, prints, and saves where a folder is named. What was lost is an
// error after everything was said.
func run(ctx context.Context, o options, folder string, out io.Writer) error {
	r, err := measure(ctx, o, out)
	if err != nil {
		return err
	}
	if folder != "" {
		if err := figures.Save(folder, r.figures(o)); err != nil {
			return err
		}
	}
	return r.verdict()
}
