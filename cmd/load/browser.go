package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/encoding/protojson"

	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/cmd/figures"
	"github.com/linli-project/linli/pkg/clock"
)

const (
	eventRate    = 1000 // requests posted in a second
	eventPosters = 64
	// lastOnes is how long the stream is read after the last post.
	lastOnes = 2 * time.Second
)

func browserCommand() *cobra.Command {
	var base, file string
	var seconds int
	c := &cobra.Command{
		Use: "browser", Short: "how long after its commit a change is seen by an open page, at 1,000 posts a second", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := peopleOf(file, base, "")
			if err != nil {
				return err
			}
			seen, err := browse(c.Context(), base, p, seconds)
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), seen)
			return nil
		},
	}
	c.Flags().StringVar(&base, "base", "http://127.0.0.1:8080", "a server that was seeded")
	c.Flags().StringVar(&file, "people", "people", "file of the seed that says how its people sign in")
	c.Flags().IntVar(&seconds, "seconds", 10, "how long to post")
	return c
}

// seen is what an open page was told of the posts.
type seen struct {
	posted, told, missed int
	rate                 float64
	// After the answer to the post, which comes after its commit, and after the
	// post was sent, which is before; in milliseconds.
	p50, p99, sentP50, sentP99 float64
}

func (s seen) String() string {
	return fmt.Sprintf("%d posts at %.0f a second; %d told, %d times \"missed\"; answer → seen p50 %.1f ms, p99 %.1f ms; sent → seen p50 %.1f ms, p99 %.1f ms",
		s.posted, s.rate, s.told, s.missed, s.p50, s.p99, s.sentP50, s.sentP99)
}

// page is an open page that notes when it is told of what.
type page struct {
	mu     sync.Mutex
	at     map[string]time.Time // by request
	missed int
}

// post is one that was answered.
type post struct {
	id             string
	sent, answered time.Time
}

// browse opens a page, posts at eventRate and compares.
func browse(ctx context.Context, base string, people people, seconds int) (seen, error) {
	who, err := people.signIn(ctx)
	if err != nil {
		return seen{}, err
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	p := &page{at: map[string]time.Time{}}
	ended, err := p.open(reading, base, who.officer)
	if err != nil {
		return seen{}, err
	}
	wall := clock.Wall()
	began := wall.Now()
	posts, err := postSteadily(ctx, base, who, seconds)
	took := wall.Now().Sub(began)
	if err != nil {
		return seen{}, err
	}
	select {
	case err := <-ended:
		return seen{}, fmt.Errorf("the stream ended: %w", err)
	case <-time.After(lastOnes):
	}
	return p.compare(posts, float64(len(posts))/took.Seconds()), nil
}

// open reads server-sent events until the context ends.
func (p *page) open(ctx context.Context, base, token string) (ended chan error, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/changes", nil)
	if err != nil {
		return nil, fmt.Errorf("open the stream: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	reply, err := http.DefaultClient.Do(req) //nolint:bodyclose // the reader below closes it
	if err != nil {
		return nil, fmt.Errorf("open the stream: %w", err)
	}
	if reply.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("open the stream: status %d", reply.StatusCode), reply.Body.Close())
	}
	ended = make(chan error, 1)
	go func() {
		defer func() { _ = reply.Body.Close() }()
		lines := bufio.NewScanner(reply.Body)
		for lines.Scan() {
			p.note(lines.Text())
		}
		ended <- lines.Err()
	}()
	return ended, nil
}

func (p *page) note(line string) {
	now := clock.Wall().Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if line == "event: missed" {
		p.missed++
	}
	var change struct{ Type, EntityID string }
	if data, ok := strings.CutPrefix(line, "data: "); ok && json.Unmarshal([]byte(data), &change) == nil &&
		change.Type == "linli.requests.request.posted.v1" {
		p.at[change.EntityID] = now
	}
}

// postSteadily posts at eventRate, whether the answers come or not, as long as
// there is a poster free.
func postSteadily(ctx context.Context, base string, who signedIn, seconds int) ([]post, error) {
	texts, err := bodies(bodiesReady)
	if err != nil {
		return nil, err
	}
	ready := strings.Split(strings.TrimSpace(string(texts)), "\n")
	c, wall := newClient(base, "", eventPosters), clock.Wall()
	total := eventRate * seconds
	posts := make([]post, total)
	turns := make(chan int)
	posters, inside := errgroup.WithContext(ctx)
	for range eventPosters {
		posters.Go(func() error {
			for i := range turns {
				sent := wall.Now()
				answer, err := c.as(who.clerk(i)).send(inside, "POST", "/v1/requests", "application/json", []byte(ready[i%len(ready)]))
				if err != nil {
					return err
				}
				posts[i] = post{sent: sent, answered: wall.Now()}
				var r requestsv1.Request
				if err := protojson.Unmarshal(answer, &r); err != nil {
					return fmt.Errorf("decode the answer: %w", err)
				}
				posts[i].id = r.GetId()
			}
			return nil
		})
	}
	posters.Go(func() error {
		defer close(turns)
		const tick = 10 * time.Millisecond
		each := time.NewTicker(tick)
		defer each.Stop()
		for i := 0; i < total; {
			for range eventRate / int(time.Second/tick) {
				select {
				case turns <- i:
					i++
				case <-inside.Done():
					return inside.Err()
				}
			}
			<-each.C
		}
		return nil
	})
	return posts, posters.Wait()
}

func (p *page) compare(posts []post, rate float64) seen {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := seen{posted: len(posts), missed: p.missed, rate: rate}
	var answered, sent []float64
	for _, one := range posts {
		at, told := p.at[one.id]
		if !told {
			continue
		}
		s.told++
		ms := func(from time.Time) float64 { return max(0, float64(at.Sub(from).Microseconds())/1000) }
		answered, sent = append(answered, ms(one.answered)), append(sent, ms(one.sent))
	}
	if s.told == 0 {
		return s
	}
	slices.Sort(answered)
	slices.Sort(sent)
	of := func(all []float64, share float64) float64 { return all[int(share*float64(len(all)-1))] }
	s.p50, s.p99, s.sentP50, s.sentP99 = of(answered, 0.5), of(answered, 0.99), of(sent, 0.5), of(sent, 0.99)
	return s
}

// browsing measures an open page of each shape.
func (s *stage) browsing(ctx context.Context) (out []figures.Row, err error) {
	const seconds = 5
	for _, l := range s.linli {
		var all []seen
		for range s.c.repeats {
			got, err := browse(ctx, l.url(), l.people, seconds)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(s.c.said, "open page, %s: %s\n", l.title, got)
			all = append(all, got)
			if err := s.drain(ctx, target{name: l.target, url: l.url()}); err != nil {
				return nil, err
			}
		}
		out = append(out, pageRows(l.title, map[string]float64{shapeOne: 50, shapeSix: 100}[l.name], all)...)
	}
	return out, nil
}

// pageRows are what the repeats came to. The limit is of 1,000 posts a second
// all of which are told; fewer do not reach it.
func pageRows(title string, limit float64, all []seen) []figures.Row {
	var p50, p99, rates []float64
	told, posted, missed := 0, 0, 0
	for _, one := range all {
		p50, p99, rates = append(p50, one.p50), append(p99, one.p99), append(rates, one.rate)
		told, posted, missed = told+one.told, posted+one.posted, missed+one.missed
	}
	last := itself("post answered → seen by an open page, p99", title, "ms", p99).against(limit)
	rate, _, _ := figures.Median(rates)
	note := fmt.Sprintf("%d of %d posts told, at %.0f a second", told, posted, rate)
	if missed > 0 {
		note += fmt.Sprintf(", %d times the page was told to read again", missed)
	}
	const nearly = 0.95
	if rate < nearly*eventRate || told < posted {
		last.Note = verdict(false)
		note += fmt.Sprintf(" (the target is of %d)", eventRate)
	}
	last.Note += "; " + note
	return []figures.Row{itself("post answered → seen by an open page, p50", title, "ms", p50).Row, last}
}
