package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/linli-project/linli/cmd/house"
)

const (
	// stopWithin is how long Ctrl-C may take.
	stopWithin = 10 * time.Second
	// A heap that may grow to five times its live size before a collection,
	// under a limit that a small machine can bear: measured to halve the cost
	// of a list.
	gcPercent   = 400
	memoryLimit = 1 << 30
)

type serveFlags struct {
	data, http, grpc, clock, logLevel string
	dev, withParent                   bool
}

func serveCommand() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use: "serve", Short: "start everything in one process", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return serve(c.Context(), f, c.OutOrStdout()) },
	}
	dataFlag(c, &f.data, "./var")
	c.Flags().StringVar(&f.http, "http", "127.0.0.1:8080", "address of REST, the API page, metrics and health")
	c.Flags().StringVar(&f.grpc, "grpc", "127.0.0.1:9090", "address of gRPC")
	c.Flags().BoolVar(&f.dev, "dev", false, "development: tokens that anybody can write, loopback only")
	c.Flags().StringVar(&f.clock, "clock", "", "with --dev, where the civil clock of a new folder begins (2013-01-01)")
	c.Flags().StringVar(&f.logLevel, "log", "info", "debug, info, warn or error")
	c.Flags().BoolVar(&f.withParent, "with-parent", false, "stop when the standard input ends: for a program that starts linli")
	return c
}

func (f serveFlags) config() (house.Config, error) {
	c := house.Config{Data: f.data, HTTP: f.http, GRPC: f.grpc, Dev: f.dev, MasterKeyFile: os.Getenv("LINLI_MASTER_KEY_FILE"),
		SMTP: os.Getenv("LINLI_SMTP"), MailFrom: os.Getenv("LINLI_MAIL_FROM")}
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return c, fmt.Errorf("--log %s: debug, info, warn or error", f.logLevel)
	}
	c.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	if f.clock != "" {
		at, err := time.Parse(time.DateOnly+" -0700", f.clock+" +0800")
		if err != nil {
			return c, fmt.Errorf("--clock %s: a day like 2013-01-01", f.clock)
		}
		c.Clock = at
	}
	return c, nil
}

func serve(ctx context.Context, f serveFlags, out io.Writer) error {
	c, err := f.config()
	if err != nil {
		return err
	}
	tuneMemory()
	if f.withParent {
		ctx = whileParent(ctx, os.Stdin)
	}
	h, err := house.Start(ctx, c)
	if err != nil {
		return err
	}
	printPlaces(out, c, h)
	select {
	case <-ctx.Done():
		fmt.Fprintln(out, "stopping …")
	case err = <-h.Failed():
	}
	return errors.Join(err, closeHouse(h))
}

// tuneMemory sets what measured best, unless the environment says otherwise.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

func closeHouse(h *house.House) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	return h.Close(ctx)
}

func printPlaces(out io.Writer, c house.Config, h *house.House) {
	base := "http://" + h.HTTPAddr()
	fmt.Fprintf(out, "linli 邻里 is up, data in %s\n\n", c.Data)
	for _, place := range [][2]string{
		{"open in a browser", base + "/"}, {"API page", base + "/docs/"}, {"REST", base + "/v1"},
		{"gRPC", h.GRPCAddr()}, {"metrics", base + "/metrics"}, {"health", base + "/healthz"},
	} {
		fmt.Fprintf(out, "  %-18s %s\n", place[0], place[1])
	}
	if c.Dev {
		fmt.Fprintln(out, "\nStarted with --dev: development tokens are taken, so it listens on loopback only.")
	}
	fmt.Fprintln(out, "Ctrl-C stops it.")
}
