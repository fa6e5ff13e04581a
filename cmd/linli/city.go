package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/linli-project/linli/cmd/demo"
	"github.com/linli-project/linli/cmd/figures"
	"github.com/linli-project/linli/cmd/signin"
)

// runCity is the demo of a whole city, with a server of its own process: so its
// memory is its own, and either of the two can be killed.
func runCity(ctx context.Context, f demoFlags, folder string, out io.Writer) (err error) {
	phones, err := signin.OpenPhones(f.phones) // nobody of the city enters by phone
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, phones.Close()) }()
	people := f.people(folder, phones)
	conf := demo.CityConfig{Address: f.address, Notes: folder, Workplaces: f.workplaces, Out: out}
	if f.address != "" {
		fmt.Fprintf(out, "linli demo of a city: with the server on http://%s, notes in %s\n", f.address, folder)
	} else {
		server, failed := startChild(ctx, folder, demo.CityFirst())
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, server.stop()) }()
		ctx, conf.Address, conf.Server, people.Code = server.while(ctx), server.address, server.cmd.Process.Pid, server.code
		fmt.Fprintf(out, "linli demo of a city: server on http://%s (process %d), data and log in %s\n", conf.Address, conf.Server, folder)
	}
	people.Address = conf.Address
	if conf.Desk, err = signin.NewDesk(people); err != nil {
		return err
	}
	began := time.Now()
	conf.Progress = func(step string) { fmt.Fprintf(out, "  %6s  %s\n", time.Since(began).Round(time.Second), step) }
	result, err := demo.RunCity(ctx, conf)
	if err == nil && f.figures != "" {
		err = saveCity(f, result)
	}
	if f.keep && (err == nil || errors.Is(err, demo.ErrDiffers)) {
		fmt.Fprintf(out, "\nThe server goes on until Ctrl-C: http://%s/docs/\n", conf.Address)
		<-ctx.Done()
	}
	return err
}

// saveCity keeps what the steps took as figures.
func saveCity(f demoFlags, result demo.CityResult) error {
	r := figures.Run{
		Name: fmt.Sprintf("city-%d", result.Members), Page: "performance", Section: fmt.Sprintf("A city of %d members", result.Members),
		Command: fmt.Sprintf("linli demo --city --workplaces %d --figures %s", f.workplaces, f.figures),
		Note: "Each step of the city's run, in the order of the run, its effects by events included where the next step waits for them. " +
			"The server is a process of its own with GOMEMLIMIT=" + childLimit() + "; memory is RssAnon, looked at every 25 ms, the largest of the step. " +
			"The server's time on processors says more than the time by the clock where others use the machine too.",
	}
	var took, cpu time.Duration
	var server, client int64
	for _, s := range result.Steps {
		took, cpu, server, client = took+s.Took, cpu+s.CPU, max(server, s.Server), max(client, s.Client)
		r.Rows = append(r.Rows, figures.Row{
			What: s.Name, Shape: "one process", Value: s.Took.Seconds(), Unit: "s", Repeats: 1,
			Note: fmt.Sprintf("server: %.1f s on processors, %d MB; client: %d MB", s.CPU.Seconds(), s.Server>>20, s.Client>>20),
		})
	}
	for _, row := range []struct {
		what, unit string
		value      float64
	}{
		{"all steps", "s", took.Seconds()}, {"the server on processors, all steps", "s", cpu.Seconds()},
		{"the server's largest memory", "MB", float64(server >> 20)}, {"the client's largest memory", "MB", float64(client >> 20)},
	} {
		r.Rows = append(r.Rows, figures.Row{What: row.what, Shape: "one process", Value: row.value, Unit: row.unit, Repeats: 1})
	}
	return figures.Save(f.figures, r)
}

func childLimit() string {
	if limit := os.Getenv("GOMEMLIMIT"); limit != "" {
		return limit
	}
	return childMemory
}
