package main

import "fmt"

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

// aimOf answers what a shape is to reach, if there is a target for it.
func aimOf(l, other cell, m measure) (aim, bool) {
	for _, a := range aims() {
		if l.rows == aimRows && a.op == l.op && a.shape == shapeOf(l.target) && a.beside == other.target && a.conns == l.conns && a.what == m {
			return a, true
		}
	}
	return aim{}, false
}

func (m measure) of(c cell) spread {
	return map[measure]spread{byRate: c.rps, byP50: c.p50, byP99: c.p99, byCPU: c.cpu}[m]
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

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "missed"
}
