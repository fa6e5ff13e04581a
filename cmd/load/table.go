package main

import (
	"errors"
	"fmt"

	"github.com/linli-project/linli/cmd/figures"
)

// aim is one target: what linli is to reach beside another, at 100,000 rows.
type aim struct {
	op, shape, beside string
	conns             int
	what              measure
	limit             float64 // at least, of what is better when larger; else at most
}

// measure is what is compared.
type measure int

const (
	byRate measure = iota
	byP50
	byP99
	byCPU
)

const aimRows, aimConns = 100_000, 64

// aims are the table "Speed".
func aims() []aim {
	rate := func(op, shape, beside string, limit float64) aim {
		return aim{op: op, shape: shape, beside: beside, conns: aimConns, limit: limit}
	}
	return []aim{
		rate(opGet, shapeOne, "pb", 4), rate(opGet, shapeOne, "pg", 2), rate(opGet, shapeOne, "mem", 0.55), rate(opGet, shapeOne, "bare", 0.55),
		rate(opGet, shapeSix, "pb", 2), rate(opGet, shapeSix, "pg", 1), rate(opGet, shapeSix, "mem", 0.28), rate(opGet, shapeSix, "bare", 0.28),
		rate(opList, shapeOne, "pb", 4), rate(opList, shapeOne, "pg", 1.5), rate(opList, shapeOne, "mem", 0.5), rate(opList, shapeOne, "bare", 0.5),
		rate(opList, shapeSix, "pb", 2), rate(opList, shapeSix, "pg", 0.8), rate(opList, shapeSix, "mem", 0.27), rate(opList, shapeSix, "bare", 0.27),
		rate(opSummaries, shapeOne, "pb", 10), rate(opSummaries, shapeSix, "pb", 5),
		rate(opCreate, shapeOne, "pb", 4), rate(opCreate, shapeOne, "pg", 1.2), rate(opCreate, shapeOne, "bbolt", 0.6),
		rate(opCreate, shapeSix, "pb", 2.5), rate(opCreate, shapeSix, "pg", 0.8),
		{op: opCreate, shape: shapeOne, beside: "pb", conns: aimConns, what: byP99, limit: 0.125},
		{op: opCreate, shape: shapeOne, beside: "pb", conns: 1, what: byP50, limit: 2},
		{op: opCreate, shape: shapeSix, beside: "pb", conns: 1, what: byP50, limit: 2.5},
	}
}

func (m measure) of(c cell) float64 {
	return map[measure]float64{byRate: c.rps, byP50: c.p50, byP99: c.p99, byCPU: c.cpu}[m]
}

func (m measure) unit() string {
	return map[measure]string{byRate: "req/s", byP50: "ms", byP99: "ms", byCPU: "µs"}[m]
}

func (m measure) suffix() string {
	return map[measure]string{byRate: "", byP50: ", p50 (less is better)", byP99: ", p99 (less is better)",
		byCPU: ", CPU of a request (less is better)"}[m]
}

func (a aim) text() string {
	if a.what == byRate {
		return fmt.Sprintf("≥ %g×", a.limit)
	}
	return fmt.Sprintf("≤ %g×", a.limit)
}

func (a aim) met(ratio float64) bool {
	if a.what == byRate {
		return ratio >= a.limit
	}
	return ratio <= a.limit
}

// titles of targets and operations for the reader.
func titleOf(target string) string {
	return map[string]string{
		"pb": "PocketBase, synchronous FULL", "pg": "hand-written, PostgreSQL", "mem": "net/http from memory",
		"bbolt": "net/http and bbolt group commit", "bare": "bare net/http from memory",
		"linli": "one process", "linli-six": "six processes",
	}[target]
}

func opTitle(op string) string {
	return map[string]string{opGet: "get", opList: "list of 50 whole rows", opSummaries: "list of 50 summaries", opCreate: "durable create"}[op]
}

// rows of figures for everything that linli was measured beside.
func (c comparison) rows(cells []cell) (out []figures.Row) {
	for _, l := range cells {
		shape := map[string]string{"linli": shapeOne, "linli-six": shapeSix}[l.target]
		if shape == "" {
			continue
		}
		for _, other := range cells {
			if other.op != l.op || other.conns != l.conns || titleOf(other.target) == "" || other.target == "linli" || other.target == "linli-six" {
				continue
			}
			measures := []measure{byRate, byCPU}
			if l.op == opCreate {
				measures = []measure{byRate, byP50, byP99, byCPU}
			}
			for _, m := range measures {
				out = append(out, c.row(l, other, shape, m))
			}
		}
	}
	return out
}

func (c comparison) row(l, other cell, shape string, m measure) figures.Row {
	r := figures.Row{
		What: fmt.Sprintf("%s, %d connections%s", opTitle(l.op), l.conns, m.suffix()), Shape: titleOf(l.target),
		Value: m.of(l), Unit: m.unit(), Repeats: c.repeats, Beside: titleOf(other.target), Ratio: m.of(l) / m.of(other),
		Note: fmt.Sprintf("%.4g %s there", m.of(other), m.unit()),
	}
	if m == byRate {
		r.Low, r.High = l.low, l.high
	}
	for _, a := range aims() {
		if l.rows == aimRows && a.op == l.op && a.shape == shape && a.beside == other.target && a.conns == l.conns && a.what == m {
			r.Target = a.text()
		}
	}
	return r
}

// report prints the ratios of one size beside the targets, and saves them. The
// targets are of 100,000 rows; at other sizes they are for orientation.
func (c comparison) report(rows int, cells []cell) error {
	by := map[string]cell{}
	bad := 0
	for _, one := range cells {
		by[fmt.Sprint(one.op, one.conns, one.target)] = one
		bad += one.bad
	}
	fmt.Fprintf(c.out, "\n%d rows\n%-24s %-14s %-32s %8s %8s  \n", rows, "what", "shape", "beside", "ratio", "target")
	for _, a := range aims() {
		l, known := by[fmt.Sprint(a.op, a.conns, map[string]string{shapeOne: "linli", shapeSix: "linli-six"}[a.shape])]
		other, there := by[fmt.Sprint(a.op, a.conns, a.beside)]
		if !known || !there {
			continue
		}
		ratio, met := a.what.of(l)/a.what.of(other), "missed"
		if a.met(ratio) {
			met = "met"
		}
		what := opTitle(a.op) + map[measure]string{byP99: " p99", byP50: " alone p50"}[a.what]
		fmt.Fprintf(c.out, "%-24s %-14s %-32s %8.2f %8s  %s\n", what, titleOf(l.target), titleOf(other.target), ratio, a.text(), met)
	}
	fmt.Fprintln(c.out)
	if bad != 0 {
		return fmt.Errorf("%d calls were not answered as they should be: nothing is saved", bad)
	}
	found := c.rows(cells)
	if c.figures == "" || len(found) == 0 {
		return nil
	}
	return figures.Save(c.figures, figures.Run{
		Name: fmt.Sprintf("rest-%d", rows), Page: "performance", Section: fmt.Sprintf("REST beside others, %d rows", rows),
		Command: c.command(), Note: c.note, Rows: found,
	})
}

func (c comparison) command() string {
	if c.peers == "" {
		return "make compare"
	}
	return "make compare PEERS=<folder of the peers>"
}

// reportGrowth compares the CPU of a request at the smallest and the largest
// number of rows, and saves what start and memory came to.
func (c comparison) reportGrowth(cells []cell, starts []figures.Row) error {
	rows := starts
	least, most := c.sizes[0], c.sizes[len(c.sizes)-1]
	for _, small := range cells {
		shape := map[string]bool{"linli": true, "linli-six": true}[small.target]
		if small.rows != least || least == most || !shape || small.conns != aimConns {
			continue
		}
		for _, large := range cells {
			if large.rows == most && large.op == small.op && large.target == small.target && large.conns == small.conns {
				rows = append(rows, figures.Row{
					What: fmt.Sprintf("%s, CPU of a request at %d rows", opTitle(large.op), most), Shape: titleOf(large.target),
					Value: large.cpu, Unit: "µs", Repeats: c.repeats, Beside: fmt.Sprintf("%d rows (less is better)", least),
					Ratio: large.cpu / small.cpu, Target: "≤ 1.2×",
				})
			}
		}
	}
	for _, r := range rows {
		fmt.Fprintf(c.out, "%-70s %-14s %8.1f %-4s %6.2f  %s\n", r.What, r.Shape, r.Value, r.Unit, r.Ratio, r.Target)
	}
	if c.figures == "" || len(rows) == 0 {
		return nil
	}
	return errors.Join(figures.Save(c.figures, figures.Run{
		Name: "rest-growth", Page: "performance", Section: "Rows, start and memory", Command: c.command(), Note: c.note, Rows: rows,
	}))
}
