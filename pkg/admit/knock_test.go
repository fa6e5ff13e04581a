package admit_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/linli-project/linli/pkg/admit"
	"github.com/linli-project/linli/pkg/clock"
)

// TestKnock_IsAnsweredByTheProcess: it goes through the pipe and back again and
// again, and no longer than a moment after it is closed.
func TestKnock_IsAnsweredByTheProcess(t *testing.T) {
	t.Parallel()
	l := admit.Defaults(2)
	asked := make(chan struct{})
	k, err := admit.NewKnock(l, clock.Func(func() time.Time {
		asked <- struct{}{} // at a knock, and at its answer
		return clock.Wall().Now()
	}))
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		<-asked
	}
	closed := make(chan error)
	go func() { closed <- k.Close() }()
	for open := true; open; {
		select {
		case <-asked: // what was under way
		case err := <-closed:
			if open = false; err != nil {
				t.Error(err)
			}
		}
	}
	if k.Delay() <= 0 {
		t.Error("no delay was measured")
	}
}

// TestGates_RefuseWhatWaitsTooLong: a process that comes to its knocks late, with
// more calls before them than may wait, sends calls away, except for those that
// belong to others.
func TestGates_RefuseWhatWaitsTooLong(t *testing.T) {
	t.Parallel()
	l, err := admit.Defaults(2).Parse("delay=1us,queue=1")
	if err != nil {
		t.Fatal(err)
	}
	// Each look at this clock is an hour later: so is each answer to a knock.
	at := time.Unix(0, 0)
	looks := make(chan struct{}, 1)
	looks <- struct{}{}
	k, err := admit.NewKnock(l, clock.Func(func() time.Time {
		<-looks
		at = at.Add(time.Hour)
		now := at
		looks <- struct{}{}
		return now
	}))
	if err != nil {
		t.Fatal(err)
	}
	gates := admit.NewGates(l, clock.Wall()).Behind(k)
	for !gates[admit.Read].Refuses() {
		runtime.Gosched()
	}
	for class, gate := range gates {
		if got := gate.Refuses(); got == (class == admit.Inner) {
			t.Errorf("%s: refused is %t", class, got)
		}
	}
	if n := gates[admit.Read].Counts(); n.Late < 2 || n.Refused != 0 {
		t.Errorf("counts %+v", n)
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	if gates[admit.Read].Refuses() {
		t.Error("it is closed and refuses")
	}
	if n := testutil.CollectAndCount(gates.Collector("door"), "linli_refused_total"); n != 2*len(gates) {
		t.Errorf("%d counts of refusals, for two reasons in each class", n)
	}
}
