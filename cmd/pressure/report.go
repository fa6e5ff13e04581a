package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/linli-project/linli/cmd/figures"
)

const (
	seeded      = 1000
	besideParts = 10 // the steady load is a tenth of the sustainable one
)

// result is what a run found.
type result struct {
	sustainable *tally
	pressure    *tally
	// linli's CPU time a call in microseconds: when nobody is refused, and under
	// pressure over all that were answered.
	calmCPU, pressureCPU float64
	ownCPU               float64 // this program's, of a call that it sent under pressure
	idleMemory           int64
	memory               int64 // most RssAnon in bytes while under pressure
	memoryNuisances      int64
	missing              int
	beside               []besides
	fsck                 error
}

// besides is the p99 in milliseconds of a steady load before and while a
// nuisance goes on, and how many of its calls failed.
type besides struct {
	what           string
	before, during float64
	failed         int
}

func measure(ctx context.Context, o options, out io.Writer) (r *result, err error) {
	folder, err := os.MkdirTemp("", "linli-pressure-*")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	data := filepath.Join(folder, "var")
	s, err := startServer(ctx, o, data)
	if err != nil {
		return nil, err
	}
	r = &result{}
	err = r.against(ctx, s, o, out)
	if err = errors.Join(err, s.close()); err != nil {
		return r, err
	}
	r.fsck = fsck(o, data)
	fmt.Fprintf(out, "fsck: %s\n", fsckWords(r.fsck))
	for _, row := range r.rows(o) {
		if row.Target != "" {
			fmt.Fprintf(out, "%s: %s: %.1f %s, target %s\n", row.Note, row.What, row.Value, row.Unit, row.Target)
		}
	}
	return r, nil
}

func (r *result) against(ctx context.Context, s *server, o options, out io.Writer) error {
	l := newLoad(s.address)
	r.idleMemory = s.memory()
	if err := l.seed(); err != nil {
		return err
	}
	var err error
	spent := s.cpu()
	if r.sustainable, err = l.closed(ctx, 64, o.find); err != nil {
		return err
	}
	r.calmCPU = perCall(s.cpu()-spent, len(r.sustainable.admitted))
	spent = s.cpu()
	fmt.Fprintf(out, "sustainable: %.0f calls/s, p99 %.1f ms\n", r.sustainable.rate(), at(r.sustainable.admitted, 0.99))
	s.most.Store(0)
	own := ownCPU()
	if r.pressure, err = l.offer(ctx, o.connections, float64(o.times)*r.sustainable.rate(), o.seconds); err != nil {
		return err
	}
	r.memory = s.most.Swap(0)
	r.ownCPU = perCall(ownCPU()-own, r.pressure.offered-r.pressure.unsent)
	r.pressureCPU = perCall(s.cpu()-spent, len(r.pressure.admitted)+len(r.pressure.refused))
	r.say(out)
	if r.missing, err = l.missing(append(r.pressure.created, r.sustainable.created...)); err != nil {
		return err
	}
	fmt.Fprintf(out, "of %d acknowledged creates %d are missing\n", len(r.pressure.created)+len(r.sustainable.created), r.missing)
	s.most.Store(0)
	for _, n := range nuisances(o) {
		b, err := l.beside(ctx, n, r.sustainable.rate()/besideParts, o.beside)
		if err != nil {
			return fmt.Errorf("%s: %w", n.what, err)
		}
		r.beside = append(r.beside, b)
		fmt.Fprintf(out, "%s: p99 %.1f ms before, %.1f ms during, %d calls failed\n", b.what, b.before, b.during, b.failed)
	}
	r.memoryNuisances = s.most.Load()
	fmt.Fprintf(out, "memory: idle %d MB, under pressure at most %d MB, beside nuisances at most %d MB\n",
		r.idleMemory>>20, r.memory>>20, r.memoryNuisances>>20)
	return nil
}

func perCall(spent time.Duration, calls int) float64 {
	return float64(spent.Microseconds()) / float64(max(1, calls))
}

// seed makes a community and the requests that are read.
func (l *load) seed() error {
	if _, err := once(l.address, request("POST", "/v1/organizations:import", "text/csv", tree)); err != nil {
		return fmt.Errorf("import the organizations: %w", err)
	}
	if _, err := once(l.address, request("POST", "/v1/dev/events:drain", "application/json", "{}")); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	for range seeded {
		body, err := once(l.address, l.create)
		if err != nil {
			return fmt.Errorf("create: %w", err)
		}
		l.gets = append(l.gets, getRequest(idOf(body)))
	}
	return nil
}

// beside measures a steady load before and during a nuisance.
func (l *load) beside(ctx context.Context, n nuisance, rate float64, lasts time.Duration) (b besides, err error) {
	b.what = n.what
	before, err := l.offer(ctx, 64, rate, lasts)
	if err != nil {
		return b, err
	}
	end, err := n.begin(ctx, l.address)
	if end != nil {
		defer end()
	}
	if err != nil {
		return b, err
	}
	during, err := l.offer(ctx, 64, rate, lasts)
	if err != nil {
		return b, err
	}
	// An import by an honest office, while others trickle.
	if _, err := once(l.address, request("POST", "/v1/organizations:import", "text/csv", tree)); err != nil {
		during.odd++
	}
	b.before, b.during = at(before.admitted, 0.99), at(during.admitted, 0.99)
	b.failed = during.broken + during.odd + len(during.refused)
	return b, nil
}

func (r *result) say(out io.Writer) {
	p := r.pressure
	fmt.Fprintf(out, "offered %d calls in %.0f s, sent %d, which is %.1f times the sustainable load; admitted %d (%.0f/s), refused %d, broken %d, other answers %d %s\n",
		p.offered, p.took.Seconds(), p.offered-p.unsent, r.times(), len(p.admitted), p.rate(), len(p.refused), p.broken, p.odd, p.firstOdd)
	fmt.Fprintf(out, "admitted p50 %.1f ms p99 %.1f ms max %.1f ms; refused p50 %.1f ms p99 %.1f ms; %d refused without Retry-After; sent late p99 %.1f ms\n",
		at(p.admitted, 0.5), at(p.admitted, 0.99), at(p.admitted, 1), at(p.refused, 0.5), at(p.refused, 0.99), p.withoutRetry, at(p.late, 0.99))
	fmt.Fprintf(out, "CPU of linli: %.0f µs a call at the sustainable load, %.0f µs an answer under pressure; of the client: %.0f µs; memory at most %d MB\n",
		r.calmCPU, r.pressureCPU, r.ownCPU, r.memory>>20)
}

// verdict is an error when something was lost or not answered as it must be.
// Times are not judged here: they are figures.
func (r *result) verdict() error {
	var problems []error
	if r.missing > 0 {
		problems = append(problems, fmt.Errorf("%d acknowledged creates are missing", r.missing))
	}
	if r.pressure.withoutRetry > 0 {
		problems = append(problems, fmt.Errorf("%d refusals without Retry-After", r.pressure.withoutRetry))
	}
	if n := r.pressure.odd + r.pressure.broken; n > 0 {
		problems = append(problems, fmt.Errorf("%d calls were neither let in nor refused: %s", n, r.pressure.firstOdd))
	}
	return errors.Join(append(problems, r.fsck)...)
}

// sent is the calls that were sent a second under pressure; times is how many
// times the sustainable load that is.
func (r *result) sent() float64 {
	return float64(r.pressure.offered-r.pressure.unsent) / r.pressure.took.Seconds()
}

func (r *result) times() float64 { return r.sent() / max(1, r.sustainable.rate()) }

// below is a row with a target that its value must stay under, and says whether
// it does.
func below(row figures.Row, limit float64) figures.Row {
	row.Target = fmt.Sprintf("< %.0f %s", limit, row.Unit)
	row.Note = met(row.Value < limit)
	return row
}

// none is a row whose value must be 0.
func none(row figures.Row) figures.Row {
	row.Target, row.Note = "0", met(row.Value == 0)
	return row
}

func met(yes bool) string {
	if yes {
		return "met"
	}
	return "missed"
}

// Targets: milliseconds and megabytes.
const (
	admittedLimit = 1000
	refusedLimit  = 100
	memoryLimit   = 1024
)

func (r *result) rows(o options) []figures.Row {
	p := r.pressure
	times := fmt.Sprintf("%.1f times the load", r.times())
	row := func(what string, value float64, unit string) figures.Row {
		return figures.Row{What: what, Shape: "one process", Value: value, Unit: unit, Repeats: 1}
	}
	sent := row(times+": sent", r.sent(), "calls/s")
	sent.Note = fmt.Sprintf("of %d times that were to be offered", o.times)
	rows := []figures.Row{
		row("sustainable: 64 connections", r.sustainable.rate(), "calls/s"),
		sent,
		row(times+": late in sending, p99", at(p.late, 0.99), "ms"),
		row(times+": admitted", p.rate(), "calls/s"),
		row(times+": admitted, p50", at(p.admitted, 0.5), "ms"),
		below(row(times+": admitted, p99", at(p.admitted, 0.99), "ms"), admittedLimit),
		row(times+": refused with Retry-After", float64(len(p.refused)-p.withoutRetry), "calls"),
		none(row(times+": refused without Retry-After", float64(p.withoutRetry), "calls")),
		row(times+": refused, p50", at(p.refused, 0.5), "ms"),
		below(row(times+": refused, p99", at(p.refused, 0.99), "ms"), refusedLimit),
		none(row(times+": neither admitted nor refused", float64(p.odd+p.broken), "calls")),
		row(times+": acknowledged creates", float64(len(p.created)), "rows"),
		none(row("lost: acknowledged creates that are missing", float64(r.missing), "rows")),
		row("CPU of linli a call, at the sustainable load", r.calmCPU, "µs"),
		row("CPU of linli an answer, under pressure", r.pressureCPU, "µs"),
		row("CPU of the client a call, under pressure", r.ownCPU, "µs"),
		row("RssAnon, idle", float64(r.idleMemory>>20), "MB"),
		below(row("RssAnon at most, "+times, float64(r.memory>>20), "MB"), memoryLimit),
		below(row("RssAnon at most, beside the nuisances", float64(r.memoryNuisances>>20), "MB"), memoryLimit),
	}
	for _, b := range r.beside {
		rows = append(rows, figures.Row{What: "p99 of a small load beside " + b.what, Shape: "one process", Value: b.during, Unit: "ms",
			Repeats: 1, Beside: fmt.Sprintf("%.1f ms before", b.before), Note: fmt.Sprintf("%d of its calls failed", b.failed)})
	}
	return rows
}

func (r *result) figures(o options) figures.Run {
	where := "The client shares the cores with linli"
	if o.apart {
		where = "linli has one core and the client another, also while the sustainable load is looked for"
	}
	return figures.Run{
		Name: "pressure", Page: "reliability", Section: "Pressure", Command: o.command, Rows: r.rows(o),
		Note: fmt.Sprintf("The mix is a clerk's: %s. Sustainable is what 64 connections get through that call as fast as they are answered. "+
			"Under pressure calls come at their time whatever becomes of those before, over %d connections, for %s; one that finds no connection "+
			"free is not sent. To be offered were %d times the sustainable load, sent were %.1f times: with so much the rows are marked. "+
			"Times are from when a call was due to the whole answer, so what the client is late is in them. %s; fsck found %s.",
			mixWords, o.connections, o.seconds, o.times, r.times(), where, fsckWords(r.fsck)),
	}
}

func fsckWords(err error) string {
	if err == nil {
		return "nothing wrong"
	}
	return err.Error()
}
