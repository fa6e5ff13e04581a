package main

import (
	"flag"
	"io"
	"strings"
	"testing"
	"time"
)

// calm is a result in which everything is as it must be.
func calm() *result {
	second := []uint32{1000}
	return &result{
		sustainable: &tally{admitted: make([]uint32, 100), took: time.Second},
		pressure:    &tally{offered: 1000, unsent: 700, took: time.Second, admitted: second, refused: second},
	}
}

func TestRows_SayWhatWasSentAndWhetherTargetsAreMet(t *testing.T) {
	t.Parallel()
	o := options{times: 10, command: "make pressure"}
	notes := func(r *result) string {
		var missed []string
		for _, row := range r.rows(o) {
			if row.Target != "" && row.Note != "met" {
				missed = append(missed, row.What)
			}
		}
		return strings.Join(missed, "; ")
	}
	r := calm()
	if got := notes(r); got != "" {
		t.Errorf("missed %s", got)
	}
	if run := r.figures(o); !strings.Contains(run.Note, "sent were 3.0 times") || run.Rows[1].What != "3.0 times the load: sent" || run.Validate() != nil {
		t.Errorf("%s; %s; %v", run.Note, run.Rows[1].What, run.Validate())
	}
	r.pressure.admitted, r.pressure.refused = []uint32{1_000_000}, []uint32{100_000}
	r.missing, r.memory = 1, 2<<30
	want := "3.0 times the load: admitted, p99; 3.0 times the load: refused, p99; lost: acknowledged creates that are missing; RssAnon at most, 3.0 times the load"
	if got := notes(r); got != want {
		t.Errorf("missed %s", got)
	}
}

func TestAgain_NamesWhatWasSet(t *testing.T) {
	t.Parallel()
	set := flag.NewFlagSet("pressure", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, name := range []string{"linli", "figures", "for", "times"} {
		set.String(name, "", "")
	}
	if err := set.Parse([]string{"-linli", "/some/place/linli", "-for", "5s", "-times", "3"}); err != nil {
		t.Fatal(err)
	}
	if got := again(set); got != `make pressure FOR=5s ARGS="-times=3"` {
		t.Error(got)
	}
}
