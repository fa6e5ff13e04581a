package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// fault is one thing that goes wrong. strike does it to a world under load and
// brings linli back; what it says went wrong in an unforeseen way are
// problems. A fault whose strike did not meet what it wanted says so by an
// error.
type fault struct {
	name   string
	mounts bool // needs the folder on a small disk of its own
	strike func(ctx context.Context, w *world) (problems []string, err error)
	// control names the cheat that the checks of this fault must catch.
	control string
}

// faults are what the loop picks from.
func faults() []fault {
	return []fault{
		{name: "kill -9", strike: killed, control: "forgotten commits"},
		{name: "kill -9 in the middle of publishing", strike: killedPublishing, control: "effects had twice"},
		{name: "a consumer that panics", strike: panicking, control: "effects swallowed"},
		{name: "clock back and forth", strike: clockMoved, control: "a clock three days on"},
		{name: "a torn file", strike: torn, control: "a file that is whole"},
		{name: "a torn stream", strike: tornStream, control: "effects swallowed"},
		{name: "flipped bits", strike: flipped, control: "a change with its checksum made good"},
		{name: "power cut", mounts: true, strike: powerCut, control: "files that are not synced"},
		{name: "full disk", mounts: true, strike: fullDisk, control: "writes that were never made"},
	}
}

// killed kills at a random moment of the load.
func killed(ctx context.Context, w *world) ([]string, error) {
	if err := w.be(w.linli); err != nil {
		return nil, err
	}
	if err := w.work(ctx, 1+w.random.IntN(40)); err != nil {
		return nil, err
	}
	if err := rest(ctx, time.Duration(w.random.IntN(20))*time.Millisecond); err != nil {
		return nil, err
	}
	w.kill()
	return nil, w.up(w.linli)
}

// killedPublishing kills in the moment of an acknowledgement: its event is
// then committed, and not yet published or filed.
func killedPublishing(ctx context.Context, w *world) ([]string, error) {
	if err := w.be(w.linli); err != nil {
		return nil, err
	}
	const tries = 10
	for range tries {
		if err := w.work(ctx, 1+w.random.IntN(10)); err != nil {
			return nil, err
		}
		w.kill()
		found, err := inspect(ctx, w.folder)
		if err != nil {
			return nil, err
		}
		if err := w.up(w.linli); err != nil {
			return nil, err
		}
		if found.pending > 0 {
			w.measured.inTheMiddle++
			return nil, nil
		}
	}
	return nil, fmt.Errorf("%d kills and no event was under way", tries)
}

// panicking has the ledger's consumer panic over one request, while others are
// solved: they must not wait for it, and it must be applied once it can be.
func panicking(ctx context.Context, w *world) ([]string, error) {
	if err := w.be(w.house); err != nil {
		return nil, err
	}
	const panics = 3
	if err := w.process.order(ctx, fmt.Sprintf("panics %d", panics)); err != nil {
		return nil, err
	}
	marked, err := w.solveMarked(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, longestOutage)
	defer cancel()
	err = poll(ctx, func() (bool, error) { return w.process.heard("panic") >= panics, nil })
	if err == nil {
		err = poll(ctx, func() (bool, error) { return w.hasEntry(ctx, marked) })
	}
	if err != nil {
		return []string{fmt.Sprintf(saysEffectsLost+"the marked request %s has no entry after %d panics: %v", marked.id, w.process.heard("panic"), err)}, nil
	}
	return nil, nil
}

// solveMarked solves one request with the hours that the consumer trips over.
func (w *world) solveMarked(ctx context.Context) (*chain, error) {
	w.load.gate.RLock()
	defer w.load.gate.RUnlock()
	c, err := w.load.post(ctx, int(w.load.next.Add(1)))
	if err != nil {
		return nil, err
	}
	return c, w.load.solve(ctx, c, markedHours)
}

// hasEntry looks whether a solved request stands in the ledger.
func (w *world) hasEntry(ctx context.Context, c *chain) (bool, error) {
	var got struct{ ID string }
	err := w.load.client.get(ctx, party(), "/v1/entries/ent_"+strings.TrimPrefix(c.id, "req_"), &got)
	var no *problem
	if errors.As(err, &no) && no.status == 404 {
		return false, nil
	}
	return err == nil, err
}

// clockMoved moves the machine's clock by up to twelve hours, forward and
// back, while the load goes on; at each stand recent writes are sent once
// more and must be known.
func clockMoved(ctx context.Context, w *world) (problems []string, err error) {
	if err := w.be(w.house); err != nil {
		return nil, err
	}
	for range 6 {
		off := time.Duration(w.random.IntN(24*60)-12*60) * time.Minute
		if err := w.setClock(ctx, off); err != nil {
			return nil, err
		}
		if err := w.work(ctx, 5); err != nil {
			return nil, err
		}
		again, err := w.load.sendAgain(ctx, w.random, 4)
		if err != nil {
			return nil, err
		}
		problems = append(problems, again...)
	}
	return problems, w.setClock(ctx, 0)
}

// setClock moves the house's clock to so much beside this machine's.
func (w *world) setClock(ctx context.Context, off time.Duration) error {
	return w.load.client.people.move(off, func() error { return w.process.order(ctx, "clock "+off.String()) })
}

// fullDisk fills the disk under load. Writes must be refused with a reason and
// reads go on; with room again everything works, without a restart.
func fullDisk(ctx context.Context, w *world) (problems []string, err error) {
	if err := w.be(w.linli); err != nil {
		return nil, err
	}
	filler := filepath.Join(filepath.Dir(w.folder), "filler")
	before := w.load.client.refusals()
	// Nobody can sign in on a full disk; who did can read.
	if _, err := w.load.client.people.token(ctx, staff(), 5*time.Minute); err != nil {
		return nil, err
	}
	if err := fill(filler); err != nil {
		return nil, err
	}
	patient, cancel := context.WithTimeout(ctx, longestOutage)
	defer cancel()
	err = poll(patient, func() (bool, error) {
		select {
		case <-w.process.ended:
			return false, errors.New("linli ended on a full disk: " + strings.Join(w.process.complaints(), " | "))
		default:
			return w.load.client.refusals() > before+2, nil
		}
	})
	if err != nil {
		return []string{"full disk: no write was refused: " + err.Error()}, os.Remove(filler)
	}
	var circle struct{ OrganizationID string }
	if err := w.load.client.get(patient, staff(), "/v1/organizations/"+communityID+"/circle", &circle); err != nil || circle.OrganizationID == "" {
		problems = append(problems, fmt.Sprintf("full disk: a read was not answered: %v", err))
	}
	if err := os.Remove(filler); err != nil {
		return nil, fmt.Errorf("make room: %w", err)
	}
	c, err := w.solveMarked(ctx)
	if err != nil {
		return nil, err
	}
	patient, cancel = context.WithTimeout(ctx, longestOutage)
	defer cancel()
	if err := poll(patient, func() (bool, error) { return w.hasEntry(patient, c) }); err != nil {
		problems = append(problems, "full disk: with room again, and without a restart, events have no effects: "+err.Error())
	}
	return problems, nil
}
