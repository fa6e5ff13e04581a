package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"google.golang.org/protobuf/encoding/protojson"

	devv1 "github.com/linli-project/linli/proto/gen/linli/dev/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/clock"
)

const (
	seedSlice   = 50 // what one call takes
	seedWorkers = 8
)

func seedCommand() *cobra.Command {
	var base, ids, file, code string
	var rows int
	c := &cobra.Command{
		Use: "seed", Short: "fill a running server (--dev) with a district and requests", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			began := clock.Wall().Now()
			p, err := peopleOf(file, base, code)
			if err != nil {
				return err
			}
			if err := seed(c.Context(), base, p, rows, ids); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%d requests in %.1f s\n", rows, clock.Wall().Now().Sub(began).Seconds())
			return nil
		},
	}
	c.Flags().StringVar(&base, "base", "http://127.0.0.1:8080", "the server")
	c.Flags().IntVar(&rows, "rows", 10_000, "requests")
	c.Flags().StringVar(&ids, "ids", "ids", "file that takes the ids, one a line")
	c.Flags().StringVar(&file, "people", "people", "file that keeps who was made and how they sign in")
	c.Flags().StringVar(&code, "code", "", "code of the server's first link, /first#CODE")
	return c
}

// seed makes the district and posts rows requests through the service's own way
// of posting, then waits until all their effects are there. The ids go into a
// file, in the order of the rows.
func seed(ctx context.Context, base string, p people, rows int, idsFile string) error {
	c, err := settle(ctx, base, p)
	if err != nil {
		return err
	}
	ids := make([]string, rows)
	workers, inside := errgroup.WithContext(ctx)
	workers.SetLimit(seedWorkers)
	for from := 0; from < rows; from += seedSlice {
		workers.Go(func() error {
			c, err := p.seeding(inside, c)
			if err != nil {
				return err
			}
			return seedOne(inside, c, from, ids[from:min(from+seedSlice, rows)])
		})
	}
	if err := workers.Wait(); err != nil {
		return err
	}
	var lines bytes.Buffer
	for _, id := range ids {
		lines.WriteString(id + "\n")
	}
	if err := os.WriteFile(idsFile, lines.Bytes(), 0o644); err != nil {
		return fmt.Errorf("keep the ids: %w", err)
	}
	if c, err = p.seeding(ctx, c); err != nil {
		return err
	}
	return drain(ctx, c)
}

// settle makes the district and its people, and answers a client of the seeder.
func settle(ctx context.Context, base string, p people) (*client, error) {
	c, err := p.seeding(ctx, newClient(base, "", seedWorkers))
	if err != nil {
		return nil, err
	}
	if err := plant(ctx, c); err != nil {
		return nil, err
	}
	who, err := p.signIn(ctx)
	if err != nil {
		return nil, err
	}
	year := clock.Wall().Now().In(clock.Shanghai()).Year()
	path := fmt.Sprintf("/v1/organizations/%s/policies/%d:publish", district, year)
	if err := c.as(who.officer).call(ctx, "POST", path, calendar(year), nil); err != nil {
		return nil, err
	}
	return c, drain(ctx, c)
}

// seeding is the client with a token of the seeder that holds: a million rows
// take longer than one token does.
func (p people) seeding(ctx context.Context, c *client) (*client, error) {
	token, err := p.desk.Token(ctx, seeder())
	return c.as(token), err
}

// plant imports the organizations; a line that is refused is an error.
func plant(ctx context.Context, c *client) error {
	answer, err := c.send(ctx, "POST", "/v1/organizations:import", "text/csv", tree())
	if err != nil {
		return err
	}
	var out registryv1.ImportOrganizationsResponse
	if err := protojson.Unmarshal(answer, &out); err != nil {
		return fmt.Errorf("decode the answer to an import: %w", err)
	}
	if out.GetRefused() > 0 {
		return fmt.Errorf("organizations were refused: %.300s", answer)
	}
	return nil
}

// seedOne posts the rows from a number on, as many as there is room for ids.
func seedOne(ctx context.Context, c *client, from int, ids []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	in, out := &requestsv1.SeedRequestsRequest{}, &requestsv1.SeedRequestsResponse{}
	for i := range ids {
		in.Requests = append(in.Requests, row(from+i))
	}
	if err := c.call(ctx, "POST", "/v1/dev/requests:seed", in, out); err != nil {
		return err
	}
	if copy(ids, out.GetIds()) != len(ids) {
		return fmt.Errorf("seed: %d ids for %d rows", len(out.GetIds()), len(ids))
	}
	return nil
}

// drain waits until everything committed has had its effects. One call waits
// only as long as a call may; there is more to wait for after a million rows.
func drain(ctx context.Context, c *client) error {
	const patience = 15 * time.Minute
	until := clock.Wall().Now().Add(patience)
	for {
		err := c.call(ctx, "POST", "/v1/dev/events:drain", &devv1.DrainRequest{}, nil)
		if err == nil || ctx.Err() != nil || clock.Wall().Now().After(until) {
			return err
		}
	}
}
