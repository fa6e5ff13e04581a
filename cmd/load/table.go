package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/linli-project/linli/cmd/figures"
)

// titles of targets and operations for the reader.
func titleOf(target string) string {
	return map[string]string{
		"pb": "PocketBase, synchronous FULL", "pg": "hand-written, PostgreSQL", "mem": "net/http from memory",
		"bbolt": "net/http and bbolt group commit", "bare": "bare net/http from memory",
		"linli": "one process", "linli-six": "six processes",
	}[target]
}

// shapeOf answers the shape of linli that a target is, "" for another's.
func shapeOf(target string) string {
	return map[string]string{"linli": shapeOne, "linli-six": shapeSix}[target]
}

// pageRowsAt is how many rows a list answers: 50, or all of a community's. They
// are spread evenly, so that some have one less where it does not come out even.
func pageRowsAt(rows int) int { return min(pageSize, (rows+communities-1)/communities) }

func opTitle(op string, rows int) string {
	what := map[string]string{opGet: "get", opList: "whole row", opSummaries: "summary", opCreate: "durable create"}[op]
	if op != opList && op != opSummaries {
		return what
	}
	n := pageRowsAt(rows)
	if n != 1 {
		what = map[string]string{opList: "whole rows", opSummaries: "summaries"}[op]
	}
	if n == pageSize {
		return fmt.Sprintf("list of %d %s", n, what)
	}
	return fmt.Sprintf("list of a community's %d %s", n, what)
}

func cellTitle(c cell) string {
	if c.conns == 1 {
		return opTitle(c.op, c.rows) + ", 1 connection"
	}
	return fmt.Sprintf("%s, %d connections", opTitle(c.op, c.rows), c.conns)
}

// ownRow is a figure of linli by itself.
type ownRow struct{ figures.Row }

func itself(what, shape, unit string, values []float64) ownRow {
	r := figures.Row{What: what, Shape: shape, Unit: unit, Repeats: len(values)}
	r.Value, r.Low, r.High = figures.Median(values)
	return ownRow{r}
}

// against puts a target at most so large beside it.
func (r ownRow) against(limit float64) figures.Row {
	r.Target, r.Note = fmt.Sprintf("≤ %g %s", limit, r.Unit), verdict(r.Value <= limit)
	return r.Row
}

// rows of figures for everything that linli did: by operation, then connections,
// as it was measured. Where there is a target there is a row for it; a figure
// without one names all others in its note.
func (c comparison) rows(cells []cell) (out []figures.Row) {
	for _, l := range cells {
		if shapeOf(l.target) == "" {
			continue
		}
		others := besides(cells, l)
		for _, m := range []measure{byRate, byP50, byP99, byCPU} {
			own := figures.Row{
				What: cellTitle(l) + m.suffix(), Shape: titleOf(l.target), Unit: m.unit(), Repeats: c.repeats,
				Value: m.of(l).mid, Low: m.of(l).low, High: m.of(l).high,
			}
			var without []string
			for _, other := range others {
				ratio, divided := m.of(l).over(m.of(other))
				there := fmt.Sprintf("%s %s there", short(m.of(other).mid), m.unit())
				if a, aimed := aimOf(l, other, m); aimed && divided {
					r := own
					r.Beside, r.Ratio, r.Target, r.Note = titleOf(other.target), ratio, a.text(), verdict(a.met(ratio))+"; "+there
					out = append(out, r)
				} else if divided {
					without = append(without, fmt.Sprintf("%.2f× %s (%s)", ratio, titleOf(other.target), there))
				}
			}
			if len(without) > 0 || len(others) == 0 {
				own.Note = strings.Join(without, "; ")
				out = append(out, own)
			}
		}
	}
	return out
}

// besides are the others that did the same.
func besides(cells []cell, l cell) (out []cell) {
	for _, other := range cells {
		if other.op == l.op && other.conns == l.conns && other.rows == l.rows && shapeOf(other.target) == "" {
			out = append(out, other)
		}
	}
	return out
}

// short is a number with as many digits as mean something.
func short(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// report prints what was measured at one size, and saves it.
func (c comparison) report(rows int, cells []cell, itself []figures.Row) error {
	bad := 0
	for _, one := range cells {
		bad += one.bad
	}
	if err := printCells(c.out, rows, cells); err != nil {
		return err
	}
	if err := printRows(c.out, fmt.Sprintf("linli by itself, %d rows", rows), itself); err != nil {
		return err
	}
	if bad != 0 {
		return fmt.Errorf("%d calls were not answered as they should be: nothing is saved", bad)
	}
	return c.save(fmt.Sprintf("rest-%d", rows), fmt.Sprintf("REST beside others, start and memory, %d rows", rows), append(c.rows(cells), itself...))
}

func (c comparison) save(name, section string, rows []figures.Row) error {
	if c.figures == "" || len(rows) == 0 {
		return nil
	}
	return figures.Save(c.figures, figures.Run{Name: name, Page: "performance", Section: section, Command: c.command(), Note: c.note, Rows: rows})
}

// command is what was typed, without the folders of this machine.
func (c comparison) command() string {
	numbers := func(all []int) string { return strings.ReplaceAll(strings.Trim(fmt.Sprint(all), "[]"), " ", ",") }
	out := fmt.Sprintf("make compare SIZES=%s CONNS=%s SHAPES=%s SECONDS_EACH=%d REPEATS=%d",
		numbers(c.sizes), numbers(c.conns), strings.Join(c.shapes, ","), c.seconds, c.repeats)
	if c.peers != "" {
		out += " PEERS=<folder of the peers>"
	}
	if filepath.IsLocal(c.figures) {
		out += " FIGURES=" + c.figures
	}
	return out
}

// reportGrowth compares the CPU of a request at the smallest and the largest
// number of rows.
func (c comparison) reportGrowth(cells []cell) error {
	least, most := c.sizes[0], c.sizes[len(c.sizes)-1]
	if least == most {
		return nil
	}
	var rows []figures.Row
	for _, large := range cells {
		if large.rows != most || large.conns != c.growthConns() || shapeOf(large.target) == "" {
			continue
		}
		for _, small := range cells {
			if small.rows == least && large.op == small.op && large.target == small.target && large.conns == small.conns {
				rows = append(rows, c.growth(small, large))
			}
		}
	}
	if err := printRows(c.out, fmt.Sprintf("CPU of a request, %d → %d rows", least, most), rows); err != nil {
		return err
	}
	return c.save("rest-growth", "CPU of a request as the rows grow", rows)
}

// growthConns is the number of connections at which growth is looked at.
func (c comparison) growthConns() int {
	best := c.conns[0]
	for _, n := range c.conns {
		if n <= aimConns {
			best = max(best, n)
		}
	}
	return best
}

func (c comparison) growth(small, large cell) figures.Row {
	const limit, from, to = 1.2, 10_000, 1_000_000
	r := figures.Row{
		What: fmt.Sprintf("%s, CPU of a request at %d rows", cellTitle(large), large.rows), Shape: titleOf(large.target),
		Value: large.cpu.mid, Low: large.cpu.low, High: large.cpu.high, Unit: "µs", Repeats: c.repeats,
		Beside: fmt.Sprintf("at %d rows (less is better)", small.rows), Target: fmt.Sprintf("≤ %g×", limit),
	}
	ratio, divided := large.cpu.over(small.cpu)
	r.Ratio, r.Note = ratio, verdict(divided && ratio <= limit)+fmt.Sprintf("; %s µs there", short(small.cpu.mid))
	if before, now := pageRowsAt(small.rows), pageRowsAt(large.rows); before != now && (large.op == opList || large.op == opSummaries) {
		r.Note += fmt.Sprintf("; rows of a page: %d there, %d here", before, now)
	}
	if small.rows > from || large.rows < to {
		r.Note += fmt.Sprintf("; the target is of %d → %d rows", from, to)
	}
	return r
}
