package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/linli-project/linli/proto/gen/linli/ops/v1"

	"github.com/linli-project/linli/pkg/ids"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/texts"
)

// eventsPatience bounds one command, whatever the servers do.
const eventsPatience = time.Minute

// eventsFlags select servers and parked events.
type eventsFlags struct {
	grpc                      []string
	service, consumer, reason string
}

func eventsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "events", Short: "events that a consumer could not apply: see, retry, drop",
		Long: "events asks running servers about the events that a consumer could not apply.\n" +
			"It needs the token of a system administrator in LINLI_TOKEN. docs/events.md says\n" +
			"why events are parked and what to do.",
		Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var f eventsFlags
	c.PersistentFlags().StringArrayVar(&f.grpc, "grpc", []string{"127.0.0.1:9090"}, "address of a server's gRPC, as often as there are servers")
	c.PersistentFlags().StringVar(&f.service, "service", "", "only events parked by this service")
	c.PersistentFlags().StringVar(&f.consumer, "consumer", "", "only events parked by this consumer")
	drop := &cobra.Command{
		Use: "drop ID…", Short: "take parked events out without their effect", Args: cobra.MinimumNArgs(1), RunE: f.run(dropParked),
	}
	drop.Flags().StringVar(&f.reason, "reason", "", "why; it stands in the audit")
	c.AddCommand(
		&cobra.Command{Use: "parked", Short: "list parked events", Args: cobra.NoArgs, RunE: f.run(listParked)},
		&cobra.Command{Use: "retry ID…", Short: "apply parked events through their consumers", Args: cobra.MinimumNArgs(1), RunE: f.run(retryParked)},
		drop,
	)
	return c
}

// run makes a command of what is done with a client.
func (f *eventsFlags) run(do func(context.Context, *eventsClient, []string, io.Writer) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, wanted []string) error {
		ctx, cancel := context.WithTimeout(c.Context(), eventsPatience)
		defer cancel()
		client, err := newEventsClient(*f)
		if err != nil {
			return err
		}
		err = do(client.context(ctx), client, wanted, c.OutOrStdout())
		return errors.Join(err, client.Close())
	}
}

// eventsClient asks every server that was named.
type eventsClient struct {
	flags   eventsFlags
	token   string
	servers []eventsServer
	asked   asked
}

type eventsServer struct {
	address string
	conn    *grpc.ClientConn
	api     pb.EventsServiceClient
}

func newEventsClient(f eventsFlags) (*eventsClient, error) {
	c := &eventsClient{flags: f, token: os.Getenv("LINLI_TOKEN")}
	if c.token == "" {
		return nil, errors.New("LINLI_TOKEN holds no token: it wants the access token of a system administrator who is signed in")
	}
	secured, err := operatorFiles().DialOption()
	if err != nil {
		return nil, err
	}
	for _, address := range f.grpc {
		if strings.HasPrefix(address, "http://") || strings.HasPrefix(address, "https://") {
			return nil, errors.Join(fmt.Errorf("--grpc %s: host:port without http://, as 127.0.0.1:9090", address), c.Close())
		}
		conn, err := grpc.NewClient(address, secured)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("--grpc %s: %w", address, err), c.Close())
		}
		c.servers = append(c.servers, eventsServer{address, conn, pb.NewEventsServiceClient(conn)})
	}
	return c, nil
}

// context carries who calls.
func (c *eventsClient) context(ctx context.Context) context.Context {
	return metadata.NewOutgoingContext(ctx, metadata.Pairs(rpc.HeaderAuthorization, "Bearer "+c.token, rpc.HeaderLanguage, texts.English))
}

// once makes a call that changes something safe to be sent again.
func once(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, rpc.HeaderIdempotencyKey, ids.New("cli"))
}

func (c *eventsClient) Close() error {
	var problems []error
	for _, s := range c.servers {
		problems = append(problems, s.conn.Close())
	}
	return errors.Join(problems...)
}

// each calls fn with every parked event that the flags select.
func (c *eventsClient) each(ctx context.Context, fn func(eventsServer, *pb.ParkedEvent) error) error {
	for _, s := range c.servers {
		for token, more := "", true; more; more = token != "" {
			page, err := s.api.ListParked(ctx, &pb.ListParkedRequest{Service: c.flags.service, PageSize: 200, PageToken: token})
			if err != nil {
				return s.failed(err)
			}
			c.asked.add(page, c.flags.service)
			for _, p := range page.GetParked() {
				if c.flags.consumer != "" && c.flags.consumer != p.GetConsumer() {
					continue
				}
				if err := fn(s, p); err != nil {
					return err
				}
			}
			token = page.GetNextPageToken()
		}
	}
	return c.asked.has(c.flags.service, c.flags.consumer)
}

func (s eventsServer) failed(err error) error {
	if status.Code(err) == codes.Unimplemented {
		return fmt.Errorf("%s: no service is in that process; name the addresses of registry, requests, projects and evaluation with --grpc", s.address)
	}
	said := status.Convert(err).Message()
	if strings.Contains(said, "http2") {
		return fmt.Errorf("%s: what answers there is not gRPC (the port of REST?); one process has it on 9090, the six on 9101 to 9104", s.address)
	}
	return fmt.Errorf("%s: %s", s.address, said)
}

// found is a parked event and the server that has it.
type found struct {
	server eventsServer
	event  *pb.ParkedEvent
}

// find answers every place where one of the events is parked. An id that is
// parked nowhere is an error, before anything is done.
func (c *eventsClient) find(ctx context.Context, wanted []string) ([]found, error) {
	var all []found
	places := map[string]int{}
	err := c.each(ctx, func(s eventsServer, p *pb.ParkedEvent) error {
		if slices.Contains(wanted, p.GetEventId()) {
			all = append(all, found{s, p})
			places[p.GetEventId()]++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, id := range wanted {
		if places[id] == 0 {
			return nil, fmt.Errorf("event %s is not parked in %s", id, c.asked.names(c.flags.service))
		}
	}
	return all, nil
}

func listParked(ctx context.Context, c *eventsClient, _ []string, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	n := 0
	err := c.each(ctx, func(_ eventsServer, p *pb.ParkedEvent) error {
		if n++; n == 1 {
			fmt.Fprintln(w, "EVENT\tSERVICE\tCONSUMER\tTYPE\tENTITY\tTRIES\tSINCE\tERROR")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", p.GetEventId(), p.GetService(), consumerOf(p), p.GetEventType(),
			p.GetEntityId(), p.GetTries(), p.GetParkedAt().AsTime().Local().Format(time.DateTime), p.GetError())
		return nil
	})
	if err := errors.Join(err, w.Flush()); err != nil {
		return err
	}
	if n == 0 {
		fmt.Fprintln(out, "nothing is parked in", c.asked.names(c.flags.service))
	}
	return nil
}

func consumerOf(p *pb.ParkedEvent) string {
	if p.GetConsumerGone() {
		return p.GetConsumer() + " (gone)"
	}
	return p.GetConsumer()
}

// retryParked goes on after one that fails, and fails at the end.
func retryParked(ctx context.Context, c *eventsClient, wanted []string, out io.Writer) error {
	all, err := c.find(ctx, wanted)
	if err != nil {
		return err
	}
	left := 0
	for _, f := range all {
		p := f.event
		reply, err := f.server.api.RetryParked(once(ctx), &pb.RetryParkedRequest{Service: p.GetService(), Consumer: p.GetConsumer(), EventId: p.GetEventId()})
		said := "applied"
		switch {
		case err != nil:
			said = "not applied: " + status.Convert(err).Message()
			left++
		case !reply.GetApplied():
			said = "still parked: " + reply.GetParked().GetError()
			left++
		}
		fmt.Fprintf(out, "%s  %s  %s\n", p.GetEventId(), p.GetConsumer(), said)
	}
	if left > 0 {
		return fmt.Errorf("%d of %d not applied", left, len(all))
	}
	return nil
}

func dropParked(ctx context.Context, c *eventsClient, wanted []string, out io.Writer) error {
	if c.flags.reason == "" {
		return errors.New("--reason: why is the effect not wanted?")
	}
	all, err := c.find(ctx, wanted)
	if err != nil {
		return err
	}
	for _, f := range all {
		p := f.event
		_, err := f.server.api.DropParked(once(ctx), &pb.DropParkedRequest{
			Service: p.GetService(), Consumer: p.GetConsumer(), EventId: p.GetEventId(), Reason: c.flags.reason,
		})
		if err != nil {
			return f.server.failed(err)
		}
		fmt.Fprintf(out, "%s  %s  dropped\n", p.GetEventId(), p.GetConsumer())
	}
	return nil
}
