package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/linli-project/linli/cmd/house"
	"github.com/linli-project/linli/pkg/certs"
)

// stopWithin is how long Ctrl-C may take.
const stopWithin = 10 * time.Second

type serveFlags struct {
	role                                              house.Role
	data, http, grpc, broker, clock, logLevel, limits string
	certs, proxies, callerLimits                      string
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
	for _, peer := range append(role.Peers(), role.Asks()...) {
		f.peers[peer] = new(string)
		from(f.peers[peer], peer, placesOf(house.Role(peer)).grpc, "where the "+peer+" answers gRPC")
	}
	c.Flags().BoolVar(&f.dev, "dev", false, "development: the clock, reflection, codes for phones in the log; loopback only")
	c.Flags().StringVar(&f.clock, "clock", "", "with --dev, where the civil clock of a new folder begins (2013-01-01)")
	limitsFlag(c, &f.limits)
	if role != house.Broker {
		callerLimitsFlag(c, &f.callerLimits)
	}
	from(&f.certs, "certs", "", "folder that `linli cert` made: certificates between the parts, and for browsers")
	if role == house.Whole || role == house.Gateway {
		from(&f.proxies, "proxies", "", "networks of proxies before this one whose X-Forwarded-For is believed: 127.0.0.1,10.0.0.0/8")
	}
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
// tools to them: those that are named, else those of a part in the folder.
func tlsFiles(folder, part string) house.TLS {
	named := house.TLS{
		CertFile: os.Getenv("LINLI_TLS_CERT_FILE"), KeyFile: os.Getenv("LINLI_TLS_KEY_FILE"), CAFile: os.Getenv("LINLI_TLS_CA_FILE"),
	}
	if named == (house.TLS{}) && folder != "" {
		return house.TLSIn(folder, part)
	}
	return named
}

// operatorFiles are those of the commands that look after a running linli.
func operatorFiles() house.TLS { return tlsFiles(os.Getenv("LINLI_CERTS"), certs.Operator) }

// https are the files for browsers: those that are named, else those of the
// folder where others than this machine call. On loopback the folder's are not
// taken: whoever ends TLS before linli speaks plain HTTP to it.
func (f serveFlags) https() house.HTTPS {
	named := house.HTTPS{CertFile: os.Getenv("LINLI_HTTPS_CERT_FILE"), KeyFile: os.Getenv("LINLI_HTTPS_KEY_FILE")}
	public := !house.Loopback(f.http) || f.role == house.Whole && !house.Loopback(f.grpc)
	if named == (house.HTTPS{}) && f.certs != "" && public {
		return house.HTTPSIn(f.certs)
	}
	return named
}

// parseProxies reads addresses and networks.
func parseProxies(text string) (out []netip.Prefix, err error) {
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		if ip, err := netip.ParseAddr(part); err == nil {
			out = append(out, netip.PrefixFrom(ip, ip.BitLen()))
			continue
		}
		network, err := netip.ParsePrefix(part)
		if err != nil {
			return nil, fmt.Errorf("--proxies %s: addresses or networks, as 127.0.0.1 or 10.0.0.0/8", part)
		}
		out = append(out, network.Masked())
	}
	return out, nil
}

func (f serveFlags) config() (house.Config, error) {
	c := house.Config{
		Role: f.role, Data: f.data, HTTP: f.http, GRPC: f.grpc, Broker: f.broker, Peers: map[string]string{},
		Dev: f.dev, MasterKeyFile: os.Getenv("LINLI_MASTER_KEY_FILE"), Sealing: os.Getenv("LINLI_SEALING"), BrokerKeyFile: os.Getenv("LINLI_BROKER_KEY_FILE"),
		Blobs: os.Getenv("LINLI_BLOBS"), SMTP: os.Getenv("LINLI_SMTP"), MailFrom: os.Getenv("LINLI_MAIL_FROM"),
		SMS: os.Getenv("LINLI_SMS"), SMSKeyFile: os.Getenv("LINLI_SMS_KEY_FILE"),
		OIDC: house.OIDC{
			Issuer: os.Getenv("LINLI_OIDC_ISSUER"), ClientID: os.Getenv("LINLI_OIDC_CLIENT_ID"),
			SecretFile: os.Getenv("LINLI_OIDC_CLIENT_SECRET_FILE"), Redirects: strings.Fields(os.Getenv("LINLI_OIDC_REDIRECTS")),
		},
	}
	if most := os.Getenv("LINLI_REVEALS_PER_HOUR"); most != "" {
		var err error
		if c.Reveals, err = strconv.Atoi(most); err != nil || c.Reveals < 1 {
			return c, fmt.Errorf("LINLI_REVEALS_PER_HOUR=%s: a number from 1", most)
		}
	}
	if f.role != house.Whole {
		c.TLS = tlsFiles(f.certs, string(f.role))
	}
	if f.role == house.Whole || f.role == house.Gateway {
		c.HTTPS = f.https()
	}
	var err error
	if c.Proxies, err = parseProxies(f.proxies); err != nil {
		return c, err
	}
	if c.Callers, err = parseCallerLimits(f.callerLimits); err != nil {
		return c, err
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
	if c.HTTPS != (house.HTTPS{}) {
		base = "https://" + h.HTTPAddr()
	}
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
	if code := h.FirstCode(); code != "" {
		printFirst(out, c, base, code)
	}
	if c.Dev {
		fmt.Fprintln(out, "\nStarted with --dev: the clock can be moved and codes for phones stand in the log, so it listens on loopback only.")
	}
	fmt.Fprintln(out, "Ctrl-C stops it.")
}
