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

// run is a run for the page of reliability.
func (w *world) run(s settings) figures.Run {
	name, command := "faults-one", "make faults"
	if w.parts != nil {
		name, command = "faults-six", "make faults SIX=yes"
	}
	if s.only != "" {
		name += "-" + strings.ReplaceAll(strings.ToLower(s.only), " ", "-")
		command += fmt.Sprintf(" ONLY=%q", s.only)
	}
	if s.controls {
		command += " CONTROLS=yes"
	}
	if !s.disk && w.parts == nil {
		command += " DISK=no"
	}
	return figures.Run{
		Name: name, Page: "reliability", Section: "Faults under load",
		Command: fmt.Sprintf("%s CYCLES=%d SEED=%d", command, s.cycles, s.seed),
		Note:    note(w.parts != nil),
		Rows:    w.rows(),
	}
}

// note tells the reader what is promised, how it was looked at, and what was
// not.
func note(six bool) string {
	how := "Six writers post requests, have members solve them and report in, through the REST interface, each signed in and with an idempotency key on each write; " +
		"one whose answer was lost is sent again under its key. Who is signed out without cause ends the run; a clock that moved is one. Once a cycle something is broken and linli is back; then what was acknowledged since is read one by one, " +
		"and writes are sent once more and must get their first answer. After every tenth cycle all effects are awaited and everything is read back: each request once and in its state, " +
		"each solved one with one entry of its hours in the ledger, figures that count exactly what was acknowledged; every file passes fsck, and a parked event would be a failure. "
	promised := "Promised: what was acknowledged is there after any of these faults, it and what follows from it once, without anybody's hand. "
	if six {
		return promised + how + "Each of the six processes is killed in turn, and the broker in the moment of an acknowledgement, with the load going on without it. " +
			"Not covered: processes on several machines, a network that loses or delays, two processes killed at once. " +
			"A time without an answer is the longest between two acknowledged writes of a cycle. The machine did other work beside it: times are upper bounds."
	}
	return promised + how +
		"A power cut halts linli, takes what an ext4 disk in a file holds at that moment, and goes on over that; before it does, every event filed as published must be in its stream. " +
		"A full disk is filled under load; writes are refused with a reason, reads go on, and with room again everything works without a restart. " +
		"The clock moves by up to twelve hours either way; a torn database is refused with one line; a torn stream is filled again from the outbox; " +
		"a flipped bit is found by fsck or answers stay right. Each of these has a control, a linli or a client that cheats, which the same checks catch (CONTROLS=yes, and go test ./cmd/faults). " +
		"Faults come in shuffled rounds, so that each is struck as often as any other. " +
		"Not covered: a disk that lies about its syncs or fails slowly, a real power cut, a clock that moves by more than a day between a call and its repeat (it is then done twice: the control shows it), " +
		"flipped bits in memory and in the broker's files. " +
		"A time without an answer is the longest between two acknowledged writes of a cycle, the start included. The machine did other work beside it: times are upper bounds."
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
	none := func(what, unit string, n int) {
		add(what, unit, "0", verdict(n), float64(n))
	}
	none("of them, or their effects, lost", "writes", w.measured.found.lost)
	none("of them, or their effects, had twice", "writes", w.measured.found.twice)
	none("other findings", "findings", w.measured.found.other)
	none("events parked", "events", len(w.measured.parked))
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

// verdict of a count that must be none.
func verdict(n int) string {
	if n > 0 {
		return "missed"
	}
	return "met"
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
