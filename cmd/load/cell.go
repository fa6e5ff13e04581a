package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/linli-project/linli/cmd/figures"
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

// spread is the median of repeats with the smallest and the largest.
type spread struct{ mid, low, high float64 }

// once is the spread of one measurement.
func once(v float64) spread { return spread{v, v, v} }

// over answers this beside another, and false where that has nothing to be
// divided by.
func (s spread) over(other spread) (float64, bool) {
	if other.mid == 0 {
		return 0, false
	}
	return s.mid / other.mid, true
}

// cell is what was measured of one target doing one thing: calls a second,
// times in milliseconds, CPU in microseconds a request.
type cell struct {
	rows, conns        int
	op, target         string
	rps, p50, p99, cpu spread
	bad, bytes         int
}

func (c cell) String() string {
	return fmt.Sprintf("%8d %-9s %4d %-10s %7.0f req/s (%.0f–%.0f)  p50 %.2f ms  p99 %.2f ms  cpu %.0f µs  %d bytes  bad %d",
		c.rows, c.op, c.conns, c.target, c.rps.mid, c.rps.low, c.rps.high, c.p50.mid, c.p99.mid, c.cpu.mid, c.bytes, c.bad)
}

// parseCell reads a line of what the peers' script wrote of one measurement:
// rows op conns repeat target | RESULT rps= p50= p99= bad= bytes= cpu_us=
func parseCell(line string) (c cell, err error) {
	f := strings.Split(strings.TrimSpace(line), "\t")
	if len(f) != 6 {
		return c, fmt.Errorf("a result of %d fields: %q", len(f), line)
	}
	c.op, c.target = f[1], f[4]
	if c.rows, err = strconv.Atoi(f[0]); err == nil {
		c.conns, err = strconv.Atoi(f[2])
	}
	if err != nil {
		return c, fmt.Errorf("result %q: %w", line, err)
	}
	var rps, p50, p99, cpu float64
	if _, err := fmt.Sscanf(f[5], "RESULT rps=%f p50=%f p99=%f bad=%d bytes=%d cpu_us=%f", &rps, &p50, &p99, &c.bad, &c.bytes, &cpu); err != nil {
		return c, fmt.Errorf("result %q: %w", line, err)
	}
	if c.bad < 0 { // the script's word for a driver that said nothing
		c.bad = 1
	}
	c.rps, c.p50, c.p99, c.cpu = once(rps), once(p50), once(p99), once(cpu)
	return c, nil
}

// middle is the median of repeats, each figure by itself.
func middle(all []cell) cell {
	c := all[0]
	of := func(what func(cell) spread) (s spread) {
		var values []float64
		for _, one := range all {
			values = append(values, what(one).mid)
		}
		s.mid, s.low, s.high = figures.Median(values)
		return s
	}
	c.rps, c.p50 = of(func(c cell) spread { return c.rps }), of(func(c cell) spread { return c.p50 })
	c.p99, c.cpu = of(func(c cell) spread { return c.p99 }), of(func(c cell) spread { return c.cpu })
	c.bad = 0
	for _, one := range all {
		c.bad += one.bad
	}
	return c
}
