package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linli-project/linli/pkg/clock"
)

// bareOpponent is the project's own reference, when there are no peers.
type bareOpponent struct {
	c       comparison
	process *process
}

func (b *bareOpponent) prepare(context.Context, int) error { return nil }

func (b *bareOpponent) raise(ctx context.Context, rows int) ([]target, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	port, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	if b.process, err = spawn(b.c.dir, "bare", nil, program, "bare", "--http", portOf(port), "--rows", fmt.Sprint(rows)); err != nil {
		return nil, err
	}
	url := "http://" + portOf(port)
	_, err = b.process.awaitAnswer(ctx, url+"/v1/requests/0", "", clock.Wall().Now())
	return []target{{name: "bare", profile: "bare", url: url, pids: []int{b.process.pid()}, ops: []string{opGet, opList, opCreate}}}, err
}

func (b *bareOpponent) lower(context.Context) error {
	err := b.process.stop()
	b.process = nil
	return err
}

func (b *bareOpponent) close() error { return nil }

// loop measures with clients of this program: each sends its next request when
// it has the answer to the one before.
func (s *stage) loop(ctx context.Context, rows int, op string, conns int, targets []target) ([]cell, error) {
	found := map[string][]cell{}
	for n := range s.c.repeats {
		order := slices.Clone(targets)
		if n%2 == 1 {
			slices.Reverse(order)
		}
		for _, t := range order {
			calls, err := s.calls(ctx, rows, op, t)
			if err != nil {
				return nil, err
			}
			one, err := s.measure(ctx, op, conns, t, calls)
			if err != nil {
				return nil, err
			}
			one.rows = rows
			found[t.name] = append(found[t.name], one)
		}
	}
	var cells []cell
	for _, t := range targets {
		cells = append(cells, middle(found[t.name]))
	}
	return cells, nil
}

// call is a request that is ready to be sent.
type call struct {
	method, path string
	token        string
	body         []byte
}

func (s *stage) calls(ctx context.Context, rows int, op string, t target) ([]call, error) {
	var out []call
	who, err := s.signedIn(ctx, t)
	if err != nil {
		return nil, err
	}
	switch op {
	case opGet:
		ids, err := s.ids(rows, t)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			out = append(out, call{method: "GET", path: "/v1/requests/" + id, token: who.officer})
		}
	case opList, opSummaries:
		view := map[string]string{opList: "&view=REQUEST_VIEW_WHOLE"}[op]
		for i := range communities {
			path := "/v1/organizations/" + community(i) + fmt.Sprintf("/requests?pageSize=%d", pageSize) + view
			out = append(out, call{method: "GET", path: path, token: who.officer})
		}
	case opCreate:
		posts, err := bodies(bodiesReady)
		if err != nil {
			return nil, err
		}
		for line := range bytes.Lines(posts) {
			out = append(out, call{method: "POST", path: "/v1/requests", token: who.clerk(len(out)), body: bytes.TrimSpace(line)})
		}
	}
	return out, nil
}

// signedIn answers the people of a target; nobody asks who calls one that is not
// linli.
func (s *stage) signedIn(ctx context.Context, t target) (signedIn, error) {
	for _, l := range s.linli {
		if l.target == t.name {
			return l.people.signIn(ctx)
		}
	}
	return signedIn{clerks: []string{""}}, nil
}

func (s *stage) ids(rows int, t target) (ids []string, err error) {
	for _, l := range s.linli {
		if l.target == t.name {
			text, err := os.ReadFile(l.idsFile(rows))
			return strings.Fields(string(text)), err
		}
	}
	for i := range rows {
		ids = append(ids, fmt.Sprint(i))
	}
	return ids, nil
}

// drain waits until what was posted has had its effects.
func (s *stage) drain(ctx context.Context, t target) error {
	who, err := s.signedIn(ctx, t)
	if err != nil {
		return err
	}
	return drain(ctx, newClient(t.url, who.seeder, 1))
}

// measure is one measurement, with the CPU time of all effects.
func (s *stage) measure(ctx context.Context, op string, conns int, t target, calls []call) (cell, error) {
	c := newClient(t.url, "", conns)
	before, err := cpuTime(t.pids)
	if err != nil {
		return cell{}, err
	}
	var all sync.WaitGroup
	var bad, size atomic.Int64
	times := make([][]time.Duration, conns)
	wall := clock.Wall()
	began := wall.Now()
	until := began.Add(time.Duration(s.c.seconds) * time.Second)
	for n := range conns {
		all.Go(func() {
			for sent := wall.Now(); sent.Before(until) && ctx.Err() == nil; sent = wall.Now() {
				one := calls[rand.IntN(len(calls))]
				answer, err := c.as(one.token).send(ctx, one.method, one.path, "application/json", one.body)
				if err != nil {
					bad.Add(1)
				}
				size.Store(int64(len(answer)))
				times[n] = append(times[n], wall.Now().Sub(sent))
			}
		})
	}
	all.Wait()
	took := wall.Now().Sub(began)
	c.http.CloseIdleConnections()
	if op == opCreate && t.profile != "bare" {
		if err := s.drain(ctx, t); err != nil {
			return cell{}, err
		}
	}
	after, err := cpuTime(t.pids)
	if err != nil {
		return cell{}, err
	}
	sorted := slices.Sorted(slices.Values(slices.Concat(times...)))
	if len(sorted) == 0 {
		return cell{}, fmt.Errorf("%s of %s: nothing was answered", op, t.name)
	}
	ms := func(share float64) float64 {
		return float64(sorted[int(share*float64(len(sorted)-1))].Microseconds()) / 1000
	}
	return cell{
		op: op, conns: conns, target: t.name, bad: int(bad.Load()), bytes: int(size.Load()),
		rps: once(float64(len(sorted)) / took.Seconds()), p50: once(ms(0.5)), p99: once(ms(0.99)),
		cpu: once(float64((after - before).Microseconds()) / float64(len(sorted))),
	}, ctx.Err()
}
