package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/linli-project/linli/cmd/demo"
	"github.com/linli-project/linli/cmd/house"
	"github.com/linli-project/linli/cmd/signin"
)

type demoFlags struct {
	data, address string
	// code of the first start, or login of a security administrator, of a linli
	// that runs already; and where it posts what is sent to phones.
	code, login, phones string
	keep, city          bool
	workplaces          int
	figures             string
}

func demoCommand() *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use: "demo", Short: "live through a district's 2013 and compare it with the records", Args: cobra.NoArgs,
		Long: "demo starts a server on a folder of its own and leads a district through 2013 as a client of it,\n" +
			"day by day, on the records that the project contains. With --data it goes on where it was broken off.\n" +
			"With --address it leads a linli that runs already, as `deploy/six.sh start --dev --clock 2013-01-01 DIR`.",
		RunE: func(c *cobra.Command, _ []string) error { return runDemo(c.Context(), f, c.OutOrStdout()) },
	}
	c.Flags().StringVar(&f.data, "data", "", "folder to use and to go on in; empty = a new one")
	c.Flags().StringVar(&f.address, "address", "", "REST address of a linli that was started with --dev --clock 2013-01-01 (2013-07-29 with --city); empty = start one")
	c.Flags().StringVar(&f.code, "code", "", "with --address: the code of the link that its first start printed")
	c.Flags().StringVar(&f.login, "login", "", "with --address: login of its security administrator, whose password is in LINLI_DEMO_PASSWORD")
	c.Flags().StringVar(&f.phones, "phones", "127.0.0.1:0", "with --address: where the demo takes the codes that linli sends to phones, as named there by LINLI_SMS")
	c.Flags().BoolVar(&f.city, "city", false, "a whole city instead: 100,000 members, from their rosters to 2,000 letters")
	c.Flags().IntVar(&f.workplaces, "workplaces", 0, "with --city, only the first so many workplaces with their members; 0 = all 2,000")
	c.Flags().StringVar(&f.figures, "figures", "", "with --city, folder to save what each step took in, for docs/performance.md; empty = nowhere")
	c.Flags().BoolVar(&f.keep, "keep", false, "leave the server running at the end")
	return c
}

func runDemo(ctx context.Context, f demoFlags, out io.Writer) (err error) {
	folder := f.data
	if folder == "" {
		if folder, err = os.MkdirTemp("", "linli-demo-*"); err != nil {
			return fmt.Errorf("make a folder for the demo: %w", err)
		}
		if !f.keep {
			defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
		}
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("data folder %s cannot be made: %w", folder, err)
	}
	if f.city {
		return runCity(ctx, f, folder, out)
	}
	phones, err := signin.OpenPhones(f.phones)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, phones.Close()) }()
	people := f.people(folder, phones)
	address := f.address
	if address == "" {
		h, stop, failed := startDemo(ctx, folder, phones.URL())
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, stop()) }()
		address, people.Code = h.HTTPAddr(), h.FirstCode()
		fmt.Fprintf(out, "linli demo: server on http://%s, data and log in %s\n", address, folder)
	} else {
		fmt.Fprintf(out, "linli demo: with the server on http://%s, notes in %s\n", address, folder)
	}
	people.Address = address
	desk, err := signin.NewDesk(people)
	if err != nil {
		return err
	}
	show, end := progress(out)
	err = demo.Run(ctx, demo.Config{Address: address, Desk: desk, Notes: folder, Progress: show, Out: &afterProgress{out: out, end: end}})
	if f.keep && (err == nil || errors.Is(err, demo.ErrDiffers)) {
		printKept(out, address, folder)
		<-ctx.Done()
	}
	return err
}

// people says how the demo's people sign in; the address comes later.
func (f demoFlags) people(folder string, phones *signin.Phones) signin.Config {
	return signin.Config{
		Code: f.code, Login: f.login, Password: os.Getenv("LINLI_DEMO_PASSWORD"), Top: demo.Top,
		File: filepath.Join(folder, "people.json"), Phones: phones,
	}
}

// startDemo starts a server on the demo's folder; stop ends it and its log.
func startDemo(ctx context.Context, folder, phones string) (h *house.House, stop func() error, err error) {
	log, err := os.OpenFile(filepath.Join(folder, "linli.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("data folder %s cannot be written: %w", folder, err)
	}
	tuneMemory(house.Whole)
	h, err = house.Start(ctx, house.Config{
		Data: folder, HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0", Dev: true, Clock: demo.First(), SMS: phones,
		Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		return nil, nil, errors.Join(err, log.Close())
	}
	return h, func() error { return errors.Join(closeHouse(h), log.Close()) }, nil
}

// progress tells the day: on a terminal in place, else a line a month.
func progress(out io.Writer) (show func(day string), end func()) {
	f, ok := out.(*os.File)
	terminal := ok && term.IsTerminal(int(f.Fd()))
	month := ""
	return func(day string) {
			switch {
			case terminal:
				fmt.Fprintf(out, "\r  %s ", day)
			case day[:7] != month:
				month = day[:7]
				fmt.Fprintf(out, "  %s\n", month)
			}
		}, func() {
			if terminal {
				fmt.Fprint(out, "\r")
			}
			fmt.Fprintln(out)
		}
}

// afterProgress ends the progress line before the first byte of the report.
type afterProgress struct {
	out io.Writer
	end func()
}

func (a *afterProgress) Write(p []byte) (int, error) {
	if a.end != nil {
		a.end()
		a.end = nil
	}
	return a.out.Write(p)
}

func printKept(out io.Writer, address, folder string) {
	base := "http://" + address
	fmt.Fprintf(out, "\nThe server goes on until Ctrl-C. Things to look at, with a token in the shell:\n\n")
	fmt.Fprintf(out, "  T=$(bin/linli as --address %s --people %s --role district_officer --name demo-district --at 430101)\n", address, filepath.Join(folder, "people.json"))
	for _, path := range []string{
		"/v1/organizations/430101/completion", "/v1/organizations/430101002001/circle",
		"/v1/organizations/430101002001/requests?pageSize=5", "/v1/organizations/430101/calls",
	} {
		fmt.Fprintf(out, "  curl -s -H \"Authorization: Bearer $T\" '%s%s'\n", base, path)
	}
	fmt.Fprintf(out, "\n  API page: %s/docs/   data: %s\n", base, folder)
}
