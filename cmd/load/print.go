package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/linli-project/linli/cmd/figures"
)

func columns(out io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(out, 0, 0, 2, ' ', 0) }

// printCells prints everything that was measured at one number of rows, linli
// and the others, with the ratio of each shape of linli to each of the others.
func printCells(out io.Writer, rows int, cells []cell) error {
	fmt.Fprintf(out, "\n%d rows", rows)
	if rows != aimRows {
		fmt.Fprintf(out, " (the targets beside others are of %d)", aimRows)
	}
	fmt.Fprintln(out, "\nratios are linli's figure by the other's: more is better of req/s, less of the rest")
	w := columns(out)
	title := ""
	for _, one := range cells {
		if next := cellTitle(one); next != title {
			title = next
			fmt.Fprintf(w, "\n%s\treq/s (spread)\tp50 ms\tp99 ms\tCPU µs\tlinli beside it\n", title)
		}
		fmt.Fprintf(w, "  %s\t%.0f (%.0f–%.0f)\t%s\t%s\t%s\t", titleOf(one.target), one.rps.mid, one.rps.low, one.rps.high,
			short(one.p50.mid), short(one.p99.mid), short(one.cpu.mid))
		lines := ratios(cells, one)
		fmt.Fprintln(w, strings.Join(lines, "\n\t\t\t\t\t"))
	}
	return w.Flush()
}

// ratios are how the shapes of linli stand beside another, one a line.
func ratios(cells []cell, other cell) (lines []string) {
	if shapeOf(other.target) != "" {
		return nil
	}
	for _, l := range cells {
		if shapeOf(l.target) == "" || l.op != other.op || l.conns != other.conns {
			continue
		}
		var parts []string
		for _, m := range []measure{byRate, byP50, byP99, byCPU} {
			ratio, divided := m.of(l).over(m.of(other))
			if !divided {
				continue
			}
			part := fmt.Sprintf("%s %.2f×", map[measure]string{byRate: "req/s", byP50: "p50", byP99: "p99", byCPU: "CPU"}[m], ratio)
			if a, aimed := aimOf(l, other, m); aimed {
				part += fmt.Sprintf(" (%s %s)", a.text(), verdict(a.met(ratio)))
			}
			parts = append(parts, part)
		}
		lines = append(lines, titleOf(l.target)+": "+strings.Join(parts, ", "))
	}
	return lines
}

// printRows prints figures under a heading, nothing where there are none.
func printRows(out io.Writer, heading string, rows []figures.Row) error {
	if len(rows) == 0 {
		return nil
	}
	w := columns(out)
	fmt.Fprintf(w, "\n%s\tshape\tmedian (spread)\tunit\tbeside\tratio\ttarget\t\n", heading)
	for _, r := range rows {
		ratio := ""
		if r.Ratio != 0 {
			ratio = fmt.Sprintf("%.2f×", r.Ratio)
		}
		value := short(r.Value)
		if r.Low != r.High {
			value += fmt.Sprintf(" (%s–%s)", short(r.Low), short(r.High))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.What, r.Shape, value, r.Unit, r.Beside, ratio, r.Target, r.Note)
	}
	return w.Flush()
}
