package figures

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// introductions stand at the top of each page.
var introductions = map[string]string{
	"performance": "# Performance\n\nPrinted by `make figures` from `docs/figures/`; each file there was written by the program whose command stands beside it. Clients and servers share the machine, so a figure by itself means little: read the ratio against the reference of the same run.",
	"reliability": "# Reliability\n\nPrinted by `make figures` from `docs/figures/`; each file there was written by the program whose command stands beside it. A check is worth what its control is worth: each fault stands beside a control that the same checker must catch.",
}

// Print writes a page from its runs, section by section in the order of their
// names. What somebody says of the figures stands before them; it may be empty.
func Print(out io.Writer, page, said string, runs []Run) error {
	text := &strings.Builder{}
	text.WriteString(introductions[page] + "\n")
	if said != "" {
		text.WriteString("\n" + strings.TrimSpace(said) + "\n")
	}
	var sections []string
	for _, r := range runs {
		if r.Page == page && !slices.Contains(sections, r.Section) {
			sections = append(sections, r.Section)
		}
	}
	for _, section := range sections {
		fmt.Fprintf(text, "\n## %s\n", section)
		for _, r := range runs {
			if r.Page == page && r.Section == section {
				printRun(text, r)
			}
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func printRun(text *strings.Builder, r Run) {
	if r.Note != "" {
		fmt.Fprintf(text, "\n%s\n", r.Note)
	}
	fmt.Fprintf(text, "\n`%s` — %s, commit %s, %s.\n\n", r.Command, r.At.Format(time.DateOnly), r.Commit, r.Machine)
	columns := []string{"what", "shape", "median (spread)", "unit", "of", "beside", "ratio", "target", "note"}
	var cells [][]string
	used := make([]bool, len(columns))
	for _, row := range r.Rows {
		line := row.cells()
		for i, cell := range line {
			used[i] = used[i] || cell != ""
		}
		cells = append(cells, line)
	}
	for _, line := range append([][]string{columns, slices.Repeat([]string{"---"}, len(columns))}, cells...) {
		text.WriteString("|")
		for i, cell := range line {
			if used[i] {
				text.WriteString(" " + strings.ReplaceAll(cell, "|", `\|`) + " |")
			}
		}
		text.WriteString("\n")
	}
}

func (r Row) cells() []string {
	value := number(r.Value)
	if r.Low != r.High {
		value += " (" + number(r.Low) + "–" + number(r.High) + ")"
	}
	repeats, ratio := "", ""
	if r.Repeats > 0 {
		repeats = strconv.Itoa(r.Repeats)
	}
	if r.Ratio != 0 {
		ratio = strconv.FormatFloat(r.Ratio, 'f', 2, 64) + "×"
	}
	return []string{r.What, r.Shape, value, r.Unit, repeats, r.Beside, ratio, r.Target, r.Note}
}

// number gives three digits that mean something, and whole numbers whole.
func number(v float64) string {
	switch {
	case v == float64(int64(v)) || v >= 100 || v <= -100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10 || v <= -10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
}
