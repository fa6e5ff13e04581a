package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/linli-project/linli/cmd/house"
)

// stopWithin is how long Ctrl-C may take.
const stopWithin = 10 * time.Second

type serveFlags struct {
	role                                              house.Role
	data, http, grpc, broker, clock, logLevel, limits string
	peers                                             map[string]*string
	dev, withParent                                   bool
}

func serveCommand() *cobra.Command {
	c := serveAs(house.Whole, "serve", "start everything in one process, or one part of it")
	for _, role := range house.Roles() {
		c.AddCommand(serveAs(role, string(role), "start the "+string(role)+" alone; the six parts together are linli"))
	}
	return c
}

// serveAs is the command of one role. Each flag can stand in the environment
// instead, under its name in capitals with LINLI_ before it.
func serveAs(role house.Role, name, short string) *cobra.Command {
	f := serveFlags{role: role, peers: map[string]*string{}}
	c := &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return serve(c.Context(), f, c.OutOrStdout()) },
	}
	at := placesOf(role)
	dataFlag(c, &f.data, filepath.Join("./var", string(role)))
	from := func(into *string, flag, otherwise, usage string) {
		variable := "LINLI_" + strings.ToUpper(flag)
		c.Flags().StringVar(into, flag, cmp.Or(os.Getenv(variable), otherwise), usage+" ("+variable+")")
	}
	if role == house.Whole || role == house.Gateway {
		from(&f.http, "http", at.http, "address of REST, the API page, metrics and health")
	} else {
		from(&f.http, "http", at.http, "address of metrics and health")
	}
	if role != house.Broker {
		from(&f.grpc, "grpc", at.grpc, "address of gRPC")
	}
	switch role {
	case house.Whole:
	case house.Broker:
		from(&f.broker, "broker", placeOfBroker, "where the broker listens")
	default:
		from(&f.broker, "broker", placeOfBroker, "where the broker is")
	}
	for _, peer := range role.Peers() {
		f.peers[peer] = new(string)
		from(f.peers[peer], peer, placesOf(house.Role(peer)).grpc, "where the "+peer+" answers gRPC")
	}
	c.Flags().BoolVar(&f.dev, "dev", false, "development: tokens that anybody can write, loopback only")
	c.Flags().StringVar(&f.clock, "clock", "", "with --dev, where the civil clock of a new folder begins (2013-01-01)")
	limitsFlag(c, &f.limits)
	c.Flags().StringVar(&f.logLevel, "log", "info", "debug, info, warn or error")
	c.Flags().BoolVar(&f.withParent, "with-parent", false, "stop when the standard input ends: for a program that starts linli")
	return c
}

// places are the addresses of a role unless others are named: those of the whole
// and of the gateway are the same, so that callers need not know the shape.
type places struct{ http, grpc string }

const placeOfBroker = "nats://127.0.0.1:4222"

func placesOf(role house.Role) places {
	switch role {
	case house.Broker:
		return places{http: "127.0.0.1:8100"}
	case house.Registry:
		return places{http: "127.0.0.1:8101", grpc: "127.0.0.1:9101"}
	case house.Requests:
		return places{http: "127.0.0.1:8102", grpc: "127.0.0.1:9102"}
	case house.Projects:
		return places{http: "127.0.0.1:8103", grpc: "127.0.0.1:9103"}
	case house.Evaluation:
		return places{http: "127.0.0.1:8104", grpc: "127.0.0.1:9104"}
	}
	return places{http: "127.0.0.1:8080", grpc: "127.0.0.1:9090"}
}

// tlsFiles are what secures the connections between the parts, and those of
// tools to them.
func tlsFiles() house.TLS {
	return house.TLS{
		CertFile: os.Getenv("LINLI_TLS_CERT_FILE"), KeyFile: os.Getenv("LINLI_TLS_KEY_FILE"), CAFile: os.Getenv("LINLI_TLS_CA_FILE"),
	}
}

func (f serveFlags) config() (house.Config, error) {
	c := house.Config{
		Role: f.role, Data: f.data, HTTP: f.http, GRPC: f.grpc, Broker: f.broker, Peers: map[string]string{},
		Dev: f.dev, MasterKeyFile: os.Getenv("LINLI_MASTER_KEY_FILE"), Sealing: os.Getenv("LINLI_SEALING"), BrokerKeyFile: os.Getenv("LINLI_BROKER_KEY_FILE"),
		Blobs: os.Getenv("LINLI_BLOBS"), SMTP: os.Getenv("LINLI_SMTP"), MailFrom: os.Getenv("LINLI_MAIL_FROM"),
	}
	if most := os.Getenv("LINLI_REVEALS_PER_HOUR"); most != "" {
		var err error
		if c.Reveals, err = strconv.Atoi(most); err != nil || c.Reveals < 1 {
			return c, fmt.Errorf("LINLI_REVEALS_PER_HOUR=%s: a number from 1", most)
		}
	}
	if f.role != house.Whole {
		c.TLS = tlsFiles()
	}
	for name, at := range f.peers {
		c.Peers[name] = *at
	}
	if c.BrokerKeyFile == "" && f.dev && f.role != house.Whole {
		// The folders of a development shape lie beside each other.
		c.BrokerKeyFile = filepath.Join(filepath.Dir(filepath.Clean(f.data)), string(house.Broker), "broker.key")
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return c, fmt.Errorf("--log %s: debug, info, warn or error", f.logLevel)
	}
	var err error
	if c.Limits, err = parseLimits(f.limits); err != nil {
		return c, err
	}
	if c.AuditDays, err = auditDays(); err != nil {
		return c, err
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
	tuneMemory(f.role)
	if f.withParent {
		ctx = whileParent(ctx, os.Stdin)
	}
	h, err := house.Start(ctx, c)
	if err != nil {
		return err
	}
	printPlaces(out, c, h)
	go giveBack(ctx)
	select {
	case <-ctx.Done():
		fmt.Fprintln(out, "stopping …")
	case err = <-h.Failed():
	}
	return errors.Join(err, closeHouse(h))
}

func closeHouse(h *house.House) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	return h.Close(ctx)
}

func printPlaces(out io.Writer, c house.Config, h *house.House) {
	base := "http://" + h.HTTPAddr()
	fmt.Fprintf(out, "linli 邻里%s is up, data in %s\n\n", strings.TrimRight(" "+string(c.Role), " "), c.Data)
	all := [][2]string{{"gRPC", h.GRPCAddr()}, {"broker", h.BrokerAddr()}, {"metrics", base + "/metrics"}, {"health", base + "/healthz"}}
	if c.Role == house.Whole || c.Role == house.Gateway {
		all = append([][2]string{{"open in a browser", base + "/"}, {"API page", base + "/docs/"}, {"REST", base + "/v1"}}, all...)
	}
	for _, place := range all {
		if place[1] != "" {
			fmt.Fprintf(out, "  %-18s %s\n", place[0], place[1])
		}
	}
	if c.Dev {
		fmt.Fprintln(out, "\nStarted with --dev: development tokens are taken, so it listens on loopback only.")
	}
	fmt.Fprintln(out, "Ctrl-C stops it.")
}
