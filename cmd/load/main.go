// Command load measures linli: how fast it answers, what it takes, and how that
// stands beside others. `load compare` starts what it measures and prints a
// table; the other commands are its parts, to be run by hand.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use: "load", Short: "measure linli",
		SilenceUsage: true, SilenceErrors: true,
	}
	c.AddCommand(compareCommand(), seedCommand(), bareCommand(), browserCommand())
	return c
}
