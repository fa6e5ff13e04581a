package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
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
		if !errors.Is(err, errSaid) {
			fmt.Fprintln(os.Stderr, "faults:", err)
		}
		os.Exit(1)
	}
}

// settings of a run on the command line.
type settings struct {
	binary, figures, only string
	cycles, everything    int
	seed                  uint64
	disk, six, controls   bool
}

func root() *cobra.Command {
	var s settings
	c := &cobra.Command{Use: "faults", Short: "break linli while it is at work, and look whether it kept its word", Long: inventory(),
		SilenceUsage: true, SilenceErrors: true}
	loop := &cobra.Command{Use: "loop", Short: "one fault a cycle, under load", Long: inventory(), Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return s.loop(c.Context(), c.OutOrStdout()) }}
	loop.Flags().IntVar(&s.cycles, "cycles", 50, "how many; each fault is struck as often as any other")
	loop.Flags().IntVar(&s.everything, "everything", 10, "after how many cycles all is read back and the files are checked")
	loop.Flags().StringVar(&s.only, "only", "", "only faults whose name holds this")
	loop.Flags().BoolVar(&s.controls, "controls", false, "first have linli and the client cheat, which must be caught")
	loop.Flags().BoolVar(&s.disk, "disk", true, "on a disk of its own, which can get full (needs root)")
	loop.Flags().BoolVar(&s.six, "six", false, "linli in six processes: each is killed in turn")
	loop.Flags().Uint64Var(&s.seed, "seed", 1, "what is random follows from it")
	loop.Flags().StringVar(&s.binary, "linli", "bin/linli", "the built command")
	loop.Flags().StringVar(&s.figures, "figures", "", "folder to save the figures in, docs/figures")
	c.AddCommand(loop)
	return c
}

// inventory is what can be broken, and what must be caught.
func inventory() string {
	var b strings.Builder
	b.WriteString("Breaks linli while it is at work, and looks whether it kept its word.\n")
	list := func(title string, names []string) {
		fmt.Fprintf(&b, "\n%s:\n  %s\n", title, strings.Join(names, "\n  "))
	}
	list("Faults (--only)", faultNames(faults()))
	list("Faults of six processes (--six)", faultNames(sixFaults()))
	var names []string
	for _, c := range controls() {
		names = append(names, c.name)
	}
	list("Controls, each a cheat that the checks must catch (--controls)", names)
	return b.String()
}
