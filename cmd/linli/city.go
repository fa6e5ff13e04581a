package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/linli-project/linli/cmd/demo"
)

// runCity is the demo of a whole city, with a server of its own process: so its
// memory is its own, and either of the two can be killed.
func runCity(ctx context.Context, f demoFlags, folder string, out io.Writer) (err error) {
	server, err := startChild(ctx, folder, demo.CityFirst())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	fmt.Fprintf(out, "linli demo of a city: server on http://%s (process %d), data and log in %s\n", server.address, server.cmd.Process.Pid, folder)
	began := time.Now()
	result, err := demo.RunCity(server.while(ctx), demo.CityConfig{
		Address: server.address, Server: server.cmd.Process.Pid, Notes: folder, Workplaces: f.workplaces, Out: out,
		Progress: func(step string) {
			fmt.Fprintf(out, "  %6s  %s\n", time.Since(began).Round(time.Second), step)
		},
	})
	_ = result
	if f.keep && (err == nil || errors.Is(err, demo.ErrDiffers)) {
		fmt.Fprintf(out, "\nThe server goes on until Ctrl-C: http://%s/docs/\n", server.address)
		<-ctx.Done()
	}
	return err
}
