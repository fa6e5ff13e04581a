package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/linli-project/linli/cmd/figures"
)

// report prints what a run measured.
func (w *world) report(out io.Writer) {
	for _, row := range w.rows() {
		fmt.Fprintf(out, "%-60s %10.0f %-7s %s\n", row.What, row.Value, row.Unit, row.Note)
	}
	fmt.Fprintf(out, "%d calls were sent again, put off were %v; of %d flipped bits fsck found %d, the others did no harm\n",
		w.load.client.repeats, w.load.client.refused, w.measured.flipsFound+w.measured.flipsHarmless, w.measured.flipsFound)
}

// run is a run that found nothing, for the page of reliability.
func (w *world) run(s settings) figures.Run {
	name, command := "faults-one", "make faults"
	if w.parts != nil {
		name, command = "faults-six", "make faults SIX=yes"
	}
	if s.only != "" {
		name += "-" + strings.ReplaceAll(strings.ToLower(s.only), " ", "-")
		command += fmt.Sprintf(" ONLY=%q", s.only)
	}
	return figures.Run{
		Name: name, Page: "reliability", Section: "Faults under load",
		Command: fmt.Sprintf("%s CYCLES=%d SEED=%d", command, s.cycles, s.seed),
		Note: "One fault a cycle while six writers post requests, solve them and report in; linli is started again and what is new is read back, " +
			"every tenth cycle everything, with fsck of every file. A time without an answer is the longest between two acknowledged writes of a cycle, the start included. " +
			"The machine did other work beside it, so times are upper bounds.",
		Rows: w.rows(),
	}
}

func (w *world) rows() []figures.Row {
	shape := "one process"
	if w.parts != nil {
		shape = "six processes"
	}
	var rows []figures.Row
	add := func(what, unit, target, note string, value float64) {
		rows = append(rows, figures.Row{What: what, Shape: shape, Value: value, Unit: unit, Target: target, Note: note})
	}
	add("writes acknowledged", "writes", "", "", float64(w.load.ledger.acknowledged()))
	add("of them lost", "writes", "0", "", 0)
	add("of them, or their effects, had twice", "writes", "0", "", 0)
	add("events parked", "events", "0", "", float64(len(w.measured.parked)))
	for _, name := range slices.Sorted(maps.Keys(w.measured.outages)) {
		all := w.measured.outages[name]
		low, middle, high := spread(all)
		rows = append(rows, figures.Row{What: name + ": time without an answer", Shape: shape, Value: middle, Low: low, High: high,
			Unit: "ms", Repeats: len(all), Note: fmt.Sprintf("%d cycles", len(all))})
	}
	low, middle, high := spread(w.measured.starts)
	rows = append(rows, figures.Row{What: "start to first answer", Shape: shape, Value: middle, Low: low, High: high, Unit: "ms", Repeats: len(w.measured.starts)})
	if w.measured.inTheMiddle > 0 {
		add("kills that left events between commit and delivery", "kills", "", "", float64(w.measured.inTheMiddle))
	}
	if flips := w.measured.flipsFound + w.measured.flipsHarmless; flips > 0 {
		add("bits flipped", "bits", "", fmt.Sprintf("fsck found %d, %d did no harm", w.measured.flipsFound, w.measured.flipsHarmless), float64(flips))
	}
	return rows
}

// spread answers the smallest, the middle and the largest of some times, in
// milliseconds.
func spread(all []time.Duration) (low, middle, high float64) {
	if len(all) == 0 {
		return 0, 0, 0
	}
	sorted := slices.Sorted(slices.Values(all))
	ms := func(d time.Duration) float64 { return float64(d.Round(time.Millisecond)) / float64(time.Millisecond) }
	return ms(sorted[0]), ms(sorted[len(sorted)/2]), ms(sorted[len(sorted)-1])
}
