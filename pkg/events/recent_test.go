package events_test

import (
	"context"
	"errors"
	"testing"
	"time"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/events"
)

// listen runs a Recent over things until the test's end and answers what it hears.
func listen(t *testing.T, b *events.Broker, wall clock.Clock) <-chan uint64 {
	t.Helper()
	heard := make(chan uint64, 100)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- events.Recent{
			Service: "things", Subjects: []string{"linli.things.thing.*", "linli.things.other.*"}, Within: 12 * time.Minute, Wall: wall,
			Heard: func(e *typev1.EventRow) { heard <- e.GetRevision() },
		}.Run(ctx, b)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return heard
}

// hears waits for all of the revisions, each of which may come more than once.
func hears(t *testing.T, what string, heard <-chan uint64, revisions ...uint64) {
	t.Helper()
	missing := map[uint64]bool{}
	for _, r := range revisions {
		missing[r] = true
	}
	late := time.After(30 * time.Second)
	for len(missing) > 0 {
		select {
		case r := <-heard:
			delete(missing, r)
		case <-late:
			t.Fatalf("%s: never heard of %v", what, missing)
		}
	}
}

// TestRecent_MissesNothing: what was announced before it listened, while it
// listens, and while the broker was away.
func TestRecent_MissesNothing(t *testing.T) {
	r := newRemote(t)
	things, _ := newStore(t, "things")
	early := listen(t, r.connect(t, r.key, false), clock.Wall()) // before there is a broker
	mouth := r.connect(t, r.key, false)
	relay := events.NewRelay(things, mouth, quiet())
	defer relayed(t, relay)()
	r.start(t)
	emit(t, things, 1, 2, 3)
	hears(t, "one that waited for the broker", early, 1, 2, 3)
	late := listen(t, r.connect(t, r.key, false), clock.Wall())
	hears(t, "one that came late", late, 1, 2, 3)
	emit(t, things, 4)
	hears(t, "early", early, 4)
	hears(t, "late", late, 4)
	r.kill(t)
	emit(t, things, 5, 6)
	r.start(t)
	hears(t, "early, after the broker's absence", early, 5, 6)
	hears(t, "late, after the broker's absence", late, 5, 6)
	tomorrow := clock.Func(func() time.Time { return clock.Wall().Now().Add(24 * time.Hour) })
	next := listen(t, r.connect(t, r.key, false), tomorrow)
	var first uint64
	for first == 0 {
		emit(t, things, 7)
		select {
		case first = <-next:
		case <-time.After(100 * time.Millisecond): // not subscribed yet
		}
	}
	if first != 7 {
		t.Errorf("the next day it heard of %d", first)
	}
}

// TestRecent_ReadsBackMoreThanASlice: with the broker of the own process.
func TestRecent_ReadsBackMoreThanASlice(t *testing.T) {
	b := startBroker(t, t.TempDir())
	things, _ := newStore(t, "things")
	var all []uint64
	for i := range 700 {
		all = append(all, uint64(i+1))
		emit(t, things, int64(i+1))
	}
	relay := events.NewRelay(things, b, quiet())
	for sent := 0; sent < len(all); {
		n, err := relay.Flush(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sent += n
	}
	hears(t, "read back", drained(listen(t, b, clock.Wall()), len(all)), all...)
}

// drained makes room for as many as there are.
func drained(in <-chan uint64, most int) <-chan uint64 {
	out := make(chan uint64, 2*most)
	go func() {
		for range most {
			out <- <-in
		}
	}()
	return out
}
