package main

import (
	"fmt"
	"strconv"
	"strings"
)

// Operations that are measured.
const (
	opGet       = "get"
	opList      = "list"     // 50 whole rows
	opSummaries = "listlite" // 50 summaries
	opCreate    = "create"   // durable
)

// target is a server under measurement.
type target struct {
	name    string // "linli", "linli-six", or the peer's
	profile string // whose paths and bodies it takes
	url     string
	pids    []int // whose CPU time is its
	ops     []string
}

// cell is what was measured of one target doing one thing: medians of the
// repeats, times in milliseconds, CPU in microseconds a request.
type cell struct {
	rows, conns    int
	op, target     string
	rps, low, high float64
	p50, p99, cpu  float64
	bad, bytes     int
}

func (c cell) String() string {
	return fmt.Sprintf("%8d %-9s %4d %-10s %7.0f req/s (%.0f–%.0f)  p50 %.2f ms  p99 %.2f ms  cpu %.0f µs  %d bytes  bad %d",
		c.rows, c.op, c.conns, c.target, c.rps, c.low, c.high, c.p50, c.p99, c.cpu, c.bytes, c.bad)
}

// parseCell reads a line of the peers' summary:
// rows op conns target | rps=median (min-max) p50= p99= bad= bytes= cpu_us=
func parseCell(line string) (c cell, err error) {
	f := strings.Split(strings.TrimSpace(line), "\t")
	if len(f) != 10 {
		return c, fmt.Errorf("a summary of %d fields: %q", len(f), line)
	}
	c.op, c.target = f[1], f[3]
	if c.rows, err = strconv.Atoi(f[0]); err == nil {
		c.conns, err = strconv.Atoi(f[2])
	}
	if err != nil {
		return c, fmt.Errorf("summary %q: %w", line, err)
	}
	if _, err := fmt.Sscanf(f[4], "rps=%f (%f-%f)", &c.rps, &c.low, &c.high); err != nil {
		return c, fmt.Errorf("summary %q: %w", line, err)
	}
	for i, into := range []any{&c.p50, &c.p99, &c.bad, &c.bytes, &c.cpu} {
		_, value, _ := strings.Cut(f[5+i], "=")
		if _, err := fmt.Sscan(value, into); err != nil {
			return c, fmt.Errorf("summary %q: %w", line, err)
		}
	}
	return c, nil
}
