// Command linli is the whole of linli: its server, and the commands around it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/grpclog"
)

func main() {
	// The gateway's library logs what callers send wrong, and tells them too.
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		// One line: what went wrong is for the person who typed the command.
		fmt.Fprintln(os.Stderr, "linli:", oneLine(err))
		os.Exit(1)
	}
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use: "linli", Short: "邻里 — party-building work of a city district",
		SilenceUsage: true, SilenceErrors: true,
	}
	c.AddCommand(serveCommand(), demoCommand(), fsckCommand(), backupCommand(), restoreCommand(), certCommand(), statesCommand(), accessCommand(), projectsCommand(), eventsCommand(), adminCommand(), auditCommand(), keysCommand(), asCommand())
	return c
}

// dataFlag is the same everywhere: --data, else LINLI_DATA, else ./var.
func dataFlag(c *cobra.Command, folder *string, otherwise string) {
	if env := os.Getenv("LINLI_DATA"); env != "" && otherwise != "" {
		otherwise = env
	}
	c.Flags().StringVar(folder, "data", otherwise, "data folder (LINLI_DATA)")
}

// oneLine is the first line of an error: joined errors tell of their clean-up
// below it.
func oneLine(err error) string {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) && len(joined.Unwrap()) > 0 {
		return joined.Unwrap()[0].Error()
	}
	return err.Error()
}
